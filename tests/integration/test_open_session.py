"""Labelling a project from Python."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.tiny import Tiny
from tuilabel.errors import UsageError
from tuilabel.project.open_session import open_session
from tuilabel.project.options import SessionOptions
from tuilabel.project.statistics import project_statistics


def tiny_options(tiny: Tiny, project: Path) -> SessionOptions:
    return SessionOptions(
        "fashion-mnist",
        project=project,
        annotator="ann",
        batch_size=5,
        learner="mlp",
        checkpoint=tiny.checkpoint,
        device="cpu",
        data_dir=tiny.data_dir,
    )


def test_one_call_resumes_a_session(tiny: Tiny, tmp_path: Path) -> None:
    options = tiny_options(tiny, tmp_path / "p.tuilabel")
    for n_rounds in range(2):
        with open_session(options) as session:
            assert session.statistics().labelled == 5 * n_rounds
            assert session.pool.targets is not None
            assert session.batch is not None
            for item in session.batch.items:
                session.label(item.index, int(session.pool.targets[item.index]))
            assert session.statistics().labelled == 5 * (n_rounds + 1)
    with open_session(options) as session:
        session.undo()
    statistics = project_statistics("fashion-mnist", options.project, tiny.data_dir)
    assert statistics.log.labelled == 9
    assert statistics.log.annotators == (("ann", 9),)
    assert statistics.log.test_accuracy is not None


def test_two_sessions_share_a_project(tiny: Tiny, tmp_path: Path) -> None:
    options = tiny_options(tiny, tmp_path / "p.tuilabel")
    with (
        open_session(replace(options, annotator="ann")) as ann,
        open_session(replace(options, annotator="bob")) as bob,
    ):
        assert ann.batch is not None
        assert bob.batch is not None
        assert not {item.index for item in ann.batch.items} & {item.index for item in bob.batch.items}
        ann.label(ann.batch.items[0].index, 3)
        bob.label(bob.batch.items[0].index, 4)
        assert sorted(event.annotator for event in bob.standing.values()) == ["ann", "bob"]


def test_wrong_options_are_reported_before_anything_is_created(tmp_path: Path) -> None:
    options = SessionOptions("mnist", project=tmp_path / "p", learner="latnt")
    with pytest.raises(UsageError, match="unknown learner 'latnt'"), open_session(options):
        pass
    assert not (tmp_path / "p").exists()
