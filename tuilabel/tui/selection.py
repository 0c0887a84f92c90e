"""Which items are selected, and how a range of them grows and shrinks: no widgets."""

from __future__ import annotations

from collections.abc import Collection, Iterable


class Selection:
    """A set of items, by pool index. A range that begins on a selected item takes items out of it.

    Attributes
    ----------
    items : the selected items.
    """

    def __init__(self) -> None:
        self.items: frozenset[int] = frozenset()
        self._before: frozenset[int] | None = None
        """What was selected when the range began; None without a range."""
        self._adds = True

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, item: int) -> bool:
        return item in self.items

    @property
    def has_range(self) -> bool:
        """Whether a range has begun that can still change."""
        return self._before is not None

    def begin(self, item: int) -> None:
        """Begin a range at an item."""
        self._before, self._adds = self.items, item not in self.items

    def cover(self, items: Iterable[int]) -> None:
        """Make the range consist of these items."""
        before = self.items if self._before is None else self._before
        self.items = before | frozenset(items) if self._adds else before - frozenset(items)

    def end(self) -> None:
        """End the range: another one may follow."""
        self._before = None

    def toggle(self, items: Collection[int]) -> None:
        """Select items, or take them out if all of them are selected."""
        change = self.remove if self.items.issuperset(items) else self.add
        change(items)

    def add(self, items: Iterable[int]) -> None:
        """Select items in addition."""
        self.end()
        self.items |= frozenset(items)

    def remove(self, items: Iterable[int]) -> None:
        """Take items out."""
        self.end()
        self.items -= frozenset(items)

    def keep(self, items: Iterable[int]) -> None:
        """Take out all others."""
        if self.items:
            self.items = self.items & frozenset(items)

    def clear(self) -> None:
        """Select nothing."""
        self.items, self._before = frozenset(), None
