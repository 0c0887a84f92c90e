"""Measures of predictions on items whose classes are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.estimate.checks import class_vector, probability_matrix, same_length

CALIBRATION_BINS = 15  # Guo et al. 2017


def accuracy(targets: ArrayLike, predicted: ArrayLike) -> float:
    """The share of correct predictions.

    Parameters
    ----------
    targets, predicted : int (n,), the true and the predicted classes, 0…C-1.

    Raises
    ------
    ValueError : if they are empty, not classes or of different lengths.
    """
    true, guess = _pair(targets, predicted)
    return float((true == guess).mean())


def confusion_matrix(targets: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """How often class i was predicted as class j: int64 (C, C), rows true, columns predicted.

    Raises
    ------
    ValueError : if they are empty, not classes below `n_classes` or of different lengths.
    """
    true, guess = _pair(targets, predicted, n_classes)
    return np.bincount(true * n_classes + guess, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def per_class_accuracy(targets: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.float64]:
    """The recall of each class, float64 (C,); NaN for a class without items.

    Raises
    ------
    ValueError : if they are empty, not classes below `n_classes` or of different lengths.
    """
    matrix = confusion_matrix(targets, predicted, n_classes)
    total = matrix.sum(axis=1)
    return np.where(total > 0, matrix.diagonal() / np.maximum(total, 1), np.nan)


def balanced_accuracy(targets: ArrayLike, predicted: ArrayLike) -> float:
    """The mean recall over the classes present in `targets` (Brodersen et al. 2010).

    Raises
    ------
    ValueError : if they are empty, not classes or of different lengths.
    """
    true, guess = _pair(targets, predicted)
    return float(np.nanmean(per_class_accuracy(true, guess, int(max(true.max(), guess.max())) + 1)))


def expected_calibration_error(probabilities: ArrayLike, targets: ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance between confidence and accuracy over equal-width bins of the top confidence (Guo et al. 2017).

    Bins are open below and closed above, as in the paper, and weighted by their items.

    Parameters
    ----------
    probabilities : float (n, C).
    targets : int (n,), the true classes.
    bins : number of bins over 0…1.

    Raises
    ------
    ValueError : if the arrays do not match, are empty or not probabilities, or `bins` is below 1.
    """
    p = probability_matrix(probabilities)
    true = class_vector(targets, "targets", p.shape[1])
    same_length(probabilities=p, targets=true)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    confidence = p.max(axis=1)
    correct = p.argmax(axis=1) == true
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    surplus = np.bincount(bin_of, weights=confidence - correct, minlength=bins)
    return float(np.abs(surplus).sum() / len(true))


def _pair(
    targets: ArrayLike, predicted: ArrayLike, n_classes: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    true = class_vector(targets, "targets", n_classes)
    guess = class_vector(predicted, "predicted", n_classes)
    same_length(targets=true, predicted=guess)
    return true, guess
