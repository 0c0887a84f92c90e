"""`export --format onnx|torch`: a project's encoder and classifier as one file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tuilabel import __version__
from tuilabel.datasets import title_of
from tuilabel.deploy import FORMATS, TOLERANCE, ModelCard, check_format, write_model
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.base import DEFAULT_LEARNER, needs_encoder
from tuilabel.project.model import ModelOptions, ProjectModel, open_model

TRIED = 256  # images that the file is tried on
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}

__all__ = ["FORMATS", "agreement_line", "export_model"]


def export_model(
    dataset: str,
    project_dir: Path | None,
    data_dir: Path | None,
    out: Path | None,
    file_format: str,
    *,
    force: bool = False,
    checkpoint: Path | None = None,
    device: str = "auto",
    learner: str = DEFAULT_LEARNER,
    seed: int = 0,
    encoder: str = "vae",
    latents: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Write encoder and classifier as one file, tried on images of the pool before it is put in its place.

    Parameters
    ----------
    out : else ./DATASET.onnx or ./DATASET.pt2; `OUT.json` beside it holds classes and preprocessing.
    file_format : "onnx" or "torch".
    learner, encoder, latents, seed : those of `tuilabel label`; only a VAE can be written.

    Returns
    -------
    model, card (the paths), format, classes, input, preprocessing, images (tried), same_class, difference,
    latent_difference, differs_from_predict (the largest difference of a probability from what `tuilabel predict` says
    here: more than `difference` where that encodes in half precision).

    Raises
    ------
    TuilabelError : as `open_model`; where packages are missing, the file is there already and `force` is not set, it
        cannot be written, or says something else than tuilabel.
    UsageError : where the format is unknown, or the learner has no VAE.
    """
    from tuilabel.deploy.program import Program
    from tuilabel.deploy.write import card_path
    from tuilabel.encoders.vae.checkpoint import load_checkpoint
    from tuilabel.learner.mlp import MLPEnsemble

    check_format(file_format)
    if not needs_encoder(learner):
        raise UsageError(f"the {learner} learner has no VAE to export: give --learner latent or mlp")
    path = out or Path(f"{title_of(dataset)}{SUFFIXES[file_format]}")
    for file in (path, card_path(path)):
        if file.is_dir():
            raise TuilabelError(f"{file} is a directory: name a file in it")
        if file.exists() and not force:
            raise TuilabelError(f"{file} is there already: give --force to overwrite it, or another --out")
    options = ModelOptions(dataset, project_dir, data_dir, checkpoint, device, learner, encoder, latents, seed)
    opened = open_model(options, Console(stderr=True, quiet=quiet, highlight=False))
    if opened.encoder is None or opened.encoder.kind != "vae" or opened.encoder.path is None:
        raise TuilabelError(
            f"a model on {opened.encoder.name if opened.encoder else 'pixels'} cannot be exported as one file: "
            "train a VAE with `tuilabel train-vae`, or let `tuilabel label` finish its own"
        )
    checkpoint = opened.encoder.path
    ensemble = opened.final.model
    assert isinstance(ensemble, MLPEnsemble)
    vae, _ = load_checkpoint(checkpoint)
    places = np.linspace(0, len(opened.pool.ids) - 1, min(TRIED, len(opened.pool.ids))).astype(np.int64)
    images = np.ascontiguousarray(opened.pool.images[places])
    card = _card(opened, checkpoint)
    expected = _own_predictions(opened, checkpoint, images)
    program = Program(vae, ensemble, opened.final.temperature).eval()
    agreement = write_model(program, card, images, expected, path, file_format)
    here = opened.final.predict_proba(np.asarray(opened.learner.features[places]))
    document = card.document()
    return {
        "model": str(path),
        "card": str(card_path(path)),
        "format": file_format,
        "classes": document["classes"],
        "input": document["input"],
        "preprocessing": document["preprocessing"],
        "images": agreement.images,
        "same_class": agreement.same_class,
        "difference": agreement.difference,
        "latent_difference": agreement.latent_difference,
        "differs_from_predict": float(np.abs(here - expected).max()),
    }


def agreement_line(result: dict[str, Any]) -> str:
    """What `export` says of the file on stderr."""
    line = (
        f"{result['model']}: {len(result['classes'])} classes; on {result['images']} images the same classes as "
        f"tuilabel in single precision, probabilities within {result['difference']:.1g}"
    )
    if result["differs_from_predict"] >= TOLERANCE:
        line += f" (`predict` encodes in half precision here: within {result['differs_from_predict']:.1g})"
    return f"{line}; classes and preprocessing in {result['card']}"


def _own_predictions(opened: ProjectModel, checkpoint: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Tuilabel's probabilities, by its own path and in single precision, which is what the file computes in."""
    import torch

    from tuilabel.encoders.device import to_input
    from tuilabel.encoders.vae.checkpoint import load_checkpoint

    vae, _ = load_checkpoint(checkpoint)
    with torch.inference_mode():
        means = vae.latents(to_input(images, vae.config, torch.device("cpu")))
    return opened.final.predict_proba(means.numpy())


def _card(opened: ProjectModel, checkpoint: Path) -> ModelCard:
    height, width, channels = (int(n) for n in opened.pool.images.shape[1:])
    return ModelCard(
        classes=opened.classes,
        height=height,
        width=width,
        channels=channels,
        dataset=opened.pool.name,
        labels=len(opened.final.labelled.indices),
        temperature=opened.final.temperature,
        checkpoint=hashlib.blake2b(checkpoint.read_bytes(), digest_size=16).hexdigest(),
        version=__version__,
    )
