"""What the screen says about models and batches of earlier sessions, and what is printed when it closes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.app import AppMaker, running, screen_text
from tests.helpers.sessions import RecordingTrainer, SessionMaker
from tests.helpers.toy import Toy
from tuilabel.cli.label_app import Outcome
from tuilabel.learner.trainer.messages import Ready, TrainerProgress
from tuilabel.session import LabellingSession


def resumed(
    toy: Toy, make_session: SessionMaker, n: int, batch_size: int = 10
) -> tuple[LabellingSession, RecordingTrainer]:
    """A session that continues one with `n` labels, and its trainer, which has not replied yet."""
    first = make_session(toy)
    assert first.batch is not None
    for item in first.batch.items[:n]:
        first.label(item.index, toy.truth(item.index))
    trainer = RecordingTrainer(toy)
    trainer.paused = True
    return make_session(toy, trainer=trainer, batch_size=batch_size), trainer


async def test_a_resumed_session_says_that_its_model_is_loading(
    toy: Toy, make_app: AppMaker, make_session: SessionMaker
) -> None:
    session, trainer = resumed(toy, make_session, 7)
    session.handle(TrainerProgress("load"))
    assert session.model_status == "loading"
    app = make_app(session)
    async with running(app) as pilot:
        text = screen_text(app)
        assert "round 1 by coverage, model loading" in text
        assert "no model yet" not in text
        assert "after the first model" not in text
        await pilot.press("enter")
        assert "No prediction to accept yet: the model is loading" in screen_text(app)
        await pilot.press("tab", "tab")
        await pilot.pause()
        assert "Just a moment: model loading" in screen_text(app)
        await pilot.press("escape")
        session.handle(Ready())
        assert session.model_status == "loading", "until it is there"
        trainer.paused = False
        session.start()
        app.label_screen.refresh_view()
        await pilot.pause()
        assert session.model_status == "ready"
        assert "model of 7 labels" in screen_text(app)


def test_the_first_model_is_training_and_not_loading(toy: Toy, make_session: SessionMaker) -> None:
    trainer = RecordingTrainer(toy)
    session = make_session(toy, trainer=trainer)
    trainer.paused = True
    assert session.batch is not None
    for k, item in enumerate(session.batch.items[:2]):
        assert session.model_status == "none"
        session.label(item.index, k)
    assert session.statistics().model == session.model_status == "training"


def test_without_labels_of_two_classes_there_is_no_model(toy: Toy, make_session: SessionMaker) -> None:
    assert resumed(toy, make_session, 1)[0].model_status == "none"


@pytest.mark.parametrize(("batch_size", "said"), [(4, True), (10, False)])
async def test_a_batch_of_another_size_is_explained(
    toy: Toy, make_app: AppMaker, make_session: SessionMaker, batch_size: int, said: bool
) -> None:
    session, _ = resumed(toy, make_session, 7, batch_size)
    app = make_app(session)
    async with running(app):
        assert ("The last session's batch of 10 comes first; then 4 at a time" in screen_text(app)) == said


def test_quitting_says_what_to_type_next(toy: Toy, make_session: SessionMaker) -> None:
    statistics = make_session(toy).statistics()

    def lines(project: str, labelled: int, **more: object) -> list[str]:
        return Outcome(Path(project), labelled, None, statistics.advice, 0, None, 0, **more).lines()  # type: ignore[arg-type]

    assert lines("my cats.tuilabel", 20, has_model=True)[1:] == [
        "next:",
        "  tuilabel predict 'my cats.tuilabel' --out predictions.csv  predict every image",
        "  tuilabel export 'my cats.tuilabel' --out labels.csv        write the labels",
        "  tuilabel stats 'my cats.tuilabel'                          figures by class and annotator",
    ]
    assert lines("here", 1, data_dir=Path("roots"))[1:] == [
        "next:",
        "  tuilabel export --project here --data-dir roots --out labels.csv  write the labels",
        "  tuilabel stats --project here --data-dir roots                    figures by class and annotator",
    ]
    assert len(lines("here", 0)) == 1
