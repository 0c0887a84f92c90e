"""`package.module:function`: images uint8 (B, S, S, 3) in, vectors (B, D) out.

An attribute `side` of the function says at which side S in pixels it gets the images (224 without it), an attribute
`version` what else its vectors depend on besides its source file.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.encoders.cache import OnProgress
from tuilabel.encoders.networks.names import NetworkName
from tuilabel.encoders.networks.network import Description, Network
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.user_code import import_name

if TYPE_CHECKING:
    import torch

SIDE = 224  # pixels
BATCH = 64  # images


class FunctionNetwork(Network):
    """A function of the user's; what it returns is checked each time."""

    batch = BATCH

    def __init__(self, name: str, function: Callable[[NDArray[np.uint8]], object], digest: str) -> None:
        self.digest = digest
        self._name, self._function = name, function
        self._width: int | None = None

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Network.features`; raises `TuilabelError` if the function fails, or returns anything else."""
        try:
            result = np.asarray(self._function(images))
        except Exception as error:  # anything that user code raises
            reason = " ".join(str(error).split())[:200]
            raise TuilabelError(f"the encoder {self._name!r} failed: {type(error).__name__}: {reason}") from error
        if result.ndim != 2 or len(result) != len(images) or result.shape[1] < 1:
            raise self._invalid(f"an array of shape {result.shape} for {len(images)} images, not ({len(images)}, D)")
        if result.dtype.kind not in "fiub":
            raise self._invalid(f"an array of {result.dtype}, not of numbers")
        if result.shape[1] != (self._width or result.shape[1]):
            raise self._invalid(f"vectors of {result.shape[1]} numbers after vectors of {self._width}")
        self._width = result.shape[1]
        return result.astype(np.float32)

    def _invalid(self, what: str) -> TuilabelError:
        return TuilabelError(f"the encoder {self._name!r} returned {what}: correct the function")


def describe(name: NetworkName) -> Description:
    """See `Provider`; imports the function."""
    function = _function(name)
    side = getattr(function, "side", SIDE)
    if not isinstance(side, int) or not 1 <= side <= 4096:
        raise UsageError(f"{name.model}.side must be a number of pixels, 1 to 4096, got {side!r}")
    return Description((side, side), _digest(function))


def fetch(_name: NetworkName, _on_progress: OnProgress) -> None:
    """See `Provider`; there is nothing to download."""


def load(name: NetworkName, _device: torch.device) -> Network:
    """See `Provider`."""
    function = _function(name)
    return FunctionNetwork(name.model, function, _digest(function))


def _function(name: NetworkName) -> Callable[[NDArray[np.uint8]], object]:
    function = import_name("encoder", name.model)
    if not callable(function):
        raise UsageError(f"encoder {name.model!r} must be a function of images, got {type(function).__name__}")
    return function


def _digest(function: Callable[..., object]) -> str:
    """A digest of the file that defines the function, and of its `version`."""
    try:
        content = Path(inspect.getfile(inspect.unwrap(function))).read_bytes()
    except (OSError, TypeError):  # an object that can be called, or a function of an extension module
        content = repr(type(function)).encode()
    return hashlib.sha256(content + repr(getattr(function, "version", "")).encode()).hexdigest()[:16]
