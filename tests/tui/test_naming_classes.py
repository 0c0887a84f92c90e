"""Classes on the screen: made by typing a name, found by name, and keys in the order in which they were typed."""

from __future__ import annotations

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from tests.helpers.app import AppMaker, running, screen_text
from tests.helpers.toy import Toy
from tuilabel.tui._textual_internals import key_name
from tuilabel.tui.app import LabelApp
from tuilabel.tui.screens.classes import ClassesScreen
from tuilabel.tui.screens.pick_class import PickClass


def names_given(app: LabelApp) -> list[str | None]:
    """The classes of the labels, in the order of the batch."""
    batch = app.session.batch
    assert batch is not None
    events_of = [app.session.answer_at(item.index) for item in batch.items]
    return [event.class_name for event in events_of if event is not None]


def at_once(app: LabelApp, *keys: str) -> None:
    """Type keys faster than the screen can follow."""
    for key in keys:
        app.post_message(events.Key("enter" if key == "\r" else key_name(key), key))


async def settled(pilot: Pilot[None]) -> None:
    for _ in range(5):
        await pilot.pause()


async def test_a_project_without_classes_shows_images_and_a_typed_name_makes_a_class(make_app: AppMaker) -> None:
    app = make_app(classes=())
    async with running(app) as pilot:
        text = screen_text(app)
        assert "type a name" in text
        assert "a–z new class" in text
        await pilot.press("c")
        assert isinstance(app.screen, PickClass)
        assert app.screen.query_one(Input).value == "c"
        await pilot.press("escape")
        assert app.session.classes == ()
        assert app.session.statistics().labelled == 0
        await pilot.press(*"cat", "enter")
        await settled(pilot)
        assert app.session.classes == ("cat",)
        assert names_given(app) == ["cat"]
        assert "Made the class cat: 1 or c labels with it" in screen_text(app)
        await pilot.press("c", "1")
        assert names_given(app) == ["cat"] * 3
        await pilot.press("d", "d", *"og", "enter")
        await settled(pilot)
        assert names_given(app) == ["cat", "cat", "cat", "dog"]
        assert app.session.result is not None
        assert app.session.result.n_labels == 4, "a model from two classes on"
        await pilot.press("backspace", "backspace")
        assert app.session.classes == ("cat",)


async def test_a_mistyped_key_costs_nothing(make_app: AppMaker) -> None:
    app = make_app(classes=("cat", "dog"))
    async with running(app) as pilot:
        await pilot.press("c", "x")
        assert "x is not the key of a class" in screen_text(app)
        await pilot.press("d", "y", "2", "1")
        assert names_given(app) == ["cat", "dog", "dog", "cat"]
        assert app.session.classes == ("cat", "dog")


async def test_keys_act_in_the_order_in_which_they_were_typed(make_app: AppMaker) -> None:
    app = make_app(classes=("cat", "dog"))
    async with running(app) as pilot:
        at_once(app, " ", "c", " ", "d")
        await settled(pilot)
        batch = app.session.batch
        assert batch is not None
        answers = [app.session.answer_at(item.index) for item in batch.items[:4]]
        assert [event and (event.kind, event.class_name) for event in answers] == [
            ("skip", None), ("label", "cat"), ("skip", None), ("label", "dog"),
        ]  # fmt: skip


@pytest.mark.parametrize("classes", [("cat", "dog", "ox"), ()])
async def test_what_is_typed_fast_into_a_dialog_labels_nothing(make_app: AppMaker, classes: tuple[str, ...]) -> None:
    app = make_app(classes=classes)
    async with running(app) as pilot:
        at_once(app, "/", "d", "o", "g", "\r")
        await settled(pilot)
        assert names_given(app) == ["dog"]
        at_once(app, ";", "c", "o", "d", "\r")
        await settled(pilot)
        assert app.screen is app.label_screen
        assert [*app.session.notes().values()] == ["cod"]
        assert names_given(app) == ["dog"]


async def test_a_name_that_cannot_be_is_refused_in_the_dialog(make_app: AppMaker) -> None:
    app = make_app(classes=("cat", "dog"))
    async with running(app) as pilot:
        await pilot.press("slash")
        app.screen.query_one(Input).value = "o\u200ex"
        await pilot.pause()
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, PickClass)
        assert "leave out control characters" in screen_text(app)
        await pilot.press("escape")
        assert app.session.statistics().labelled == 0


async def test_a_new_class_comes_after_those_that_match(make_app: AppMaker) -> None:
    app = make_app(classes=("cart", "dog"))
    async with running(app) as pilot:
        await pilot.press("slash", *"car", "enter")
        await settled(pilot)
        assert names_given(app) == ["cart"]
        await pilot.press("slash", *"car", "down", "enter")
        await settled(pilot)
        assert names_given(app) == ["cart", "car"]


