"""The batches of a project: which is asked now, which have items without an answer, where an item was asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from tuilabel.session.state import Batch, QueryItem


class Batches:
    """Batches in the order in which they were made.

    Parameters
    ----------
    earlier : batches of earlier sittings.
    answered : pool indices with an answer.
    """

    def __init__(self, earlier: Iterable[Batch], answered: Collection[int]) -> None:
        self._all: list[Batch] = []
        self._place: dict[int, tuple[int, int]] = {}
        self._open: list[int] = []
        self._current: int | None = None
        for batch in earlier:
            self._append(batch)
        self.settle(answered, range(len(self._all)))

    def __len__(self) -> int:
        return len(self._all)

    @property
    def now(self) -> Batch | None:
        """The batch that is asked."""
        return None if self._current is None else self._all[self._current]

    @property
    def next_number(self) -> int:
        """Of the round that comes after all there are."""
        return self._all[-1].round + 1 if self._all else 1

    def add(self, batch: Batch) -> None:
        """A new batch, which is asked from now on."""
        self._append(batch)
        self._current = len(self._all) - 1
        self._open.append(self._current)

    def replace_now(self, batch: Batch) -> None:
        """The batch that is asked, with other predictions."""
        assert self._current is not None
        self._all[self._current] = batch

    def asked(self) -> Iterator[QueryItem]:
        """Every item of a batch that is not complete."""
        return (item for position in self._open for item in self._all[position].items)

    def find(self, index: int) -> tuple[Batch, QueryItem] | None:
        """The batch that asked item `index`, and the item as it was asked; None where none did."""
        if index not in self._place:
            return None
        position, k = self._place[index]
        return self._all[position], self._all[position].items[k]

    def is_open(self, index: int) -> bool:
        """Whether item `index` is in a batch that is not complete."""
        return index in self._place and self._place[index][0] in self._open

    def settle(self, answered: Collection[int], touched: Iterable[int] = ()) -> None:
        """After answers came or went: see which batches are open; one that is complete is asked no more.

        Parameters
        ----------
        touched : positions of batches that may be open again; see `positions`.
        """
        self._open = [p for p in sorted({*self._open, *touched}) if not self._complete(p, answered)]
        if self._current not in self._open:
            self._current = self._open[0] if self._open else None

    def positions(self, indices: Iterable[int]) -> set[int]:
        """Positions of the batches that asked these items."""
        return {self._place[index][0] for index in indices if index in self._place}

    def turn_to(self, index: int) -> None:
        """Ask the batch of item `index` now, if it is open."""
        if self.is_open(index):
            self._current = self._place[index][0]

    def renumber(self, places: Sequence[int | None]) -> None:
        """Let predictions of class k become predictions of `places[k]`, or none."""
        self._all = [
            replace(
                batch,
                items=tuple(
                    item if item.predicted is None else replace(item, predicted=places[item.predicted])
                    for item in batch.items
                ),
            )
            for batch in self._all
        ]

    def _append(self, batch: Batch) -> None:
        position = len(self._all)
        self._all.append(batch)
        self._place.update({item.index: (position, k) for k, item in enumerate(batch.items)})

    def _complete(self, position: int, answered: Collection[int]) -> bool:
        return all(item.index in answered for item in self._all[position].items)
