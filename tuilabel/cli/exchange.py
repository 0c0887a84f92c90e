"""`export` and `import`: labels to and from the files of other programs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from tuilabel.cli.app import app
from tuilabel.cli.options import (
    Checkpoint,
    DataDir,
    Dataset,
    Device,
    Encoder,
    Json,
    Latents,
    ProjectDir,
    note,
    print_json,
)
from tuilabel.errors import UsageError, printable

FORMATS = "csv, jsonl, parquet, imagefolder, huggingface, ultralytics, fiftyone, label-studio, prodigy, cleanlab"


@app.command(epilog="Example: tuilabel export --format imagefolder --out labelled")
def export(
    dataset: Dataset = "mnist",
    project: ProjectDir = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file or folder to write; csv, jsonl: else stdout.")
    ] = None,
    format: Annotated[  # noqa: A002
        str | None, typer.Option("--format", help=f"{FORMATS}; onnx, torch: the model. Else as --out ends, or csv.")
    ] = None,
    resolve: Annotated[
        str, typer.Option("--resolve", help="Several annotators of one image: latest, majority, unanimous.")
    ] = "latest",
    link: Annotated[str, typer.Option("--link", help="How images come into a folder: copy, hard, symlink.")] = "copy",
    split: Annotated[
        str | None, typer.Option("--split", help="Parts for training, validation, test, as 80,10,10.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the split; of a model that of `tuilabel label`.")] = 0,
    learner: Annotated[str, typer.Option(help="Of a model: that of `tuilabel label`, latent or mlp.")] = "latent",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file, or the folder of an export.")] = False,
    encoder: Encoder = "vae",
    checkpoint: Checkpoint = None,
    latents: Latents = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write the labels of a project for other programs, or the model that learnt from them."""
    from tuilabel.labels.exchange import ExportOptions
    from tuilabel.labels.exchange.formats import MODEL_FORMATS, format_of
    from tuilabel.project.exchange import export_labels, export_notes

    wanted = format or format_of(out)
    if as_json and out is None and wanted not in MODEL_FORMATS:
        raise UsageError("--json tells about a file or folder: give --out, or --format jsonl for labels as JSON")
    if wanted in MODEL_FORMATS:
        from tuilabel.project.export_model import agreement_line, export_model

        figures = export_model(
            dataset,
            project,
            data_dir,
            out,
            wanted,
            force=force,
            checkpoint=checkpoint,
            device=device,
            learner=learner,
            seed=seed,
            encoder=encoder,
            latents=latents,
            quiet=as_json,
        )
        note(agreement_line(figures))
        if as_json:
            print_json(figures)
        return
    figures = export_labels(
        dataset,
        project,
        data_dir,
        out,
        file_format=wanted,
        resolve=resolve,
        options=ExportOptions(force=force, link=link, split=_split(split), seed=seed),
        encoder=encoder,
        checkpoint=checkpoint,
        latents=latents,
        device=device,
        note=note,
    )
    for line in export_notes(figures):
        note(line)
    if as_json:
        print_json(figures)


@app.command("import", epilog="Example: tuilabel import labels.csv --apply")
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE_OR_FOLDER", help="Where the labels are.")],
    dataset: Dataset = "mnist",
    project: ProjectDir = None,
    format: Annotated[  # noqa: A002
        str, typer.Option("--format", help="auto, csv, jsonl, parquet, imagefolder, label-studio, prodigy.")
    ] = "auto",
    annotator: Annotated[
        str | None, typer.Option("--annotator", help="Whose labels they are; else the source's, as label-studio:alice.")
    ] = None,
    path_column: Annotated[str | None, typer.Option("--path-column", help="The column with the image's path.")] = None,
    label_column: Annotated[str | None, typer.Option("--label-column", help="The column with the class.")] = None,
    on_conflict: Annotated[
        str, typer.Option("--on-conflict", help="Where another label stands: skip the row, or replace the label.")
    ] = "skip",
    apply: Annotated[bool, typer.Option("--apply", help="Write the labels; else only tell what would be.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Take labels from a file or class folders into a project; without --apply only tell what would be written."""
    from tuilabel.labels.exchange.foreign import ImportOptions
    from tuilabel.project.exchange import import_labels, import_lines

    figures = import_labels(
        source,
        dataset,
        project,
        data_dir,
        file_format=format,
        annotator=annotator,
        options=ImportOptions(path_column, label_column),
        on_conflict=on_conflict,
        apply=apply,
    )
    if as_json:
        print_json(figures)
    else:
        for line in import_lines(figures):
            typer.echo(line)
    if not apply:
        note(f"nothing is written yet: `{printable(shlex.join(['tuilabel', *sys.argv[1:], '--apply']))}` writes it")


def _split(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    try:
        train, val, test = (int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--split {text} is none: give parts for train,val,test, as 80,10,10") from error
    return train, val, test
