"""The documentation names files that exist, and commands and options that the program has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from tuilabel.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
PACKAGES = "|".join(sorted(path.name for path in (ROOT / "tuilabel").iterdir() if path.is_dir()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(rf"`((?:(?:{PACKAGES})/)[\w/]+(?:\.py|/))`", page.read_text())
    missing = [name for name in named if not (ROOT / "tuilabel" / name).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_and_options_that_a_page_shows_exist(page: Path) -> None:
    group = get_command(app)
    context = typer.Context(group)
    wrong = []
    for command, rest in re.findall(
        r"^(?:    |\$ )*tuilabel ([a-z][a-z-]+)(.*)$", page.read_text(), flags=re.MULTILINE
    ):
        subcommand = group.get_command(context, command)  # type: ignore[attr-defined]
        if subcommand is None:
            wrong.append(command)
            continue
        options = {option for parameter in subcommand.params for option in (*parameter.opts, *parameter.secondary_opts)}
        wrong += [
            f"{command} {option}"
            for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)
            if option not in options | {"--help"}
        ]
    assert not wrong
