"""`team`: who works on a project, and what each may do."""

from __future__ import annotations

from typing import Annotated

import typer

from tuilabel.cli.app import app
from tuilabel.cli.options import Annotator, Json, ProjectDataset, ProjectDir, Quiet, note, print_json, print_rich


@app.command(epilog="Example: tuilabel team --set bob=labeller")
def team(
    dataset: ProjectDataset = None,
    set_role: Annotated[
        str | None,
        typer.Option("--set", metavar="NAME=ROLE", help="Make somebody an owner or a labeller; you must be an owner."),
    ] = None,
    annotator: Annotator = None,
    project: ProjectDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Show who labels a project, who is here now, and what each may do."""
    from tuilabel.project.team import give_role, project_team

    if set_role is None:
        found = project_team(dataset, project, note=note)
    else:
        found = give_role(set_role, dataset, project, by=annotator, note=note)
    if as_json:
        print_json(found.to_json())
    else:
        from tuilabel.cli.render.project_tables import team_tables

        print_rich(team_tables(found))
