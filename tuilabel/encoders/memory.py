"""Encode in batches that fit into a device's memory: smaller ones when it runs out, in the end on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError

log = logging.getLogger(__name__)

CPU = torch.device("cpu")
_GONE = ("CUDA error", "HIP error", "MPS backend")


class Fitting:
    """A computation on images that goes on with less memory; its result does not depend on the size of batches.

    Parameters
    ----------
    compute : called with images (B, …) and a device; rows (B, F).
    device : where to begin.

    Attributes
    ----------
    device : where images are computed now.
    limit : images in a batch that fitted, None before memory has run out.
    """

    def __init__(
        self, compute: Callable[[NDArray[np.uint8], torch.device], NDArray[np.float32]], device: torch.device
    ) -> None:
        self._compute, self.device = compute, device
        self.limit: int | None = None

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Rows (B, F) for images (B, …).

        Raises
        ------
        TuilabelError : if the device stops working, or memory does not suffice for one image on the CPU either.
        """
        while True:
            size = min(self.limit or len(images), len(images))
            try:
                return self._in_batches(images, size)
            except torch.OutOfMemoryError as error:
                self._with_less(size, error)
            except RuntimeError as error:
                gone = lost(self.device, error)
                if gone is None:
                    raise
                raise gone from error

    def _in_batches(self, images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
        starts = range(0, max(1, len(images)), max(1, size))
        parts = [self._compute(images[start : start + size], self.device) for start in starts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _with_less(self, size: int, error: Exception) -> None:
        release(self.device)
        if size > 1:
            self.limit = size // 2
            log.warning("the memory of %s ran out: going on with batches of %d", self.device, self.limit)
        elif self.device != CPU:
            log.warning("the memory of %s does not suffice for one image: going on with the CPU", self.device)
            self.device, self.limit = CPU, None
        else:
            raise TuilabelError("there is not enough memory to encode one image: close other programs") from error


def release(device: torch.device) -> None:
    """Give memory that PyTorch holds but does not use back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def lost(device: torch.device, error: RuntimeError) -> TuilabelError | None:
    """The error to report if a GPU does not work any more; None if `error` means something else."""
    if device.type == "cpu" or not any(
        word in str(error) for word in ("CUDA error", "HIP error", "MPS backend", "NCCL")
    ):
        return None
    reason = str(error).strip().splitlines()[0]
    return TuilabelError(f"{device} does not work any more ({reason}): restart, or pass `device='cpu'`")
