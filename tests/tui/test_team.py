"""The screen of one of several annotators: what a colleague answers, and who is here."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.helpers.app import AppMaker, running, screen_text
from tests.helpers.events import event
from tests.helpers.sessions import item_at
from tuilabel.labels import Changes, Cursor, Event, Team
from tuilabel.labels.store import Present
from tuilabel.session import LabellingSession
from tuilabel.tui.app import LabelApp, MailReceived


def by_bob(session: LabellingSession, batch_pos: int, name: str, number: int = 0) -> Event:
    item = session.pool.ids[item_at(session, batch_pos)].decode()
    return event(number, item, class_name=name, annotator="bob")


def changes(*events: Event, n_before: int = 0) -> Changes:
    return Changes(events, n_before, (), (), Cursor())


def team_of(app: LabelApp) -> Team:
    session, noon = app.session, datetime(2026, 3, 1, 12, tzinfo=UTC)
    here = [
        Present(session.id, "ann", "gpu1", 41, noon),
        Present("of bob", "bob", "gpu1", 42, noon),
        Present("of cleo", "cleo\x1b[31m", "gpu2", 43, noon),
    ]
    asked = session.pool.ids[90:102]
    return Team(tuple(here), {"of bob": frozenset(id_.decode() for id_ in asked)}, {"ann": "owner", "bob": "labeller"})


async def test_an_answer_of_a_colleague_appears_with_their_name(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        session = app.session
        await pilot.press("a")
        app.post_message(MailReceived(changes(by_bob(session, 3, session.classes[1]))))
        await pilot.pause()
        await pilot.pause()
        shown = screen_text(app)
        assert f"✓ {session.classes[1]} bob" in shown
        assert "2 of 120 labelled" in shown
        assert app.label_screen.focused_item == 1, "the focus stays"
        await pilot.press("backspace")
        await pilot.pause()
        answer = session.answer_at(item_at(session, 3))
        assert answer is not None, "undo is about one's own answers"
        assert answer.annotator == "bob"


async def test_who_is_here(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app, (80, 24)) as pilot:
        app.post_message(MailReceived(team_of(app)))
        await pilot.press("at")
        await pilot.pause()
        shown = screen_text(app)
        assert "Who is here" in shown
        assert "ann (you)" in shown
        assert "bob" in shown
        assert "asked 12 images" in shown
        assert "labeller on gpu1" in shown
        assert "\x1b" not in shown
        labelled = len(app.session.standing)
        await pilot.press("1", "escape")
        await pilot.pause()
        assert app.screen is app.label_screen
        assert len(app.session.standing) == labelled


async def test_a_labeller_is_told_what_only_an_owner_may(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        app.session.meet(Team(roles={"zoe": "owner"}))
        await pilot.press("colon", "plus", *"owl", "enter")
        await pilot.pause()
        assert "only an owner of the project may change its classes" in screen_text(app)
        assert "owl" not in app.session.classes


async def test_keys_that_a_labeller_gives_to_classes_are_not_those_of_the_project(make_app: AppMaker) -> None:
    app = make_app()
    saved: list[dict[str, str]] = []
    app.state.save_class_keys = lambda keys: saved.append(dict(keys))
    async with running(app) as pilot:
        app.session.meet(Team(roles={"zoe": "owner"}))
        await pilot.press("colon", "x")
        await pilot.pause()
        assert "x labels with" in screen_text(app)
    assert saved == []
