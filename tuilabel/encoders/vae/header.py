"""What stands in a checkpoint's header, read without torch: which images a VAE is for, and how it was made.

A checkpoint is a safetensors file: eight bytes of header length, a JSON header, the tensors. No pickle is ever read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuilabel.datasets import ImagePool
from tuilabel.errors import TuilabelError

FORMAT = "tuilabel-vae"
VERSION = 3  # 1 had no smoothing, 2 one head of clusters
_MAX_HEADER = 16 * 1024 * 1024


@dataclass(frozen=True)
class CheckpointHeader:
    """The JSON document in a checkpoint.

    `architecture` holds the model's configuration, `image_shape` (H, W, C) the images it was trained on; they are
    resized to the model's height and width by area averaging and scaled from 0…255 to 0…1.
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
    """Steps of an unfinished epoch; 0 in a finished checkpoint."""

    def to_json(self) -> str:
        """The document as a string."""
        return json.dumps(asdict(self), sort_keys=True)


def read_header(path: Path) -> CheckpointHeader:
    """Read and check the header of a checkpoint, and that the file is as long as the header says.

    Raises
    ------
    TuilabelError : where the file is missing, cut short, no VAE of ours, or from a newer version.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else _MAX_HEADER + 1
            if length > _MAX_HEADER:
                raise TuilabelError(f"{path} is no safetensors checkpoint: name one that `tuilabel train-vae` wrote")
            text = file.read(length)
    except OSError as error:
        raise TuilabelError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    if len(text) < length:
        raise _cut_short(path)
    document = _parse(path, text)
    ends = [v["data_offsets"][1] for k, v in document.items() if k != "__metadata__"]
    if size < 8 + length + max(ends, default=0):
        raise _cut_short(path)
    return _header(path, document.get("__metadata__"))


def find_checkpoint(dataset: str, named: Path | None = None) -> Path:
    """The checkpoint for a dataset: the one `named`, else ./checkpoints/DATASET.safetensors, else the one we ship.

    Raises
    ------
    TuilabelError : where there is none, with the command that makes one.
    """
    if named is not None:
        if not named.is_file():
            raise TuilabelError(f"no checkpoint at {named}: give --checkpoint a file that `tuilabel train-vae` wrote")
        return named
    package = Path(__file__).parents[2]
    for folder in (Path("checkpoints"), package / "checkpoints", package.parent / "checkpoints"):
        path = folder / f"{dataset}.safetensors"
        if path.is_file():
            return path
    raise TuilabelError(f"no VAE for {dataset} yet: train it with `tuilabel train-vae {dataset}`")


def check_fits(header: CheckpointHeader, pool: ImagePool, *, any_size: bool = False) -> None:
    """Raise `TuilabelError` where the checkpoint was made for images of another shape than the pool's.

    With `any_size` only the channels must agree: the model resizes what it takes.
    """
    shape = tuple(int(n) for n in pool.images.shape[1:])
    if any_size and shape[2] != header.image_shape[2]:
        raise TuilabelError(
            f"the checkpoint is for images of {_channels(header.image_shape[2])} ({header.dataset}), those of "
            f"{pool.name} have {_channels(shape[2])}: convert them first"
        )
    if not any_size and shape != header.image_shape:
        raise TuilabelError(
            f"the checkpoint is for images of {_times(header.image_shape)} ({header.dataset}), {pool.name}'s are "
            f"{_times(shape)}: train one with `tuilabel train-vae {pool.name}`"
        )


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
        for name, entry in document.items():
            if name != "__metadata__" and not isinstance(entry["data_offsets"][1], int):
                raise TypeError
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise TuilabelError(f"{path} is damaged or no safetensors checkpoint: train it anew") from error
    assert isinstance(document, dict)
    return document


def _header(path: Path, metadata: object) -> CheckpointHeader:
    if not isinstance(metadata, Mapping) or metadata.get("format") != FORMAT:
        raise TuilabelError(
            f"{path} is a safetensors file but no VAE of tuilabel: name one that `tuilabel train-vae` wrote"
        )
    try:
        document = json.loads(metadata["header"])
        if document["version"] > VERSION:
            raise TuilabelError(
                f"{path} was written by a newer tuilabel (format {document['version']}): update tuilabel"
            )
        height, width, channels = (int(n) for n in document.pop("image_shape"))
        return CheckpointHeader(image_shape=(height, width, channels), **document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TuilabelError(f"the header of {path} is damaged: train the checkpoint anew") from error


def _cut_short(path: Path) -> TuilabelError:
    return TuilabelError(f"the checkpoint {path} is cut short: copy it again or train it anew")


def _channels(n: int) -> str:
    return "1 channel" if n == 1 else f"{n} channels"


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
