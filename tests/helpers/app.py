"""The app over a toy session, driven by Textual's pilot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from textual.pilot import Pilot

from tests.helpers.toy import Toy
from tuilabel.learner.evaluation import TestMetrics
from tuilabel.learner.trainer.messages import (
    ClassItems,
    CrossValidate,
    FoundItems,
    Inspection,
    InspectItem,
    ItemPredictions,
    ItemsOfClass,
    OutOfFoldPredictions,
    Question,
    Reply,
    RoundResult,
    SearchText,
    SimilarItems,
    TrainRequest,
)
from tuilabel.tui.app import LabelApp
from tuilabel.tui.widgets.grid import NOT_SEEN

AppMaker = Callable[..., LabelApp]
SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((120, 40), id="120x40"), pytest.param((200, 60), id="200x60")]


def screen_text(app: LabelApp) -> str:
    """The screen as characters, without trailing blanks."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


@asynccontextmanager
async def running(app: LabelApp, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[None]]:
    """The app on a terminal of `size`, after its batch, if it has one, was painted."""
    grid = app.label_screen._grid
    async with app.run_test(size=size) as pilot:
        while app.session.batch is not None and grid.has_room and grid.seen_at == NOT_SEEN:
            await pilot.pause()
        yield pilot


def scripted(toy: Toy, request: TrainRequest) -> RoundResult:
    """A round with made-up figures, the same on every machine, for snapshots of the screen."""
    n = len(request.indices)
    left = np.setdiff1d(np.arange(len(toy.latents)), np.concatenate([request.indices, request.excluded]))

    def picks(indices: np.ndarray) -> ItemPredictions:
        if n < 2:
            return ItemPredictions(indices)
        truth = np.array([toy.truth(int(index)) for index in indices], dtype=np.int64)
        return ItemPredictions(indices, truth, (0.4 + indices % 60 / 100).astype(np.float32))

    return RoundResult(
        serial=request.serial,
        n_labels=n if n >= 2 else 0,
        strategy=request.strategy if n >= 2 else "coverage",
        picks=picks(left[: 2 * request.batch_size]),
        audit=picks(left[-2 * request.audit_size :]),
        shown=picks(request.shown),
        test=TestMetrics(1 - 1 / n, 1 - 1 / n, 0.1, 60) if n >= 2 else None,
        mean_uncertainty=1 / n if n >= 2 else None,
        uncertainty_histogram=np.arange(20, 0, -1) ** 2 if n >= 2 else None,
        mean_confidence=1 - 1 / n if n >= 2 else None,
        stop_set=None,
        out_of_fold=None,
        fit_seconds=0.03,
        query_seconds=0.02,
    )


def scripted_answer(toy: Toy, question: Question) -> Reply:
    """Replies with made-up figures to what the screens ask the model."""
    match question:
        case InspectItem():
            near = np.array([index for index in range(9) if index != question.index][:8])
            chances = np.array([0.7, 0.2, 0.1], dtype=np.float32)
            image = toy.pool.images[question.index]
            far = np.zeros(8, dtype=np.bool_)
            return Inspection(
                question.serial, question.index, chances, near, np.arange(8, dtype=np.float32), far, image
            )
        case ItemsOfClass():
            left = np.setdiff1d(np.arange(len(toy.latents)), question.excluded)
            of_class = left[[toy.truth(int(index)) == question.class_index for index in left]]
            return ClassItems(
                question.serial, question.class_index, of_class, np.full(len(of_class), 0.9, dtype=np.float32)
            )
        case SimilarItems() | SearchText():
            like = question.like.tolist() if isinstance(question, SimilarItems) else [0]
            left = np.setdiff1d(np.arange(len(toy.latents)), [*question.excluded.tolist(), *like])
            alike = [toy.truth(int(index)) == toy.truth(like[0]) for index in left]
            return FoundItems(question.serial, left[np.argsort(~np.array(alike), kind="stable")][: question.count])
        case CrossValidate():
            sure = np.full((len(question.indices), 3), 0.1, dtype=np.float32)
            sure[np.arange(len(sure)), [toy.truth(int(index)) for index in question.indices]] = 0.8
            return OutOfFoldPredictions(question.serial, question.indices, sure)
