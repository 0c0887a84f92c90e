"""The labelling screen, key by key."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion
from textual import events
from textual.pilot import Pilot

from tests.helpers.app import SIZES, AppMaker, running, screen_text, scripted
from tests.helpers.sessions import ManualTrainer, SessionMaker, open_session
from tests.helpers.toy import Toy
from tuilabel.datasets import ImagePool
from tuilabel.estimate import confidence_text
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import Failure, Message, TrainerProgress
from tuilabel.tui.app import LabelApp
from tuilabel.tui.mailbox import Saved, SaveFailed
from tuilabel.tui.state import ASCII_TICKS


def status(app: LabelApp) -> str:
    return screen_text(app).splitlines()[-2].strip()


def deliver(app: LabelApp, message: Message) -> None:
    """Deliver a message of the trainer to the app."""
    app.session.handle(message)
    app.annotation_screen.handle(message)


def focused(app: LabelApp) -> int:
    return app.label_screen.focused_item


async def test_an_answer_that_is_on_disk_has_another_shape(make_app: AppMaker) -> None:
    app = make_app()
    app.state.unsaved = set()
    async with running(app) as pilot:
        await pilot.press("b")
        await pilot.pause()
        assert "○ b" in screen_text(app)
        assert "✓" not in screen_text(app)
        app.mailbox.put(Saved(tuple(app.state.unsaved)))
        await pilot.pause()
        assert "✓ b" in screen_text(app)
        assert "○" not in screen_text(app)
        app.state.ticks = ASCII_TICKS
        await pilot.press("c")
        await pilot.pause()
        assert "~ c" in screen_text(app)


async def press_many(pilot: Pilot[None], app: LabelApp, toy: Toy, n: int) -> None:
    """Answer with the truth; classes a, b, c are the keys."""
    for _ in range(n):
        batch = app.session.batch
        assert batch is not None
        await pilot.press("abc"[toy.truth(batch.items[focused(app)].index)])


async def test_a_class_key_labels_the_focused_cell_and_moves_on(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        batch = app.session.batch
        assert batch is not None
        assert "round 1 by coverage, no model yet" in screen_text(app)
        await pilot.press("b")
        event = app.session.answer_at(batch.items[0].index)
        assert event is not None
        assert (event.class_name, event.kind) == ("b", "label")
        assert focused(app) == 1
        assert "✓ b" in screen_text(app)
        assert "1 of 120 labelled" in screen_text(app)


async def test_letters_and_digits_without_a_class_do_nothing(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("x", "1", "q")
        assert app.session.statistics().labelled == 0
        assert "q is not the key of a class" in status(app)


async def test_commands(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        batch = app.session.batch
        assert batch is not None
        await pilot.press("enter")
        assert "No prediction to accept" in status(app)
        await pilot.press("space", "exclamation_mark")
        kinds = [event.kind for item in batch.items[:2] if (event := app.session.answer_at(item.index))]
        assert kinds == ["skip", "flag"]
        assert "skipped" in screen_text(app)
        assert "⚑ flagged" in screen_text(app)
        await pilot.press("backspace")
        assert focused(app) == 1
        assert app.session.statistics().flagged == 0
        await pilot.press("backspace", "backspace")
        assert "Nothing to undo" in status(app)
        await pilot.press("right", "down", "left", "up", "up", "left")
        assert focused(app) == 0
        await pilot.press("right")
        assert focused(app) == 1


async def test_enter_accepts_the_prediction_on_the_screen(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await press_many(pilot, app, toy, 10)
        batch = app.session.batch
        assert batch is not None
        assert batch.round == 2
        shown = next(place for place, item in enumerate(batch.items) if not item.hidden)
        await pilot.press(*["right"] * shown)
        predicted = batch.items[shown].predicted
        assert predicted is not None
        assert f"{'abc'[predicted]}? " in screen_text(app)
        await pilot.press("enter")
        event = app.session.answer_at(batch.items[shown].index)
        assert event is not None
        assert event.class_name == "abc"[predicted]


async def test_enter_on_a_hidden_prediction_only_shows_a_message(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await press_many(pilot, app, toy, 10)
        batch = app.session.batch
        assert batch is not None
        hidden = [place for place, item in enumerate(batch.items) if item.hidden]
        await pilot.press(*["right"] * hidden[0])
        labelled = app.session.statistics().labelled
        assert len(re.findall(r"[abc]\? \d", screen_text(app))) == 8
        await pilot.press("enter")
        assert "The prediction of this image is hidden" in status(app)
        assert app.session.statistics().labelled == labelled
        await pilot.press("tab")
        await pilot.pause(0.2)
        large = screen_text(app)
        assert "hidden until you answer" in large
        assert not re.search(r"\d%|✓", large.split("MODEL")[1]), "neither probabilities nor the labels of neighbours"
        await pilot.press("a")
        assert app.session.statistics().labelled == labelled + 1


async def test_the_large_view_shows_one_model_and_what_enter_writes(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await press_many(pilot, app, toy, 10)
        batch = app.session.batch
        assert batch is not None
        shown = [place for place, item in enumerate(batch.items) if not item.hidden]
        for place in shown[:-1]:  # later models learn, but the predictions of the batch hold still
            app.session.label(batch.items[place].index, toy.truth(batch.items[place].index))
        await pilot.press(*["right"] * shown[-1], "tab")
        await pilot.pause(0.2)
        item = batch.items[shown[-1]]
        assert item.predicted is not None
        assert item.confidence is not None
        name, sure = "abc"[item.predicted], confidence_text(item.confidence)
        text = screen_text(app)
        assert f"{name}? {sure}  ·  Enter writes {name}" in text
        assert re.search(rf"{name} +⏎ +{sure}", text.split("MODEL")[1]), "the class list is of the same model"
        assert len(re.findall(r"[abc] +⏎? +\d+% ", text.split("MODEL")[1])) == 3
        await pilot.press("enter")
        event = app.session.answer_at(item.index)
        assert event is not None
        assert event.class_name == name


async def test_one_key_hides_all_predictions_and_shows_them_again(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        await press_many(pilot, app, toy, 10)
        await pilot.press("percent_sign")
        assert not re.search(r"[abc]\? \d", screen_text(app))
        assert " blind " in screen_text(app)
        await pilot.press("enter")
        assert "is hidden" in status(app)
        assert app.session.statistics().labelled == 10
        assert app.state.settings == {"blind": True}
        await pilot.press("percent_sign")
        assert len(re.findall(r"[abc]\? \d", screen_text(app))) == 8


async def test_twenty_labels_change_every_figure(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app) as pilot:
        before = screen_text(app)
        for word in ("ACCURACY test –", "audit –", "UNCERTAINTY mean –", "– labels a minute"):
            assert word in before
        await press_many(pilot, app, toy, 20)
        text = screen_text(app)
        assert "20 of 120 labelled" in text
        assert re.search(r"\d\d labels a minute", text)
        assert "round 3 by weighted-kmeans, model of" in text
        statistics = app.session.statistics()
        accuracy = statistics.accuracy
        assert accuracy is not None
        assert (
            f"ACCURACY {100 * accuracy.value:.0f} % ({100 * accuracy.low:.0f}–{100 * accuracy.high:.0f}), n 60" in text
        )
        assert f"mean {statistics.mean_uncertainty:.2f}" in text
        assert re.search(r"audit \d+–100 %, n 1", text)


async def test_keys_before_the_images_label_nothing(toy: Toy, make_app: AppMaker, make_session: SessionMaker) -> None:
    trainer = ManualTrainer(toy)
    app = make_app(open_session(trainer, toy))
    async with running(app) as pilot:
        assert "Choosing the next images" in screen_text(app)
        await pilot.press("a", "b")
        assert "Ignored 2 keys" in status(app)
        deliver(app, trainer.run(trainer.requests[-1]))
        await pilot.pause()
        assert app.session.statistics().labelled == 0
        early = events.Key("a", "a")
        early.time = app.label_screen._grid.seen_at - 0.001
        await app.label_screen.on_key(early)
        assert "Ignored 3 keys" in status(app), "all of them are counted, whenever they arrived during painting"
        assert app.session.statistics().labelled == 0
        await pilot.press("a")
        assert app.session.statistics().labelled == 1
        assert app.label_screen._early_keys == 0, "the count starts again"


async def test_a_prediction_that_changes_while_typing_is_not_accepted(
    toy: Toy, make_app: AppMaker, make_session: SessionMaker
) -> None:
    trainer = ManualTrainer(toy)
    app = make_app(open_session(trainer, toy))
    async with running(app) as pilot:
        deliver(app, trainer.run(trainer.requests[-1]))
        await pilot.pause()
        await press_many(pilot, app, toy, 6)
        typed = events.Key("enter", "\r")
        deliver(app, trainer.run(trainer.requests[-1]))
        await pilot.pause()
        app.label_screen._key_time = typed.time
        app.label_screen.action_accept()
        await pilot.pause()
        assert app.session.statistics().labelled == 6
        assert "has just changed" in status(app)
        await pilot.press("enter")
        assert app.session.statistics().labelled == 7


async def test_pasted_text_labels_nothing(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        app.label_screen.on_paste(events.Paste("abcabc"))
        await pilot.pause()
        assert app.session.statistics().labelled == 0
        assert "6 pasted characters" in status(app)


async def test_help_opens_over_the_screen_and_its_key_labels_nothing(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("question_mark")
        text = screen_text(app)
        assert "Undo the last step" in text
        await pilot.press("a")
        assert app.screen is app.label_screen
        assert app.session.statistics().labelled == 0


async def test_a_click_moves_the_focus(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        layout = app.label_screen._grid.current_layout
        assert layout is not None
        await pilot.click("#grid", offset=(layout.cell_width + 3, layout.cell_height + 2))
        assert focused(app) == layout.columns + 1


async def test_ctrl_q_quits(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("a", "ctrl+q")
    assert app.return_code == 0
    assert app.session.statistics().labelled == 1


async def test_ctrl_c_shows_how_to_quit_and_covers_nothing(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("ctrl+c")
        assert "Press Ctrl+Q to quit" in status(app)
        await pilot.press("a")
        assert app.session.statistics().labelled == 1
        assert "Ctrl+Q" not in status(app)


async def test_a_resize_updates_the_layout(make_app: AppMaker) -> None:
    app = make_app(batch_size=20)
    async with running(app, (200, 60)) as pilot:
        shapes = []
        for size in ((200, 60), (120, 40), (80, 24), (50, 20), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            layout = app.label_screen._grid.current_layout
            assert layout is not None
            assert min(layout.picture_columns, 2 * layout.picture_rows) >= 14
            shapes.append((layout.columns, layout.rows))
            assert all(len(line) <= size[0] for line in screen_text(app).splitlines())
            assert app.label_screen._panel.display is (size[0] >= 60)
        assert shapes[0] == shapes[1] == shapes[4] == (5, 4)
        assert shapes[2][0] * shapes[2][1] < 20


async def test_small_terminals_scroll_by_page_with_the_focus(make_app: AppMaker) -> None:
    app = make_app(batch_size=20)
    async with running(app, (80, 24)) as pilot:
        assert "page 1 of 4" in screen_text(app)
        await pilot.press(*"abcabc")
        assert "page 2 of 4" in screen_text(app)
        await pilot.press("backspace")
        assert "page 1 of 4" in screen_text(app)


@pytest.mark.parametrize(("size", "labelled"), [((1, 1), 0), ((10, 3), 0), ((20, 5), 0), ((40, 10), 2)])
async def test_a_terminal_too_small_for_images_takes_no_labels(
    make_app: AppMaker, size: tuple[int, int], labelled: int
) -> None:
    app = make_app()
    async with running(app, size) as pilot:
        await pilot.press("a", "question_mark", "x", "b")
        assert app.session.statistics().labelled == labelled
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        await pilot.press("a")
        assert app.session.statistics().labelled == labelled + 1


async def test_a_key_before_its_page_is_shown_labels_nothing(make_app: AppMaker) -> None:
    app = make_app(batch_size=20)
    async with running(app, (80, 24)) as pilot:
        await pilot.press(*"abcab")
        typed = events.Key("c", "c")
        await pilot.press("c")
        assert "page 2 of 4" in screen_text(app)
        await app.label_screen.on_key(typed)
        assert app.session.statistics().labelled == 6
        await pilot.press("c")
        assert app.session.statistics().labelled == 7


async def test_no_label_is_accepted_while_the_store_fails(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("a")
        app.mailbox.put(SaveFailed("cannot write labels.db: database or disk is full", 1))
        await pilot.pause()
        assert "disk is full" in status(app)
        await pilot.press("b", "backspace", "space", "enter")
        assert app.session.statistics().labelled == 1
        app.mailbox.put(Saved(("x",)))
        await pilot.pause()
        await pilot.press("b")
        assert app.session.statistics().labelled == 2


async def test_trainer_failures_are_shown_and_labelling_continues(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        app.mailbox.put(Failure("the trainer was ended by signal 9; restarting it", fatal=False))
        await pilot.pause()
        assert "ended by signal 9" in status(app)
        assert "trainer starting" in screen_text(app)
        app.mailbox.put(Failure("the trainer ended with code 1 4 times: see the log", fatal=True))
        await pilot.pause()
        assert "trainer stopped" in screen_text(app)
        assert "Ctrl+R restarts the trainer" in status(app)
        await pilot.press("a")
        assert app.session.statistics().labelled == 1
        assert app.label_screen._early_keys == 0, "the count starts again"


async def test_images_whose_file_was_cut_short_are_reported_and_take_no_labels(
    toy: Toy, make_app: AppMaker, tmp_path: Path
) -> None:
    path = tmp_path / "images.npy"
    np.save(path, toy.pool.images)
    pool = ImagePool.from_arrays(np.load(path, mmap_mode="r"), toy.pool.classes)
    trainer = ManualTrainer(toy)
    app = make_app(open_session(trainer, replace(toy, pool=pool)))
    async with running(app) as pilot:
        os.truncate(path, 100)
        app.mailbox.put(trainer.run(trainer.requests[-1]))
        await pilot.pause()
        assert "Cannot show this image" in status(app)
        await pilot.press("a")
        assert app.session.statistics().labelled == 0
        assert "cut short: quit and start again" in status(app)
        assert app.is_running


async def test_a_trainer_that_takes_much_longer_than_ever_is_reported_with_the_key(
    toy: Toy, make_app: AppMaker, make_session: SessionMaker
) -> None:
    trainer = ManualTrainer(toy)
    app = make_app(open_session(trainer, toy))
    async with running(app) as pilot:
        app.mailbox.put(Failure("the trainer has said nothing for 60 s", fatal=False, overdue=True))
        await pilot.pause()
        assert "Random batches meanwhile, Ctrl+R restarts the trainer: the trainer has said nothing" in status(app)
        assert "trainer overdue" in screen_text(app)
        await pilot.press("a")
        assert app.session.statistics().labelled == 1
        app.mailbox.put(trainer.run(trainer.requests[-1]))
        await pilot.pause()
        assert "overdue" not in screen_text(app)


async def test_ctrl_r_restarts_a_trainer_that_has_given_up(
    toy: Toy, make_app: AppMaker, make_session: SessionMaker
) -> None:
    trainer = ManualTrainer(toy)
    app = make_app(open_session(trainer, toy))
    async with running(app) as pilot:
        app.mailbox.put(Failure("the trainer ended with code 1, the 3rd time in a row", True, crashed=True))
        await pilot.pause()
        assert "round 1 by random" in screen_text(app)
        assert "Random batches from now on, Ctrl+R restarts the trainer" in status(app)
        await pilot.press("ctrl+r")
        assert trainer.restarts == 1
        assert "trainer starting" in screen_text(app)
        assert "starts again" in status(app)
        app.mailbox.put(trainer.run(trainer.requests[-1]))
        await pilot.pause()
        assert app.session.trainer_failure is None


async def test_the_hint_speaks_of_a_highlighted_image_once_there_is_one(
    toy: Toy, make_app: AppMaker, make_session: SessionMaker
) -> None:
    trainer = ManualTrainer(toy)
    app = make_app(open_session(trainer, toy))
    async with running(app) as pilot:
        assert status(app) == "The first images are being chosen: wait a moment, or ? for help"
        app.session.start()
        app.mailbox.put(trainer.run(trainer.requests[-1]))
        await pilot.pause()
        assert status(app).startswith("Press the key of the class shown in the highlighted image")


async def test_a_trainer_that_cannot_start_ends_the_app_with_its_reason(
    toy: Toy, make_app: AppMaker, make_session: SessionMaker
) -> None:
    app = make_app(open_session(ManualTrainer(toy), toy))
    async with running(app) as pilot:
        app.mailbox.put(TrainerProgress("encode", 30, 120))
        await pilot.pause()
        assert "Encoding 120 images, only this once: 25%" in screen_text(app)
        app.mailbox.put(Failure("the checkpoint is damaged", fatal=True))
        await pilot.pause()
    assert (app.return_code, app.failure) == (1, "the checkpoint is damaged")


async def test_a_pool_that_is_all_labelled_says_so(make_app: AppMaker, toy: Toy) -> None:
    app = make_app(batch_size=100, strategy="random")
    for _ in range(2):
        batch = app.session.batch
        assert batch is not None
        for item in batch.items:
            app.session.skip(item.index)
    async with running(app) as pilot:
        assert "Every image has an answer" in screen_text(app)
        await pilot.press("a")
        await pilot.press("backspace")
        assert "the last 20 images" in screen_text(app)
        assert focused(app) == 19


@pytest.mark.parametrize("size", SIZES)
async def test_label_screen(make_app: AppMaker, toy: Toy, size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    app = make_app(batch_size=20, trainer=InlineTrainer(partial(scripted, toy)))
    async with running(app, size) as pilot:
        await press_many(pilot, app, toy, 23)
        await pilot.press("space", "down")
        assert screen_text(app) + "\n" == snapshot


async def test_help_screen(make_app: AppMaker, toy: Toy, snapshot: SnapshotAssertion) -> None:
    app = make_app(trainer=InlineTrainer(partial(scripted, toy)))
    async with running(app, (80, 24)) as pilot:
        await pilot.press("question_mark")
        assert screen_text(app) + "\n" == snapshot


async def test_a_flag_stands_beside_the_label_and_undo_says_what_it_took_back(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        batch = app.session.batch
        assert batch is not None
        index = batch.items[0].index
        await pilot.press("a", "left", "exclamation_mark")
        assert "Flagged: a stays its label" in status(app)
        assert "✓ a ⚑" in screen_text(app)
        assert focused(app) == 0, "the label is given: the focus stays for another look"
        assert app.session.flag_on(index) is not None
        await pilot.press("backspace")
        assert "Took back: the flag on" in status(app)
        await pilot.press("exclamation_mark", "exclamation_mark")
        assert "Took the flag off" in status(app)
        assert app.session.flag_on(index) is None
        await pilot.press("backspace", "backspace", "backspace")
        assert f"Took back: a on {app.session.pool.files.last_name(index)}" in status(app)
