"""`train-vae` and `encode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuilabel.cli.app import app
from tuilabel.cli.options import Checkpoint, DataDir, Dataset, Device, Encoder, Folders, Json, dataset_ref, print_json
from tuilabel.errors import pluralize

OLD_OPTIONS = {"views": "augmentations", "information": "mi-weight", "contrast": "contrastive-weight"}
"""What tuilabel 0.1.0 called them: still accepted, not listed by --help."""


@app.command(
    "train-vae",
    epilog="Example: tuilabel train-vae mnist --epochs 40 --out my-vae.safetensors",
    context_settings={"token_normalize_func": lambda name: OLD_OPTIONS.get(name, name)},
)
def train_vae(
    dataset: Dataset = "mnist",
    latent_dim: Annotated[
        int | None, typer.Option(help="Dimensions of the latent space; else 32 for glyphs, 64 otherwise.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the images; else 28 or, in colour, 20, of your own more the fewer they are."),
    ] = None,
    beta: Annotated[float | None, typer.Option(help="Weight of the KL term; else 1 for glyphs, 0.1 otherwise.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step; else 256, or 128 of few images.")] = None,
    lr: Annotated[
        float, typer.Option(help="Peak learning rate of the one-cycle schedule: AdamW's, and half of Muon's.")
    ] = 3e-3,
    augment: Annotated[
        bool, typer.Option("--augment/--no-augment", help="Encode an augmented image, reconstruct the original.")
    ] = True,
    augmentations: Annotated[
        str | None,
        typer.Option(help="Which augmentations: glyphs, signs, objects, photos; by default those of the dataset."),
    ] = None,
    mi_weight: Annotated[
        float | None,
        typer.Option(
            help="Weight of the mutual information between clusters of two views of an image; by default 20 for "
            "glyphs, 5 otherwise."
        ),
    ] = None,
    contrastive_weight: Annotated[
        float | None,
        typer.Option(
            help="Weight of the contrastive loss of two views of an image; by default 0 for glyphs, 10 otherwise."
        ),
    ] = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything drawn at random.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="The checkpoint to write; else ./checkpoints/DATASET.safetensors.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
    labels_from_folders: Folders = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train the VAE on all images of a dataset, without labels."""
    from tuilabel.cli.render.training import run_training

    result = run_training(
        dataset_ref(dataset, labels_from_folders),
        data_dir,
        out,
        resume=resume,
        quiet=as_json,
        latent_dim=latent_dim,
        epochs=epochs,
        beta=beta,
        batch_size=batch_size,
        lr=lr,
        augment=augment,
        augmentations=augmentations,
        mi_weight=mi_weight,
        contrastive_weight=contrastive_weight,
        device=device,
        seed=seed,
    )
    if as_json:
        print_json(result)


@app.command(epilog="Example: tuilabel encode mnist --out latents.npy")
def encode(
    dataset: Dataset = "mnist",
    encoder: Encoder = "vae",
    checkpoint: Checkpoint = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the pool's latents there, as .npy.")] = None,
    device: Device = "auto",
    labels_from_folders: Folders = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Encode a dataset with its VAE and cache the latents."""
    from tuilabel.cli.render.training import run_encoding

    result = run_encoding(
        dataset_ref(dataset, labels_from_folders), data_dir, checkpoint, out, device, quiet=as_json, encoder=encoder
    )
    if as_json:
        print_json(result)
    else:
        where = f" in {result['path']}" if result["path"] else ""
        typer.echo(f"{pluralize(result['items'], 'latent')} of {result['latent_dim']} dimensions{where}")
