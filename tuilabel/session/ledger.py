"""The answers that stand, counted."""

from __future__ import annotations

from collections import Counter

from tuilabel.labels import Event


class Ledger:
    """The standing answers, counted as they come and go, so that a key costs the same after 30,000 labels."""

    def __init__(self) -> None:
        self.events: dict[int, Event] = {}
        self.labels: dict[int, int] = {}
        self.audits: dict[int, Event] = {}
        self.kinds: Counter[str] = Counter()
        self.classes: Counter[int] = Counter()

    def set(self, index: int, event: Event | None, class_index: int | None) -> None:
        """Let `event` be the answer to item `index` (None: unanswered)."""
        old = self.events.pop(index, None)
        if old is not None:
            self.kinds[old.kind] -= 1
            self.audits.pop(index, None)
        if index in self.labels:
            self.classes[self.labels.pop(index)] -= 1
        if event is None:
            return
        self.events[index] = event
        self.kinds[event.kind] += 1
        if event.audit:
            self.audits[index] = event
        if class_index is not None:
            self.labels[index] = class_index
            self.classes[class_index] += 1
