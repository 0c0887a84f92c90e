"""How a model does on a test set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import accuracy, balanced_accuracy, confusion_matrix, expected_calibration_error


class Predictor(Protocol):
    """What a test set needs of a model."""

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities, float32 (n, C)."""


@dataclass(frozen=True)
class TestMetrics:
    """How a model does on the test split."""

    __test__ = False  # not for pytest

    accuracy: float
    balanced_accuracy: float
    """Mean recall over the classes."""
    calibration_error: float
    """Expected calibration error (Guo et al. 2017)."""
    n: int
    """Number of test items measured."""
    confusion: NDArray[np.int64] | None = field(default=None, compare=False)
    """How often class i was taken for class j (C, C): rows true, columns predicted."""


@dataclass(frozen=True)
class TestSet:
    """Test items: they measure the model and are never trained on.

    Attributes
    ----------
    features : float32 (M, D).
    targets : int64 (M,), their classes.
    """

    __test__ = False  # not for pytest

    features: NDArray[np.float32]
    targets: NDArray[np.int64]

    def with_classes(self, target_of: NDArray[np.int64] | None) -> TestSet | None:
        """The same items with their classes mapped to other ones.

        Parameters
        ----------
        target_of : int64 (K,), the new class of each class, or -1 where it has none; None where nothing changes.

        Returns
        -------
        None where an item's class is mapped to none.
        """
        if target_of is None:
            return self
        targets = target_of[self.targets]
        return None if (targets < 0).any() else TestSet(self.features, targets)

    def evaluate(self, model: Predictor) -> TestMetrics:
        """How `model` does on the test items."""
        probabilities = model.predict_proba(self.features)
        predicted = probabilities.argmax(axis=1)
        return TestMetrics(
            accuracy(self.targets, predicted),
            balanced_accuracy(self.targets, predicted),
            expected_calibration_error(probabilities, self.targets),
            len(self.targets),
            confusion_matrix(self.targets, predicted, probabilities.shape[1]),
        )
