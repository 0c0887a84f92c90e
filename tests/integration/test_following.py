"""Who follows a store gets everything that anybody writes, once, in one order that all agree on."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.events import START, event
from tests.helpers.stores import StorePlace
from tuilabel.labels import ClassChange, Cursor, Event, LabelStore, Round, RoundItem
from tuilabel.labels.classes import ChangeKind

ROUND = Round(1, START, "margin", 20, 0.9, 100, 0.1, (RoundItem("a", True, "7", 0.5, 0.01, overlap=True),), "ann", "s1")


def change(number: int, kind: ChangeKind = "add", name: str = "owl", after: int = 0) -> ClassChange:
    return ClassChange(f"{number:032x}", kind, name, None, "ann", START, after)


@pytest.fixture
def two(place: StorePlace) -> tuple[LabelStore, LabelStore]:
    """Two programs with one store."""
    return place.open(), place.open()


def test_what_others_write_is_followed_in_the_order_of_writing(two: tuple[LabelStore, LabelStore]) -> None:
    mine, other = two
    mine.append([event(1), event(2)])
    first = mine.since()
    assert (first.events, first.n_before) == ((event(1), event(2)), 0)
    assert not mine.since(first.cursor), "nothing new"
    other.append([event(3)])
    other.add_class_changes([change(1)])
    other.append([event(3), event(4)])
    other.add_round(ROUND)
    second = mine.since(first.cursor)
    assert (second.events, second.n_before) == ((event(3), event(4)), 2)
    assert second.class_changes == (change(1, after=3),)
    assert second.rounds == (ROUND,)
    assert not mine.since(second.cursor)
    everything = other.since(Cursor())
    assert everything.events == tuple(mine.events())
    assert everything.cursor == second.cursor


def test_the_store_says_how_many_events_came_before_a_class_change(two: tuple[LabelStore, LabelStore]) -> None:
    mine, other = two
    mine.append([event(1)])
    other.append([event(2)])
    (stored,) = mine.add_class_changes([change(1, after=1)])
    assert stored.after == 2, "and not one, as its session believed"
    other.append([event(3)])
    assert mine.add_class_changes([change(1, after=7), change(2)]) == [stored, change(2, after=3)], "each once"
    assert other.class_changes() == [stored, change(2, after=3)]


def test_several_writers_lose_nothing_and_a_follower_misses_nothing(place: StorePlace) -> None:
    """Each writer has connections of its own, as a program has; the follower reads while they write."""
    writers, each = 4, 25
    stores = [place.open() for _ in range(writers)]

    def write(number: int) -> None:
        store = stores[number]
        for k in range(each):
            store.append([event(number * 1000 + k)])
            if k % 5 == 0:
                store.add_class_changes([change(number * 1000 + k, name=f"c{number}-{k}")])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    follower = place.open()
    followed: list[Event] = []
    changes: list[ClassChange] = []
    cursor = Cursor()
    while len(followed) < writers * each or len(changes) < writers * 5:
        is_over = not any(thread.is_alive() for thread in threads)
        news = follower.since(cursor)
        assert news.n_before == len(followed)
        followed += news.events
        changes += news.class_changes
        cursor = news.cursor
        assert news or not is_over, "the writers are done, and something is missing"
    assert followed == follower.events()
    assert changes == follower.class_changes()
    assert [c.after for c in changes] == sorted(c.after for c in changes)
    for number in range(writers):
        keys = [e.key for e in followed if int(e.key, 16) // 1000 == number]
        assert keys == [event(number * 1000 + k).key for k in range(each)]
        position = {e.key: n for n, e in enumerate(followed)}
        for c in changes:
            if int(c.key, 16) // 1000 == number:
                assert position[c.key] < c.after, "its writer's earlier answers come before a change"
    for thread in threads:
        thread.join()


def test_a_store_of_format_5_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    store = LabelStore.open(path)
    store.append([event(1)])
    store.add_class_changes([change(1)])
    store.add_round(replace(ROUND, annotator=None, session=None, items=(RoundItem("a", True, "7", 0.5, 0.01),)))
    before = store.since()
    store.close()
    with sqlite3.connect(path) as connection:
        for column in ("annotator", "session"):
            connection.execute(f"ALTER TABLE rounds DROP COLUMN {column}")
        connection.execute("ALTER TABLE round_items DROP COLUMN overlap")
        connection.execute("UPDATE about SET version = 5")
    connection.close()
    again = LabelStore.open(path)
    assert again.since() == before
    again.add_round(ROUND)
    assert again.rounds()[1] == ROUND
    again.close()