async def test_the_finder_lists_classes_by_belief(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        for _ in range(10):
            batch = app.session.batch
            assert batch is not None
            await pilot.press("abc"[toy.truth(batch.items[app.label_screen.focused_item].index)])
        screen = app.label_screen
        shown = [p for p, index in enumerate(screen.items) if not app.session.hides(index)]
        for position in shown[:3]:
            screen._focus(position)
            belief = app.session.belief(screen.items[position])
            assert belief is not None
            await pilot.press("slash")
            await settled(pilot)
            lines = [line for line in screen_text(app).split("\n") if " %" in line and line.startswith("│")]
            best = app.session.classes[belief.predicted]
            assert best in lines[0]
            assert f"{100 * belief.confidence:.0f} %" in lines[0]
            await pilot.press("escape")
        hidden = next(p for p, index in enumerate(screen.items) if app.session.hides(index))
        screen._focus(hidden)
        await pilot.press("slash")
        await settled(pilot)
        assert not [line for line in screen_text(app).split("\n") if " %" in line and line.startswith("│")]


async def test_the_key_of_a_class_is_chosen_on_the_screen_of_classes(make_app: AppMaker) -> None:
    app = make_app(classes=("cat", "dog", "ox"))
    saved: list[dict[str, str]] = []
    app.state.save_class_keys = lambda keys: saved.append(dict(keys))
    async with running(app) as pilot:
        await pilot.press("colon", "down", "c")
        assert isinstance(app.screen, ClassesScreen)
        assert "c labels with dog; cat has 1 or a now" in screen_text(app)
        assert saved[-1] == {"cat": "a", "dog": "c", "ox": "o"}
        await pilot.press("escape", "c", "a", "2")
        assert names_given(app) == ["dog", "cat", "dog"]
        await pilot.press("colon")
        at_once(app, "+", *"cow", "\r")
        await settled(pilot)
        assert app.session.classes == ("cat", "dog", "ox", "cow")
        assert "c labels" not in screen_text(app), "what follows + is a name"
        await pilot.press("escape", "w")
        assert names_given(app)[-1] == "cow"


async def test_classes_can_be_made_renamed_and_merged_from_none_on(make_app: AppMaker) -> None:
    app = make_app(classes=())
    async with running(app) as pilot:
        await pilot.press("colon", "enter", "minus", "x")
        assert "No classes yet" in screen_text(app) or "no other class" in screen_text(app)
        await pilot.press("plus", *"cat", "enter", "plus", *"cats", "enter", "down", "minus", "enter")
        assert app.session.classes == ("cat",)
        await pilot.press("escape", "tab", "tab", "escape", "comma", "escape", "equals_sign", "escape")
        assert app.failure is None


@pytest.mark.parametrize("size", [(50, 12), (80, 24), (120, 40), (200, 60)])
async def test_no_view_fails_without_classes(make_app: AppMaker, size: tuple[int, int]) -> None:
    app = make_app(classes=())
    async with running(app, size) as pilot:
        by_class = ["tab", "tab", "right_square_bracket", "enter", "escape"]
        others = (
            ["full_stop", "enter", "escape"],
            ["equals_sign", "escape"],
            ["comma", "escape"],
            ["ctrl+f", "escape"],
        )
        for keys in (by_class, *others, ["question_mark", "x"], ["enter"]):
            await pilot.press(*keys)
            await pilot.pause()
        assert app.failure is None
        assert app.screen is app.label_screen


async def test_a_key_that_does_nothing_says_so_once(make_app: AppMaker) -> None:
    app = make_app(classes=("cat", "dog"))
    async with running(app) as pilot:
        status = app.label_screen._status
        await pilot.press("right_square_bracket")
        assert status.text.startswith("] does nothing here: a class key answers, Enter accept, Space skip, ? help")
        assert "(next class: in by-class)" in status.text
        await pilot.press("c", "c", "c", "right_square_bracket")
        assert not status.text, "once"
        await pilot.press("f5")
        assert "F5 does nothing here: a class key answers" in status.text
        await pilot.press("comma", "space")
        await pilot.pause()
        history = app.annotation_screen
        assert history is not app.label_screen
        assert history._status.text.startswith("Space does nothing here: a class key answers, Del")
        await pilot.press("enter")
        assert history._status.text.startswith("Enter does nothing here")


async def test_captions_show_what_differs_in_long_names(make_app: AppMaker) -> None:
    app = make_app(classes=tuple(f"Herbarium sheet, Fraxinus excelsior, leaf {k:02d}" for k in range(12)))
    async with running(app, (80, 24)) as pilot:
        await pilot.press("1", "2")
        assert "leaf 00" in screen_text(app).replace("✓ …", "")
        captions = [line for line in screen_text(app).split("\n") if "✓" in line]
        assert "✓ …leaf 00" in captions[0] or "✓ …00" in captions[0]
        assert "01" in captions[0]
        await pilot.press("comma", "tab")
        await pilot.pause()
        assert "leaf 01" in screen_text(app)
