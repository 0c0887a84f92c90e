"""Checks of arguments, so that a NaN is refused early and never reaches scipy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def finite_vector(values: ArrayLike, name: str, min_length: int = 1) -> NDArray[np.float64]:
    """`values` as float64 (n,).

    Raises
    ------
    ValueError : if it is not one-dimensional, not finite, or shorter than `min_length`.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or len(vector) < min_length:
        raise ValueError(f"{name}: expected at least {min_length} values in one dimension, got shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise ValueError(f"{name}: values must be finite numbers")
    return vector


def class_vector(values: ArrayLike, name: str, n_classes: int | None = None) -> NDArray[np.int64]:
    """`values` as int64 (n,), classes 0…C-1.

    Raises
    ------
    ValueError : if it is empty, not one-dimensional, not of integers, or has values outside the classes.
    """
    vector = np.asarray(values)
    if vector.ndim != 1 or not len(vector):
        raise ValueError(f"{name}: expected at least one class in one dimension, got shape {vector.shape}")
    if not (np.issubdtype(vector.dtype, np.integer) or vector.dtype == np.bool_):
        raise ValueError(f"{name}: classes must be integers, got {vector.dtype}")
    if vector.min() < 0 or (n_classes is not None and vector.max() >= n_classes):
        raise ValueError(f"{name}: classes must be between 0 and {'C-1' if n_classes is None else n_classes - 1}")
    return vector.astype(np.int64)


def probability_matrix(values: ArrayLike, name: str = "probabilities") -> NDArray[np.float64]:
    """`values` as float64 (n, C), each row summing to 1 within 0.001.

    Raises
    ------
    ValueError : if it is not such a matrix.
    """
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"{name}: expected (n, C), got shape {matrix.shape}")
    if not np.isfinite(matrix).all() or matrix.min() < 0 or np.abs(matrix.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError(f"{name}: rows must be finite, not negative, and sum to 1")
    return matrix


def same_length(**arrays: NDArray[np.generic]) -> None:
    """Raise ValueError unless all `arrays` have the same number of rows."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError("different lengths: " + ", ".join(f"{name} {n}" for name, n in lengths.items()))
