"""`datasets`, `strategies` and `doctor`: what there is."""

from __future__ import annotations

from tuilabel.cli.app import app
from tuilabel.cli.options import Color, DataDir, Images, Json, ProjectDir, print_json, print_rich


@app.command(epilog="Example: tuilabel datasets --json")
def datasets(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the datasets known by name, and which are here."""
    from tuilabel.cli.render.listings import dataset_rows, datasets_table

    rows = dataset_rows(data_dir)
    if as_json:
        print_json(rows)
    else:
        print_rich(datasets_table(rows))


@app.command(epilog="Example: tuilabel strategies")
def strategies(as_json: Json = False) -> None:
    """List the query strategies."""
    from tuilabel.cli.render.listings import strategies_table, strategy_rows

    rows = strategy_rows()
    if as_json:
        print_json(rows)
    else:
        print_rich(strategies_table(rows))


@app.command(epilog="Example: ssh host tuilabel doctor --json")
def doctor(
    project: ProjectDir = None,
    data_dir: DataDir = None,
    images: Images = "auto",
    colour: Color = "auto",
    as_json: Json = False,
) -> None:
    """What is here: terminal, colours, pictures, device, data, disks; and a test card to look at."""
    from tuilabel.cli.render.doctor import examine, show

    report = examine(project, data_dir, images, colour)
    if as_json:
        print_json(report.document())
    else:
        show(report)
    report.raise_for_problems()
