"""Texts and numbers from a pickled array of Python objects, without the risks of a pickle."""

from __future__ import annotations

import codecs
import pickle
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


def object_labels(file: IO[bytes], shape: Sequence[int]) -> NDArray[Any]:
    """The labels in the rest of a .npy after its header.

    Nothing but texts and numbers is made, so a hostile file can neither run code nor reach into numpy.

    Raises
    ------
    ValueError : if there are other objects, or fewer than the shape says.
    """
    try:
        values = _Unpickler(file).load().values
    except Exception as error:  # a damaged or hostile pickle raises anything
        raise ValueError(
            "its labels are Python objects, which are never loaded: save them as an array of texts"
        ) from error
    labels = np.empty(len(values), dtype=object)
    labels[:] = values
    return labels.reshape(shape)


class _Array:
    """Stands for an array."""

    values: list[Any]

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.values = [value if value is None else _plain(value) for value in state[4]]


class _DType:
    """Stands for a data type."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


def _plain(value: object) -> object:
    if not isinstance(value, str | bytes | bool | int | float):
        raise pickle.UnpicklingError(type(value).__name__)
    return value


def _scalar(dtype: _DType, content: bytes) -> object:
    known = np.dtype(dtype.code)
    if known.kind not in "buif":
        raise pickle.UnpicklingError(dtype.code)
    return np.frombuffer(content, known.newbyteorder(">") if dtype.order == ">" else known)[0].item()


class _Unpickler(pickle.Unpickler):
    """Knows the parts of an array by what stands for them, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """What is called to make a part of the array."""
        known = {"_reconstruct": _Array, "ndarray": _Array, "dtype": _DType, "scalar": _scalar}
        if module.partition(".")[0] == "numpy" and name in known:
            return known[name]
        if (module, name) == ("_codecs", "encode"):  # bytes, in old pickles
            return codecs.encode
        raise pickle.UnpicklingError(f"{module}.{name}")
