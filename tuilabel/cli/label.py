"""`label`, `review`, `stats` and `export`: a project of labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuilabel.cli.app import app
from tuilabel.cli.options import (
    Annotator,
    Checkpoint,
    Color,
    DataDir,
    Dataset,
    Device,
    Images,
    Json,
    ProjectDir,
    Target,
    Theme,
    note,
    print_json,
    print_rich,
)

if TYPE_CHECKING:
    from tuilabel.tui.start import LabelOptions


@app.command(epilog="Example: tuilabel label --strategy entropy --batch 20")
def label(
    dataset: Dataset = "mnist",
    strategy: Annotated[
        str, typer.Option(help="How to choose what to ask: `tuilabel strategies` lists them.")
    ] = "auto",
    batch: Annotated[int, typer.Option(help="Images asked at once.")] = 20,
    learner: Annotated[
        str, typer.Option(help="How to learn from labels: latent (label propagation and MLP), mlp, cnn.")
    ] = "latent",
    classes: Annotated[str | None, typer.Option(help="Class names, with commas between; else the dataset's.")] = None,
    annotator: Annotator = None,
    project: ProjectDir = None,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything drawn at random.")] = 0,
    target: Target = None,
    images: Images = "auto",
    color: Color = "auto",
    theme: Theme = None,
    data_dir: DataDir = None,
) -> None:
    """Label images by keypress while a classifier learns along."""
    from tuilabel.tui.start import LabelOptions

    _sit(
        LabelOptions(
            dataset=dataset,
            strategy=strategy,
            batch_size=batch,
            annotator=annotator,
            classes=classes,
            project=project,
            checkpoint=checkpoint,
            data_dir=data_dir,
            device=device,
            seed=seed,
            learner=learner,
            images=images,
            colour=color,
            target=target,
            theme=theme,
        )
    )


@app.command(epilog="Example: tuilabel review")
def review(
    dataset: Dataset = "mnist",
    annotator: Annotator = None,
    project: ProjectDir = None,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    images: Images = "auto",
    color: Color = "auto",
    theme: Theme = None,
    data_dir: DataDir = None,
) -> None:
    """Look again at labels that are most likely wrong, flagged, or disputed; keep or change each with one key."""
    from tuilabel.labels import Project
    from tuilabel.tui.start import LabelOptions

    Project.read(project or Path(f"{dataset}.tuilabel"))
    _sit(
        LabelOptions(
            dataset=dataset,
            strategy="auto",
            batch_size=20,
            annotator=annotator,
            project=project,
            checkpoint=checkpoint,
            data_dir=data_dir,
            device=device,
            images=images,
            colour=color,
            theme=theme,
            review=True,
        )
    )


def _sit(options: LabelOptions) -> None:
    """Run the screen, and say how it ended."""
    from tuilabel.tui.start import run

    outcome = run(options, note)
    for line in outcome.lines():
        typer.echo(line, err=outcome.exit_code != 0)
    raise typer.Exit(outcome.exit_code)


@app.command(epilog="Example: tuilabel stats --json")
def stats(
    dataset: Dataset = "mnist", project: ProjectDir = None, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """What a project holds: labels by class and annotator, accuracy with its interval."""
    from tuilabel.console.reports import project_statistics, statistics_table

    figures = project_statistics(dataset, project, data_dir)
    if as_json:
        print_json(figures)
    else:
        print_rich(statistics_table(figures))


@app.command(epilog="Example: tuilabel export --out labels.csv")
def export(
    dataset: Dataset = "mnist",
    project: ProjectDir = None,
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; else stdout.")] = None,
    format: Annotated[  # noqa: A002
        str,
        typer.Option(
            "--format",
            help="csv: columns id,path,label,annotator,labelled_at,seconds; onnx, torch: the model, to run elsewhere.",
        ),
    ] = "csv",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    learner: Annotated[str, typer.Option(help="Of a model: that of `tuilabel label`, latent or mlp.")] = "latent",
    seed: Annotated[int, typer.Option(help="Of a model: that of `tuilabel label`.")] = 0,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    data_dir: DataDir = None,
) -> None:
    """Write the labels of a project, or its model."""
    from tuilabel.deploy import FORMATS

    if format in FORMATS:
        from tuilabel.console.deploying import agreement_line, export_model

        result = export_model(
            dataset,
            project,
            data_dir,
            out,
            format,
            force=force,
            checkpoint=checkpoint,
            device=device,
            learner=learner,
            seed=seed,
        )
        note(agreement_line(result))
        return
    from tuilabel.console.reports import export_labels

    written = export_labels(dataset, project, data_dir, out, file_format=format, force=force)
    if out is not None:
        note(f"{written:,} labels in {out}")
