"""Evaluate a project's model and write the report on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuilabel.files import atomic_write
from tuilabel.labels import Event
from tuilabel.learner.cross_validation import out_of_fold_probabilities
from tuilabel.learner.evaluation import TestMetrics
from tuilabel.learner.trainer.messages import ItemPredictions, OutOfFoldPredictions, RoundResult
from tuilabel.learner.trainer.round import STOP_SET
from tuilabel.project.model import ProjectModel
from tuilabel.project.progress import OnProgress, ignore
from tuilabel.report import ClassRow, Page, Pair, Samples, Tile, render
from tuilabel.report.pictures import data_uri
from tuilabel.report.samples import Shown
from tuilabel.session.review import ReviewItem, review_items
from tuilabel.version import __version__

FOLDS = 5  # of the cross-validation that finds labels that are likely wrong
EXAMPLES, DOUBTED = 10, 24


def write_report(
    opened: ProjectModel,
    samples: Samples,
    expected_accuracy: float | None,
    out: Path,
    *,
    on_progress: OnProgress = ignore,
) -> None:
    """Evaluate the model, look for labels that are likely wrong, and write the page.

    Raises
    ------
    TuilabelError : if the file cannot be written.
    """
    test, predicted = _evaluate(opened)
    opened.session.handle(_as_result(opened, test))
    doubted = _doubtful_labels(opened, on_progress)
    text = render(_page(opened, samples, expected_accuracy, test, predicted, doubted))
    with atomic_write(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _page(
    opened: ProjectModel,
    samples: Samples,
    expected_accuracy: float | None,
    test: TestMetrics | None,
    predicted: NDArray[np.int64] | None,
    doubted: Sequence[ReviewItem],
) -> Page:
    session, pool, classes = opened.session, opened.pool, opened.classes
    figures = session.statistics()
    audits = [event for event in session.standing.values() if event.audit]
    accuracy = figures.accuracy
    evaluated_on = "audit images"
    if accuracy is not None:
        what = "test images" if accuracy.source == "test" else "audit images drawn at random"
        evaluated_on = f"{accuracy.n:,} {what}"
    pairs = [
        Pair(classes[c.true], classes[c.taken_for], c.n, _mistake_tiles(opened, c.true, c.taken_for, predicted, audits))
        for c in figures.confusions
    ]
    return Page(
        dataset=pool.name,
        project=opened.project.directory.resolve().name,
        made=datetime.now().astimezone(),
        pool_size=len(pool.ids),
        labelled=figures.labelled,
        skipped=figures.skipped,
        flagged=figures.flagged,
        rounds=figures.round,
        annotators=Counter(e.annotator for e in session.standing.values() if e.kind == "label").most_common(),
        accuracy=None if accuracy is None else accuracy.interval,
        evaluated_on=evaluated_on,
        expected_accuracy=expected_accuracy,
        calibration=_calibration(opened, test),
        advice=figures.advice_text,
        curve=figures.curve,
        confusion=figures.confusion,
        pairs=pairs,
        classes=[
            ClassRow(name, f.count, f.accuracy, f.n, count, [_predicted_tile(opened, item) for item in items])
            for name, f, count, items in zip(
                classes, figures.class_figures, samples.counts.tolist(), samples.of_class, strict=True
            )
        ],
        least_sure=[_uncertain_tile(opened, item) for item in samples.least_sure],
        doubted=[_doubted_tile(opened, item) for item in doubted[:DOUBTED]],
        doubted_in_all=len(doubted),
        version=__version__,
    )


def _evaluate(opened: ProjectModel) -> tuple[TestMetrics | None, NDArray[np.int64] | None]:
    """Metrics of the calibrated model on the test split, and its predictions there, (M,); None without a test split."""
    from tuilabel.learner.open import open_test_set

    split = open_test_set(opened.pool, opened.test_features)
    test = None if split is None else split.with_classes(opened.request.target_of)
    if test is None:
        return None, None
    return test.evaluate(opened.final), opened.final.predict_proba(test.features).argmax(axis=1)


def _as_result(opened: ProjectModel, test: TestMetrics | None) -> RoundResult:
    """The model as the result of a round: the session computes its figures from it, as for the screen."""
    features = opened.learner.features
    sample = np.ascontiguousarray(features[:: max(1, len(features) // STOP_SET)])
    empty = ItemPredictions(np.empty(0, dtype=np.int64))
    return RoundResult(
        serial=opened.request.serial,
        n_labels=len(opened.request.indices),
        strategy="",
        picks=empty,
        audit=empty,
        shown=empty,
        test=test,
        mean_uncertainty=None,
        uncertainty_histogram=None,
        mean_confidence=None,
        stop_set=opened.final.predict_proba(sample).argmax(axis=1).astype(np.int16),
        out_of_fold=None,
        fit_seconds=0.0,
        query_seconds=0.0,
    )


def _doubtful_labels(opened: ProjectModel, on_progress: OnProgress) -> list[ReviewItem]:
    """Labels that models trained without them contradict, the least plausible first."""
    request = opened.request
    rows, probabilities = out_of_fold_probabilities(
        opened.learner, request.labelled, FOLDS, partial(on_progress, "looking for wrong labels")
    )
    session, predictions = opened.session, OutOfFoldPredictions(0, request.indices[rows], probabilities)
    items = review_items(
        session.standing, session.flags, session.live_events, opened.classes, predictions, session.number
    )
    return [item for item in items if item.reason == "likely wrong"]


def _calibration(opened: ProjectModel, test: TestMetrics | None) -> str:
    n = opened.final.n_calibration
    text = f"Confidence is calibrated on {n} audit images" if n else "Confidence is calibrated by the learner alone"
    return text + (f"; on the test images it is off by {test.calibration_error:.1%} on average." if test else ".")


def _mistake_tiles(
    opened: ProjectModel,
    true: int,
    taken_for: int,
    predicted: NDArray[np.int64] | None,
    audits: Sequence[Event],
) -> list[Tile]:
    """Examples of one kind of mistake: test images, or else audit images."""
    pool, classes = opened.pool, opened.classes
    if predicted is not None and pool.test is not None:
        targets = pool.test.targets
        if opened.request.target_of is not None:
            targets = opened.request.target_of[targets]
        mistakes = np.flatnonzero((targets == true) & (predicted == taken_for))[:EXAMPLES]
        return [
            Tile(data_uri(pool.test.images[i]), f"{classes[true]} taken for {classes[taken_for]}", f"test {i}")
            for i in mistakes.tolist()
        ]
    wanted = [e for e in audits if e.class_name == classes[true] and e.predicted == classes[taken_for]][:EXAMPLES]
    indices = pool.indices_of([event.item for event in wanted]).tolist()
    return [_tile(opened, i, pool.files.last_name(i)) for i in indices if i >= 0]


def _predicted_tile(opened: ProjectModel, item: Shown) -> Tile:
    return _tile(opened, item.index, f"{item.confidence:.1%}")


def _uncertain_tile(opened: ProjectModel, item: Shown) -> Tile:
    first, second = opened.classes[item.predicted], opened.classes[item.second]
    return _tile(opened, item.index, f"{first}, {item.confidence:.0%}", f"or {second}")


def _doubted_tile(opened: ProjectModel, item: ReviewItem) -> Tile:
    label = "–" if item.label is None else opened.classes[item.label]
    suggested = "–" if item.suggested is None else opened.classes[item.suggested]
    sure = "" if item.confidence is None else f", {item.confidence:.0%}"
    return _tile(opened, item.index, f"labelled {label}", f"more likely {suggested}{sure}")


def _tile(opened: ProjectModel, index: int, text: str, below: str = "") -> Tile:
    pool = opened.pool
    return Tile(data_uri(pool.images[index]), pool.files.last_name(index), text, below)
