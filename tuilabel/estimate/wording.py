"""Figures in words, with no more digits than the sample carries."""

from __future__ import annotations

from typing import Literal

from tuilabel.estimate.accuracy import MeasuredAccuracy
from tuilabel.estimate.agreement import AnnotatorAgreement
from tuilabel.estimate.balance import BalancedAccuracy, Baseline

FEW = 20  # checked items; below, only the interval is shown
GOOD = 0.9  # an accuracy that is certainly as high counts as good, unless there is a target
TENTHS = 0.01  # width of an interval below which tenths of a percent mean something

Verdict = Literal["bad", "unsure", "fair", "good"]


def percent(value: float, low: float, high: float) -> str:
    """A share with an interval, in percent: "85 %", or "97.3 %" if the interval is narrow enough for tenths."""
    return f"{100 * value:.{_digits(low, high)}f} %"


def interval_percent(low: float, high: float) -> str:
    """The interval of a share in percent: "78–90"."""
    digits = _digits(low, high)
    return f"{100 * low:.{digits}f}–{100 * high:.{digits}f}"


def accuracy_text(accuracy: MeasuredAccuracy) -> str:
    """An accuracy in words: "85 % (78–90), 60 checked"; for fewer than 20 checked items "16–100 %, 2 checked"."""
    interval = interval_percent(accuracy.low, accuracy.high)
    if accuracy.n < FEW:
        return f"{interval} %, {accuracy.n} checked"
    return f"{percent(*accuracy.interval)} ({interval}), {accuracy.n:,} checked"


def confidence_text(confidence: float) -> str:
    """How sure a model is of a class: "74%", and "99%" at most, because no model is certain."""
    return f"{min(99, round(100 * confidence))}%"


def baseline_text(baseline: Baseline, classes: tuple[str, ...]) -> str:
    """The baseline in words: "always answering other: 80 %"."""
    return f"always answering {classes[baseline.class_pos]}: {100 * baseline.share:.0f} %"


def balanced_text(balanced: BalancedAccuracy) -> str:
    """Balanced accuracy in words: "balanced 71 % (60–80)"."""
    interval = interval_percent(balanced.low, balanced.high)
    return f"balanced {percent(balanced.value, balanced.low, balanced.high)} ({interval})"


def recall_text(accuracy: float | None, n: int) -> str:
    """The recall of a class: "67 % of 45", or of fewer than 20 items the count, "4 of 6"; "–" without any."""
    if accuracy is None or not n:
        return "–"
    return f"{round(accuracy * n)} of {n}" if n < FEW else f"{100 * accuracy:.0f} % of {n:,}"


def verdict(accuracy: MeasuredAccuracy, baseline: Baseline | None, target: float | None = None) -> Verdict:
    """How good an accuracy is, by the lower end of its interval.

    Returns
    -------
    "bad" if it does not beat the baseline, "unsure" if it may not, or if few items were checked, "good" if it is surely
    as high as the target or, without one, 90 %; else "fair".
    """
    beaten = 0.0 if baseline is None else baseline.share
    if accuracy.n >= FEW and accuracy.value <= beaten:
        return "bad"
    if accuracy.n < FEW or accuracy.low <= beaten:
        return "unsure"
    return "good" if accuracy.low >= (GOOD if target is None else target) else "fair"


def _digits(low: float, high: float) -> int:
    return 1 if high - low < 2 * TENTHS else 0


def agreement_text(agreement: AnnotatorAgreement) -> str:
    """How far annotators agree, in a line: "92 % of 40 images labelled twice, κ 0.89, α 0.89"."""
    return (
        f"{100 * agreement.share:.0f} % on {agreement.n:,} images with several labels, "
        f"Fleiss κ {agreement.fleiss:.2f}, Krippendorff α {agreement.alpha:.2f}"
    )
