"""What a sitting has so far: the answers that stand, counted, and the curve of accuracy."""

from __future__ import annotations

from collections import Counter

from tuilabel.estimate import wilson_interval
from tuilabel.labels import Event
from tuilabel.session.state import CurvePoint


class Ledger:
    """The standing answers, counted as they come and go, so that a key costs the same after 30,000 labels."""

    def __init__(self) -> None:
        self.events: dict[int, Event] = {}
        self.labels: dict[int, int] = {}
        self.aside: set[int] = set()
        """Items that are skipped or flagged."""
        self.audits: dict[int, Event] = {}
        self.kinds: Counter[str] = Counter()
        self.classes: Counter[int] = Counter()

    def set(self, index: int, event: Event | None, class_index: int | None) -> None:
        """Let `event` be the answer to item `index` (None: unanswered)."""
        old = self.events.pop(index, None)
        if old is not None:
            self.kinds[old.kind] -= 1
            self.audits.pop(index, None)
            self.aside.discard(index)
        if index in self.labels:
            self.classes[self.labels.pop(index)] -= 1
        if event is None:
            return
        self.events[index] = event
        self.kinds[event.kind] += 1
        if event.audit:
            self.audits[index] = event
        if class_index is None:
            self.aside.add(index)
        else:
            self.labels[index] = class_index
            self.classes[class_index] += 1


class Curve:
    """Test accuracy by number of labels: every point of the first 256 labels, then 128 points a doubling.

    Parameters
    ----------
    test_size : items of the test split, which the intervals are made of; None for none.
    """

    def __init__(self, test_size: int | None = None) -> None:
        self._test_size = test_size
        self._points: dict[int, CurvePoint] = {}

    def add(self, labels: int, accuracy: float) -> None:
        """Add a point; it replaces one so near that no chart could tell them apart."""
        step = 1 << max(0, labels.bit_length() - 8)
        n = self._test_size
        low, high = (accuracy, accuracy) if not n else wilson_interval(accuracy * n, n)
        self._points[labels - labels % step] = CurvePoint(labels, accuracy, low, high)

    def points(self) -> tuple[CurvePoint, ...]:
        """By growing number of labels."""
        return tuple(sorted(self._points.values()))
