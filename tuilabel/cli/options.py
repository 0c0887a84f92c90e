"""Options that several commands share, and how they print."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tuilabel.datasets import DatasetRef

Dataset = Annotated[
    str,
    typer.Argument(
        metavar="[DATASET]",
        help="A dataset by name (`tuilabel datasets` lists them), or your own images: a folder, an archive, a "
        "manifest, an array, a URL.",
    ),
]
Folders = Annotated[
    bool, typer.Option("--labels-from-folders", help="Folders are classes: for simulations, and to judge the model.")
]
Encoder = Annotated[str, typer.Option("--encoder", help="What images are told apart by: vae, pca, resnet18, dinov2, …")]
Latents = Annotated[
    Path | None, typer.Option("--latents", metavar="FILE.npy", help="Your own latents, a row for each image.")
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="TUILABEL_DATA", show_envvar=True, help="A torchvision root with the data sets."),
]
Checkpoint = Annotated[Path | None, typer.Option("--checkpoint", help="The VAE to use; else the dataset's own.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
ProjectDir = Annotated[Path | None, typer.Option("--project", help="The project's directory; else ./DATASET.tuilabel.")]
Images = Annotated[str, typer.Option("--images", help="auto, halfblock, quadrant, sextant, kitty, ascii.")]
Color = Annotated[str, typer.Option("--color", help="auto, truecolor, 256, 16: SSH drops what a terminal has.")]
Annotator = Annotated[str | None, typer.Option("--annotator", help="Your name; else the login name.")]
Target = Annotated[float | None, typer.Option("--target", help="Accuracy to label for, as 0.95: shows what is left.")]
Theme = Annotated[str | None, typer.Option("--theme", help="tuilabel-dark, tuilabel-light, or one of Textual's.")]
PIPE_WIDTH = 110  # columns where nobody says how many there are


def dataset_ref(dataset: str, labels_from_folders: bool) -> DatasetRef:
    """The dataset that two options name together."""
    from tuilabel.datasets import as_ref

    ref = as_ref(dataset)
    return replace(ref, labels_from_folders=labels_from_folders or ref.labels_from_folders)


def names(given: list[str]) -> tuple[str, ...]:
    """The names in repeated options, each of which may hold several with commas between."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())


def note(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(text, err=True)


def print_rich(renderable: Any) -> None:
    """Print a table or text of Rich's on stdout, as wide as the terminal."""
    from rich.console import Console

    terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
    Console(width=None if terminal else PIPE_WIDTH).print(renderable)


def print_json(document: Any) -> None:
    """Print a JSON document on stdout."""
    typer.echo(json.dumps(document, indent=2))
