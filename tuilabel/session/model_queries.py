"""Questions to the model: about one item, the items of a class, similar items, labels to review."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.labels import Event
from tuilabel.learner.trainer.messages import (
    ClassItems,
    CrossValidate,
    FoundItems,
    Inspection,
    InspectItem,
    ItemsOfClass,
    OutOfFoldPredictions,
    Reply,
    SearchText,
    SimilarItems,
)
from tuilabel.learner.trainer.protocol import Trainer
from tuilabel.session.examples import Example, clearest_examples
from tuilabel.session.review import Agreement, ReviewItem, agreement, review_items
from tuilabel.session.state import Belief

FOLDS = 5


class AnsweredSession(Protocol):
    """What `ModelQueries` needs of a session; `LabellingSession` provides it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by position."""

    @property
    def standing(self) -> Mapping[int, Event]:
        """The standing answers, by pool index."""

    @property
    def flags(self) -> Mapping[int, Event]:
        """The flags, by pool index."""

    @property
    def live_events(self) -> list[Event]:
        """Every answer that was not undone."""

    def number(self, key: str) -> int:
        """The place of an answer or a flag in the order in which they came."""

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pool indices and class positions of the labelled items."""

    def flag_on(self, pool_idx: int) -> Event | None:
        """The flag on an item; None if it has none."""

    def unavailable(self) -> NDArray[np.int64]:
        """Pool indices of items that are answered, gone or in an open batch."""


class ModelQueries:
    """Asks the trainer, and keeps the reply to the newest question of each kind.

    Replies arrive through the session's `handle`; until then the attributes and `review()` are None.

    Attributes
    ----------
    inspection : the reply to the newest `inspect`.
    class_items : the reply to the newest `ask_class`.
    found : the reply to the newest `ask_similar` or `ask_text`.
    out_of_fold : the reply to the newest `ask_review`.
    """

    def __init__(self, session: AnsweredSession, trainer: Trainer) -> None:
        self._session = session
        self._trainer = trainer
        self._serial = 0
        self._inspect_serial = self._class_serial = self._found_serial = self._review_serial = 0
        self._inspected = 0
        self._since = 0
        self.inspection: Inspection | None = None
        self.class_items: ClassItems | None = None
        self.found: FoundItems | None = None
        self.out_of_fold: OutOfFoldPredictions | None = None

    def inspect(self, pool_idx: int, neighbours: int = 8) -> None:
        """Ask what the model predicts for an item, and which items are nearest to it."""
        self.inspection = None
        self._inspect_serial, self._inspected = self._next_serial(), pool_idx
        self._trainer.ask(InspectItem(self._inspect_serial, pool_idx, neighbours, self._since))

    def ask_class(self, class_pos: int, count: int, order: Literal["sure", "unsure"] = "sure") -> None:
        """Ask for `count` unanswered items outside open batches that the model predicts to be of a class."""
        self.class_items = None
        self._class_serial = self._next_serial()
        excluded = self._session.unavailable()
        self._trainer.ask(ItemsOfClass(self._class_serial, class_pos, count, excluded, order, self._since))

    def ask_similar(self, like: Sequence[int], count: int, without: Iterable[int] = ()) -> None:
        """Ask for unanswered items outside open batches, nearest in latent space to any of the items `like`.

        Parameters
        ----------
        like : pool indices, at least one.
        count : maximum number of items.
        without : pool indices of items that are not wanted.
        """
        self.found, self._found_serial = None, self._next_serial()
        seeds = np.array(like, dtype=np.int64)
        self._trainer.ask(SimilarItems(self._found_serial, seeds, count, self._unavailable(without)))

    def ask_text(self, text: str, count: int, without: Iterable[int] = ()) -> None:
        """Ask for unanswered items outside open batches, nearest to a text; parameters as for `ask_similar`."""
        self.found, self._found_serial = None, self._next_serial()
        self._trainer.ask(SearchText(self._found_serial, text, count, self._unavailable(without)))

    def _unavailable(self, without: Iterable[int]) -> NDArray[np.int64]:
        return np.union1d(self._session.unavailable(), np.array([*without], dtype=np.int64))

    def ask_review(self) -> None:
        """Ask for a cross-validation of all labels, for `review`."""
        self.out_of_fold = None
        self._review_serial = self._next_serial()
        indices, labels = self._session.labels()
        self._trainer.ask(CrossValidate(self._review_serial, indices, labels, len(self._session.classes), FOLDS))

    def review(self) -> list[ReviewItem] | None:
        """The answers to review, as they stand now; None until the cross-validation has arrived."""
        if self.out_of_fold is None:
            return None
        session = self._session
        return review_items(
            session.standing, session.flags, session.live_events, session.classes, self.out_of_fold, session.number
        )

    def examples(self, most: int) -> list[list[Example]]:
        """The clearest labelled examples of each class, at most `most` of each; see `clearest_examples`."""
        session = self._session
        flagged = {index for index in session.standing if session.flag_on(index) is not None}
        return clearest_examples(session.standing, session.classes, self.out_of_fold, flagged, most)

    def agreement(self) -> Agreement | None:
        """How far the cross-validated models agree with the labels; None until they have arrived."""
        if self.out_of_fold is None:
            return None
        return agreement(self._session.standing, self._session.classes, self.out_of_fold)

    def out_of_fold_belief(self, pool_idx: int) -> Belief | None:
        """What the model that was not trained on an item's label believes about it; None if it is not known."""
        reply = self.out_of_fold
        if reply is None or pool_idx not in reply.indices:
            return None
        rows = np.flatnonzero(reply.indices == pool_idx)
        chances = reply.probabilities[rows[0]]
        return Belief(int(chances.argmax()), float(chances.max()), tuple(chances.tolist()))

    def on_classes_changed(self, new_class_pos: Sequence[int | None], since: int) -> None:
        """Drop replies in terms of the old classes and ask again: class k has moved to `new_class_pos[k]`.

        The items of a class are not asked for again, as it may no longer exist.

        Parameters
        ----------
        since : serial of the first training request in terms of the new classes.
        """
        if list(new_class_pos) == list(range(len(new_class_pos))):
            return
        self._since = since
        self._class_serial, self.class_items = 0, None
        if self._inspect_serial:
            self.inspect(self._inspected)
        if self._review_serial:
            self.ask_review()

    def handle(self, reply: Reply) -> None:
        """Keep a reply; one to an older question is dropped."""
        match reply:
            case Inspection() if reply.serial == self._inspect_serial:
                self.inspection = reply
            case ClassItems() if reply.serial == self._class_serial:
                self.class_items = reply
            case FoundItems() if reply.serial == self._found_serial:
                self.found = reply
            case OutOfFoldPredictions() if reply.serial == self._review_serial:
                self.out_of_fold = reply
            case _:
                pass

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial
