"""Events about to be: what is known of an item before its new answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Literal

from tuilabel.datasets import ImagePool
from tuilabel.errors import UsageError
from tuilabel.labels import ClassBook, Event, Origin
from tuilabel.session.batches import Batches
from tuilabel.session.ledger import Ledger

AnswerKind = Literal["label", "skip", "flag"]


class Drafts:
    """Makes the events of one annotator."""

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

    def note(self, index: int, text: str) -> Event:
        """A note on item `index`."""
        return replace(self._blank(index), key=uuid.uuid4().hex, kind="note", at=self._clock(), note=text)

    def answer(
        self,
        index: int,
        kind: AnswerKind,
        class_index: int | None,
        milliseconds: int,
        origin: Origin | None = None,
    ) -> Event:
        """An answer to item `index`; raises as `LabellingSession.answer`.

        Parameters
        ----------
        origin : by default "batch" for an item of an open batch, else "direct".
        """
        known = self._known(index)
        return replace(
            known,
            key=uuid.uuid4().hex,
            kind=kind,
            class_name=self.class_name(class_index) if kind == "label" else None,
            at=self._clock(),
            milliseconds=milliseconds,
            origin=origin or ("batch" if self._batches.is_open(index) else "direct"),
        )

    def class_name(self, class_index: int | None) -> str:
        """The name at a position; raises `UsageError` where there is none."""
        names = self._book.names
        if class_index is None or not 0 <= class_index < len(names):
            raise UsageError(f"class {class_index} is none of 0…{len(names) - 1}")
        return names[class_index]

    def _known(self, index: int) -> Event:
        """What is known of item `index` before its new answer: from its standing answer, else from its batch."""
        blank, standing = self._blank(index), self._ledger.standing.get(index)
        if standing is not None:
            return replace(standing, annotator=self._annotator, undoes=None, note=None, step=None)
        found = self._batches.find(index)
        if found is None:
            return blank
        batch, item = found
        return replace(
            blank,
            round=batch.round,
            strategy=batch.strategy,
            query_probability=item.query_probability,
            trained_on=item.trained_on,
            predicted=None if item.predicted is None else self._book.names[item.predicted],
            confidence=item.confidence,
            audit=item.audit,
        )

    def _blank(self, index: int) -> Event:
        """An event about item `index` that says nothing yet."""
        if not 0 <= index < len(self._pool.ids):
            raise IndexError(f"no item {index} in a pool of {len(self._pool.ids)}")
        batch = self._batches.now
        return Event(
            key="",
            kind="skip",
            item=self._pool.ids[index].decode(),
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
