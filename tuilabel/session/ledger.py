"""What a sitting has so far: the answers that stand, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.labels import ClassBook, Event
from tuilabel.labels.classes import renamed


@dataclass(frozen=True, slots=True)
class StandingAnswer:
    """An answer as it was written, and the slots of the classes that it named then."""

    event: Event
    slot: int | None
    predicted: int | None


class Ledger:
    """The standing answers, counted as they come and go, so that a key costs the same after 30,000 labels.

    Parameters
    ----------
    n_items : N, of the pool.
    book : the classes; after a change of them call `rebuild`.
    """

    def __init__(self, n_items: int, book: ClassBook) -> None:
        self._book = book
        self._stacks: dict[int, list[StandingAnswer]] = {}
        self._clear(n_items)

    def _clear(self, n_items: int) -> None:
        self.standing: dict[int, Event] = {}
        """The answer that stands for each item, by pool index, with class names as they are now."""
        self.audits: dict[int, Event] = {}
        """Those to audit items."""
        self.kinds: Counter[str] = Counter()
        self.classes: Counter[int] = Counter()
        self._label = np.full(n_items, -1, dtype=np.int64)
        self._aside = np.zeros(n_items, dtype=bool)
        self._audit = np.zeros(n_items, dtype=bool)

    def __len__(self) -> int:
        """Items of the pool."""
        return len(self._label)

    def grow(self, n_items: int) -> None:
        """The pool has more items now, after those there were."""
        new = n_items - len(self._label)
        self._label = np.append(self._label, np.full(new, -1, dtype=np.int64))
        self._aside = np.append(self._aside, np.zeros(new, dtype=bool))
        self._audit = np.append(self._audit, np.zeros(new, dtype=bool))

    def push(self, index: int, answer: StandingAnswer) -> None:
        """An answer to item `index`, on top of those before; call `show` when it is to count."""
        self._stacks.setdefault(index, []).append(answer)

    def drop(self, index: int, key: str | None) -> StandingAnswer | None:
        """Take the answer `key` from item `index`; None where it is not there."""
        stack = self._stacks.get(index, [])
        place = next((k for k in reversed(range(len(stack))) if stack[k].event.key == key), None)
        return None if place is None else stack.pop(place)

    def show(self, index: int) -> None:
        """Let the topmost answer of item `index` count, if there is one, and no other."""
        old = self.standing.pop(index, None)
        if old is not None:
            self.kinds[old.kind] -= 1
            self.audits.pop(index, None)
            if self._label[index] >= 0:
                self.classes[int(self._label[index])] -= 1
            self._label[index], self._aside[index], self._audit[index] = -1, False, False
        stack = self._stacks.get(index)
        if not stack:
            return
        answer = stack[-1]
        event = self.now(answer)
        self.standing[index] = event
        self.kinds[event.kind] += 1
        self._audit[index] = event.audit
        if event.audit:
            self.audits[index] = event
        position = self._book.position(answer.slot) if event.kind == "label" else None
        if position is None:
            self._aside[index] = True
        else:
            self._label[index] = position
            self.classes[position] += 1

    def rebuild(self) -> None:
        """Count everything anew, by the classes there are now."""
        self._clear(len(self._label))
        for index in self._stacks:
            self.show(index)

    def now(self, answer: StandingAnswer) -> Event:
        """The answer's event with class names as they are now."""
        return renamed(answer.event, self._book, answer.slot, answer.predicted)

    def answers(self, index: int) -> Sequence[StandingAnswer]:
        """Every answer to item `index` that was not taken back, the standing one last."""
        return self._stacks.get(index, ())

    def live_events(self) -> list[Event]:
        """Every answer that was not taken back, of every annotator, item by item, with class names as they are now."""
        return [self.now(answer) for stack in self._stacks.values() for answer in stack]

    def stands(self, index: int, key: str) -> bool:
        """Whether the answer `key` is the one that stands for item `index`."""
        event = self.standing.get(index)
        return event is not None and event.key == key

    def uses(self, slot: int) -> bool:
        """Whether any answer names the class `slot`, standing or under another one."""
        return any(answer.slot == slot for stack in self._stacks.values() for answer in stack)

    def label_of(self, index: int) -> int | None:
        """The class position of item `index`; None where it has no label."""
        position = int(self._label[index])
        return None if position < 0 else position

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Labelled items by growing index: pool indices, class positions, and which are audit items, all (m,)."""
        indices = np.flatnonzero(self._label >= 0)
        return indices, self._label[indices], self._audit[indices]

    def count_unanswered(self, indices: NDArray[np.int64]) -> int:
        """How many of these items have no answer."""
        return int(np.count_nonzero((self._label[indices] < 0) & ~self._aside[indices]))

    def aside(self) -> NDArray[np.int64]:
        """Pool indices of skipped and flagged items, growing."""
        return np.flatnonzero(self._aside)
