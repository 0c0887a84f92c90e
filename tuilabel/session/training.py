"""The session's side of the trainer: what was asked of it, its newest result, and the figures drawn from results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import LureEstimate
from tuilabel.learner.trainer.messages import (
    Failure,
    ItemPredictions,
    Message,
    Ready,
    RoundResult,
    TrainerProgress,
    TrainRequest,
)
from tuilabel.learner.trainer.protocol import Trainer
from tuilabel.session.ledger import Ledger
from tuilabel.session.lure import cross_validated_accuracy
from tuilabel.session.model_statistics import ModelStatistics
from tuilabel.session.state import TrainerState

FOLDS = 5


class Training:
    """Requests out, results in; results older than the newest are dropped.

    Parameters
    ----------
    step : labels that a model must have more than the one before, to say whether predictions have settled; and the
        labels after which cross-validation is due again.
    cross_validate : as in `LabellingSession`.
    figures : gets every result that counts.
    """

    def __init__(
        self, trainer: Trainer, ledger: Ledger, step: int, cross_validate: bool | None, figures: ModelStatistics
    ) -> None:
        self._trainer, self._ledger = trainer, ledger
        self._step, self._cross_validate = step, cross_validate
        self.state = TrainerState()
        self.result: RoundResult | None = None
        """The newest, with class positions as they are now."""
        self.lure: LureEstimate | None = None
        self.figures = figures
        self._serial = 0
        self._answered_serial = 0
        self._validated = 0
        self._trained_on: dict[int, NDArray[np.int64]] = {}

    @property
    def newest(self) -> int:
        """Serial of the newest request."""
        return self._serial

    @property
    def is_newest(self) -> bool:
        """Whether the newest result answers the newest request."""
        return self._answered_serial == self._serial

    def submit(self, request: TrainRequest, *, batch_is_due: bool) -> None:
        """Send a request, with the next serial number and the folds of a cross-validation where one is due."""
        self._serial += 1
        due = batch_is_due or self._ledger.kinds["label"] >= self._validated + self._step
        drawn = self.result is not None and self.result.picks.query_probability is not None
        worth = drawn if self._cross_validate is None else self._cross_validate
        self._trained_on[self._serial] = request.indices
        self._trainer.submit(replace(request, serial=self._serial, folds=FOLDS if due and worth else 0))

    def hear(self, message: Message) -> NDArray[np.int64] | None:
        """Take in a message; for a result that counts, the pool indices that its model was trained on."""
        match message:
            case TrainerProgress(background=True):
                behind = None if message.stage == "idle" else message.stage
                self.state = replace(self.state, behind=behind, behind_done=message.done, behind_total=message.total)
            case Ready():
                self.state = replace(self.state, doing="idle", done=0, total=0, failure=None)
            case TrainerProgress():
                self.state = replace(self.state, doing=message.stage, done=message.done, total=message.total)
            case Failure(background=True):
                self.state = replace(self.state, behind=None, failure=message.message)
            case Failure():
                doing = "stopped" if message.fatal else "starting"
                self.state = replace(self.state, doing=doing, failure=message.message)
            case RoundResult() if message.serial > self._answered_serial:
                return self._take(message)
        return None

    def moved(self, encoder: str) -> None:
        """Models see other latents from now on: results on their way do not count, predictions settle anew."""
        self.state = replace(self.state, encoder=encoder)
        self._answered_serial = self._serial
        self._trained_on.clear()
        self.figures.on_features_changed()
        if self.result is not None:
            self.result = replace(self.result, stop_set=None, out_of_fold=None)

    def renumber(self, places: Sequence[int | None], classes: Sequence[str]) -> None:
        """Class k is class `places[k]` of `classes` from now on; results on their way do not count."""
        self._answered_serial = self._serial
        self._trained_on.clear()
        self.figures.remap_classes(places, classes)
        if self.result is not None:
            self.result = replace(
                self.result,
                picks=_renumbered(self.result.picks, places),
                audit=_renumbered(self.result.audit, places),
                shown=_renumbered(self.result.shown, places),
                stop_set=None,
                out_of_fold=None,
            )

    def _take(self, result: RoundResult) -> NDArray[np.int64]:
        self._answered_serial = result.serial
        self.result = result
        self.state = replace(
            self.state,
            doing="idle" if self.is_newest else "train",
            done=0,
            total=0,
            failure=None,
            trained_on=result.n_labels or None,
            fit_seconds=result.fit_seconds,
            query_seconds=result.query_seconds,
        )
        self.figures.add_result(result, self._ledger.audits.values())
        trained_on = self._trained_on[result.serial]
        self._trained_on = {serial: x for serial, x in self._trained_on.items() if serial > result.serial}
        if result.out_of_fold is not None:
            self._validated = result.n_labels
            answers = dict(zip(trained_on.tolist(), result.out_of_fold.tolist(), strict=True))
            indices, labels, _ = self._ledger.labels()
            known = dict(zip(indices.tolist(), labels.tolist(), strict=True))
            self.lure = cross_validated_accuracy(self._ledger.standing, known, answers, len(self._ledger), FOLDS)
        return trained_on


def _renumbered(picks: ItemPredictions, places: Sequence[int | None]) -> ItemPredictions:
    """A prediction of a class that is no more takes all of them away: a half is of no use."""
    if picks.predicted is None:
        return picks
    table = np.array([-1 if place is None else place for place in places], dtype=np.int64)
    predicted = table[picks.predicted]
    if len(predicted) and predicted.min() < 0:
        return replace(picks, predicted=None, confidence=None)
    return replace(picks, predicted=predicted)
