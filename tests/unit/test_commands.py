"""The list of commands: it is written down, so that nothing is imported for it, and says what the commands say."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tuilabel.cli import app
from tuilabel.cli.group import COMMANDS


@pytest.fixture(scope="module")
def group() -> Any:
    return get_command(app)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_a_command_is_that_of_its_own_help(group: Any, name: str) -> None:
    module, summary = COMMANDS[name]
    command = group.commands[name]
    assert command.name == name
    assert command.callback.__module__ == f"tuilabel.cli.{module}"
    assert inspect.cleandoc(command.help).partition("\n\n")[0].replace("\n", " ") == summary


def test_every_command_that_a_module_has_is_listed() -> None:
    for module in {module for module, _ in COMMANDS.values()}:
        import_module(f"tuilabel.cli.{module}")
    registered = {info.name or info.callback.__name__ for info in app.registered_commands if info.callback}
    assert registered == set(COMMANDS)


def test_help_lists_the_commands_in_order() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    first_words = [line.split()[1] for line in shown.partition("Commands")[2].splitlines() if len(line.split()) > 2]
    assert [word for word in first_words if word in COMMANDS] == list(COMMANDS)


def test_a_mistyped_command_is_answered_with_the_nearest() -> None:
    done = CliRunner().invoke(app, ["lable"])
    assert done.exit_code == 2
    assert "label" in done.output.replace("lable", "")
