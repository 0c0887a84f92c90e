"""Export a project's encoder and classifier as one ONNX graph or torch program."""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.deploy import SUFFIXES, ModelCard, check_format, write_model
from tuilabel.encoders.image_input import ImageInput
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.base import needs_encoder
from tuilabel.project.locate import find_project
from tuilabel.project.model import ProjectModel, open_model
from tuilabel.project.options import ModelOptions
from tuilabel.project.progress import Note, OnProgress, ignore
from tuilabel.project.recipe import choose_recipe
from tuilabel.version import __version__

if TYPE_CHECKING:
    from torch import nn

CHECKED_IMAGES, FEWEST_CHECKED = 256, 32  # on which the file is compared with tuilabel
CHECKED_PIXELS = 2**22  # of all of them, for large inputs


@dataclass(frozen=True)
class ExportedModel:
    """A model written as one file, and how closely it agrees with tuilabel on images of the pool.

    The images are read from their files as the card says.

    Attributes
    ----------
    model, card : the file, and the JSON file with its classes and preprocessing.
    format : "onnx" or "torch".
    input, preprocessing : the model's input, as described in the card.
    images : how many images were compared.
    same_class : how many of them have the same most probable class.
    difference, latent_difference : largest difference of a probability, and of a latent coordinate, from tuilabel's in
        single precision.
    same_as_predict : how many images have the class that `predict` gives them on this machine.
    differs_from_predict : largest difference of a probability from that of `predict`, which decodes files faster and
        may encode in half precision.
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
    same_as_predict: int
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
    options : the learner must use an encoder that can be exported: a VAE, principal components, or a network of torch.
    file_format : "onnx" or "torch".
    out : the file; None for ./DATASET.onnx or ./DATASET.pt2. The card is written next to it.
    force : overwrite existing files.

    Raises
    ------
    TuilabelError : as `open_model`; if packages are missing, the encoder cannot be exported, the file already exists or
        cannot be written, or its predictions differ from tuilabel's.
    UsageError : if the format is unknown or the learner has no encoder.
    """
    from tuilabel.deploy.program import Program
    from tuilabel.deploy.write import card_path
    from tuilabel.learner.linear import LinearEnsemble
    from tuilabel.learner.mlp import MLPEnsemble

    check_format(file_format)
    if options.learner is not None:
        _check_learner(options.learner)
    project = find_project(options.dataset, options.project, note=note, on_progress=on_progress)
    _check_learner(choose_recipe(options, project).learner)  # before it is trained
    path = out or Path(f"{project.source.title()}{SUFFIXES[file_format]}")
    for file in (path, card_path(path)):
        if file.is_dir():
            raise TuilabelError(f"{file} is a directory: name a file in it")
        if file.exists() and not force:
            raise TuilabelError(f"{file} already exists: pass `force=True` to overwrite it, or another `out`")
    opened = open_model(
        replace(options, dataset=project.source, project=project.directory), on_progress=on_progress, note=note
    )
    assert opened.encoder is not None
    given = opened.encoder.export_input(opened.pool)
    encoder = opened.encoder.export_module(opened.pool).eval()
    ensemble = opened.final.model
    assert isinstance(ensemble, MLPEnsemble | LinearEnsemble)
    checked, images = _checked_images(opened.pool, given)
    latents = _latents(encoder, images)
    probabilities = opened.final.predict_proba(latents)
    card = _card(opened, given)
    program = Program(encoder, ensemble, opened.final.temperature)
    agreement = write_model(program, card, images, probabilities, latents, path, file_format)
    predicted = opened.final.predict_proba(np.asarray(opened.learner.features[checked]))
    document = card.document()
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
        same_as_predict=int((predicted.argmax(axis=1) == probabilities.argmax(axis=1)).sum()),
        differs_from_predict=float(np.abs(predicted - probabilities).max()),
    )


def _checked_images(pool: ImagePool, given: ImageInput) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Evenly spaced indices (n,), and their images read from their files as the card says, uint8 (n, H, W, C)."""
    n_checked = min(CHECKED_IMAGES, max(FEWEST_CHECKED, CHECKED_PIXELS // (given.height * given.width)), len(pool))
    there = np.setdiff1d(np.arange(len(pool)), pool.gone)
    indices, images = [], []
    for index in there[np.linspace(0, len(there) - 1, min(n_checked, len(there))).astype(np.int64)].tolist():
        try:
            image = given.read(io.BytesIO(pool.files.read(index)))
        except Exception:  # whatever keeps Pillow from reading a damaged file
            continue
        indices.append(index)
        images.append(image)
    if not images:
        raise TuilabelError(f"no image of {pool.name} can be read, to check the model on it: restore the files")
    return np.array(indices), np.stack(images)


def _latents(encoder: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Latents (n, D) in single precision, as the file computes."""
    import torch

    from tuilabel.deploy.write import batches

    with torch.inference_mode():
        return np.concatenate([encoder(torch.from_numpy(part)).numpy() for part in batches(images)])


def _check_learner(learner: str) -> None:
    if not needs_encoder(learner):
        raise UsageError(
            f"learner must be latent or mlp to export a model, got {learner}, which has no encoder", parameter="learner"
        )


def _card(opened: ProjectModel, given: ImageInput) -> ModelCard:
    assert opened.encoder is not None
    path = opened.encoder.path
    return ModelCard(
        classes=opened.classes,
        input=given,
        encoder=opened.encoder.name,
        dataset=opened.pool.name,
        labels=len(opened.final.labelled.indices),
        temperature=opened.final.temperature,
        checkpoint=None if path is None else hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest(),
        version=__version__,
    )
