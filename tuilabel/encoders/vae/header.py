"""The header of a checkpoint, read without torch: which images a VAE is for, and how it was trained.

A checkpoint is a safetensors file: eight bytes with the length of the header, a JSON header, the tensors. Nothing is
unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuilabel.datasets import ImagePool, are_same_place
from tuilabel.datasets.builtin.catalogue import DATASETS
from tuilabel.errors import TuilabelError, pluralize

FORMAT = "tuilabel-vae"
VERSION = 3  # format 1 had no smoothing, format 2 a single head of clusters
FEATURES_VERSION = 4  # of VAEs on features, which earlier programs cannot read
ON_FEATURES = "vae-on:"  # and the name of a network: the name of an encoder
TRAIN, TRAIN_ON = "tuilabel train-vae {dataset}", "tuilabel train-vae {dataset} --on {network}"
_MAX_HEADER = 16 * 1024 * 1024
_OLD_SETTINGS = {"views": "augmentations", "information": "mi_weight", "contrast": "contrastive_weight"}
_OLD_METRICS = {"information_nats": "mutual_information_nats", "contrast_nats": "contrastive_nats"}
"""What tuilabel 0.1.0 called them."""


@dataclass(frozen=True)
class FeatureSource:
    """The features that a VAE was trained on.

    Attributes
    ----------
    network : its name as an encoder.
    digest : of its weights.
    side : of its input in pixels.
    """

    network: str
    digest: str
    side: int


@dataclass(frozen=True)
class CheckpointHeader:
    """The JSON document in a checkpoint.

    Attributes
    ----------
    architecture : the model's configuration, see `VAEConfig` and `FeatureVAEConfig`.
    image_shape : (H, W, C) of the images it was trained on. They are resized to the model's height and width by area
        averaging and scaled from 0…255 to 0…1.
    dataset, fingerprint : name and content of the pool it was trained on.
    settings : see `TrainSettings`.
    metrics : loss terms of the last epoch in nats per image, and the seconds of training.
    command : the command line that trained it.
    created : when it was written, in ISO 8601; empty in an unfinished training.
    steps_done : steps of the epoch after `epochs_done`; 0 in a finished checkpoint.
    features : what it was trained on if it is a VAE on features.
    place : where your own images were, see `DatasetRef.place`. It stands beside the document, for earlier programs.
    """

    architecture: dict[str, Any]
    image_shape: tuple[int, int, int]
    dataset: str
    fingerprint: str
    settings: dict[str, Any]
    metrics: dict[str, float]
    command: str
    created: str
    version: int = VERSION
    epochs_done: int = 0
    steps_done: int = 0
    features: FeatureSource | None = None
    place: str = ""

    def to_json(self) -> str:
        """The header as a JSON string."""
        document = asdict(self)
        if self.features is None:
            del document["features"]  # earlier programs do not know it
        del document["place"]
        return json.dumps(document, sort_keys=True)


def read_header(path: Path) -> CheckpointHeader:
    """Read and check the header of a checkpoint, and that the file is as long as the header says.

    Raises
    ------
    TuilabelError : if the file is missing, truncated, not a tuilabel VAE, or from a newer version.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else _MAX_HEADER + 1
            if length > _MAX_HEADER:
                raise TuilabelError(f"{path} is not a safetensors file: use one written by `tuilabel train-vae`")
            text = file.read(length)
    except OSError as error:
        raise TuilabelError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    if len(text) < length:
        raise _truncated(path)
    document = _parse(path, text)
    ends = [v["data_offsets"][1] for k, v in document.items() if k != "__metadata__"]
    if size < 8 + length + max(ends, default=0):
        raise _truncated(path)
    return _header(path, document.get("__metadata__"))


def feature_encoder(network: str) -> str:
    """The name of the encoder that uses a VAE on the features of a network."""
    return f"{ON_FEATURES}{network}"


def find_checkpoint(dataset: str, checkpoint: Path | None = None, network: str | None = None) -> Path:
    """The checkpoint for a dataset: `checkpoint`, else ./checkpoints/DATASET.safetensors, else the shipped one.

    With `network` that of a VAE on its features.

    Raises
    ------
    TuilabelError : if there is no checkpoint; the message names the command that trains one.
    """
    if checkpoint is not None:
        if not checkpoint.is_file():
            raise TuilabelError(f"no checkpoint at {checkpoint}: use a file written by `tuilabel train-vae`")
        return checkpoint
    package = Path(__file__).parents[2]
    for folder in (Path("checkpoints"), package / "checkpoints", package.parent / "checkpoints"):
        path = folder / _file_name(dataset, network)
        if path.is_file():
            return path
    raise no_checkpoint(dataset, network)


def no_checkpoint(dataset: str, network: str | None = None) -> TuilabelError:
    """The error for a dataset without a VAE."""
    other = "pca" if network is None else network
    return TuilabelError(
        f"there is no VAE for {dataset} yet: train one with `{training_command(dataset, network)}`, or pass "
        f"`encoder='{other}'`"
    )


