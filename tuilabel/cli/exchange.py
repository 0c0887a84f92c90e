"""`export` and `import`: exchange labels with other programs, and export the model."""

from __future__ import annotations

import shlex
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuilabel.cli import complete
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
    Store,
    note,
    print_json,
)
from tuilabel.errors import UsageError, printable, unknown_name

if TYPE_CHECKING:
    from tuilabel.project.options import ModelOptions

FORMATS = "csv, jsonl, parquet, imagefolder, huggingface, ultralytics, fiftyone, label-studio, prodigy, cleanlab"
IMPORT_FORMATS = f"auto, {FORMATS}, cvat, labelme"


@app.command(epilog="Example: tuilabel export --format imagefolder --out labelled")
def export(
    dataset: ProjectDataset = None,
    project: ProjectDir = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file or folder to write. Default for csv and jsonl: stdout.")
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            autocompletion=complete.choices(*FORMATS.split(", "), "onnx", "torch"),
            help=f"{FORMATS}; or the model: onnx, torch. Default: by the suffix of --out, or csv.",
        ),
    ] = None,
    resolve: Annotated[
        str,
        typer.Option(
            "--resolve",
            autocompletion=complete.choices("latest", "majority", "unanimous"),
            help="Which label to export if annotators disagree: latest, majority, unanimous.",
        ),
    ] = "latest",
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="FILTER", help="Only what matches, such as 'class:cat by:ada -flagged'."),
    ] = None,
    flagged: Annotated[bool, typer.Option("--flagged", help="Only flagged images, with or without a label.")] = False,
    link: Annotated[
        str, typer.Option("--link", help="How to put image files into a folder: copy, hard (link), symlink.")
    ] = "copy",
    split: Annotated[
        str | None, typer.Option("--split", help="Percentages for training, validation and test, such as 80,10,10.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            help="Seed of the split (default: 0); for a model, of all random numbers (default: as in the project).",
        ),
    ] = None,
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet",
            help="In csv: an apostrophe before texts that Excel would run as formulas; `import` takes it away.",
        ),
    ] = False,
    learner: Learner = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file or exported folder.")] = False,
    encoder: ProjectEncoder = None,
    checkpoint: Checkpoint = None,
    latents: Latents = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Export the labels of a project for other programs, or the model trained on them."""
    from tuilabel.cli.render.exchange import export_lines, print_table
    from tuilabel.deploy import FORMATS as MODEL_FORMATS
    from tuilabel.labels.exchange import FORMATS as LABEL_FORMATS
    from tuilabel.labels.exchange import ExportOptions
    from tuilabel.project.exchange import export_labels

    wanted = file_format or _format_of(out)
    if wanted not in (*LABEL_FORMATS, *MODEL_FORMATS):
        raise unknown_name("format", wanted, (*LABEL_FORMATS, *MODEL_FORMATS))
    if as_json and out is None and wanted not in MODEL_FORMATS:
        raise UsageError("--json describes what was written: pass --out too, or use --format jsonl for labels as JSON")
    if wanted in MODEL_FORMATS:
        from tuilabel.project.options import ModelOptions

        model = ModelOptions(dataset, project, data_dir, checkpoint, device, learner, encoder, latents, seed)
        _export_model(model, wanted, out, force=force, as_json=as_json)
        return
    table = StringIO(newline="")
    summary = export_labels(
        dataset,
        out or table,
        file_format=wanted,
        project=project,
        data_dir=data_dir,
        resolve=resolve,
        where=" ".join(filter(None, ("flagged" if flagged else "", where))) or None,
        options=ExportOptions(force=force, link=link, split=_shares(split), seed=seed or 0, spreadsheet=spreadsheet),
        learner=learner,
        encoder=encoder,
        checkpoint=checkpoint,
        latents=latents,
        device=device,
        note=note,
    )
    if out is None:
        print_table(table.getvalue())
    for line in export_lines(summary):
        note(line)
    if as_json:
        print_json(summary.to_json())


@app.command("import", epilog="Example: tuilabel import labels.csv --apply")
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE_OR_FOLDER", help="The labels to import.")],
    dataset: ProjectDataset = None,
    project: ProjectDir = None,
    store: Store = None,
    file_format: Annotated[
        str,
        typer.Option(
            "--format", autocompletion=complete.choices(*IMPORT_FORMATS.split(", ")), help=f"{IMPORT_FORMATS}."
        ),
    ] = "auto",
    annotator: Annotated[
        str | None,
        typer.Option(
            "--annotator", help="Who gave the labels. Default: the name in the file, such as label-studio:alice."
        ),
    ] = None,
    path_column: Annotated[str | None, typer.Option("--path-column", help="The column with image paths.")] = None,
    label_column: Annotated[str | None, typer.Option("--label-column", help="The column with class names.")] = None,
    on_conflict: Annotated[
        str,
        typer.Option(
            "--on-conflict", help="If an image already has another label: skip the row, or replace the label."
        ),
    ] = "skip",
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the labels. Without it, only show what would change.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Import labels from a file or from class folders; without --apply, only show what would change."""
    from tuilabel.cli.render.exchange import import_lines
    from tuilabel.labels.exchange import ImportOptions
    from tuilabel.project.exchange import import_labels

    summary = import_labels(
        source,
        dataset,
        file_format=file_format,
        project=project,
        data_dir=data_dir,
        annotator=annotator,
        options=ImportOptions(path_column, label_column),
        on_conflict=on_conflict,
        apply=apply,
        store=store,
        note=note,
    )
    if as_json:
        print_json(summary.to_json())
    else:
        for line in import_lines(summary):
            typer.echo(line)
    if not apply:
        command = printable(shlex.join(["tuilabel", *sys.argv[1:], "--apply"]))
        note(f"nothing has been written yet: run `{command}` to write it")


def _export_model(model: ModelOptions, file_format: str, out: Path | None, *, force: bool, as_json: bool) -> None:
    from tuilabel.cli.render.console import error_console
    from tuilabel.cli.render.exported_model import agreement_line
    from tuilabel.cli.render.progress import progress
    from tuilabel.project.export_model import export_model

    with progress(error_console(quiet=as_json)) as on_progress:
        exported = export_model(model, file_format, out, force=force, on_progress=on_progress, note=note)
    note(agreement_line(exported))
    if as_json:
        print_json(exported.to_json())


def _format_of(out: Path | None) -> str:
    """The format implied by the suffix of `out`, or csv."""
    from tuilabel import deploy
    from tuilabel.labels import exchange

    if out is None:
        return "csv"
    return deploy.format_for_path(out) or exchange.format_for_path(out) or "csv"


def _shares(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    try:
        train, val, test = (int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--split must be three whole numbers for training, validation and test (such as 80,10,10), got {text!r}"
        ) from error
    return train, val, test
