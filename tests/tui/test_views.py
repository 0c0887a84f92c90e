"""The other views of a session: one image large, by class, review, history, classes, figures, and the palette."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from tests.helpers.app import SIZES, AppMaker, running, screen_text, scripted, scripted_answer
from tests.helpers.sessions import SessionMaker
from tests.helpers.toy import Toy
from tuilabel.errors import UsageError
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import ClassItems, Question, Reply
from tuilabel.tui.actions import ACTIONS, ALL_SCREENS, actions_of, key_table, with_user_keys
from tuilabel.tui.app import LabelApp
from tuilabel.tui.keys import ClassKeys
from tuilabel.tui.mailbox import Mailbox
from tuilabel.tui.screens.by_class import ByClassScreen
from tuilabel.tui.screens.classes import ClassesScreen
from tuilabel.tui.screens.figures import FiguresScreen
from tuilabel.tui.screens.history import HistoryScreen
from tuilabel.tui.screens.review import ReviewScreen
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import NOT_SEEN


async def answer(pilot: Pilot[None], app: LabelApp, toy: Toy, n: int) -> None:
    """Answer `n` items of the batch with the truth."""
    for _ in range(n):
        batch = app.session.batch
        assert batch is not None
        await pilot.press("abc"[toy.truth(batch.items[app.label_screen.focused_item].index)])


async def seen(pilot: Pilot[None], app: LabelApp) -> None:
    """Wait until the images of the topmost screen have been painted."""
    while app.annotation_screen.seen_at == NOT_SEEN:
        await pilot.pause()


async def test_tab_shows_one_image_large_and_a_key_labels_it(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        await pilot.press("tab")
        await seen(pilot, app)
        while app.session.model_queries.inspection is None:
            await pilot.pause(0.02)
        await pilot.pause()
        text = screen_text(app)
        assert "image 1 of 10" in text
        assert "MODEL" in text
        assert "%" in text
        batch = app.session.batch
        assert batch is not None
        await answer(pilot, app, toy, 1)
        assert app.session.answer_at(batch.items[0].index) is not None
        assert "image 2 of 10" in screen_text(app)
        await pilot.press("escape")
        assert "image 2 of 10" not in screen_text(app)


async def test_a_large_image_that_was_not_painted_is_not_labelled(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("tab")
        await seen(pilot, app)
        before = app.session.statistics().labelled
        app.label_screen._large._original.seen_at = NOT_SEEN
        app.label_screen.label_focused(0)
        await pilot.pause()
        assert app.session.statistics().labelled == before
        assert "before the images were shown" in screen_text(app)


async def test_by_class_confirms_what_is_not_marked_and_undo_takes_all_back(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        await pilot.press("tab", "tab")
        assert isinstance(app.screen, ByClassScreen)
        await seen(pilot, app)
        name = "abc"[app.screen.class_pos]
        shown = list(app.screen.items)
        on_page = len(app.screen._grid.on_page)
        assert on_page >= 3
        await pilot.press("space")
        assert "✗ wrong" in screen_text(app)
        await confirm_all(pilot, app)
        labelled = [i for i in shown if (e := app.session.answer_at(i)) is not None and e.class_name == name]
        assert len(labelled) == on_page - 1
        assert app.session.answer_at(shown[0]) is None
        assert all(app.session.answer_at(i).origin == "by-class" for i in labelled)  # type: ignore[union-attr]
        await pilot.press("backspace")
        assert [i for i in shown if app.session.answer_at(i) is not None] == []
        await pilot.press("ctrl+y")
        assert sum(app.session.answer_at(i) is not None for i in shown) == on_page - 1
        await pilot.press("escape")
        assert app.screen is app.label_screen


async def test_by_class_relabels_a_wrong_item_and_switches_classes(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        await pilot.press("tab", "tab", "right_square_bracket")
        assert isinstance(app.screen, ByClassScreen)
        await seen(pilot, app)
        batch = app.session.batch
        assert batch is not None
        focused = batch.items[app.label_screen.focused_item]
        assert focused.predicted is not None
        assert app.screen.class_pos == ((0 if focused.hidden else focused.predicted) + 1) % 3
        assert f"by class  {'abc'[app.screen.class_pos]}" in screen_text(app)
        first = app.screen.items[0]
        await pilot.press("c")
        event = app.session.answer_at(first)
        assert event is not None
        assert event.class_name == "c"


async def confirm_all(pilot: Pilot[None], app: LabelApp) -> None:
    """Confirm the page, with a second Enter if the model is not sure enough."""
    await pilot.press("enter")
    if "Enter again" in screen_text(app):
        await pilot.press("enter")


async def test_doubtful_images_take_a_second_enter_and_say_why(toy: Toy, make_app: AppMaker) -> None:
    def doubtful(question: Question) -> Reply:
        reply = scripted_answer(toy, question)
        if isinstance(reply, ClassItems):
            sure = np.linspace(0.95, 0.4, len(reply.indices)).astype(np.float32)
            return replace(reply, confidence=sure)
        return reply

    app = make_app(trainer=InlineTrainer(partial(scripted, toy), doubtful))
    async with running(app) as pilot:
        await answer(pilot, app, toy, 11)
        await pilot.press("tab", "tab")
        await seen(pilot, app)
        assert isinstance(app.screen, ByClassScreen)
        before, listed = app.session.statistics().labelled, len(app.screen.items)
        assert re.search(r"\d of \d checked right|none checked yet", screen_text(app))
        await pilot.press("enter")
        assert re.search(r"Only \d\d % may be right: mark the wrong ones", screen_text(app))
        assert app.session.statistics().labelled == before
        await pilot.press("space", "enter")
        assert "Enter again" in screen_text(app), "other images than those that were asked about"
        assert app.session.statistics().labelled == before
        await pilot.press(*["greater_than_sign"] * 5)
        assert 0 < len(app.screen.items) < listed
        assert "from 90 %" in screen_text(app)
        await pilot.press(*["less_than_sign"] * 5)
        assert len(app.screen.items) == listed
        page = len(app.screen._unmarked())
        await pilot.press("enter", "enter")
        assert app.session.statistics().labelled == before + page


async def test_by_class_does_not_tell_a_hidden_prediction(toy: Toy, make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        batch = app.session.batch
        assert batch is not None
        hidden = [place for place, item in enumerate(batch.items) if item.hidden]
        opened = []
        for place in hidden:
            app.label_screen.focused_item = place
            await pilot.press("tab", "tab")
            assert isinstance(app.screen, ByClassScreen)
            opened.append(app.screen.class_pos)
            await pilot.press("escape")
        assert opened == [0] * len(hidden)


async def test_by_class_without_a_model_says_what_to_do(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("tab", "tab")
        assert "Label images of two classes in the grid first" in screen_text(app)
        await pilot.press("enter")
        assert app.session.statistics().labelled == 0


async def test_review_shows_a_planted_mistake_first_and_one_key_fixes_it(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 29)
        batch = app.session.batch
        assert batch is not None
        item = batch.items[app.label_screen.focused_item]
        wrong = (toy.truth(item.index) + 1) % 3
        await pilot.press("abc"[wrong])
        await pilot.press("full_stop")
        assert isinstance(app.screen, ReviewScreen)
        await seen(pilot, app)
        assert app.screen.items[0] == item.index
        assert "likely wrong" in screen_text(app)
        await pilot.press("abc"[toy.truth(item.index)])
        event = app.session.answer_at(item.index)
        assert event is not None
        assert (event.class_name, event.origin) == ("abc"[toy.truth(item.index)], "review")
        await pilot.press("backspace")
        event = app.session.answer_at(item.index)
        assert event is not None
        assert event.class_name == "abc"[wrong]


async def test_review_keeps_with_enter(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 19)
        batch = app.session.batch
        assert batch is not None
        item = batch.items[app.label_screen.focused_item]
        await pilot.press("abc"[(toy.truth(item.index) + 1) % 3], "full_stop")
        await seen(pilot, app)
        n = len(app.annotation_screen.items)
        await pilot.press("enter")
        assert f"{n - 1} to review" in screen_text(app)


async def test_history_changes_and_withdraws_earlier_answers(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 12)
        await pilot.press("comma")
        assert isinstance(app.screen, HistoryScreen)
        await seen(pilot, app)
        newest, before = app.screen.items[:2]
        was = toy.truth(newest)
        await pilot.press("abc"[(was + 1) % 3])
        event = app.session.answer_at(newest)
        assert event is not None
        assert event.class_name == "abc"[(was + 1) % 3]
        await pilot.press("delete")
        assert app.session.answer_at(before) is None
        await pilot.press("backspace")
        assert app.session.answer_at(before) is not None


async def test_a_note_is_kept_and_shown(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        batch = app.session.batch
        assert batch is not None
        await pilot.press("a", "left", "semicolon")
        await pilot.press(*"odd", "space", *"one", "enter")
        assert app.session.note_on(batch.items[0].index) == "odd one"
        assert app.session.statistics().labelled == 1
        await pilot.press("comma")
        assert "odd one" in screen_text(app)


async def test_classes_are_added_renamed_and_merged(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("a", "b", "c", "colon")
        assert isinstance(app.screen, ClassesScreen)
        await pilot.press("plus", *"newt", "enter")
        assert app.session.classes == ("a", "b", "c", "newt")
        footer = app.label_screen._key_line
        assert footer.text.startswith("a–c")
        await pilot.press("enter")
        field = app.screen.query_one(Input)
        field.value = "ant"
        await pilot.press("enter")
        assert app.session.classes == ("ant", "b", "c", "newt")
        await pilot.press("down", "minus")
        app.screen.query_one(Input).value = "ant"
        await pilot.pause()
        await pilot.press("enter")
        assert app.session.classes == ("ant", "c", "newt")
        await pilot.press("escape")
        counts = app.session.statistics().class_counts
        assert counts == (2, 1, 0)
        assert footer.text.startswith("1–4")  # ant has 1, c its own name, newt 4
        assert "✓ ant" in screen_text(app)


async def test_a_class_name_in_use_is_refused_with_a_message(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("colon", "plus", "b", "enter")
        assert app.session.classes == ("a", "b", "c")
        assert "b" in screen_text(app)
        assert app.screen.query_one(OptionList).option_count == 3


async def test_slash_finds_a_class_by_part_of_its_name(
    toy: Toy, make_session: SessionMaker, make_app: AppMaker
) -> None:
    names = tuple(f"kind of thing {n}" for n in range(50))
    app = make_app(make_session(toy, classes=(*toy.pool.classes, *names)))
    async with running(app) as pilot:
        batch = app.session.batch
        assert batch is not None
        await pilot.press("slash", *"thing", "space", *"44", "enter")
        event = app.session.answer_at(batch.items[0].index)
        assert event is not None
        assert event.class_name == "kind of thing 44"


async def test_the_palette_runs_every_command_by_name(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        titles = {command.title for command in app.get_system_commands(app.screen)}
        for action in actions_of("label"):
            if action.group != "Move" and action.name not in ("palette", "theme"):
                assert any(action.label.capitalize() in title for title in titles), action.name
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"skip")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await pilot.pause(0.2)
        await pilot.press("enter")
        await pilot.pause()
        assert app.session.statistics().skipped == 1


async def test_figures_open_and_close_and_label_nothing(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 12)
        await pilot.press("equals_sign")
        assert isinstance(app.screen, FiguresScreen)
        text = screen_text(app)
        assert "12 of 120 labelled" in text
        assert "accuracy" in text
        await pilot.press("a", "escape")
        assert app.screen is app.label_screen
        assert app.session.statistics().labelled == 12


async def test_themes_switch_and_the_hint_goes_away(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        assert "Press the key of the class" in screen_text(app)
        await pilot.press("ctrl+t")
        assert app.theme == "tuilabel-light"
        await pilot.pause()
        background = app.screen.styles.background
        strips = app.screen._compositor.render_strips()
        for strip in (strips[0], strips[-1], strips[-2], strips[10]):
            edge = list(strip)[-1].style
            assert edge is not None
            assert edge.bgcolor is not None
            assert min(edge.bgcolor.get_truecolor()) > 200, "a line that is still dark"
        assert background.brightness > 0.9
        await pilot.press("a", "b", "c")
        assert "Press the key of the class" not in screen_text(app)


async def test_resizing_while_typing_loses_nothing(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        for n, size in enumerate(((80, 24), (200, 60), (60, 20), (120, 40)), start=1):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            await seen(pilot, app)
            await answer(pilot, app, toy, 3)
            assert app.session.statistics().labelled == 3 * n


async def test_keys_that_come_together_close_a_dialog_once(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        for opener, key in (
            ("question_mark", "x"),
            ("colon", "escape"),
            ("comma", "escape"),
            ("equals_sign", "escape"),
        ):
            await pilot.press(opener)
            for _ in range(3):
                app.post_message(events.Key(key, key if len(key) == 1 else None))
            await pilot.pause(0.1)
            assert app.screen is app.label_screen
    assert app.failure is None


async def test_user_keys_rebind_commands(toy: Toy, make_session: SessionMaker) -> None:
    state = AppState(make_session(toy), with_user_keys({"skip": ["*"]}), class_keys=ClassKeys({1: "x"}))
    app = LabelApp(state, Mailbox())
    async with running(app) as pilot:
        await pilot.press("asterisk")
        assert app.session.statistics().skipped == 1
        await pilot.press("space")
        assert app.session.statistics().skipped == 1
        await pilot.press("x")
        assert app.session.statistics().class_counts == (0, 1, 0)


@pytest.mark.parametrize(
    ("own", "word"),
    [
        ({"skip": "!", "flag": ["!", "~"]}, "both skip and flag"),
        ({"skip": "a"}, "belong to classes"),
        ({"skpi": "*"}, "did you mean skip"),
        ({"skip": 3}, "must be a key"),
    ],
)
def test_conflicting_user_keys_are_refused(own: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        with_user_keys(own)


def test_a_chosen_key_is_taken_from_the_command_that_had_it() -> None:
    keys = {action.name: action.keys for action in with_user_keys({"skip": "*", "note": "ctrl+f"})}
    assert (keys["skip"], keys["note"]) == (("asterisk",), ("ctrl+f",))
    assert (keys["search"], keys["alone"]) == ((), ()), "they are in the palette"
    assert keys["mark"] == ("space",), "which is on another screen than skip"


def test_no_screen_has_a_key_twice_and_no_command_a_letter() -> None:
    for screen in ALL_SCREENS:
        keys = [key for action in actions_of(screen) for key in action.keys]
        assert len(keys) == len(set(keys))
        assert not any(len(key) == 1 and key.isalnum() for key in keys)
    assert all(action.name in key_table() for action in ACTIONS)


def test_the_documentation_lists_the_current_keys() -> None:
    page = Path(__file__).parents[2] / "docs" / "keys.md"
    assert key_table() in page.read_text(), "docs/keys.md is not up to date with tuilabel.tui.actions.key_table()"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(["right", "tab"], id="large"),
        pytest.param(["tab", "tab", "right", "space"], id="by-class"),
        pytest.param(["full_stop"], id="review"),
        pytest.param(["comma"], id="history"),
    ],
)
async def test_view(
    toy: Toy, make_app: AppMaker, size: tuple[int, int], keys: list[str], snapshot: SnapshotAssertion
) -> None:
    app = make_app(trainer=InlineTrainer(partial(scripted, toy), partial(scripted_answer, toy)))
    async with running(app, size) as pilot:
        await answer(pilot, app, toy, 11)
        batch = app.session.batch
        assert batch is not None
        wrong = (toy.truth(batch.items[app.label_screen.focused_item].index) + 1) % 3
        await pilot.press("abc"[wrong], *keys)
        await seen(pilot, app)
        while keys[-1] == "tab" and len(keys) == 2 and app.session.model_queries.inspection is None:
            await pilot.pause(0.02)
        await pilot.pause()
        text = re.sub(r"\d+ \w{3} \d\d:\d\d", "1 Jan 00:00", screen_text(app))  # in the machine's time zone
        assert text + "\n" == snapshot
