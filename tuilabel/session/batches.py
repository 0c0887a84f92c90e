"""The batches of a project: the current one, those with unanswered items, and which batch queried an item."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from tuilabel.session.state import Batch, QueryItem

LATEST = 100  # batches among which the one with the highest number is: several sessions may add them at once


class Batches:
    """Batches in order of creation. A batch is open while any of its items is unanswered, unless it is another's.

    Parameters
    ----------
    earlier : batches of earlier sessions, each with whether another annotator was asked.
    is_answered : whether an item needs no answer of this session any more.
    """

    def __init__(self, earlier: Iterable[tuple[Batch, bool]], is_answered: Callable[[QueryItem], bool]) -> None:
        self._is_answered = is_answered
        self._all: list[Batch] = []
        self._rows: dict[int, tuple[int, int]] = {}
        """By pool index: the row of its batch, and its position in the batch."""
        self._open: list[int] = []
        self._of_others: set[int] = set()
        self._current: int | None = None
        for batch, is_of_other in earlier:
            if is_of_other:
                self.add_of_other(batch)
            else:
                self._append(batch)
        self.update_open(range(len(self._all)))

    def __len__(self) -> int:
        return len(self._all)

    @property
    def current(self) -> Batch | None:
        """The batch that is being answered."""
        return None if self._current is None else self._all[self._current]

    @property
    def next_number(self) -> int:
        """The number of the next round."""
        return max((batch.round for batch in self._all[-LATEST:]), default=0) + 1

    @property
    def next(self) -> Batch | None:
        """The open batch after the current one; None if there is none."""
        later = [row for row in self._open if self._current is not None and row > self._current]
        return self._all[later[0]] if later else None

    def add(self, batch: Batch, *, ahead: bool = False) -> None:
        """Add a new batch, which becomes the current one, or if it is drawn ahead, the one after that."""
        self._append(batch)
        self._open.append(len(self._all) - 1)
        if not ahead:
            self._current = len(self._all) - 1

    def drop(self, pool_indices: Collection[int]) -> None:
        """Take items out of the open batches."""
        for row in self._open:
            batch = self._all[row]
            left = tuple(item for item in batch.items if item.index not in pool_indices)
            self._all[row] = replace(batch, items=left)
            for item in batch.items:
                if self._rows.get(item.index, (None,))[0] == row:
                    del self._rows[item.index]
            self._rows.update({item.index: (row, batch_pos) for batch_pos, item in enumerate(left)})

    def add_of_other(self, batch: Batch) -> None:
        """Add a batch that another annotator, or another session, was asked."""
        self._of_others.add(len(self._all))
        ours = {item.index: self._rows[item.index] for item in self.open_items() if item.index in self._rows}
        self._append(batch)
        self._rows.update(ours)

    def replace_current(self, batch: Batch) -> None:
        """Replace the current batch by the same one with other predictions."""
        assert self._current is not None
        self._all[self._current] = batch

    def open_items(self) -> Iterator[QueryItem]:
        """Every item of an open batch."""
        return (item for row in self._open for item in self._all[row].items)

    def open_unanswered(self) -> list[QueryItem]:
        """The items of open batches that are not answered."""
        return [item for item in self.open_items() if not self._is_answered(item)]

    def find(self, pool_idx: int) -> tuple[Batch, QueryItem] | None:
        """The batch that queried an item, and the item as it was queried; None if no batch did."""
        if pool_idx not in self._rows:
            return None
        row, batch_pos = self._rows[pool_idx]
        return self._all[row], self._all[row].items[batch_pos]

    def is_open(self, pool_idx: int) -> bool:
        """Whether an item is in an open batch."""
        return pool_idx in self._rows and self._rows[pool_idx][0] in self._open

    def update_open(self, touched_rows: Iterable[int] = ()) -> None:
        """Update which batches are open after answers were added or removed; a complete one is no longer current.

        Parameters
        ----------
        touched_rows : rows of batches that may be open again; see `rows_of`.
        """
        maybe = sorted({*self._open, *touched_rows} - self._of_others)
        self._open = [row for row in maybe if not self._is_complete(row)]
        if self._current not in self._open:
            self._current = self._open[0] if self._open else None

    def rows_of(self, pool_indices: Iterable[int]) -> set[int]:
        """Rows of the batches that queried these items."""
        return {self._rows[pool_idx][0] for pool_idx in pool_indices if pool_idx in self._rows}

    def switch_to(self, pool_idx: int) -> None:
        """Make the batch of an item the current one, if it is open."""
        if self.is_open(pool_idx):
            self._current = self._rows[pool_idx][0]

    def remap_classes(self, new_class_pos: Sequence[int | None]) -> None:
        """Turn predictions of class k into predictions of class `new_class_pos[k]`; None removes them."""
        self._all = [
            replace(
                batch,
                items=tuple(
                    item
                    if item.predicted is None
                    else replace(item, predicted=new_class_pos[item.predicted], probabilities=None)
                    for item in batch.items
                ),
            )
            for batch in self._all
        ]

    def _append(self, batch: Batch) -> None:
        row = len(self._all)
        self._all.append(batch)
        self._rows.update({item.index: (row, batch_pos) for batch_pos, item in enumerate(batch.items)})

    def _is_complete(self, row: int) -> bool:
        return all(map(self._is_answered, self._all[row].items))
