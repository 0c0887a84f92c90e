"""Creates the events of one annotator, with what was known of each item before its new answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from tuilabel.datasets import ImagePool
from tuilabel.errors import UsageError
from tuilabel.labels import ClassBook, Event, Origin
from tuilabel.session.batches import Batches
from tuilabel.session.ledger import Ledger

AnswerKind = Literal["label", "skip", "flag"]


class EventFactory:
    """Creates events without writing them.

    Attributes
    ----------
    blind : whether every prediction is hidden.
    """

    def __init__(
        self,
        pool: ImagePool,
        book: ClassBook,
        ledger: Ledger,
        batches: Batches,
        annotator: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._pool, self._book, self._ledger, self._batches = pool, book, ledger, batches
        self._annotator, self._clock = annotator, clock
        self.blind = False

    def awaits_own(self, pool_idx: int) -> bool:
        """Whether an item that several people are asked waits for the answer of this annotator."""
        queried = self._batches.find(pool_idx)
        is_asked = queried is not None and queried[1].overlap and self._batches.is_open(pool_idx)
        return is_asked and self._annotator not in self._ledger.answered_by(pool_idx)

    def hides(self, pool_idx: int) -> bool:
        """Whether the prediction of an item is not to be shown yet; see `LabellingSession.hides`."""
        if self.awaits_own(pool_idx):
            return True
        queried = self._batches.find(pool_idx)
        is_hidden = self.blind or (queried is not None and queried[1].hidden)
        standing = self._ledger.standing.get(pool_idx)
        return is_hidden and (standing is None or standing.kind == "flag")

    def note(self, pool_idx: int, text: str) -> Event:
        """A note on an item."""
        return replace(self._blank(pool_idx), key=uuid.uuid4().hex, kind="note", at=self._clock(), note=text)

    def answer(
        self, pool_idx: int, kind: AnswerKind, class_pos: int | None, milliseconds: int, origin: Origin | None = None
    ) -> Event:
        """An answer to an item; parameters and errors as for `LabellingSession.answer`."""
        return replace(
            self._known(pool_idx),
            key=uuid.uuid4().hex,
            kind=kind,
            class_name=self.class_name(class_pos) if kind == "label" else None,
            at=self._clock(),
            milliseconds=milliseconds,
            origin=origin or ("batch" if self._batches.is_open(pool_idx) else "direct"),
        )

    def answers(
        self,
        pool_indices: Sequence[int],
        kind: AnswerKind,
        class_pos: int | Sequence[int] | None,
        milliseconds: int,
        origin: Origin | None = None,
    ) -> list[tuple[int, Event]]:
        """Answers to several items, in one step if there are two or more; see `LabellingSession.answer_many`.

        Returns
        -------
        Pool indices with their events.
        """
        classes = [class_pos] * len(pool_indices) if class_pos is None or isinstance(class_pos, int) else class_pos
        class_of = dict(zip(pool_indices, classes, strict=True))
        step, each = uuid.uuid4().hex if len(class_of) > 1 else None, milliseconds // max(1, len(class_of))
        return [
            (pool_idx, replace(self.answer(pool_idx, kind, its_class, each, origin), step=step))
            for pool_idx, its_class in class_of.items()
        ]

    def flags(
        self, pool_indices: Sequence[int], flagged: bool, milliseconds: int, origin: Origin | None = None
    ) -> list[tuple[int, Event]]:
        """Flags for the items that have none or, to take them off, for those that have one; in one step.

        Returns
        -------
        Pool indices with their events.
        """
        changed = [k for k in dict.fromkeys(pool_indices) if (k in self._ledger.flags) != flagged]
        step = uuid.uuid4().hex if len(changed) > 1 else None
        return [
            (
                pool_idx,
                replace(
                    self._known(pool_idx),
                    key=uuid.uuid4().hex,
                    kind="flag" if flagged else "unflag",
                    class_name=None,
                    at=self._clock(),
                    milliseconds=milliseconds // len(changed),
                    origin=origin or ("batch" if self._batches.is_open(pool_idx) else "direct"),
                    step=step,
                ),
            )
            for pool_idx in changed
        ]

    def confirmations(
        self,
        pool_indices: Sequence[int],
        class_pos: int,
        milliseconds: int,
        *,
        predicted: Sequence[int] | None,
        confidence: Sequence[float] | None,
        trained_on: int | None,
    ) -> list[tuple[int, Event]]:
        """Labels of one class, in one step, for the items that may be confirmed; see `LabellingSession.confirm_class`.

        Parameters
        ----------
        trained_on : number of labels that the model of `predicted` was trained on.

        Returns
        -------
        Pool indices with their events.
        """
        drawn = {i.index for i in self._batches.open_items() if i.audit or i.query_probability is not None}
        row_of = {pool_idx: row for row, pool_idx in enumerate(pool_indices)}
        chosen = [pool_idx for pool_idx in row_of if pool_idx not in drawn and pool_idx not in self._ledger.standing]
        step, each = uuid.uuid4().hex, milliseconds // max(1, len(chosen))
        events = []
        for pool_idx in chosen:
            event = replace(self.answer(pool_idx, "label", class_pos, each, "by-class"), step=step)
            if predicted is not None:
                row = row_of[pool_idx]
                event = replace(
                    event,
                    trained_on=trained_on,
                    predicted=self.class_name(predicted[row]),
                    confidence=None if confidence is None else float(confidence[row]),
                    shown=True,
                )
            events.append((pool_idx, event))
        return events

    def class_name(self, class_pos: int | None) -> str:
        """The name of the class at a position; raises `UsageError` if there is none."""
        names = self._book.names
        if class_pos is None or not 0 <= class_pos < len(names):
            raise UsageError(f"class_pos must be 0 to {len(names) - 1}, got {class_pos}", parameter="class_pos")
        return names[class_pos]

    def _known(self, pool_idx: int) -> Event:
        """What is known of an item before its new answer: from its standing answer, else from its batch."""
        blank, standing = self._blank(pool_idx), self._ledger.standing.get(pool_idx)
        if standing is not None:
            if self.awaits_own(pool_idx):
                standing = replace(standing, shown=None if standing.predicted is None else False)
            return replace(standing, annotator=self._annotator, undoes=None, note=None, step=None, beside=True)
        queried = self._batches.find(pool_idx)
        if queried is None:
            return blank
        batch, item = queried
        return replace(
            blank,
            round=batch.round,
            strategy=batch.strategy,
            query_probability=item.query_probability,
            trained_on=item.trained_on,
            predicted=None if item.predicted is None else self._book.names[item.predicted],
            confidence=item.confidence,
            audit=item.audit,
            shown=None if item.predicted is None else not self.hides(pool_idx),
        )

    def _blank(self, pool_idx: int) -> Event:
        """An event about an item, without content."""
        if not 0 <= pool_idx < len(self._pool.ids):
            raise IndexError(f"pool_idx must be 0 to {len(self._pool.ids) - 1}, got {pool_idx}")
        batch = self._batches.current
        return Event(
            key="",
            kind="skip",
            item=self._pool.id_of(pool_idx),
            class_name=None,
            annotator=self._annotator,
            at=datetime.min,
            milliseconds=0,
            round=batch.round if batch else len(self._batches),
            strategy="",
            origin="direct",
            query_probability=None,
            trained_on=None,
            predicted=None,
            confidence=None,
            audit=False,
        )
