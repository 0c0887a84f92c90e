"""The standing answers and flags, with their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.labels import ClassBook, Event
from tuilabel.labels.classes import with_names
from tuilabel.labels.events import standing_rows


@dataclass(frozen=True, slots=True)
class StandingAnswer:
    """An answer or a flag as it was written, with the ids of the classes that its names meant then."""

    event: Event
    class_id: int | None
    predicted_id: int | None


class Ledger:
    """The standing answers and flags, counted incrementally so that a key costs the same after 30,000 labels.

    An item that is flagged and has no answer is set aside: its flag counts as its answer, of the kind "flag".

    Parameters
    ----------
    n_items : N, the number of items in the pool.
    book : the classes; call `rebuild` after they change.

    Attributes
    ----------
    standing : each item's standing answer, by pool index, with current class names.
    flags : the flag of each flagged item, by pool index, with current class names.
    kinds : number of standing answers by kind.
    class_counts : number of labels by class position.
    """

    def __init__(self, n_items: int, book: ClassBook) -> None:
        self._book = book
        self._stacks: dict[int, tuple[StandingAnswer, ...]] = {}
        """By pool index: every answer and flag that was not undone. Most are alone: a list would take twice as much."""
        self._numbers: dict[str, int] = {}
        """Of answers and flags, by their keys, in the order in which they came."""
        self._clear(n_items)

    def _clear(self, n_items: int) -> None:
        self.standing: dict[int, Event] = {}
        self.flags: dict[int, Event] = {}
        self._audits: dict[int, Event] = {}
        self.kinds: Counter[str] = Counter()
        self.class_counts: Counter[int] = Counter()
        self._label = np.full(n_items, -1, dtype=np.int64)
        self._set_aside = np.zeros(n_items, dtype=bool)
        self._audit = np.zeros(n_items, dtype=bool)

    def __len__(self) -> int:
        """The number of items in the pool."""
        return len(self._label)

    def grow(self, n_items: int) -> None:
        """Add items at the end, as the pool did, up to `n_items`."""
        n_new = n_items - len(self._label)
        self._label = np.append(self._label, np.full(n_new, -1, dtype=np.int64))
        self._set_aside = np.append(self._set_aside, np.zeros(n_new, dtype=bool))
        self._audit = np.append(self._audit, np.zeros(n_new, dtype=bool))

    def forget(self) -> None:
        """Forget every answer and flag."""
        self._stacks.clear()
        self._numbers.clear()
        self._clear(len(self))

    def push(self, pool_idx: int, answer: StandingAnswer, below: Container[str] = ()) -> None:
        """Put an answer to an item, or a flag, on top of the earlier ones; `update` makes it count.

        Parameters
        ----------
        below : keys of answers that are later than this one.
        """
        self._numbers.setdefault(answer.event.key, len(self._numbers))
        stack = self._stacks.get(pool_idx, ())
        row = next((row for row, other in enumerate(stack) if other.event.key in below), len(stack))
        self._stacks[pool_idx] = (*stack[:row], answer, *stack[row:])

    def drop(self, pool_idx: int, key: str | None) -> StandingAnswer | None:
        """Remove the answer or flag `key` from an item and return it, or None; `update` makes that count."""
        stack = self._stacks.get(pool_idx, ())
        row = next((row for row in reversed(range(len(stack))) if stack[row].event.key == key), None)
        if row is None:
            return None
        self._stacks[pool_idx] = stack[:row] + stack[row + 1 :]
        return stack[row]

    def update(self, pool_idx: int) -> None:
        """Count what stands for an item, if anything does, in place of what was counted before."""
        old = self.standing.pop(pool_idx, None)
        if old is not None:
            self.kinds[old.kind] -= 1
            self._audits.pop(pool_idx, None)
            if self._label[pool_idx] >= 0:
                self.class_counts[int(self._label[pool_idx])] -= 1
            self._label[pool_idx], self._set_aside[pool_idx], self._audit[pool_idx] = -1, False, False
        self.flags.pop(pool_idx, None)
        answers, flags = self._standing(pool_idx)
        if flags:
            self.flags[pool_idx] = self.with_current_names(flags[-1])
        if not (answers or flags):
            return
        answer = (answers or flags)[-1]
        event = self.with_current_names(answer)
        self.standing[pool_idx] = event
        self.kinds[event.kind] += 1
        self._audit[pool_idx] = event.audit
        if event.audit:
            self._audits[pool_idx] = event
        class_pos = self._book.position(answer.class_id) if event.kind == "label" else None
        if class_pos is None:
            self._set_aside[pool_idx] = True
        else:
            self._label[pool_idx] = class_pos
            self.class_counts[class_pos] += 1

    def rebuild(self) -> None:
        """Count everything again, by the current classes."""
        self._clear(len(self._label))
        for pool_idx in self._stacks:
            self.update(pool_idx)

    def with_current_names(self, answer: StandingAnswer) -> Event:
        """The answer's event with current class names."""
        return with_names(answer.event, self._book, answer.class_id, answer.predicted_id)

    @property
    def audits(self) -> list[Event]:
        """The standing answers to audit items, in the order in which they came."""
        return self._in_order(self._audits.values())

    def _in_order(self, events: Iterable[Event]) -> list[Event]:
        return sorted(events, key=lambda event: self._numbers[event.key])

    def number(self, key: str) -> int:
        """The number of an answer or a flag in the order in which they came, whatever the clocks said."""
        return self._numbers[key]

    def answers(self, pool_idx: int) -> Sequence[StandingAnswer]:
        """Every answer to an item that was not undone; the last one is the standing one."""
        return self._standing(pool_idx)[0]

    def answered_by(self, pool_idx: int) -> set[str]:
        """Who has labelled or skipped an item."""
        return {answer.event.annotator for answer in self.answers(pool_idx) if answer.event.kind != "flag"}

    def flag_entries(self, pool_idx: int) -> Sequence[StandingAnswer]:
        """The flags of an item; more than one only if several annotators' were imported."""
        return self._standing(pool_idx)[1]

    def entry(self, pool_idx: int, key: str) -> StandingAnswer:
        """The answer or flag `key`, which was not undone; raises `KeyError` if there is none."""
        for answer in self._stacks.get(pool_idx, ()):
            if answer.event.key == key:
                return answer
        raise KeyError(key)

    def live_events(self) -> list[Event]:
        """Every answer that was not undone, of every annotator, in the order in which they came, with current names."""
        return self._in_order(
            self.with_current_names(answer) for pool_idx in self._stacks for answer in self.answers(pool_idx)
        )

    def stands(self, pool_idx: int, key: str) -> bool:
        """Whether `key` is an item's standing answer, or what was last said about its flag."""
        standing = self.standing.get(pool_idx)
        if standing is not None and standing.key == key:
            return True
        stack = self._stacks.get(pool_idx, ())
        about_flag = (a.event for a in reversed(stack) if a.event.kind in ("flag", "unflag") or not a.event.beside)
        last = next(about_flag, None)
        return last is not None and last.key == key and last.kind in ("flag", "unflag")

    def uses(self, class_id: int) -> bool:
        """Whether any answer names a class, even one that a later answer has replaced."""
        return any(answer.class_id == class_id for stack in self._stacks.values() for answer in stack)

    def _standing(self, pool_idx: int) -> tuple[list[StandingAnswer], list[StandingAnswer]]:
        """The answers to an item that stand, and its flags, the current ones last."""
        stack = self._stacks.get(pool_idx, ())
        answers, flags = standing_rows([answer.event for answer in stack])
        return [stack[row] for row in answers], [stack[row] for row in flags]

    def label_of(self, pool_idx: int) -> int | None:
        """The class position of an item; None if it has no label."""
        class_pos = int(self._label[pool_idx])
        return None if class_pos < 0 else class_pos

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Labelled items: pool indices, ascending, class positions, and which are audit items, all (m,)."""
        indices = np.flatnonzero(self._label >= 0)
        return indices, self._label[indices], self._audit[indices]

    def count_unanswered(self, pool_indices: NDArray[np.int64]) -> int:
        """How many of these items have no answer."""
        return int(np.count_nonzero((self._label[pool_indices] < 0) & ~self._set_aside[pool_indices]))

    def set_aside(self) -> NDArray[np.int64]:
        """Pool indices of items that are skipped, or flagged and without a label, ascending."""
        return np.flatnonzero(self._set_aside)