def training_command(dataset: str, network: str | None = None) -> str:
    """The command that trains a VAE on a dataset, or on the features that a network has of it."""
    command = TRAIN if network is None else TRAIN_ON
    return command.format(dataset=shlex.quote(dataset), network=network)


def default_checkpoint(dataset: str, network: str | None = None) -> Path:
    """Where `tuilabel train-vae` writes the checkpoint for a dataset; with `network` of a VAE on its features."""
    return Path("checkpoints") / _file_name(dataset, network)


def place_of(pool: ImagePool) -> str:
    """The `place` of a header: where your own images are; empty for others."""
    return "" if pool.origin is None else pool.origin.place


def own_checkpoint(pool: ImagePool, network: str | None = None, *, to_write: bool = False) -> Path:
    """Where the checkpoint of your own images is or, if they have none yet, is written: ./checkpoints/NAME.safetensors.

    It is theirs if it was trained on images in this place, or on the same images; that of another folder with the same
    name stays as it is. A checkpoint of an earlier version, which did not note the place, is taken by its name,
    but not written to.
    """
    if pool.origin is None:
        return default_checkpoint(pool.name, network)
    free, of_any_place = None, None
    digest = hashlib.blake2b(os.fsencode(place_of(pool)), digest_size=4).hexdigest()
    for name in (*pool.origin.names, f"{pool.name}-{digest}"):
        path = default_checkpoint(name, network)
        header = _header_at(path) or _header_at(partial_path(path))
        if header is None:
            free = free or path
        elif header.fingerprint == pool.fingerprint or are_same_place(header.place, place_of(pool)):
            return path
        elif not (to_write or header.place) and header.dataset == pool.name and header.dataset not in DATASETS:
            of_any_place = of_any_place or path
    return of_any_place or free or path


def _header_at(path: Path) -> CheckpointHeader | None:
    try:
        return read_header(path)
    except TuilabelError:
        return None


def partial_path(out: Path) -> Path:
    """The file with the state of an unfinished training that writes to `out`."""
    return out.with_name(out.name + ".partial")


def project_checkpoint(project: Path, network: str | None = None) -> Path:
    """The checkpoint that is trained in the background for a project, given the project's directory."""
    return project / _file_name("vae", network)


def _file_name(stem: str, network: str | None) -> str:
    on = "" if network is None else "-on-" + re.sub(r"[^A-Za-z0-9._-]+", "-", network)
    return f"{stem}{on}.safetensors"


def check_fits(header: CheckpointHeader, pool: ImagePool, *, any_size: bool = False) -> None:
    """Raise `TuilabelError` if the checkpoint was trained on images of another shape than the pool's.

    With `any_size` only the channels must agree: the model resizes its input.
    """
    if header.features is not None:
        network = header.features.network
        raise TuilabelError(f"the checkpoint is for features of {network}: pass `encoder='{feature_encoder(network)}'`")
    shape = tuple(int(n) for n in pool.images.shape[1:])
    if any_size and shape[2] != header.image_shape[2]:
        raise TuilabelError(
            f"the checkpoint is for images with {pluralize(header.image_shape[2], 'channel')} ({header.dataset}), "
            f"those of {pool.name} have {pluralize(shape[2], 'channel')}: convert them first"
        )
    if not any_size and shape != header.image_shape:
        raise TuilabelError(
            f"the checkpoint is for images of {_times(header.image_shape)} ({header.dataset}), those of {pool.name} "
            f"are {_times(shape)}: train a VAE with `tuilabel train-vae {pool.name}`"
        )


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
        for name, entry in document.items():
            if name != "__metadata__" and not isinstance(entry["data_offsets"][1], int):
                raise TypeError
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise TuilabelError(f"{path} is damaged or not a safetensors file: copy or train it again") from error
    assert isinstance(document, dict)
    return document


def _header(path: Path, metadata: object) -> CheckpointHeader:
    if not isinstance(metadata, Mapping) or metadata.get("format") != FORMAT:
        raise TuilabelError(
            f"{path} is a safetensors file but not a tuilabel VAE: use one written by `tuilabel train-vae`"
        )
    try:
        document = json.loads(metadata["header"])
        if document["version"] > FEATURES_VERSION:
            raise TuilabelError(
                f"{path} was written by a newer tuilabel (format {document['version']}): update tuilabel"
            )
        height, width, channels = (int(n) for n in document.pop("image_shape"))
        settings = _renamed(document.pop("settings"), _OLD_SETTINGS)
        metrics = _renamed(document.pop("metrics"), _OLD_METRICS)
        source = document.pop("features", None)
        place = metadata.get("place", "")
        return CheckpointHeader(
            image_shape=(height, width, channels),
            settings=settings,
            metrics=metrics,
            features=None if source is None else FeatureSource(**source),
            place=place if isinstance(place, str) else "",
            **document,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TuilabelError(f"the header of {path} is damaged: copy or train it again") from error


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def _truncated(path: Path) -> TuilabelError:
    return TuilabelError(f"the checkpoint {path} is truncated: copy or train it again")


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
