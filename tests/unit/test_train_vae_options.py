"""`train-vae`: options under their current and former names."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tuilabel.cli.app import app
from tuilabel.cli.vae import train_vae  # noqa: F401 - registers the command

NAMES = [("--augmentations", "--views"), ("--mi-weight", "--information"), ("--contrastive-weight", "--contrast")]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options that the command passes on; it ends before it trains."""
    passed: dict[str, Any] = {}

    def plan_training(*_: Any, **options: Any) -> None:
        passed.update(options)
        raise typer.Exit

    monkeypatch.setattr("tuilabel.project.train_vae.plan_training", plan_training)
    return passed


@pytest.mark.parametrize("old", [False, True])
def test_former_option_names_are_accepted(settings: dict[str, Any], old: bool) -> None:
    augmentations, mi_weight, contrastive_weight = (names[old] for names in NAMES)
    arguments = ["train-vae", "mnist", augmentations, "photos", mi_weight, "2", f"{contrastive_weight}=3"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert (settings["augmentations"], settings["mi_weight"], settings["contrastive_weight"]) == ("photos", 2.0, 3.0)


def test_help_lists_only_the_current_names(settings: dict[str, Any]) -> None:
    text = CliRunner().invoke(app, ["train-vae", "--help"], env={"COLUMNS": "200"}).output
    for name, old_name in NAMES:
        assert f"{name} " in text
        assert f"{old_name} " not in text
