"""What a labeller changes on the screen holds for their session; what an owner changes, for the project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.tiny import Tiny
from tests.integration.test_open_session import tiny_options
from tuilabel.cli import label_app
from tuilabel.labels import Project
from tuilabel.project.open_session import open_project
from tuilabel.project.team import give_role
from tuilabel.terminal.probe import Probe
from tuilabel.tui.app import LabelApp


def test_a_labeller_changes_blind_mode_and_class_keys_for_themselves_alone(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "p.tuilabel"
    options = replace(tiny_options(tiny, place), annotator="ann")
    blind_at_start: list[bool] = []

    def label(annotator: str, blind: bool, key: str) -> None:
        """A session in which somebody chooses whether it is blind, and the key of the first class."""

        def run(app: LabelApp) -> None:
            blind_at_start.append(app.session.blind)
            app.state.hide_predictions(blind)
            app.state.class_keys.choose(app.session.class_ids[0], key)

        monkeypatch.setattr(LabelApp, "run", run)
        with open_project(replace(options, annotator=annotator)) as opened:
            screen = label_app.ScreenOptions()
            chosen = label_app._screen_settings(opened.project, screen)
            label_app._run(opened, screen, chosen, label_app._class_keys(opened), Probe(ask=False), None)
            opened.project.remember_screen(chosen)

    def settings() -> tuple[object, object]:
        project = Project.read(place)
        return project.screen["blind"], next(iter(project.settings["class-keys"].values()))

    label("ann", True, "x")
    assert settings() == (True, "x")
    give_role("bob=labeller", project=place, by="ann")
    label("bob", False, "y")
    assert settings() == (True, "x")
    label("ann", False, "z")
    assert settings() == (False, "z")
    assert blind_at_start == [False, True, True]
