"""The effort of labelling: keys per label and images per minute, on MNIST with true labels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.program import truth
from tests.helpers.terminal import TUILABEL, Terminal
from tuilabel.datasets import open_pool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.estimate import BULK_PRECISION
from tuilabel.labels import NullWriter
from tuilabel.learner.open import open_learner, open_test_set
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.session import LabellingSession

KEY_INTERVAL = 0.3  # seconds between the keys of the scripted annotator
COLUMNS, PAGE = 7, 28  # columns and images of a page by class on a screen of 120 × 40
ROUNDS = 2  # through all classes


def effort(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Label with the real program key by key, and with the real model page by page."""
    pool, project = open_pool("mnist"), folder / "effort"
    assert pool.targets is not None
    typed = 0
    with Terminal([*TUILABEL, "label", "--project", str(project)], directory=folder) as terminal:
        terminal.wait_for("round 1")
        begin = time.perf_counter()
        for number in range(2, 7):
            for key in truth(project, pool):
                terminal.burst(key, KEY_INTERVAL)
                typed += 1
            terminal.wait_for(f"round {number}")
        minutes = (time.perf_counter() - begin) / 60
    yield "one by one: keys per label, 100 digits", f"{typed / 100:.2f}", "1.0"
    yield "… images per minute at 0.3 s per key", f"{100 / minutes:.0f}", ""
    for labels in (20, 100):
        keys, done, wrong = in_bulk(labels)
        yield f"by class after {labels} labels: keys per label, {done:,} digits", f"{keys / done:.3f}", ""
        yield "… images per minute at 0.3 s per key", f"{60 * done / (KEY_INTERVAL * keys):,.0f}", ""
        yield "… of which the model was wrong, each fixed by one key", f"{wrong}", ""


def in_bulk(labels: int) -> tuple[int, int, int]:
    """Keys, labels, and corrected labels of an annotator who confirms page after page of every class."""
    pool = open_pool("mnist")
    checkpoint = find_checkpoint("mnist")
    learner, features = open_learner("latent", pool, VAEEncoder(checkpoint))
    runner = RoundRunner(learner, open_test_set(pool, features))
    trainer = InlineTrainer(runner.run, QuestionHandler(runner).answer)
    session = LabellingSession(
        pool, log=[], rounds=[], writer=NullWriter(), trainer=trainer, classes=pool.classes, retrain="batch"
    )
    trainer.start(session.handle)
    session.start()
    assert pool.targets is not None
    for _ in range(labels):
        assert session.batch is not None
        index = next(item.index for item in session.batch.items if session.answer_at(item.index) is None)
        session.label(index, int(pool.targets[index]))
    keys = done = wrong = 0
    for _ in range(ROUNDS):
        for c in range(len(session.classes)):
            session.model_queries.ask_class(c, PAGE)
            items = session.model_queries.class_items
            assert items is not None
            shown, focus = items.indices.tolist(), 0
            for position, index in enumerate(shown):
                true = int(pool.targets[index])
                if true != c:  # move there with the arrow keys, and type its class
                    keys += abs(position // COLUMNS - focus // COLUMNS) + abs(position % COLUMNS - focus % COLUMNS) + 1
                    session.answer(index, "label", true, origin="by-class")
                    focus, wrong = min(position + 1, PAGE - 1), wrong + 1
            sure = dict(zip(shown, items.confidence.tolist(), strict=True))
            rest = [index for index in shown if session.answer_at(index) is None]
            doubtful = bool(rest) and session.expected_precision(c, [sure[i] for i in rest]) < BULK_PRECISION
            session.confirm_class(rest, c)
            keys, done = keys + 2 + doubtful, done + len(shown)  # Enter, perhaps twice, and ] for the next class
    return keys, done, wrong
