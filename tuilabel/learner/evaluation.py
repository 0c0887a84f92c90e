"""Measure a model on a test set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import accuracy, balanced_accuracy, confusion_matrix, expected_calibration_error


class Predictor(Protocol):
    """The part of a model that a test set needs."""

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities, float32 (n, C)."""


@dataclass(frozen=True)
class TestMetrics:
    """How well a model predicts the test set."""

    __test__ = False  # not for pytest

    accuracy: float
    balanced_accuracy: float
    """Mean recall over the classes."""
    calibration_error: float
    """Expected calibration error (Guo et al. 2017)."""
    n: int
    """Number of test items measured."""
    confusion: NDArray[np.int64] | None = field(default=None, compare=False)
    """Number of items of class i predicted as class j (C, C): rows are true classes, columns predicted ones."""


@dataclass(frozen=True)
class TestSet:
    """Test items: they only evaluate models, which are never trained on them.

    Attributes
    ----------
    features : float32 (M, D).
    targets : int64 (M,), their classes.
    """

    __test__ = False  # not for pytest

    features: NDArray[np.float32]
    targets: NDArray[np.int64]

    def with_classes(self, target_of: NDArray[np.int64] | None) -> TestSet | None:
        """The same items with their classes mapped to other classes.

        Parameters
        ----------
        target_of : int64 (K,), the new class for each class, or -1 if it has none; None if no class changes.

        Returns
        -------
        The mapped test set; None if an item's class has no new class.
        """
        if target_of is None:
            return self
        targets = target_of[self.targets]
        return None if (targets < 0).any() else TestSet(self.features, targets)

    def evaluate(self, model: Predictor) -> TestMetrics:
        """Measure `model` on the test items."""
        probabilities = model.predict_proba(self.features)
        predicted = probabilities.argmax(axis=1)
        return TestMetrics(
            accuracy(self.targets, predicted),
            balanced_accuracy(self.targets, predicted),
            expected_calibration_error(probabilities, self.targets),
            len(self.targets),
            confusion_matrix(self.targets, predicted, probabilities.shape[1]),
        )
