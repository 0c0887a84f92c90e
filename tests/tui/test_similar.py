"""More like this: a page of the nearest unlabelled images, labelled as a set."""

from __future__ import annotations

from functools import partial

from tests.helpers.app import AppMaker, running, screen_text, scripted, scripted_answer
from tests.helpers.toy import Toy
from tests.tui.test_selection import batch, names
from tests.tui.test_views import answer, seen
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import FoundItems, Question, Reply, SearchText
from tuilabel.tui.screens.history import HistoryScreen
from tuilabel.tui.screens.similar import SimilarScreen


async def test_the_nearest_images_are_labelled_as_a_set_and_esc_returns(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 12)
        first, focus = batch(app), app.label_screen.focused_item
        audits = {item.index for item in app.session.batch.items if item.audit}  # type: ignore[union-attr]
        seed, estimate = first[focus], app.session.statistics().audit
        await pilot.press("ampersand")
        assert isinstance(app.screen, SimilarScreen)
        await seen(pilot, app)
        page = [app.screen.items[position] for position in app.screen._grid.on_page]
        assert page[0] == seed
        assert not audits.intersection(page) - {seed}
        assert set(page[1:]).isdisjoint(first)
        text = screen_text(app)
        assert f"label {len(page)} selected" in text
        assert "%" not in text.splitlines()[4], "no predictions"
        await pilot.press("right", "space")
        assert f"label {len(page) - 1} selected" in screen_text(app)
        before = app.session.statistics().labelled
        await pilot.press("c")
        assert app.session.statistics().labelled == before + len(page) - 1
        assert names(app, page[:3]) == ["c", None, "c"]
        events = [app.session.standing[index] for index in page[2:]]
        assert {(e.origin, e.audit, e.query_probability, e.strategy) for e in events} == {("similar", False, None, "")}
        if seed not in audits:
            assert app.session.statistics().audit == estimate, "no estimate takes them for random"
        await pilot.press("backspace")
        assert app.session.statistics().labelled == before
        assert f"label {len(page) - 1} selected" in screen_text(app)
        await pilot.press("c", "escape")
        assert app.screen is app.label_screen
        assert batch(app) == first
        assert app.label_screen.focused_item != focus, "the image that was labelled is passed over"
        await pilot.press("a")
        assert names(app, [seed]) == ["c"]


async def test_the_next_images_come_with_the_same_key_and_all_at_once(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app, (80, 24)) as pilot:
        await answer(pilot, app, toy, 10)
        await pilot.press("ampersand")
        assert isinstance(app.screen, SimilarScreen)
        await seen(pilot, app)
        pages = []
        for _ in range(3):
            await seen(pilot, app)
            pages.append([app.screen.items[position] for position in app.screen._grid.on_page])
            assert app.screen.selection.items == set(pages[-1]), "a page that comes onto the screen is selected"
            await pilot.press("ampersand")
        shown = [index for page in pages for index in page]
        assert len(set(shown)) == len(shown)
        await seen(pilot, app)
        page = [app.screen.items[position] for position in app.screen._grid.on_page]
        await pilot.press("b")
        assert names(app, page) == ["b"] * len(page)
        await seen(pilot, app)
        assert {app.screen.items[position] for position in app.screen._grid.on_page}.isdisjoint(page)
        assert app.screen.selection, "a page that is all answered gives way to the next one"
        while "No other unlabelled images" not in screen_text(app):
            await seen(pilot, app)
            await pilot.press("b")
        assert app.session.statistics().labelled > 60


async def test_a_key_is_about_the_large_image_alone(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        await pilot.press("ampersand")
        assert isinstance(app.screen, SimilarScreen)
        await seen(pilot, app)
        page = [app.screen.items[position] for position in app.screen._grid.on_page]
        await pilot.press("right", "tab")
        await seen(pilot, app)
        assert "selected" not in screen_text(app).splitlines()[-1]
        await pilot.press("b")
        assert names(app, page) == [None, "b", *[None] * (len(page) - 2)]
        await pilot.press("escape")
        await seen(pilot, app)
        assert f"label {len(page) - 1} selected" in screen_text(app)
        await pilot.press("c")
        assert names(app, page) == ["c", "b", *["c"] * (len(page) - 2)]


async def test_images_like_several_selected_ones_are_shown(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        first = batch(app)
        await pilot.press("shift+right", "ampersand")
        assert isinstance(app.screen, SimilarScreen)
        await seen(pilot, app)
        assert list(app.screen.items[:2]) == first[:2]
        assert "more like this  2 images" in screen_text(app)


async def test_an_answered_image_of_the_history_is_not_labelled_again(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 12)
        await pilot.press("comma")
        assert isinstance(app.screen, HistoryScreen)
        await seen(pilot, app)
        seed = app.screen.items[0]
        was = names(app, [seed])
        await pilot.press("ampersand")
        assert isinstance(app.screen, SimilarScreen)
        await seen(pilot, app)
        assert seed not in app.screen.items
        await pilot.press("b", "escape")
        assert isinstance(app.screen, HistoryScreen)
        assert names(app, [seed]) == was


async def test_without_a_model_the_latents_are_enough(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("ampersand")
        assert isinstance(app.screen, SimilarScreen)
        await seen(pilot, app)
        assert len(app.screen.items) > 20
        await pilot.press("a")
        assert app.session.statistics().labelled > 3


async def test_a_text_finds_images_and_latents_that_know_no_texts_say_so(make_app: AppMaker, toy: Toy) -> None:
    def knowing(question: Question) -> Reply:
        if isinstance(question, SearchText):
            assert question.text == "a striped cat"
        return scripted_answer(toy, question)

    app = make_app(trainer=InlineTrainer(partial(scripted, toy), knowing))
    async with running(app) as pilot:
        await pilot.press("asterisk", *["space" if c == " " else c for c in "a striped cat"], "enter")
        await pilot.pause()
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("asterisk", *"cat", "enter")
        await pilot.pause()
        assert isinstance(app.screen, SimilarScreen)
        assert "This encoder knows no texts" in screen_text(app)
        assert "open_clip:NAME/PRETRAINED" in screen_text(app)
        await pilot.press("a")
        assert app.session.statistics().labelled == 0
        await pilot.press("escape")
        assert app.screen is app.label_screen


async def test_a_reply_to_an_older_search_is_not_shown(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await answer(pilot, app, toy, 10)
        await pilot.press("ampersand")
        assert isinstance(app.screen, SimilarScreen)
        await seen(pilot, app)
        before = list(app.screen.items)
        late = FoundItems(0, app.session.labels()[0])
        app.session.handle(late)
        app.screen.handle(late)
        assert list(app.screen.items) == before
