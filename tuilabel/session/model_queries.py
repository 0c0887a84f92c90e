"""What the screen asks of the model beside the rounds: one item, the items of a class, labels to look at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.labels import Event
from tuilabel.learner.trainer.messages import (
    ClassItems,
    CrossValidate,
    Inspection,
    InspectItem,
    ItemsOfClass,
    OutOfFoldPredictions,
    Reply,
)
from tuilabel.learner.trainer.protocol import Trainer
from tuilabel.session.review import ReviewItem, review_items

FOLDS = 5


class AnsweredSession(Protocol):
    """What is asked about: of `LabellingSession` what questions are made of."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by position."""

    @property
    def standing(self) -> Mapping[int, Event]:
        """The answers that stand, by pool index."""

    @property
    def live_events(self) -> list[Event]:
        """Every answer that was not taken back."""

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pool indices and class positions of the labelled items."""

    def unavailable(self) -> NDArray[np.int64]:
        """Pool indices that are answered, set aside or being asked."""


class ModelQueries:
    """Asks the trainer, and keeps the answer to the newest question of each kind.

    Answers come through the session's `handle`; until then `inspection`, `class_items` and `review()` are None.
    """

    def __init__(self, session: AnsweredSession, trainer: Trainer) -> None:
        self._session = session
        self._trainer = trainer
        self._serial = 0
        self._inspecting = self._listing = self._validating = 0
        self._index = 0
        self._since = 0
        self.inspection: Inspection | None = None
        """The answer to the newest `inspect`."""
        self.class_items: ClassItems | None = None
        """The answer to the newest `ask_class`."""
        self.out_of_fold: OutOfFoldPredictions | None = None
        """The answer to the newest `ask_review`."""

    def inspect(self, index: int, neighbours: int = 8) -> None:
        """Ask what the model makes of pool item `index`, and which items are nearest to it."""
        self.inspection = None
        self._inspecting, self._index = self._next(), index
        self._trainer.ask(InspectItem(self._inspecting, index, neighbours, self._since))

    def ask_class(self, class_index: int, count: int, order: Literal["sure", "unsure"] = "sure") -> None:
        """Ask for `count` unanswered items, none of the open batches, that the model takes for a class."""
        self.class_items = None
        self._listing = self._next()
        unavailable = self._session.unavailable()
        self._trainer.ask(ItemsOfClass(self._listing, class_index, count, unavailable, order, self._since))

    def ask_review(self) -> None:
        """Ask for a cross-validation of all labels, for `review`."""
        self.out_of_fold = None
        self._validating = self._next()
        indices, labels = self._session.labels()
        self._trainer.ask(CrossValidate(self._validating, indices, labels, len(self._session.classes), FOLDS))

    def review(self) -> list[ReviewItem] | None:
        """The answers to look at again, as they stand now; None until the cross-validation has come."""
        if self.out_of_fold is None:
            return None
        session = self._session
        return review_items(session.standing, session.live_events, session.classes, self.out_of_fold)

    def classes_changed(self, places: Sequence[int | None], since: int) -> None:
        """Class k is class `places[k]` from now on: forget what was said in terms of the old ones, and ask again.

        Not for the items of a class, which may be no more.

        Parameters
        ----------
        since : serial of the first training request in terms of the new classes.
        """
        if list(places) == list(range(len(places))):
            return
        self._since = since
        self._listing, self.class_items = 0, None
        if self._inspecting:
            self.inspect(self._index)
        if self._validating:
            self.ask_review()

    def take(self, answer: Reply) -> None:
        """Keep an answer; one to an older question is dropped."""
        match answer:
            case Inspection() if answer.serial == self._inspecting:
                self.inspection = answer
            case ClassItems() if answer.serial == self._listing:
                self.class_items = answer
            case OutOfFoldPredictions() if answer.serial == self._validating:
                self.out_of_fold = answer
            case _:
                pass

    def _next(self) -> int:
        self._serial += 1
        return self._serial
