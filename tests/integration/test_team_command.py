"""`tuilabel team`: who labels a project, who is here, and what each may do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.tiny import Tiny
from tests.integration.test_open_session import tiny_options
from tuilabel.errors import UsageError
from tuilabel.project.open_session import open_session
from tuilabel.project.team import give_role, project_team


def test_who_labels_a_project_and_who_is_here(tiny: Tiny, tmp_path: Path) -> None:
    options = replace(tiny_options(tiny, tmp_path / "p.tuilabel"), annotator="ann")
    with open_session(options) as session:
        assert session.batch is not None
        session.label(session.batch.items[0].index, 1)
        found = project_team(project=options.project)
        (present,) = found.team.sessions
        assert present.annotator == "ann"
        assert found.asked[present.session] == len(session.batch.items) - 1
        with pytest.raises(UsageError, match="bob is not an owner"):
            give_role("bob=owner", project=options.project, by="bob")
        with pytest.raises(UsageError, match="NAME=owner"):
            give_role("bob", project=options.project, by="ann")
        give_role("bob=labeller", project=options.project, by="ann")
    found = project_team(project=options.project)
    assert not found.team.sessions, "ann has left"
    document = json.loads(json.dumps(found.to_json()))
    assert document["members"] == {
        "ann": {"role": "owner", "answers": 1},
        "bob": {"role": "labeller", "answers": 0},
    }


def test_a_labeller_cannot_begin_a_project(tiny: Tiny, tmp_path: Path) -> None:
    options = replace(tiny_options(tiny, tmp_path / "p.tuilabel"), annotator="bob", role="labeller")
    with pytest.raises(UsageError, match="a labeller cannot begin a project"), open_session(options):
        pass
    with pytest.raises(UsageError, match="unknown role 'boss'"), open_session(replace(options, role="boss")):
        pass


def test_the_project_remembers_the_overlap(tiny: Tiny, tmp_path: Path) -> None:
    options = replace(tiny_options(tiny, tmp_path / "p.tuilabel"), annotator="ann", overlap=2, overlap_share=1.0)
    for each in (options, replace(options, overlap=None, overlap_share=None)):
        with open_session(each) as session:
            assert session.batch is not None
            assert all(item.overlap and item.hidden for item in session.batch.items)
