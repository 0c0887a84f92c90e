"""Export a project's encoder and classifier as one ONNX graph or torch program."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuilabel.datasets import as_ref
from tuilabel.deploy import SUFFIXES, ModelCard, check_format, write_model
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.base import needs_encoder
from tuilabel.project.model import ProjectModel, open_model, project_of
from tuilabel.project.options import ModelOptions
from tuilabel.project.progress import Note, OnProgress, ignore
from tuilabel.project.recipe import choose_recipe
from tuilabel.version import __version__

CHECKED_IMAGES = 256  # on which the file is compared with tuilabel


@dataclass(frozen=True)
class ExportedModel:
    """A model written as one file, and how closely it agrees with tuilabel on images of the pool.

    Attributes
    ----------
    model, card : the file, and the JSON file with its classes and preprocessing.
    format : "onnx" or "torch".
    input, preprocessing : the model's input, as described in the card.
    images : how many images were compared.
    same_class : how many of them have the same most probable class.
    difference, latent_difference : largest difference of a probability, and of a latent coordinate, from tuilabel's in
        single precision.
    differs_from_predict : largest difference of a probability from that of `predict` on this machine; more than
        `difference` if `predict` encodes in half precision here.
    """

    model: Path
    card: Path
    format: str
    classes: tuple[str, ...]
    input: dict[str, Any]
    preprocessing: str
    images: int
    same_class: int
    difference: float
    latent_difference: float
    differs_from_predict: float

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON document."""
        return {**asdict(self), "model": str(self.model), "card": str(self.card), "classes": list(self.classes)}


def export_model(
    options: ModelOptions,
    file_format: str,
    out: Path | None = None,
    *,
    force: bool = False,
    on_progress: OnProgress = ignore,
    note: Note = ignore,
) -> ExportedModel:
    """Write encoder and classifier as one file, after comparing it with tuilabel on images of the pool.

    Parameters
    ----------
    options : the learner must use a VAE.
    file_format : "onnx" or "torch".
    out : the file; None for ./DATASET.onnx or ./DATASET.pt2. The card is written next to it.
    force : overwrite existing files.

    Raises
    ------
    TuilabelError : as `open_model`; if packages are missing, the file already exists or cannot be written, or its
        predictions differ from tuilabel's.
    UsageError : if the format is unknown or the learner does not use a VAE.
    """
    import torch

    from tuilabel.deploy.program import Program
    from tuilabel.deploy.write import card_path
    from tuilabel.learner.mlp import MLPEnsemble

    check_format(file_format)
    if options.learner is not None:
        _check_learner(options.learner)
    _check_learner(choose_recipe(options, project_of(options)).learner)  # before it is trained
    path = out or Path(f"{as_ref(options.dataset).title()}{SUFFIXES[file_format]}")
    for file in (path, card_path(path)):
        if file.is_dir():
            raise TuilabelError(f"{file} is a directory: name a file in it")
        if file.exists() and not force:
            raise TuilabelError(f"{file} already exists: pass `force=True` to overwrite it, or another `out`")
    opened = open_model(options, on_progress=on_progress, note=note)
    assert opened.encoder is not None
    encoder = opened.encoder.export_module()
    ensemble = opened.final.model
    assert isinstance(ensemble, MLPEnsemble)
    n_items = len(opened.pool.ids)
    checked = np.linspace(0, n_items - 1, min(CHECKED_IMAGES, n_items)).astype(np.int64)
    images = np.ascontiguousarray(opened.pool.images[checked])
    card = _card(opened)
    with torch.inference_mode():  # in single precision, as the file computes
        expected = opened.final.predict_proba(encoder(torch.from_numpy(images)).numpy())
    program = Program(encoder, ensemble, opened.final.temperature).eval()
    agreement = write_model(program, card, images, expected, path, file_format)
    predicted_here = opened.final.predict_proba(np.asarray(opened.learner.features[checked]))
    document: dict[str, Any] = card.document()
    return ExportedModel(
        model=path,
        card=card_path(path),
        format=file_format,
        classes=opened.classes,
        input=document["input"],
        preprocessing=document["preprocessing"],
        images=agreement.images,
        same_class=agreement.same_class,
        difference=agreement.difference,
        latent_difference=agreement.latent_difference,
        differs_from_predict=float(np.abs(predicted_here - expected).max()),
    )


def _check_learner(learner: str) -> None:
    if not needs_encoder(learner):
        raise UsageError(
            f"learner must be latent or mlp to export a model, got {learner}, which has no VAE", parameter="learner"
        )


def _card(opened: ProjectModel) -> ModelCard:
    assert opened.encoder is not None
    assert opened.encoder.path is not None
    height, width, channels = (int(n) for n in opened.pool.images.shape[1:])
    return ModelCard(
        classes=opened.classes,
        height=height,
        width=width,
        channels=channels,
        dataset=opened.pool.name,
        labels=len(opened.final.labelled.indices),
        temperature=opened.final.temperature,
        checkpoint=hashlib.blake2b(opened.encoder.path.read_bytes(), digest_size=16).hexdigest(),
        version=__version__,
    )
