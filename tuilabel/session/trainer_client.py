"""The session's side of the trainer: requests, the newest result, and what the trainer is doing."""

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


class TrainerClient:
    """Sends requests and receives results; a result older than the newest is dropped.

    Parameters
    ----------
    step : new labels after which a cross-validation is due again.
    cross_validate : as for `LabellingSession`.
    models : receives every result that is not outdated.

    Attributes
    ----------
    state : what the trainer is doing.
    result : the newest result, with current class positions; None before there is one.
    lure : the newest accuracy by cross-validation; None before there is one.
    """

    def __init__(
        self, trainer: Trainer, ledger: Ledger, step: int, cross_validate: bool | None, models: ModelStatistics
    ) -> None:
        self._trainer, self._ledger = trainer, ledger
        self._step, self._cross_validate = step, cross_validate
        self.state = TrainerState()
        self.result: RoundResult | None = None
        self.lure: LureEstimate | None = None
        self.models = models
        self._serial = 0
        self._answered_serial = 0
        self._last_validated = 0
        self._trained_on: dict[int, NDArray[np.int64]] = {}
        """Pool indices of the labelled items, by serial of the request."""

    @property
    def newest_serial(self) -> int:
        """The serial of the newest request."""
        return self._serial

    @property
    def is_newest(self) -> bool:
        """Whether the newest result is that of the newest request."""
        return self._answered_serial == self._serial

    def submit(self, request: TrainRequest, *, batch_is_due: bool) -> None:
        """Send a request, with the next serial, and folds if a cross-validation is due."""
        self._serial += 1
        is_due = batch_is_due or self._ledger.kinds["label"] >= self._last_validated + self._step
        drawn = self.result is not None and self.result.picks.query_probability is not None
        wanted = drawn if self._cross_validate is None else self._cross_validate
        self._trained_on[self._serial] = request.indices
        self._trainer.submit(replace(request, serial=self._serial, folds=FOLDS if is_due and wanted else 0))

    @property
    def has_stopped(self) -> bool:
        """Whether nothing more is to be expected until `restart`, or perhaps not: batches are drawn without it."""
        return self.state.doing in ("stopped", "overdue")

    def restart(self) -> None:
        """Start the trainer afresh; it gets the newest request again."""
        self.state = replace(self.state, doing="starting", failure=None, done=0, total=0)
        self._trainer.restart()

    def handle(self, message: Message) -> NDArray[np.int64] | None:
        """Handle a message of the trainer.

        Returns
        -------
        For a result that is not outdated, the pool indices of the items that its model was trained on; else None.
        """
        match message:
            case TrainerProgress(background=True):
                self.state = replace(
                    self.state,
                    background=None if message.stage == "idle" else message.stage,
                    background_done=message.done,
                    background_total=message.total,
                    background_rate=message.per_second,
                    background_encoder=message.encoder,
                )
            case Ready():
                self.state = replace(self.state, doing="idle", done=0, total=0, failure=None)
            case TrainerProgress():
                self.state = replace(self.state, doing=message.stage, done=message.done, total=message.total)
            case Failure(background=True):
                self.state = replace(self.state, background=None, failure=message.message)
            case Failure():
                doing = "stopped" if message.fatal else "overdue" if message.overdue else "starting"
                self.state = replace(self.state, doing=doing, failure=message.message)
            case RoundResult(is_first_part=True) if message.serial == self._serial > self._answered_serial:
                self.result = message
                return message.shown.indices[:0]  # there is no model
            case RoundResult(is_first_part=False) if message.serial > self._answered_serial:
                return self._handle_result(message)
        return None

    def on_features_changed(self, encoder: str) -> None:
        """Drop pending results and start the stability of predictions over: models now get other latents."""
        self.state = replace(self.state, encoder=encoder)
        self._drop_pending()
        self.models.on_features_changed()
        if self.result is not None:
            self.result = replace(self.result, stop_set=None, out_of_fold=None)

    def remap_classes(self, new_class_pos: Sequence[int | None], classes: Sequence[str]) -> None:
        """Move predictions of class k to class `new_class_pos[k]` of `classes`, and drop pending results."""
        self._drop_pending()
        self.models.remap_classes(new_class_pos, classes)
        if self.result is not None:
            self.result = replace(
                self.result,
                picks=_remapped(self.result.picks, new_class_pos),
                audit=_remapped(self.result.audit, new_class_pos),
                shown=_remapped(self.result.shown, new_class_pos),
                stop_set=None,
                out_of_fold=None,
            )

    def _drop_pending(self) -> None:
        self._answered_serial = self._serial
        self._trained_on.clear()

    def _handle_result(self, result: RoundResult) -> NDArray[np.int64]:
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
        self.models.add_result(result, self._ledger.audits)
        trained_on = self._trained_on[result.serial]
        self._trained_on = {serial: x for serial, x in self._trained_on.items() if serial > result.serial}
        if result.out_of_fold is not None:
            self._last_validated = result.n_labels
            predicted = dict(zip(trained_on.tolist(), result.out_of_fold.tolist(), strict=True))
            indices, class_pos, _ = self._ledger.labels()
            labels = dict(zip(indices.tolist(), class_pos.tolist(), strict=True))
            self.lure = cross_validated_accuracy(self._ledger.standing, labels, predicted, len(self._ledger), FOLDS)
        return trained_on


def _remapped(picks: ItemPredictions, new_class_pos: Sequence[int | None]) -> ItemPredictions:
    """The picks with new class positions; without predictions if one is of a class that no longer exists."""
    if picks.predicted is None:
        return picks
    table = np.array([-1 if class_pos is None else class_pos for class_pos in new_class_pos], dtype=np.int64)
    predicted = table[picks.predicted]
    if len(predicted) and predicted.min() < 0:
        return replace(picks, predicted=None, confidence=None, probabilities=None)
    return replace(picks, predicted=predicted, probabilities=None)
