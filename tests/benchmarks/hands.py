"""Keys per label on photographs: one by one, by class, several at once, more like this; with the real model.

The annotator knows the truth, presses no key too many, and moves with the arrow keys.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tuilabel.datasets import open_pool
from tuilabel.encoders import choose_encoder
from tuilabel.estimate import BULK_PRECISION
from tuilabel.learner.open import open_learner
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.session import LabellingSession
from tuilabel.tui.layout import GridLayout, grid_layout, panel_width
from tuilabel.tui.state import AppState

DATA = Path(os.environ.get("TUILABEL_DATA", Path(__file__).parents[3] / "shared" / "data"))
SETS = {"grocery": "groceries, 256 × 256 pixels", "photos": "photographs, 32 × 32 pixels"}
COLUMNS, ROWS = 120, 37  # for images on a screen of 120 × 40
FIRST = 40  # labels one by one, before there is a model to speak of
MORE = 200  # labels that are counted
LISTED = 100  # images that by class and more like this ask for at once


@dataclass
class Hands:
    """An annotator at the keyboard, with a session on one set of photographs.

    Attributes
    ----------
    keys : pressed so far.
    """

    session: LabellingSession
    truth: Sequence[int]
    runner: RoundRunner
    state: AppState
    keys: int = field(default=0)

    @classmethod
    def on(cls, name: str) -> Hands:
        """A session on one of the `SETS`, whose folders are the truth."""
        unpacked = DATA / name
        pool = open_pool(str(unpacked if unpacked.is_dir() else DATA / f"{name}.tar.gz"))
        classes = [Path(pool.files.names(index)[0]).parent.name for index in range(len(pool))]
        names = sorted(set(classes))
        learner, _ = open_learner("latent", pool, choose_encoder("efficientnet_lite2", pool))
        runner = RoundRunner(learner)
        trainer = InlineTrainer(runner.run, QuestionHandler(runner).answer)
        session = LabellingSession(pool, trainer=trainer, classes=names, retrain="batch")
        trainer.start(session.handle)
        session.start()
        return cls(session, [names.index(c) for c in classes], runner, AppState(session))

    def layout(self, screen: str, width: int, n: int) -> GridLayout:
        """The grid of a screen, in its default size."""
        return grid_layout(width, ROWS, n, *self.state.shape, self.state.size_on(screen))

    @property
    def accuracy(self) -> float:
        """Of the newest model, on everything without a label."""
        self.session.start()  # a model of all labels
        predicted = self.runner.predicted()
        assert predicted is not None
        left = [index for index in range(len(self.truth)) if self.session.answer_at(index) is None]
        return float(np.mean(predicted[left] == np.array(self.truth)[left]))

    def label(self, indices: Sequence[int], class_pos: int) -> None:
        """One key for one or several images."""
        self.session.answer_many(indices, "label", class_pos)
        self.keys += 1

    def unanswered(self) -> int:
        """The item in focus: the first of the batch without a label."""
        assert self.session.batch is not None
        return next(item.index for item in self.session.batch.items if self.session.answer_at(item.index) is None)

    def one_by_one(self) -> None:
        """One image of the batch."""
        index = self.unanswered()
        self.label([index], self.truth[index])

    def accept_batch(self) -> None:
        """The batch: wrong and hidden predictions by their classes, then Ctrl+A and Enter."""
        assert self.session.batch is not None
        items = self.session.batch.items
        layout = self.layout("similar", COLUMNS - panel_width(COLUMNS), len(items))
        seen = [(at, i) for at, i in enumerate(items) if i.hidden or i.predicted != self.truth[i.index]]
        focus = 0
        for at, item in seen:
            self.keys += distance(focus, at, layout.columns)
            self.label([item.index], self.truth[item.index])
            focus = at + 1
        pages = -(-len(items) // layout.per_page)
        self.session.confirm_many([i.index for i in items if self.session.answer_at(i.index) is None])
        self.keys += 2 * pages + pages - 1  # and PgDn

    def page_by_class(self, class_pos: int) -> None:
        """A page of images predicted to be of a class: the wrong ones by their classes, Enter for the rest."""
        session, columns = self.session, self.layout("by-class", COLUMNS, LISTED).columns
        session.model_queries.ask_class(class_pos, LISTED)
        found = session.model_queries.class_items
        assert found is not None
        page = found.indices[: self.layout("by-class", COLUMNS, LISTED).per_page].tolist()
        focus = 0
        for at, index in enumerate(page):
            if self.truth[index] != class_pos:
                self.keys += distance(focus, at, columns)
                self.label([index], self.truth[index])
                focus = at + 1
        rest = {i: c for i, c in zip(page, found.confidence.tolist(), strict=False) if session.answer_at(i) is None}
        if rest:
            doubtful = session.expected_precision(class_pos, [*rest.values()]) < BULK_PRECISION
            session.confirm_class([*rest], class_pos)
            self.keys += 2 if doubtful else 1
        self.keys += 1  # ] for the next class
        session.start()  # a model of these labels

    def more_like_this(self, *, preselected: bool) -> None:
        """Pages of images like the one in focus, as long as that costs less than a key for each label.

        Images of other classes are left for later.
        """
        seed, shown = self.unanswered(), set[int]()
        class_pos = self.truth[seed]
        layout = self.layout("similar", COLUMNS, LISTED)
        while True:
            self.keys += 1  # &
            self.session.model_queries.ask_similar([seed], LISTED, shown)
            found = self.session.model_queries.found
            assert found is not None
            first = [seed] if self.session.answer_at(seed) is None else []
            page = [*first, *found.indices.tolist()][: layout.per_page]
            shown.update(page)
            right = [at for at, index in enumerate(page) if self.truth[index] == class_pos]
            wrong = [at for at, index in enumerate(page) if self.truth[index] != class_pos]
            keys = ranges(right, layout.columns)
            if preselected:
                keys = min(ranges(wrong, layout.columns), 1 + keys)  # Ctrl+A selects none
            if keys + 1 >= len(right):
                break
            self.keys += keys
            self.label([page[at] for at in right], class_pos)
        self.keys += 1  # Esc
        if self.session.answer_at(seed) is None:
            self.label([seed], class_pos)


def distance(start: int, end: int, columns: int) -> int:
    """Arrow keys from one position of a grid to another."""
    return abs(end // columns - start // columns) + abs(end % columns - start % columns)


def ranges(positions: Sequence[int], columns: int) -> int:
    """Keys that select images, or take them out: arrows to each run of them, then Shift and arrows to its end."""
    keys, focus = 0, 0
    for run in np.split(np.array(positions, dtype=np.int64), np.flatnonzero(np.diff(positions) > 1) + 1):
        if len(run):
            start, end = int(run[0]), int(run[-1])
            keys += distance(focus, start, columns) + max(1, distance(start, end, columns))
            focus = end + (start == end)  # Space takes out or puts back a single one, and moves on
    return keys


def hands(_folder: Path) -> Iterator[tuple[str, str, str]]:
    """Every way on every set, each from the same 40 labels on."""
    ways: dict[str, Callable[[Hands, int], None]] = {
        "one by one": lambda one, _: one.one_by_one(),
        "Ctrl+A and Enter on each batch, after correcting it": lambda one, _: one.accept_batch(),
        "by class": lambda one, turn: one.page_by_class(turn % len(one.session.classes)),
        "more like this, all selected": lambda one, _: one.more_like_this(preselected=True),
        "more like this, none selected": lambda one, _: one.more_like_this(preselected=False),
    }
    for name, title in SETS.items():
        for way, step in ways.items():
            one = Hands.on(name)
            for _ in range(FIRST):
                one.one_by_one()
            one.keys, turn = 0, 0
            while len(one.session.standing) < FIRST + MORE:
                step(one, turn)
                turn += 1
            labels = len(one.session.standing) - FIRST
            yield f"{title}, {way}: keys per label", f"{one.keys / labels:.2f}", ""
            yield "… labels; accuracy on the rest", f"{labels}; {100 * one.accuracy:.1f} %", ""


if __name__ == "__main__":
    for measured in hands(Path()):
        print(measured, flush=True)
