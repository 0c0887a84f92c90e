"""`backup`, `restore` and `repair`: copies of the labels, and labels that come back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuilabel.cli.app import app
from tuilabel.cli.options import Json, ProjectDataset, ProjectDir, Quiet, TakeOver, print_json
from tuilabel.errors import TuilabelError, pluralize, printable


@app.command(epilog="Example: tuilabel backup labels-monday.db")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    dataset: ProjectDataset = None,
    project: ProjectDir = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Copy a project's labels to a file, also while somebody labels."""
    from tuilabel.project.recovery import backup_project

    copied = backup_project(file, dataset, project, force=force)
    if as_json:
        print_json(copied.to_json())
    else:
        typer.echo(printable(f"{pluralize(copied.events, 'event')} of {copied.project} in {copied.file}"))


@app.command(epilog="Example: tuilabel restore labels-monday.db")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup, or one of the project's snapshots.")],
    dataset: ProjectDataset = None,
    project: ProjectDir = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    take_over: TakeOver = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Put a backup in the place of a project's labels, which are kept beside it."""
    from tuilabel.project.recovery import restore_project

    if not yes and not typer.confirm(f"Put {printable(str(file))} in the place of the project's labels?"):
        raise TuilabelError("nothing was restored")
    copied = restore_project(file, dataset, project, take_over=take_over)
    if as_json:
        print_json(copied.to_json())
        return
    typer.echo(printable(f"{copied.project} has the {pluralize(copied.events, 'event')} of {copied.file}"))
    if copied.set_aside is not None:
        typer.echo(printable(f"what was there before is now {copied.set_aside}"))


@app.command(epilog="Example: tuilabel repair mnist.tuilabel")
def repair(
    dataset: ProjectDataset = None,
    project: ProjectDir = None,
    backups: Annotated[
        list[Path] | None, typer.Option("--from", metavar="FILE", help="A backup to use as well; may be repeated.")
    ] = None,
    take_over: TakeOver = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Put a project's labels together from damaged files, rescue files and snapshots; nothing is overwritten."""
    from tuilabel.project.recovery import repair_project

    repaired = repair_project(dataset, project, backups=backups or (), take_over=take_over)
    if as_json:
        print_json(repaired.to_json())
    else:
        for line in repaired.lines():
            typer.echo(printable(line))
    raise typer.Exit(1 if repaired.missing else 0)
