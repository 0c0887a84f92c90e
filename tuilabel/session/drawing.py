"""How a session gets its batches: alone, or as one of several that share a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from tuilabel.labels import Drawn, DrawRequest, Writer


class Drawer(Protocol):
    """Draws batches.

    Attributes
    ----------
    ahead : unanswered items that are left when the next batch is drawn, so that nobody waits for it; 0 where drawing
        takes no time.
    """

    ahead: int

    def draw(self, request: DrawRequest) -> None:
        """Draw a batch, now or soon; the session gets the answer by `handle`."""

    def hold(self, items: Iterable[str]) -> None:
        """Take note of the content ids of the items that the session asks now, if others are to know."""


class LoneDrawer:
    """Draws for the only session: it gets everything that it asks for, at once.

    Parameters
    ----------
    writer : writes the rounds.
    next_number : gives the number of the next round.
    deliver : called with the answer.
    """

    ahead = 0

    def __init__(self, writer: Writer, next_number: Callable[[], int], deliver: Callable[[Drawn], object]) -> None:
        self._writer, self._next_number, self._deliver = writer, next_number, deliver

    def draw(self, request: DrawRequest) -> None:
        """Draw the first candidates."""
        row = request.compose(self._next_number(), ())
        if row is not None:
            self._writer.put_round(row)
        self._deliver(Drawn(row))

    def hold(self, items: Iterable[str]) -> None:
        """Nobody else could be asked them."""
