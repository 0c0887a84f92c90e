"""`move-store`: move a project's labels between its directory and a server."""

from __future__ import annotations

from typing import Annotated

import typer

from tuilabel.cli.app import app
from tuilabel.cli.options import Json, ProjectDataset, ProjectDir, Quiet, note, print_json
from tuilabel.errors import pluralize, printable


@app.command(
    "move-store", epilog="Example: tuilabel move-store 'postgresql://db.example.org/labels?schema=photos' photos"
)
def move_store(
    to: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="postgresql://HOST/DATABASE?schema=NAME, or `file` for the project's own directory."
        ),
    ],
    dataset: ProjectDataset = None,
    project: ProjectDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Move a project's labels to PostgreSQL, or back into its directory; both are compared before anything changes."""
    from tuilabel.project.move_store import move_store as move

    moved = move(to, dataset, project, note=note)
    if as_json:
        print_json(moved.to_json())
        return
    kinds = {"event": moved.events, "class change": moved.class_changes, "round": moved.rounds}
    counts = ", ".join(pluralize(n, kind) for kind, n in kinds.items())
    typer.echo(printable(f"moved {counts} to {moved.destination} (digest {moved.digest[:8]})"))
    note(f"{moved.source} is kept, and takes no labels any more")
