"""`predict`: predict images with a project's model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuilabel.cli.app import app
from tuilabel.cli.options import (
    Checkpoint,
    DataDir,
    Device,
    Json,
    Latents,
    Learner,
    ProjectDataset,
    ProjectDir,
    ProjectEncoder,
    Quiet,
    Seed,
    note,
    print_json,
)


@app.command(epilog="Example: tuilabel predict --min-confidence 0.95 --out predictions.csv")
def predict(
    dataset: ProjectDataset = None,
    project: ProjectDir = None,
    on: Annotated[
        str | None, typer.Option("--on", help="Predict these images instead of the project's images.")
    ] = None,
    on_latents: Annotated[
        Path | None,
        typer.Option(
            "--on-latents", metavar="FILE", help="Own latents of the images of --on, for a project on own latents."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write: .csv, .jsonl or .parquet. Default: CSV on stdout.")
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option("--format", help="Any format of `tuilabel export`. Default: by the suffix of --out."),
    ] = None,
    min_confidence: Annotated[float, typer.Option(help="Leave out predictions below this probability, 0 to 1.")] = 0.0,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write a column p_CLASS for each class.")
    ] = False,
    unlabelled_only: Annotated[
        bool, typer.Option("--unlabelled-only", help="Leave out images that have a label.")
    ] = False,
    spreadsheet: Annotated[
        bool,
        typer.Option("--spreadsheet", help="In csv: an apostrophe before texts that Excel would run as formulas."),
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write a report with images as one HTML page.")] = None,
    learner: Learner = None,
    encoder: ProjectEncoder = None,
    checkpoint: Checkpoint = None,
    latents: Latents = None,
    device: Device = "auto",
    seed: Seed = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Predict every image with the project's model, with calibrated probabilities."""
    from tuilabel.cli.render.console import error_console
    from tuilabel.cli.render.predictions import stdout_table, summary_lines
    from tuilabel.cli.render.progress import progress
    from tuilabel.project.options import ModelOptions
    from tuilabel.project.predict import PredictOptions
    from tuilabel.project.predict import predict as predict_pool

    with progress(error_console(quiet=as_json)) as on_progress:
        summary = predict_pool(
            ModelOptions(
                dataset=dataset,
                project=project,
                data_dir=data_dir,
                checkpoint=checkpoint,
                device=device,
                learner=learner,
                encoder=encoder,
                latents=latents,
                seed=seed,
            ),
            PredictOptions(
                on=on,
                on_latents=on_latents,
                out=out,
                html=html,
                min_confidence=min_confidence,
                probabilities=probabilities,
                unlabelled_only=unlabelled_only,
                force=force,
                file_format=file_format,
                spreadsheet=spreadsheet,
            ),
            table=None if as_json or html else stdout_table(),
            on_progress=on_progress,
            note=note,
        )
    if as_json:
        print_json(summary.to_json())
    else:
        for line in summary_lines(summary):
            note(line)
