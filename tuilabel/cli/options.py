"""Options that several commands share, and helpers for printing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuilabel.cli import complete
from tuilabel.cli.render.silence import Silence
from tuilabel.errors import printable
from tuilabel.terminal import IMAGE_CHOICES
from tuilabel.version import SCHEMA

if TYPE_CHECKING:
    from tuilabel.datasets import DatasetRef

Dataset = Annotated[
    str,
    typer.Argument(
        metavar="[DATASET]",
        autocompletion=complete.datasets,
        help="A built-in dataset (`tuilabel datasets` lists them), or your own images: a folder, an archive, a "
        "manifest, an array or a URL.",
    ),
]
ProjectDataset = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATASET]",
        autocompletion=complete.datasets,
        help="The images of the project: a built-in dataset, or your own: a folder, an archive, a manifest, an array "
        "or a URL. Default: those of --project, else mnist.",
    ),
]
Folders = Annotated[
    bool,
    typer.Option(
        "--labels-from-folders", help="Take the true classes from folder names, for simulations and test sets."
    ),
]
Encoder = Annotated[
    str,
    typer.Option(
        "--encoder",
        autocompletion=complete.encoders,
        help="What turns images into latents: auto, vae, pca, timm:NAME, …",
    ),
]
ProjectEncoder = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        autocompletion=complete.encoders,
        help="What turns images into latents: auto, vae, pca, timm:NAME, … Default: as in the project, else auto.",
    ),
]
Learner = Annotated[
    str | None,
    typer.Option(
        "--learner",
        autocompletion=complete.choices("latent", "mlp", "cnn"),
        help="The classifier: latent (label propagation and MLP), mlp or cnn. Default: as in the project, else latent.",
    ),
]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Seed of all random numbers. Default: as in the project, else 0.")
]
Latents = Annotated[
    Path | None,
    typer.Option(
        "--latents",
        metavar="FILE|FOLDER",
        help="Your own latents, one row per image: .parquet, a folder of these, or .npz with ids or paths, or .npy.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="TUILABEL_DATA",
        show_envvar=True,
        help="A torchvision root folder with the built-in datasets.",
    ),
]
Checkpoint = Annotated[
    Path | None, typer.Option("--checkpoint", help="The VAE checkpoint. Default: the one for the dataset.")
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        autocompletion=complete.choices("auto", "cpu", "cuda", "mps"),
        help="auto, cpu, cuda, cuda:1 or mps.",
    ),
]


def _silence(quiet: bool) -> bool:
    Silence.on = quiet
    return quiet


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", callback=_silence, help="Print results and errors only, no progress or notes.")
]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON document on stdout, and nothing else.")]
ProjectDir = Annotated[
    Path | None,
    typer.Option("--project", help="The project directory. Default: the one of DATASET, ./DATASET.tuilabel."),
]
Unlocked = Annotated[
    bool, typer.Option("--allow-unlocked", help="Go on where the file system has no locks: nobody else may be in.")
]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take the project from a session that is gone, with its host, say.")
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Keep the labels of a new project in PostgreSQL: postgresql://HOST/DATABASE?schema=NAME. Default: "
        "TUILABEL_STORE, which may have a password, or the project directory.",
    ),
]
Images = Annotated[
    str,
    typer.Option(
        "--images",
        autocompletion=complete.choices(*IMAGE_CHOICES),
        help=f"How to draw images: {', '.join(IMAGE_CHOICES)}.",
    ),
]
Color = Annotated[
    str,
    typer.Option(
        "--color",
        autocompletion=complete.choices("auto", "truecolor", "256", "16"),
        help="auto, truecolor, 256 or 16. Set it if colours are lost over SSH.",
    ),
]
Annotator = Annotated[str | None, typer.Option("--annotator", help="Your name. Default: your login name.")]
RoleOption = Annotated[
    str,
    typer.Option(
        "--role",
        help="owner, or labeller: answers and undoes its own, and changes neither classes nor others' answers.",
    ),
]
Target = Annotated[
    float | None,
    typer.Option("--target", help="Target accuracy, such as 0.95; shows how many labels are still needed."),
]
Theme = Annotated[str | None, typer.Option("--theme", help="tuilabel-dark, tuilabel-light or a Textual theme.")]


def dataset_ref(dataset: str, labels_from_folders: bool) -> DatasetRef:
    """The dataset that the two options describe."""
    from tuilabel.datasets import as_ref

    ref = as_ref(dataset)
    return replace(ref, labels_from_folders=labels_from_folders or ref.labels_from_folders)


def names(given: list[str]) -> tuple[str, ...]:
    """The names in a repeated option, each of which may hold several, separated by commas."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())


def note(text: str) -> None:
    """Print a line on stderr, unless `--quiet` was given."""
    if not Silence.on:
        typer.echo(printable(text), err=True)


def print_rich(renderable: Any) -> None:
    """Print a Rich table or text on stdout, as wide as the terminal."""
    from tuilabel.cli.render.console import output_console

    output_console().print(renderable)


def print_json(document: Mapping[str, Any]) -> None:
    """Print a JSON document on stdout, with the version of its schema."""
    typer.echo(json.dumps({"schema": SCHEMA, **document}, indent=2))
