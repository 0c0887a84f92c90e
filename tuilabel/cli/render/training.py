"""`train-vae` and `encode` without a screen: progress on stderr, a summary at the end."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tuilabel.cli.render.progress import progress
from tuilabel.datasets import DatasetRef, ImagePool, open_pool
from tuilabel.encoders import choose_encoder
from tuilabel.encoders.device_check import check_device_name
from tuilabel.encoders.table import table_of
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.encoders.vae.training import TrainingStopped, TrainProgress, model_size, partial_path, train_vae
from tuilabel.errors import TuilabelError
from tuilabel.project.locate import project_directory

PREVIEW_IMAGES = 16


def run_training(
    dataset: DatasetRef,
    data_dir: Path | None,
    out: Path | None,
    *,
    device: str,
    resume: bool,
    quiet: bool,
    **options: Any,
) -> dict[str, Any]:
    """Train the VAE of a dataset with progress on stderr; `options` are those of `TrainSettings`.

    Returns
    -------
    What `train-vae --json` prints: checkpoint, dataset, images, settings, metrics, command.

    Raises
    ------
    TuilabelError, UsageError : as `open_pool` and `train_vae`.
    """
    check_device_name(device)
    TrainSettings.for_augmentations(
        options["augmentations"] or "glyphs", **_without(options, "augmentations")
    )  # before anything is read
    err = Console(stderr=True, quiet=quiet, highlight=False)
    with progress(err) as show_reading:
        pool = open_pool(dataset, data_dir, show_reading)
    settings = _settings(pool, options)
    path = out or Path("checkpoints") / f"{pool.name}.safetensors"
    command = _command(dataset, pool, settings, data_dir, out, device)
    if partial_path(path).exists() and not resume:
        err.print(f"starting anew: {partial_path(path)} of an unfinished run is overwritten (--resume goes on with it)")
    height, width, channels = pool.images.shape[1:]
    if (height, width) != model_size(height, width):
        err.print("images of {}×{} are resized to {}×{}".format(height, width, *model_size(height, width)))
    try:
        with _stop_requested() as stopped, _display(err) as show:
            model, header = train_vae(
                pool.images,
                settings,
                path,
                dataset=pool.name,
                fingerprint=pool.fingerprint,
                command=command,
                device=device,
                resume=resume,
                on_progress=show,
                should_stop=stopped,
            )
    except TrainingStopped as stop:
        raise TrainingStopped(f"{stop}: go on with `{command} --resume`") from None
    if not quiet:
        _summary(path, pool, header.metrics, model)
    return {
        "checkpoint": str(path),
        "dataset": pool.name,
        "images": len(pool.images),
        "image_shape": [height, width, channels],
        "settings": header.settings,
        "metrics": header.metrics,
        "command": header.command,
    }


def run_encoding(
    dataset: DatasetRef,
    data_dir: Path | None,
    checkpoint: Path | None,
    out: Path | None,
    device: str,
    quiet: bool,
    encoder: str = "vae",
) -> dict[str, Any]:
    """Encode a dataset with progress on stderr, into the cache and to `out` where one is given.

    Returns
    -------
    What `encode --json` prints: dataset, encoder, checkpoint, items, latent_dim, path.

    Raises
    ------
    TuilabelError, UsageError : as `open_pool` and `Encoder.encode`; an `out` that cannot be written.
    """
    import numpy as np

    from tuilabel.files import atomic_write

    check_device_name(device)
    err = Console(stderr=True, quiet=quiet, highlight=False)
    with progress(err) as show_reading:
        pool = open_pool(dataset, data_dir, show_reading)
    project = project_directory(dataset.location, None)
    chosen = choose_encoder(encoder, pool, checkpoint=checkpoint, project=project)
    if chosen is None:
        raise TuilabelError(f"no VAE for {pool.name} yet: train it with `{shlex.join(_train_words(dataset))}`")
    with Progress(
        TextColumn("encoding"), BarColumn(), TextColumn("{task.completed:,}/{task.total:,}"), console=err
    ) as bar:
        task = bar.add_task("", total=len(pool.images))
        latents = chosen.encode(pool, device, lambda done, total: bar.update(task, completed=done, total=total))
        bar.update(task, completed=len(pool.images))  # what was cached, or takes no time, has not been counted
    if out is not None:
        with atomic_write(out) as temporary, temporary.open("wb") as file:
            np.save(file, table_of(pool, latents))
    return {
        "dataset": pool.name,
        "encoder": chosen.name,
        "checkpoint": None if chosen.path is None else str(chosen.path),
        "items": len(latents.pool),
        "latent_dim": int(latents.pool.shape[1]),
        "path": None if (out or latents.path) is None else str(out or latents.path),
    }


def _settings(pool: ImagePool, options: dict[str, Any]) -> TrainSettings:
    """Those that were given, the others as they do best for the dataset, or for so many images."""
    augmentations = options["augmentations"] or pool.augmentations
    given = _without(options, "augmentations")
    if pool.is_builtin:
        return TrainSettings.for_augmentations(augmentations, **given)
    return TrainSettings.for_pool(len(pool), augmentations, **given)


def _without(options: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != name}


def _train_words(dataset: DatasetRef) -> list[str]:
    """The words of the command line that trains a VAE for the dataset."""
    return [
        "tuilabel",
        "train-vae",
        dataset.location,
        *(["--labels-from-folders"] if dataset.labels_from_folders else []),
    ]


def _command(
    dataset: DatasetRef, pool: ImagePool, settings: TrainSettings, data_dir: Path | None, out: Path | None, device: str
) -> str:
    """The command line that trains this: only what is not the default."""
    words = _train_words(dataset)
    usual = replace(_settings(pool, {"augmentations": settings.augmentations}), augmentations=pool.augmentations)
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value == getattr(usual, field.name):
            continue
        name = field.name.replace("_", "-")
        words += [f"--{name}" if value else f"--no-{name}"] if isinstance(value, bool) else [f"--{name}", f"{value}"]
    for name, given in (("out", out), ("data-dir", data_dir), ("device", None if device == "auto" else device)):
        if given is not None:
            words += [f"--{name}", str(given)]
    return shlex.join(words)


@contextmanager
def _stop_requested() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or a termination was asked for; a second Ctrl-C ends at once."""
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _display(console: Console) -> Iterator[Callable[[TrainProgress], None]]:
    """A live line on a terminal, a line an epoch elsewhere."""
    if not console.is_terminal:
        yield lambda now: console.print(_figures(now), soft_wrap=True) if now.images_done == now.images_total else None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=console, expand=True, transient=True) as bar:
        task = bar.add_task("starting", total=None, figures="")

        def show(now: TrainProgress) -> None:
            description, _, figures = _figures(now).partition(" · ")
            bar.update(
                task, description=description, completed=now.images_done, total=now.images_total, figures=figures
            )
            if now.images_done == now.images_total:
                bar.console.print(_figures(now))

        yield show


def _figures(now: TrainProgress) -> str:
    minutes, seconds = divmod(round(now.seconds_left), 60)
    return (
        f"epoch {now.epoch:>{len(str(now.epochs))}}/{now.epochs} · {now.images_per_second:,.0f} images/s · "
        f"reconstruction {now.reconstruction:.2f} · KL {now.kl:.2f} · "
        f"mutual information {now.mutual_information:.2f} nats · "
        f"{minutes}:{seconds:02} left"
    )


def _summary(path: Path, pool: ImagePool, metrics: dict[str, float], model: Any) -> None:
    from tuilabel.cli.render.preview import preview
    from tuilabel.encoders.vae.decode import reconstruct

    console = Console(highlight=False)
    if console.is_terminal:
        images = (pool.images if pool.test is None else pool.test.images)[:PREVIEW_IMAGES]
        console.print(preview(images, reconstruct(model, images), console.width))
    loss = metrics["reconstruction_nats"] + metrics["kl_nats"]
    console.print(
        f"{path}: {loss:.2f} nats per image, {metrics['seconds'] / 60:.1f} minutes. Now: tuilabel label {pool.name}",
        markup=False,
        soft_wrap=True,
    )
