"""`datasets`, `strategies` and `doctor`: what is available, and whether this machine can run it."""

from __future__ import annotations

from dataclasses import replace

import typer

from tuilabel.cli.app import app
from tuilabel.cli.errors import in_options
from tuilabel.cli.options import Color, DataDir, Images, Json, ProjectDir, Quiet, print_json, print_rich


@app.command(epilog="Example: tuilabel datasets --json")
def datasets(data_dir: DataDir = None, as_json: Json = False, _quiet: Quiet = False) -> None:
    """List the built-in datasets and show which ones are on this machine."""
    from tuilabel.cli.render.listings import dataset_rows, datasets_table

    rows = dataset_rows(data_dir)
    if as_json:
        print_json({"datasets": rows})
    else:
        print_rich(datasets_table(rows))


@app.command(epilog="Example: tuilabel strategies")
def strategies(as_json: Json = False, _quiet: Quiet = False) -> None:
    """List the query strategies."""
    from tuilabel.cli.render.listings import strategies_table, strategy_rows
    from tuilabel.strategies.support import SCORED

    rows = strategy_rows()
    if as_json:
        print_json({"strategies": rows})
    else:
        print_rich(strategies_table(rows))
        typer.echo(
            f"\nOf a pool of more than {SCORED:,} items each batch is picked from {SCORED:,} random ones, others each "
            "time. Picking from a\ntwentieth of a pool cost no accuracy where that was measured (docs/scale.md)."
        )


@app.command(epilog="Example: ssh host tuilabel doctor --json")
def doctor(
    ctx: typer.Context,
    project: ProjectDir = None,
    data_dir: DataDir = None,
    images: Images = "auto",
    colour: Color = "auto",
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Check what labelling depends on (terminal, colours, images, device, data, disks) and print a test card."""
    from tuilabel.cli.render.doctor import show
    from tuilabel.project.diagnosis import diagnose

    diagnosis = diagnose(project, data_dir, images, colour)
    params = ctx.command.params
    findings = tuple(replace(finding, advice=in_options(finding.advice, params)) for finding in diagnosis.findings)
    diagnosis = replace(diagnosis, findings=findings)
    if as_json:
        print_json(diagnosis.to_json())
    else:
        show(diagnosis)
    diagnosis.raise_for_problems()
