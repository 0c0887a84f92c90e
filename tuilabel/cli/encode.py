"""`encode`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from tuilabel.cli import complete
from tuilabel.cli.app import app
from tuilabel.cli.options import (
    Checkpoint,
    DataDir,
    Dataset,
    Device,
    Encoder,
    Folders,
    Json,
    Latents,
    Quiet,
    dataset_ref,
    note,
    print_json,
)
from tuilabel.errors import TuilabelError, UsageError, pluralize, printable

SHOWN = 5  # files without latents that are named


@app.command(epilog="Example: tuilabel encode photos/ --out latents/ --engine ray")
def encode(
    dataset: Dataset = "mnist",
    encoder: Encoder = "auto",
    checkpoint: Checkpoint = None,
    latents: Latents = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="DATASET",
            help="Encode into the latent space of this dataset, for `predict --on-latents`; into a folder, in that of "
            "another such folder.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE|FOLDER",
            help="Also write the latents to this file: .parquet or .npz (with ids and paths), or .npy. A folder, or "
            "the URL of one, gets many Parquet files, and no image is copied.",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            autocompletion=complete.choices("local", "ray"),
            help="Who fills the folder: local, or ray for a Ray cluster. Default: local.",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="HOST:PORT",
            help="The Ray cluster. Default: RAY_ADDRESS, else one is started on this machine.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", help="Processes that fill the folder. Default: 1; with ray one for each GPU, else processor."
        ),
    ] = None,
    shard_size: Annotated[
        int | None,
        typer.Option(
            "--shard-size", help="Images in each file of the folder, on average. Default: as before, else 1024."
        ),
    ] = None,
    retry_unread: Annotated[
        bool, typer.Option("--retry-unread", help="Encode files of the folder again that lack images not read before.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    device: Device = "auto",
    labels_from_folders: Folders = False,
    data_dir: DataDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Encode a dataset and cache its latents, or write them to a folder, here or on a Ray cluster."""
    into_folder = out is not None and is_folder(out)
    for_folders = {
        "engine": engine,
        "address": address,
        "workers": workers,
        "shard_size": shard_size,
        "retry_unread": retry_unread or None,
    }
    given = [name for name, value in for_folders.items() if value is not None]
    if given and not into_folder:
        raise UsageError(f"{given[0]} is for latents in a folder: name one by `out='FOLDER/'`", parameter=given[0])
    if not into_folder:
        _into_cache_or_file(
            dataset, encoder, checkpoint, latents, reference, out, force, device, labels_from_folders, data_dir, as_json
        )
        return
    if latents is not None:
        raise UsageError("latents are encoded already: name a file by `out`, not a folder", parameter="latents")
    assert out is not None
    _into_folder(
        dataset, encoder, checkpoint, reference, out, device, labels_from_folders, as_json, retry_unread,
        engine or "local", address, workers, shard_size,
    )  # fmt: skip


def is_folder(out: str) -> bool:
    """Whether `--out` names a folder: one that is there, ends with a slash, is a URL, or has no suffix."""
    url = "://" in out
    last = out.rstrip("/").rpartition("/")[2]
    return out.endswith("/") or Path(out).is_dir() or (not re.search(r"\.\w+$", last)) or (url and not _is_table(last))


def _is_table(name: str) -> bool:
    return name.lower().endswith((".npy", ".npz", ".parquet"))


def _into_cache_or_file(
    dataset: str,
    encoder: str,
    checkpoint: Path | None,
    latents: Path | None,
    reference: str | None,
    out: str | None,
    force: bool,
    device: str,
    labels_from_folders: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    from tuilabel.cli.render.console import error_console
    from tuilabel.cli.render.progress import progress
    from tuilabel.project.encode_dataset import encode_dataset

    if out is not None and "://" in out:
        raise UsageError(f"out must be a file on this machine or a folder, got {out}")
    with progress(error_console(quiet=as_json)) as on_progress:
        encoded = encode_dataset(
            dataset_ref(dataset, labels_from_folders),
            None if out is None else Path(out),
            force=force,
            encoder=encoder,
            checkpoint=checkpoint,
            latents=latents,
            reference=None if reference is None else dataset_ref(reference, labels_from_folders),
            device=device,
            data_dir=data_dir,
            on_progress=on_progress,
            note=note,
        )
    if as_json:
        print_json(encoded.to_json())
    else:
        where = f" in {encoded.path}" if encoded.path else ""
        typer.echo(f"{pluralize(encoded.items, 'latent')} of {encoded.latent_dim} dimensions{where}")


def _into_folder(
    dataset: str,
    encoder: str,
    checkpoint: Path | None,
    reference: str | None,
    out: str,
    device: str,
    labels_from_folders: bool,
    as_json: bool,
    retry_unread: bool,
    engine: str,
    address: str | None,
    workers: int | None,
    shard_size: int | None,
) -> None:
    from tuilabel.cli.interrupt import Interrupted, termination_as_interrupt
    from tuilabel.cli.render.console import error_console
    from tuilabel.cli.render.progress import progress
    from tuilabel.project.encode_shards import PROBLEM_LIST, encode_shards

    try:
        with termination_as_interrupt(), progress(error_console(quiet=as_json)) as on_progress:
            encoded = encode_shards(
                dataset_ref(dataset, labels_from_folders),
                out,
                engine=engine,
                address=address,
                workers=workers,
                encoder=encoder,
                checkpoint=checkpoint,
                reference=reference,
                shard_size=shard_size,
                retry_unread=retry_unread,
                device=device,
                on_progress=on_progress,
                note=note,
            )
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: what is finished stays in {out}; the same command goes on") from None
    for problem in encoded.problems[:SHOWN]:
        note(f"{problem.name}: {problem.reason}")
    if encoded.problems:
        where = f"{encoded.out.rstrip('/')}/{PROBLEM_LIST}"
        note(f"{pluralize(len(encoded.problems), 'file')} without latents: {where} lists them")
    if as_json:
        print_json(encoded.to_json())
    else:
        rate = f", {encoded.rate:,.0f} images a second" if encoded.encoded else ""
        typer.echo(
            f"{pluralize(encoded.images, 'latent')} of {encoded.encoder} in {pluralize(encoded.shards, 'file')} in "
            f"{encoded.out}{rate}"
        )
    if encoded.failed:
        reason = next(iter(encoded.failed.values()))
        raise TuilabelError(
            f"{pluralize(len(encoded.failed), 'shard')} could not be written: {printable(reason)}; the same command "
            "tries again"
        )
