"""The statistics of a project from what its store holds, without a model, a trainer or an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import (
    AuditEstimate,
    BalancedAccuracy,
    Baseline,
    ClassFigure,
    Confusion,
    LureEstimate,
    MeasuredAccuracy,
    StabilisingPredictions,
    StoppingAdvice,
    advice_text,
    audit_estimate,
    baseline,
    class_figures,
    stopping_advice,
    unequal_classes_accuracy,
    without_forecast,
)
from tuilabel.labels import ClassBook, ClassChange, Event, Round, current_answers, with_current_names
from tuilabel.labels.events import current_flags, current_notes, standing_answers
from tuilabel.session.annotators import TeamFigures, team_figures
from tuilabel.session.lure import queried_accuracy
from tuilabel.session.model_statistics import ModelStatistics
from tuilabel.session.state import CurvePoint
from tuilabel.session.stopping_advisor import fitted_curve


@dataclass(frozen=True)
class LogStatistics:
    """The figures of a project's log, computed as those of `Statistics`, which also has the newest model's."""

    classes: tuple[str, ...]
    """Class names as they are now; the tuples by class follow this order."""
    labelled: int
    skipped: int
    flagged: int
    """Flagged items, with or without a label."""
    flagged_only: int
    """Those of them without an answer, which are set aside."""
    flagged_by: tuple[tuple[str, int], ...]
    """Flagged items by who flagged them, most first."""
    notes: int
    """Items with a note."""
    noted_by: tuple[tuple[str, int], ...]
    """Notes by who wrote them, most first."""
    rounds: int
    annotators: tuple[tuple[str, int], ...]
    """Standing labels by annotator, most labels first."""
    team: TeamFigures
    """What each annotator did, and how far they agree."""
    class_counts: tuple[int, ...]
    test_accuracy: float | None
    """Of the newest round's model, on test items; None without them."""
    audit: AuditEstimate | None
    accuracy: MeasuredAccuracy | None
    """The accuracy to report with its interval: on test items, or without them by audit items."""
    lure: LureEstimate | None
    """Accuracy by LURE weights (Farquhar et al. 2021), from what the model of each batch predicted for its items."""
    curve: tuple[CurvePoint, ...]
    """Accuracy by number of labels: on test items, or without them by audit items."""
    class_figures: tuple[ClassFigure, ...]
    """Labels of each class, and its recall among audit items."""
    confusion: NDArray[np.int64] | None = field(compare=False)
    """Audit items by class, (C, C): rows true, columns predicted; None without any."""
    confusions: tuple[Confusion, ...]
    """The most frequent mistakes among them, at most five."""
    baseline: Baseline | None
    """The accuracy of always answering with the largest class, among audit items; None for fewer than 20."""
    balanced: BalancedAccuracy | None
    """Mean recall of the classes, where they are unequal; None otherwise, and for fewer than 20 audit items."""
    advice: StoppingAdvice
    """From the learning curve alone: only a session knows whether predictions have settled."""
    advice_text: str
    """What more labels should bring, in one line."""


def log_statistics(
    log: Sequence[Event],
    rounds: Sequence[Round],
    class_changes: Sequence[ClassChange],
    *,
    classes: Sequence[str],
    pool_size: int,
    test_size: int | None = None,
) -> LogStatistics:
    """The statistics of everything in a store, as `tuilabel stats` shows them.

    It shares its parts with `LabellingSession.statistics`, which the screen and the report show: if the log has all
    that a figure needs, both give the same.

    Parameters
    ----------
    log, rounds, class_changes : all that the store holds, in the order of writing, as `LabelStore` returns it. Events
        have the class names of their time; items that are no longer in the pool count.
    classes : class names of a store without class changes, as the settings of the project list them.
    pool_size : items of the pool.
    test_size : items of the pool's test split: used for rounds of older versions, which do not record it; None without
        a test split.
    """
    names = ClassBook(class_changes).names or tuple(classes)
    named = with_current_names(log, class_changes)
    answers = current_answers(named)
    standing, flags, notes = list(answers.values()), current_flags(log), current_notes(log)
    kinds = Counter(event.kind for event in standing)
    labels = [event for event in standing if event.kind == "label"]
    by_class = Counter(event.class_name for event in labels)
    counts = tuple(by_class[name] for name in names)
    audits = [event for event in named if event.audit and answers.get(event.item) == event]
    models = ModelStatistics(names, step=1, test_size=test_size)
    models.restore(rounds, audits)
    audit = audit_estimate(audits)
    accuracy = models.tested or MeasuredAccuracy.on_audit(audit)
    advice = without_forecast(
        stopping_advice(StabilisingPredictions(), fitted_curve(models.test_curve, audits)),
        accuracy.n if accuracy else 0,
        is_changing=False,
    )
    return LogStatistics(
        classes=names,
        labelled=kinds["label"],
        skipped=kinds["skip"],
        flagged=len(flags),
        flagged_only=kinds["flag"],
        flagged_by=_by_annotator(flags.values()),
        notes=len(notes),
        noted_by=_by_annotator(notes.values()),
        rounds=len(rounds),
        annotators=_by_annotator(labels),
        team=team_figures(standing_answers(named)),
        class_counts=counts,
        test_accuracy=models.test_accuracy,
        audit=audit,
        accuracy=accuracy,
        lure=queried_accuracy(standing, pool_size),
        curve=models.curve,
        class_figures=class_figures(counts, models.confusion),
        confusion=models.confusion,
        confusions=models.confusions,
        baseline=baseline(models.confusion),
        balanced=unequal_classes_accuracy(models.confusion),
        advice=advice,
        advice_text=advice_text(advice),
    )


def _by_annotator(events: Iterable[Event]) -> tuple[tuple[str, int], ...]:
    """Number of events by annotator, most first."""
    return tuple(Counter(event.annotator for event in events).most_common())
