"""The accuracy to report: measured on a test set if there is one, else estimated from audit items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuilabel.estimate.audit import AuditEstimate
from tuilabel.estimate.intervals import wilson_interval


@dataclass(frozen=True)
class MeasuredAccuracy:
    """An accuracy, 0…1, with its 95 % interval and the number of items it was measured on."""

    value: float
    low: float
    high: float
    n: int
    source: Literal["test", "audit"]

    @classmethod
    def on_test(cls, accuracy: float, n: int) -> MeasuredAccuracy:
        """The accuracy on `n` test items, with Wilson's interval.

        Raises
        ------
        ValueError : if `accuracy` is not in 0…1, or `n` is below 1.
        """
        return cls(accuracy, *wilson_interval(accuracy * n, n), n, "test")

    @classmethod
    def on_audit(cls, estimate: AuditEstimate | None) -> MeasuredAccuracy | None:
        """The accuracy of an audit estimate; None without one."""
        return None if estimate is None else cls(estimate.value, estimate.low, estimate.high, estimate.n, "audit")

    @property
    def interval(self) -> tuple[float, float, float]:
        """Value, low and high."""
        return self.value, self.low, self.high
