"""Several images at once: selected with the keyboard or the mouse, answered with one key, undone in one step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from tests.helpers.app import AppMaker, running, screen_text
from tests.helpers.folders import colour_folder
from tests.helpers.toy import Toy
from tests.tui.test_user_images import Live
from tests.tui.test_views import answer, seen
from tuilabel.tui.app import LabelApp
from tuilabel.tui.screens.by_class import ByClassScreen
from tuilabel.tui.screens.history import HistoryScreen
from tuilabel.tui.screens.review import ReviewScreen
from tuilabel.tui.selection import Selection
from tuilabel.tui.widgets.grid import NOT_SEEN


def batch(app: LabelApp) -> list[int]:
    assert app.session.batch is not None
    return [item.index for item in app.session.batch.items]


def names(app: LabelApp, indices: list[int]) -> list[str | None]:
    return [None if (e := app.session.answer_at(index)) is None else e.class_name for index in indices]


@given(st.lists(st.tuples(st.sampled_from(["begin", "cover", "end", "toggle", "keep"]), st.sets(st.integers(0, 9)))))
def test_a_range_adds_to_what_was_selected_or_takes_from_it(steps: list[tuple[str, set[int]]]) -> None:
    selection = Selection()
    for verb, items in steps:
        before = selection.items
        match verb:
            case "begin" if items:
                start = min(items)
                selection.begin(start)
                adds = start not in before
                for covered in ({start}, items, {start}):
                    selection.cover(covered)
                    assert selection.items == (before | covered if adds else before - covered)
                    assert selection.has_range
            case "end":
                selection.end()
                assert selection.items == before
            case "toggle":
                selection.toggle(items)
                assert selection.items in (before | items, before - items)
                assert items <= selection.items or not items & selection.items
            case "keep":
                selection.keep(items)
                assert selection.items == before & items
    selection.clear()
    assert not selection


async def test_shift_and_arrows_select_and_one_key_labels_all(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        first = batch(app)
        await pilot.press("shift+right", "shift+right", "shift+right", "shift+left")
        text = screen_text(app)
        assert "label 3 selected" in text
        assert text.count("◆ ·") == 3
        assert app.session.statistics().labelled == 0
        await pilot.press("b")
        assert names(app, first[:4]) == ["b", "b", "b", None]
        assert app.label_screen.items[app.label_screen.focused_item] == first[3]
        assert "selected" not in screen_text(app)
        await pilot.press("backspace")
        assert app.session.statistics().labelled == 0
        assert "label 3 selected" in screen_text(app), "the key can be given again"
        await pilot.press("c")
        assert names(app, first[:4]) == ["c", "c", "c", None]
        await pilot.press("a", "backspace")
        assert "selected" not in screen_text(app), "one image was answered alone"


async def test_a_row_is_selected_and_a_range_passes_over_answers(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        first = batch(app)
        layout = app.label_screen._grid.current_layout
        assert layout is not None
        await pilot.press("right", "a", "left", "left")
        assert app.label_screen.focused_item == 0
        await pilot.press("shift+down")
        assert f"label {layout.columns} selected" in screen_text(app), "the row and one below, without the second"
        await pilot.press("b")
        assert names(app, first[:3]) == ["b", "a", "b"]
        assert names(app, [first[layout.columns]]) == ["b"]


async def test_several_ranges_are_selected_and_a_range_takes_out_again(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        first = batch(app)
        await pilot.press("shift+right", "right", "right", "shift+right")
        assert "label 4 selected" in screen_text(app)
        await pilot.press("left", "left", "left", "left")
        await pilot.press("shift+right")
        assert "label 2 selected" in screen_text(app)
        await pilot.press("escape")
        assert "selected" not in screen_text(app)
        await pilot.press("a")
        assert sum(name is not None for name in names(app, first)) == 1


async def test_the_page_is_selected_skipped_and_undone_in_one_step(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        first = batch(app)
        await pilot.press("a", "ctrl+a")
        assert "label 9 selected" in screen_text(app)
        await pilot.press("ctrl+a")
        assert "selected" not in screen_text(app)
        await pilot.press("ctrl+a", "space")
        assert app.session.statistics().skipped == 9
        assert batch(app) != first
        await seen(pilot, app)
        await pilot.press("backspace")
        assert batch(app) == first
        assert app.session.statistics().skipped == 0


async def test_enter_accepts_the_prediction_of_each_and_leaves_hidden_ones(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        await seen(pilot, app)
        assert app.session.batch is not None
        items = app.session.batch.items
        hidden = [item.index for item in items if item.hidden]
        assert hidden
        await pilot.press("ctrl+a", "enter")
        assert app.session.statistics().labelled == 20 - len(hidden)
        for item in items:
            assert item.index in hidden or names(app, [item.index]) == [app.session.classes[item.predicted or 0]]
        text = screen_text(app)
        assert f"label {len(hidden)} selected" in text
        assert "press the class" in text
        await pilot.press("enter")
        assert "hidden, to check the model" in screen_text(app)
        await pilot.press("b")
        assert names(app, hidden) == ["b"] * len(hidden)
        assert any(event.audit for event in app.session.live_events)


async def test_several_images_are_flagged_as_one_step_with_and_without_labels(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        first = batch(app)
        await pilot.press("shift+right", "exclamation_mark")
        assert app.session.statistics().flagged == 2
        assert app.label_screen.focused_item == 2, "what had no answer is left behind"
        await pilot.press("backspace", "escape")
        assert app.session.statistics().flagged == 0
        app.label_screen._focus(0)
        await pilot.press("a", "b", "left", "left", "shift+right", "exclamation_mark")
        assert names(app, first[:2]) == ["a", "b"]
        assert app.session.statistics().flagged == 2
        assert "Flagged 2 images; the labels stay" in screen_text(app)
        await pilot.press("exclamation_mark")
        assert app.session.statistics().flagged == 0
        assert "Took the flag off 2 images" in screen_text(app)


async def test_keys_before_the_images_are_shown_select_nothing(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        app.label_screen._grid.seen_at = NOT_SEEN
        app.label_screen.action_select(1, 0)
        app.label_screen.action_select_page()
        await pilot.pause()
        assert not app.label_screen.selection


async def test_the_mouse_drags_over_images_and_adds_single_ones(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        first = batch(app)
        layout = app.label_screen._grid.current_layout
        assert layout is not None
        middle = [
            (n % layout.columns * layout.cell_width + 3, n // layout.columns * layout.cell_height + 3)
            for n in range(len(first))
        ]
        below = layout.columns + 1
        await pilot.mouse_down("#grid", offset=middle[0])
        for place in (middle[0], middle[1], middle[below]):
            await drag(pilot, place)
        await pilot.mouse_up("#grid", offset=middle[below])
        assert app.label_screen.selection.items == {first[n] for n in (0, 1, layout.columns, below)}
        assert app.label_screen.focused_item == below
        await pilot.click("#grid", offset=middle[2], control=True)
        assert first[2] in app.label_screen.selection
        await pilot.click("#grid", offset=middle[1], control=True)
        assert first[1] not in app.label_screen.selection
        await pilot.press("c")
        assert names(app, [first[n] for n in (0, 1, 2, layout.columns, below)]) == ["c", None, "c", "c", "c"]
        await pilot.click("#grid", offset=middle[1])
        await pilot.click("#grid", offset=middle[below + 1], shift=True)
        assert first[1] in app.label_screen.selection
        assert first[below + 1] in app.label_screen.selection
        assert first[0] not in app.label_screen.selection


async def drag(pilot: Pilot[None], place: tuple[int, int]) -> None:
    """Move the mouse with its button down, which `pilot.hover` does not."""
    from textual.events import MouseMove

    await pilot._post_mouse_events([MouseMove], "#grid", offset=place, button=1)


async def test_history_changes_and_withdraws_several_answers(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 12)
        await pilot.press("comma")
        assert isinstance(app.screen, HistoryScreen)
        await seen(pilot, app)
        shown = list(app.screen.items)
        await pilot.press("shift+right", "shift+right", "a")
        assert names(app, shown[:3]) == ["a"] * 3
        assert all(app.session.standing[index].origin == "history" for index in shown[:3])
        await pilot.press("ctrl+a", "delete")
        assert app.session.statistics().labelled == 0
        assert "Removed 12 answers" in screen_text(app)
        await pilot.press("backspace")
        assert app.session.statistics().labelled == 12


async def test_review_keeps_several_labels_with_one_key(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 16)
        for _ in range(3):
            current = batch(app)[app.label_screen.focused_item]
            await pilot.press("abc"[(toy.truth(current) + 1) % 3])
        await pilot.press("full_stop")
        assert isinstance(app.screen, ReviewScreen)
        await seen(pilot, app)
        shown = list(app.screen.items)
        assert len(shown) >= 2
        before = names(app, shown)
        await pilot.press("shift+right", "enter")
        assert names(app, shown) == before
        assert [app.session.standing[index].origin for index in shown[:2]] == ["review"] * 2
        assert f"{len(shown) - 2} to review" in screen_text(app)


async def test_by_class_confirms_relabels_and_marks_the_selected_ones(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        await pilot.press("tab", "tab")
        assert isinstance(app.screen, ByClassScreen)
        await seen(pilot, app)
        shown, name = list(app.screen.items), app.session.classes[app.screen.class_pos]
        await pilot.press("shift+right", "space")
        assert screen_text(app).count("✗ wrong") == 2
        assert "2 wrong" in screen_text(app)
        app.screen._focus(2)
        await pilot.press("shift+right")
        assert "Enter confirms 2" in screen_text(app)
        await pilot.press("enter", "enter")
        assert names(app, shown[:5]) == [None, None, name, name, None]
        app.screen._focus(0)
        await pilot.press("shift+right", "c")
        assert names(app, shown[:2]) == ["c", "c"]


async def test_neighbours_of_the_large_image_are_labelled_with_it(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        await pilot.press("tab")
        await seen(pilot, app)
        large = app.label_screen._large
        while not large.neighbours:
            await pilot.pause(0.02)
        focused = batch(app)[app.label_screen.focused_item]
        near = [index for index in large.neighbours if app.session.answer_at(index) is None]
        assert len(near) >= 2
        await pilot.press("shift+down", "shift+down", "shift+down", "shift+up")
        assert app.label_screen.selection.items == {focused, *near[:2]}
        assert "label 3 selected" in screen_text(app)
        await pilot.press("right")
        assert app.label_screen.selection.items == {focused, *near[:2]}.intersection(batch(app))
        await pilot.press("escape", "left")
        while not large.neighbours:
            await pilot.pause(0.02)
        await pilot.press("shift+down", "b")
        assert names(app, [focused, near[0]]) == ["b", "b"]
        await pilot.press("backspace")
        assert names(app, [focused, near[0]]) == [None, None]


async def test_images_of_a_film_strip_are_selected(tmp_path: object, photographs: LabelApp) -> None:
    app = photographs
    async with running(app) as pilot:
        await seen(pilot, app)
        first = list(app.label_screen.items)
        await pilot.press("shift+right", "shift+right")
        text = screen_text(app)
        assert "label 3 selected" in text
        assert "image 3 of 9" in text
        assert text.count("◆ ·") == 4, "three of the strip, and the large one"
        await pilot.press("2")
        assert all(app.session.answer_at(index) is not None for index in first[:3])
        await pilot.press("plus", "ctrl+f", "plus", "shift+right")
        assert not app.label_screen.selection, "a zoomed image is panned"


@pytest.fixture
def photographs(tmp_path: object) -> LabelApp:
    return Live(colour_folder(tmp_path / "photos", each=4, size=lambda k: (400 + k, 300))).app  # type: ignore[operator]
