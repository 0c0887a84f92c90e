"""The history and the review show only some answers on `|`, say which, and show all again."""

from __future__ import annotations

from textual.pilot import Pilot
from textual.widgets import Static

from tests.helpers.app import AppMaker, running, screen_text
from tests.helpers.sessions import SessionMaker
from tests.helpers.toy import Toy
from tuilabel.session import LabellingSession
from tuilabel.tui.app import LabelApp
from tuilabel.tui.screens.filtered import AskFilter
from tuilabel.tui.screens.history import HistoryScreen
from tuilabel.tui.screens.review import ReviewScreen


def marked(toy: Toy, make_session: SessionMaker) -> tuple[LabellingSession, list[int]]:
    """A session with ten labels, of the classes a, b, c in turn; the first is flagged and the second has a note."""
    session = make_session(toy)
    assert session.batch is not None
    items = [item.index for item in session.batch.items]
    for k, index in enumerate(items):
        session.label(index, k % 3)
    session.flag(items[0])
    session.note(items[1], "Two of them")
    return session, items


async def filter_by(pilot: Pilot[None], app: LabelApp, text: str) -> None:
    await pilot.press("vertical_line")
    await pilot.pause()
    assert isinstance(app.screen, AskFilter)
    await pilot.press(*("space" if c == " " else c for c in text), "enter")
    await pilot.pause()


async def test_the_history_shows_what_a_filter_finds(toy: Toy, make_app: AppMaker, make_session: SessionMaker) -> None:
    session, items = marked(toy, make_session)
    app = make_app(session)
    async with running(app) as pilot:
        await pilot.press("comma")
        history = app.screen
        assert isinstance(history, HistoryScreen)
        await filter_by(pilot, app, "b")
        assert list(history.items) == items[1::3][::-1]
        assert "filter: class:b" in screen_text(app).splitlines()[0]
        await pilot.press("vertical_line")
        assert list(history.items) == items[::-1], "the same key shows all"
        assert "filter" not in screen_text(app).splitlines()[0]
        await filter_by(pilot, app, "flagged")
        assert list(history.items) == items[:1]
        await pilot.press("escape")
        assert list(history.items) == items[::-1], "Esc first shows all"
        await filter_by(pilot, app, "note:two")
        assert list(history.items) == items[1:2]
        await pilot.press("escape", "escape")
        assert app.screen is not history


async def test_a_filter_that_finds_nothing_says_so_and_is_not_used(
    toy: Toy, make_app: AppMaker, make_session: SessionMaker
) -> None:
    session, items = marked(toy, make_session)
    app = make_app(session)
    async with running(app) as pilot:
        await pilot.press("comma")
        history = app.screen
        assert isinstance(history, HistoryScreen)
        for text, said in (("by:zoe", "Nothing matches by:zoe"), ("blurred", "'blurred' is neither a class")):
            await filter_by(pilot, app, text)
            assert isinstance(app.screen, AskFilter)
            assert said in str(app.screen.query_one(Static).content)
            await pilot.press("escape")
        assert list(history.items) == items[::-1]


async def test_a_filtered_list_keeps_what_is_answered_in_it(
    toy: Toy, make_app: AppMaker, make_session: SessionMaker
) -> None:
    session, _ = marked(toy, make_session)
    app = make_app(session)
    async with running(app) as pilot:
        await pilot.press("comma")
        history = app.screen
        assert isinstance(history, HistoryScreen)
        await filter_by(pilot, app, "class:a")
        before = list(history.items)
        while history.seen_at == float("inf"):
            await pilot.pause()
        await pilot.pause()
        await pilot.press("c")
        assert list(history.items) == before
        first = session.answer_at(before[0])
        assert first is not None
        assert first.class_name == "c"


async def test_the_review_shows_what_a_filter_finds(toy: Toy, make_app: AppMaker, make_session: SessionMaker) -> None:
    session, items = marked(toy, make_session)
    session.flag(items[4])
    app = make_app(session)
    async with running(app) as pilot:
        await pilot.press("full_stop")
        review = app.screen
        assert isinstance(review, ReviewScreen)
        while len(review.items) < 2:
            await pilot.pause(0.02)
        assert {items[0], items[4]} <= set(review.items)
        await filter_by(pilot, app, "flagged class:b")
        assert list(review.items) == [items[4]]
        assert "1 to review" in screen_text(app)
        await pilot.press("escape")
        assert len(review.items) >= 2
