"""Who works on a project: sessions, what each is asked, and roles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilabel.datasets import DatasetLike
from tuilabel.errors import UsageError
from tuilabel.labels import Team
from tuilabel.labels.events import current_answers
from tuilabel.labels.lock import user_name
from tuilabel.labels.store.team import read_team, set_role
from tuilabel.project.locate import find_project
from tuilabel.project.progress import Note, ignore


@dataclass(frozen=True)
class ProjectTeam:
    """Who works on a project.

    Attributes
    ----------
    answers : standing answers by annotator.
    asked : by session id, how many images it is asked that have no answer yet.
    """

    project: Path
    team: Team
    answers: dict[str, int]
    asked: dict[str, int]

    @property
    def people(self) -> list[str]:
        """Everybody who has answered, is here, or has a role; most answers first."""
        names = {*self.answers, *self.team.roles, *(present.annotator for present in self.team.sessions)}
        return sorted(names, key=lambda name: (-self.answers.get(name, 0), name))

    def to_json(self) -> dict[str, Any]:
        """The team as a JSON document."""
        return {
            "project": str(self.project),
            "members": {
                name: {"role": self.team.role_of(name), "answers": self.answers.get(name, 0)} for name in self.people
            },
            "sessions": [
                {
                    "annotator": present.annotator,
                    "host": present.host,
                    "process": present.process,
                    "since": present.since.isoformat(),
                    "asked": self.asked.get(present.session, 0),
                }
                for present in self.team.sessions
            ],
        }


def project_team(
    dataset: DatasetLike | None = None, project: Path | None = None, *, note: Note = ignore
) -> ProjectTeam:
    """Who works on a project now, and what each may do.

    Parameters
    ----------
    dataset, project, note : see `find_project`.

    Raises
    ------
    TuilabelError : if there is no project, or its labels cannot be read.
    """
    found = find_project(dataset, project, note=note)
    store = found.read_store()
    try:
        standing, team = current_answers(store.events()), read_team(store)
        answers = Counter(event.annotator for event in standing.values())
        asked = {session: len(items - standing.keys()) for session, items in team.leases.items()}
        return ProjectTeam(found.directory, team, answers, asked)
    finally:
        store.close()


def give_role(
    assignment: str,
    dataset: DatasetLike | None = None,
    project: Path | None = None,
    *,
    by: str | None = None,
    note: Note = ignore,
) -> ProjectTeam:
    """Give an annotator a role, as "ada=labeller"; returns the team as it is then.

    Parameters
    ----------
    by : who gives it, who must be an owner; by default the login name.

    Raises
    ------
    UsageError : if the assignment or the role is unknown, or `by` may not give it.
    TuilabelError : as `project_team`.
    """
    name, separator, role = assignment.rpartition("=")
    if not separator or not name.strip():
        raise UsageError(f"a role is given as NAME=owner or NAME=labeller, got {assignment!r}", parameter="set")
    found = find_project(dataset, project, note=note)
    store = found.open_store()
    try:
        set_role(store, name.strip(), role.strip(), by=by or user_name())
    finally:
        store.close()
    return project_team(dataset, project, note=note)
