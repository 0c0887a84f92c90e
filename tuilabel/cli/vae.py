"""`train-vae`."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from tuilabel.cli.app import app
from tuilabel.cli.options import (
    DataDir,
    Dataset,
    Device,
    Folders,
    Json,
    Quiet,
    dataset_ref,
    print_json,
)
from tuilabel.errors import UsageError

OLD_OPTIONS = {"views": "augmentations", "information": "mi-weight", "contrast": "contrastive-weight"}
"""Option names of tuilabel 0.1.0 and their new names. The old names are still accepted but not listed by --help."""


@app.command(
    "train-vae",
    epilog="Example: tuilabel train-vae mnist --epochs 40 --out my-vae.safetensors",
    context_settings={"token_normalize_func": lambda name: OLD_OPTIONS.get(name, name)},
)
def train_vae(
    dataset: Dataset = "mnist",
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="ENCODER",
            help="Train on the features of this pretrained network, such as efficientnet_lite2, instead of pixels; "
            "use it with --encoder vae-on:ENCODER.",
        ),
    ] = None,
    latent_dim: Annotated[
        int | None, typer.Option(help="Dimensions of the latent space. Default: 32 for glyphs, 64 otherwise.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the images. Default: 28, or 20 in colour; more for small datasets of your own."),
    ] = None,
    stop_early: Annotated[
        bool,
        typer.Option(
            "--stop-early",
            help="Take fewer epochs if the neighbours of held-out images no longer improve; from 5,000 images on.",
        ),
    ] = False,
    beta: Annotated[float | None, typer.Option(help="Weight of the KL term. Default: 1 for glyphs, else 0.1.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images per step. Default: 256, or 128 for small datasets.")
    ] = None,
    lr: Annotated[
        float, typer.Option(help="Peak learning rate of the one-cycle schedule, for AdamW; Muon uses twice that.")
    ] = 3e-3,
    augment: Annotated[
        bool, typer.Option("--augment/--no-augment", help="Encode augmented images and reconstruct the originals.")
    ] = True,
    augmentations: Annotated[
        str | None,
        typer.Option(help="Which augmentations: glyphs, signs, objects, photos. Default: those of the dataset."),
    ] = None,
    mi_weight: Annotated[
        float | None,
        typer.Option(
            help="Weight of the mutual information between clusters of two augmentations of an image. Default: 20 for "
            "glyphs, 5 otherwise."
        ),
    ] = None,
    contrastive_weight: Annotated[
        float | None,
        typer.Option(
            help="Weight of the contrastive loss of two augmentations of an image. Default: 0 for glyphs, 10 otherwise."
        ),
    ] = None,
    copies: Annotated[
        int | None,
        typer.Option(help="With --on: augmented copies of each image to train on. Default: 4, or 2 of many images."),
    ] = None,
    device: Device = "auto",
    processes: Annotated[
        int,
        typer.Option(
            help="Train by this many processes, each with its share of every batch: one for each GPU. On several "
            "machines start them by torchrun instead."
        ),
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The checkpoint to write. Default: ./checkpoints/DATASET.safetensors, with --on "
            "DATASET-on-ENCODER.safetensors.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue after the last finished epoch.")] = False,
    labels_from_folders: Folders = False,
    data_dir: DataDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Train the VAE on all images of a dataset, without labels."""
    from tuilabel.cli.processes import is_one_of_several, run_processes

    if processes < 1:
        raise UsageError(f"processes must be at least 1, got {processes}", parameter="processes")
    if processes > 1 and not is_one_of_several():
        raise typer.Exit(run_processes(processes, sys.argv[1:]))

    from tuilabel.cli.render.console import error_console
    from tuilabel.cli.render.progress import progress
    from tuilabel.cli.render.training import print_summary, training_progress
    from tuilabel.cli.signals import stop_requested
    from tuilabel.cli.train_command import train_command
    from tuilabel.encoders.device_check import check_device_name
    from tuilabel.encoders.vae.header import partial_path
    from tuilabel.encoders.vae.processes import joined, launched
    from tuilabel.encoders.vae.run import TrainingStopped
    from tuilabel.encoders.vae.training import model_size
    from tuilabel.project.train_vae import compute_features, plan_training, train_planned

    check_device_name(device)
    this = launched()
    err = error_console(quiet=as_json or not this.first)
    ref = dataset_ref(dataset, labels_from_folders)
    with nullcontext() if this.first else joined(device):  # which waits until the first one has read the images
        with progress(err) as on_reading:
            plan = plan_training(
                ref,
                out,
                data_dir=data_dir,
                on=on,
                on_progress=on_reading,
                latent_dim=latent_dim,
                epochs=epochs,
                stop_early=stop_early,
                beta=beta,
                batch_size=batch_size,
                lr=lr,
                augment=augment,
                augmentations=augmentations,
                mi_weight=mi_weight,
                contrastive_weight=contrastive_weight,
                copies=copies,
                seed=seed,
            )
        partial = partial_path(plan.checkpoint)
        if partial.exists() and not resume:
            err.print(f"starting over: {partial} of an unfinished run is overwritten (--resume continues it)")
        height, width = plan.pool.images.shape[1:3]
        if on is None and (height, width) != model_size(height, width):
            err.print("images of {}×{} are resized to {}×{}".format(height, width, *model_size(height, width)))
        command = train_command(ref, plan, out=out, data_dir=data_dir, device=device)
        try:
            with stop_requested() as should_stop:
                with progress(err) as on_features:
                    compute_features(plan, device=device, on_progress=on_features, should_stop=should_stop)
                with training_progress(err) as on_progress:
                    trained = train_planned(
                        plan,
                        device=device,
                        resume=resume,
                        command=command,
                        on_progress=on_progress,
                        should_stop=should_stop,
                    )
        except TrainingStopped as stop:
            if not this.first:
                raise typer.Exit(stop.exit_code) from None
            raise TrainingStopped(f"{stop}: continue with `{command} --resume`") from None
    if not this.first:
        return
    if as_json:
        print_json(trained.to_json())
    else:
        print_summary(trained, plan)
