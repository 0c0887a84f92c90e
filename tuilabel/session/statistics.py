"""The statistics of a session: its counts and the figures of its models."""

from __future__ import annotations

from tuilabel.estimate import (
    MeasuredAccuracy,
    advice_text,
    audit_estimate,
    baseline,
    class_figures,
    labels_per_minute,
    unequal_classes_accuracy,
    without_forecast,
)
from tuilabel.session.ledger import Ledger
from tuilabel.session.model_statistics import ModelStatistics
from tuilabel.session.state import ModelStatus, Statistics
from tuilabel.session.steps import Steps
from tuilabel.session.trainer_client import TrainerClient

PACE_WINDOW = 60  # answers over which labels per minute is measured


def model_status(ledger: Ledger, trainer: TrainerClient, *, is_resumed: bool) -> ModelStatus:
    """Whether there is a model.

    Parameters
    ----------
    is_resumed : whether the session began with labels of two classes, which had a model before.
    """
    if trainer.result is not None and trainer.result.n_labels:
        return "ready"
    if trainer.state.doing == "stopped" or not has_two_classes(ledger):
        return "none"
    return "loading" if is_resumed or trainer.state.doing in ("starting", "load", "encode") else "training"


def has_two_classes(ledger: Ledger) -> bool:
    """Whether there are labels of two classes, which a model needs."""
    return sum(n > 0 for n in ledger.class_counts.values()) >= 2


def session_statistics(
    ledger: Ledger,
    steps: Steps,
    models: ModelStatistics,
    trainer: TrainerClient,
    *,
    model: ModelStatus,
    strategy: str,
    round_number: int,
    n_classes: int,
    target: float | None,
) -> Statistics:
    """A snapshot of all figures. Nothing here goes through every answer, because the screen calls it after each key."""
    result, pool_size = trainer.result, len(ledger)
    counts = tuple(ledger.class_counts[class_pos] for class_pos in range(n_classes))
    per_minute = labels_per_minute(steps.latest(PACE_WINDOW))
    audit = audit_estimate(ledger.audits)
    test = None if result is None else result.test
    accuracy = MeasuredAccuracy.on_audit(audit) if test is None else MeasuredAccuracy.on_test(test.accuracy, test.n)
    histogram = None if result is None else result.uncertainty_histogram
    advice = without_forecast(
        models.advisor.advice, accuracy.n if accuracy else 0, is_changing=trainer.state.background is not None
    )
    labels_left = None if advice.withheld else models.labels_left(ledger.kinds["label"], pool_size)
    return Statistics(
        pool_size=pool_size,
        labelled=ledger.kinds["label"],
        skipped=ledger.kinds["skip"],
        flagged=len(ledger.flags),
        flagged_only=ledger.kinds["flag"],
        per_minute=per_minute,
        round=round_number,
        strategy=strategy,
        trainer=trainer.state,
        model=model,
        test_accuracy=None if test is None else test.accuracy,
        accuracy=accuracy,
        curve=models.curve,
        by_test=models.by_test,
        audit=audit,
        lure=trainer.lure,
        confidence=None if result is None else result.mean_confidence,
        advice=advice,
        mean_uncertainty=None if result is None else result.mean_uncertainty,
        histogram=None if histogram is None else tuple(histogram.tolist()),
        start_histogram=models.start_histogram,
        class_counts=counts,
        class_figures=class_figures(counts, models.confusion),
        confusion=models.confusion,
        confusions=models.confusions,
        baseline=baseline(models.confusion),
        balanced=unequal_classes_accuracy(models.confusion),
        target=target,
        labels_to_target=labels_left,
        minutes_left=None if labels_left is None or not per_minute else labels_left / per_minute,
        advice_text=advice_text(advice),
    )
