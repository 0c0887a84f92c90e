"""The thread that follows a store and draws batches, when the store fails."""

from __future__ import annotations

from queue import Queue
from typing import cast

from tests.helpers.events import event
from tuilabel.errors import TuilabelError
from tuilabel.labels import Changes, Cursor, DrawRequest, LabelStore, Seat
from tuilabel.labels.follower import Follower
from tuilabel.labels.store.team import Drawn, Team

PATIENCE = 30.0


class FullStore:
    """A store and a seat at it; drawing fails twice, as on a full disk that is then made room on."""

    def __init__(self) -> None:
        self.failures = 2

    def since(self, cursor: Cursor) -> Changes:
        return Changes((), 0, (), (), cursor)

    def team(self) -> Team:
        return Team()

    def draw(self, _request: DrawRequest, _known: Cursor) -> Drawn:
        if self.failures:
            self.failures -= 1
            raise TuilabelError("cannot write labels.db: database or disk is full; make room on the disk")
        return Drawn(None)

    def leave(self) -> None:
        """Nothing is held."""


def test_a_batch_that_cannot_be_written_is_reported_and_drawn_later() -> None:
    store, said = FullStore(), Queue[str]()
    follower = Follower(
        cast(LabelStore, store), cast(Seat, store), Cursor(), lambda news: said.put(type(news).__name__), 0.01,
        on_failed=said.put, on_recovered=lambda: said.put("again"),
    )  # fmt: skip
    follower.start()
    follower.draw(DrawRequest({}, lambda _number, _taken: None))
    heard = [said.get(timeout=PATIENCE) for _ in range(4)]
    follower.close()
    assert ["disk is full" in line for line in heard[:2]] == [True, True]
    assert heard[2:] == ["Drawn", "again"]


def test_what_others_do_while_a_session_opens_is_known_before_its_first_key() -> None:
    class BusyStore(FullStore):
        def since(self, cursor: Cursor) -> Changes:
            news = (event(0),) if cursor == Cursor() else ()
            return Changes(news, len(news), (), (), Cursor(event=1))

    store = BusyStore()
    heard: list[object] = []
    follower = Follower(cast(LabelStore, store), cast(Seat, store), Cursor(), heard.append)
    follower.start()
    assert [type(news).__name__ for news in heard] == ["Changes"]
    follower.close()
