"""Replies to the questions that the screen asks between rounds: one item, the items of a class, suspect labels."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tuilabel.encoders.base import TextSearch
from tuilabel.errors import TuilabelError
from tuilabel.learner.base import Learner
from tuilabel.learner.cross_validation import FoldPredictions, merge_folds, stratified_cross_validation
from tuilabel.learner.neighbours import distances_to_nearest, nearest_items, nearest_to_any
from tuilabel.learner.trainer.messages import (
    ClassItems,
    CrossValidate,
    FoundItems,
    Inspection,
    InspectItem,
    ItemsOfClass,
    LookUp,
    OutOfFoldPredictions,
    Question,
    Reply,
    SearchText,
    SimilarItems,
    empty_reply,
)
from tuilabel.learner.trainer.round import RoundRunner

log = logging.getLogger("tuilabel.trainer")

Decode = Callable[[NDArray[np.float32]], NDArray[np.uint8]]
"""Latents (n, D) to images (n, H, W, C)."""
NEAR = 0.3  # times the typical distance to the nearest item: anything closer counts as a near duplicate
SAMPLE = 24  # items on which the typical distance is measured


class QuestionHandler:
    """Answers questions with the newest model of a `RoundRunner`.

    An error is part of the reply (`error`) and is logged; it never ends the trainer.

    Parameters
    ----------
    runner : holds the learner, and the newest model's probabilities for the pool.
    decode : decodes latents to images; None if there is no VAE.
    text_search : compares texts with images; None if the encoder does not know texts.
    """

    def __init__(
        self, runner: RoundRunner, decode: Decode | None = None, text_search: TextSearch | None = None
    ) -> None:
        self._runner = runner
        self.decode, self.text_search = decode, text_search
        self._typical: tuple[NDArray[np.float32], float] | None = None

    def answer(self, question: Question) -> Reply:
        """Reply before returning, even to a cross-validation."""
        if not isinstance(question, CrossValidate):
            return self.look_up(question)
        validation = self.cross_validation(question)
        while (reply := validation.next_fold()) is None:
            pass
        return reply

    def look_up(self, question: LookUp) -> Reply:
        """Reply from the newest model and the latents, without any training."""
        try:
            match question:
                case InspectItem():
                    return self._inspect(question)
                case ItemsOfClass():
                    return self._of_class(question)
                case SimilarItems():
                    return self._similar(question)
                case SearchText():
                    return self._search(question)
        except Exception as error:
            return _error_reply(question, error)

    def cross_validation(self, question: CrossValidate) -> RunningCrossValidation:
        """A cross-validation that is run fold by fold."""
        return RunningCrossValidation(self._runner.learner, question)

    def _inspect(self, question: InspectItem) -> Inspection:
        learner, probabilities = self._runner.learner, self._runner.probabilities(np.array([question.index]))
        nearest, distances = nearest_items(learner.compact, question.index, question.neighbours)
        latent = np.array(learner.features[question.index : question.index + 1], dtype=np.float32)
        return Inspection(
            question.serial,
            question.index,
            None if probabilities is None else probabilities[0],
            nearest,
            distances,
            distances < NEAR * self._typical_distance(),
            None if self.decode is None else self.decode(latent)[0],
        )

    def _typical_distance(self) -> float:
        """The typical distance of an item to its nearest neighbour: the median over a sample, computed once."""
        latents = self._runner.learner.compact
        if self._typical is None or self._typical[0] is not latents:
            sample = np.random.default_rng(0).permutation(len(latents))[:SAMPLE]
            self._typical = (
                latents,
                float(np.median(distances_to_nearest(latents, sample))) if len(latents) > 1 else 0.0,
            )
        return self._typical[1]

    def _of_class(self, question: ItemsOfClass) -> Reply:
        scores = self._runner.scores
        if scores is None:
            return empty_reply(question)
        rows = np.flatnonzero(scores.predicted == question.class_index)
        rows = rows[~np.isin(scores.items[rows], question.excluded)]
        confidence = scores.shown_confidence[rows]
        order = np.argsort(confidence if question.order == "unsure" else -confidence, kind="stable")[: question.count]
        return ClassItems(question.serial, question.class_index, scores.items[rows[order]], confidence[order])

    def _similar(self, question: SimilarItems) -> Reply:
        latents = self._runner.learner.compact
        like = question.like[question.like < len(latents)]
        if not len(like):
            raise TuilabelError("this image has no latents yet: it has only just been read")
        excluded = np.union1d(question.excluded[question.excluded < len(latents)], like)
        return FoundItems(question.serial, nearest_to_any(latents, latents[like], question.count, excluded)[0])

    def _search(self, question: SearchText) -> Reply:
        if self.text_search is None:
            raise TuilabelError(
                "this encoder knows no texts: a search by text needs the encoder open_clip:NAME/PRETRAINED"
            )
        similarity = self.text_search(question.text)
        similarity[question.excluded[question.excluded < len(similarity)]] = -np.inf
        order = np.argsort(-similarity, kind="stable")
        return FoundItems(question.serial, order[np.isfinite(similarity[order])][: question.count])


class RunningCrossValidation:
    """A stratified cross-validation that trains one model per call, so that rounds can run in between."""

    def __init__(self, learner: Learner, question: CrossValidate) -> None:
        self.question = question
        self.folds = max(2, question.folds)
        self._parts: list[FoldPredictions] = []
        self._remaining = stratified_cross_validation(learner, question.labelled, self.folds)

    @property
    def done(self) -> int:
        """Number of folds that have been predicted."""
        return len(self._parts)

    def next_fold(self) -> Reply | None:
        """Train the next model and predict its fold; the reply after the last fold or an error, else None."""
        question = self.question
        if len(np.unique(question.labels)) < 2:
            return empty_reply(question)
        try:
            part = next(self._remaining, None)
        except Exception as error:
            return _error_reply(question, error)
        if part is not None:
            self._parts.append(part)
            if self.done < self.folds:
                return None
        rows, probabilities = merge_folds(self._parts, question.n_classes)
        return OutOfFoldPredictions(question.serial, question.indices[rows], probabilities)


def _error_reply(question: Question, error: Exception) -> Reply:
    log.exception("cannot answer %s", type(question).__name__)
    reason = " ".join(str(error).split())
    return empty_reply(question, reason if isinstance(error, TuilabelError) else f"{type(error).__name__}: {reason}")
