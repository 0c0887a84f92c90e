"""When to stop labelling: predictions are stable, and more labels would bring little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.estimate.checks import class_vector, same_length
from tuilabel.estimate.learning_curve import LearningCurve

AGREEMENT = 0.99  # Bloodgood & Vijay-Shanker 2009
MODELS = 3
MIN_GAIN = 0.005  # half a point of accuracy for `EXTRA` labels is worth continuing
EXTRA = 100
MIN_CHECKED = 30  # items; a curve through fewer outcomes says nothing about the next labels


@dataclass(frozen=True)
class StoppingAdvice:
    """Whether to stop, and why."""

    stop: bool
    reason: str
    agreement: float | None
    """Mean kappa of the latest models; None while there are too few."""
    gain: float | None
    """Accuracy that `extra` more labels should add; None without a curve."""
    gain_interval: tuple[float, float] | None = None
    """Its 95 % interval."""
    withheld: bool = False
    """Whether there is no forecast, for the `reason` given."""


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Agreement of two labellings beyond chance (Cohen 1960): 1 if they are equal, below 0 if worse than chance.

    Parameters
    ----------
    first, second : int (n,), classes of the same items.

    Raises
    ------
    ValueError : if they are empty, not classes or of different lengths.
    """
    a, b = class_vector(first, "first"), class_vector(second, "second")
    same_length(first=a, second=b)
    observed = float((a == b).mean())
    if observed == 1:  # also if both have only one class, where chance would agree as well
        return 1.0
    size = int(max(a.max(), b.max())) + 1
    expected = float(np.bincount(a, minlength=size) @ np.bincount(b, minlength=size)) / len(a) ** 2
    return (observed - expected) / (1 - expected)


class StabilisingPredictions:
    """Stop once successive models agree on a fixed stop set of unlabelled items (Bloodgood & Vijay-Shanker 2009).

    The stop set is drawn at random once (the paper takes 2,000 items or more) and must not change; its true classes
    are not needed. `agreement` is the mean of the last `models` kappas.
    """

    def __init__(self, threshold: float = AGREEMENT, models: int = MODELS) -> None:
        """Count predictions as stable at a mean kappa of `threshold`; raises ValueError for fewer than 1 model."""
        if models < 1:
            raise ValueError(f"models must be at least 1, got {models}")
        self.threshold = threshold
        self.models = models
        self.kappas: list[float] = []
        self._last: NDArray[np.int64] | None = None

    def add(self, predicted: ArrayLike) -> float | None:
        """Add the newest model's predictions, int (n,); return its kappa with the previous model, None for the first.

        Raises
        ------
        ValueError : if they are empty, not classes, or not as many as before.
        """
        newest = class_vector(predicted, "predicted")
        kappa = None if self._last is None else cohen_kappa(self._last, newest)
        self._last = newest
        if kappa is not None:
            self.kappas.append(kappa)
        return kappa

    @property
    def agreement(self) -> float | None:
        """The mean of the last `models` kappas; None until there are as many."""
        return float(np.mean(self.kappas[-self.models :])) if len(self.kappas) >= self.models else None

    @property
    def settled(self) -> bool:
        """Whether the agreement is at the threshold."""
        return self.agreement is not None and self.agreement >= self.threshold


def stopping_advice(
    predictions: StabilisingPredictions, curve: LearningCurve | None, extra: int = EXTRA, min_gain: float = MIN_GAIN
) -> StoppingAdvice:
    """Stop once predictions are stable and the curve, if there is one, promises less than `min_gain`.

    Both, because each alone can mislead: predictions are stable while models improve slowly, a curve is flat on a
    plateau.

    Parameters
    ----------
    predictions : those of every model so far.
    curve : accuracy on items that the models were not trained on; None without one.
    extra : how many labels ahead to look.
    min_gain : the gain of accuracy, 0…1, that makes `extra` labels worthwhile.
    """
    gain = None if curve is None else curve.gain(extra)
    interval = None if curve is None else curve.gain_interval(extra)
    agreement = predictions.agreement
    settled = predictions.settled
    stop = settled and (gain is None or gain < min_gain)
    if agreement is None:
        head = f"too early to say: {len(predictions.kappas)} of {predictions.models} comparisons of successive models"
    elif settled:
        head = "predictions have settled"
    else:
        head = f"predictions still change (agreement {agreement:.3f})"
    if gain is None:
        return StoppingAdvice(stop, head, agreement, gain)
    link = ", but" if settled and not stop else ";"
    return StoppingAdvice(stop, f"{head}{link} {_gain_text(gain, interval, extra)}", agreement, gain, interval)


def without_forecast(advice: StoppingAdvice, n_checked: int, *, is_changing: bool) -> StoppingAdvice:
    """The advice as it may be given: no forecast from few checked items, nor while other latents are on their way.

    Parameters
    ----------
    n_checked : items that the accuracy was measured on.
    is_changing : whether models may soon get other latents, or images that are not counted yet.
    """
    if is_changing:
        reason = "no forecast while images are being read or represented better"
    elif n_checked < MIN_CHECKED:
        reason = f"too early for a forecast: {n_checked} of {MIN_CHECKED} images checked"
    else:
        return advice
    return StoppingAdvice(False, reason, advice.agreement, None, None, withheld=True)


def advice_text(advice: StoppingAdvice, extra: int = EXTRA) -> str:
    """What more labels should bring, in one line: "the next 100 labels should bring +1 points (0 to +3)".

    Parameters
    ----------
    advice : its `gain` must be that of `extra` labels.
    """
    if advice.withheld:
        return advice.reason
    text = "too early to say what more labels bring"
    if advice.gain is not None:
        text = _gain_text(advice.gain, advice.gain_interval, extra)
    return f"{text}; predictions have settled: you may stop" if advice.stop else text


def _gain_text(gain: float, interval: tuple[float, float] | None, extra: int) -> str:
    """The gain of accuracy in points, with its interval."""
    if interval is None:
        return f"the next {extra} labels should bring about {_points(gain)} points"
    low, high = interval
    if high < MIN_GAIN:
        return f"the next {extra} labels should bring next to nothing, at most {_points(high)} points"
    return f"the next {extra} labels should bring {_points(gain)} points ({_points(low)} to {_points(high)})"


def _points(gain: float) -> str:
    points = 100 * gain
    text = f"{points:+.{1 if abs(points) < 1 else 0}f}"
    return "0" if float(text) == 0 else text
