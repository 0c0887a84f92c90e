"""Recall of each class, and which classes are confused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate.audit import AuditAnswer

MAX_CONFUSIONS = 5


@dataclass(frozen=True)
class ClassFigure:
    """The number of labels of one class, and its recall."""

    count: int
    """Items labelled with it."""
    accuracy: float | None
    """Recall: the share of its measured items that were predicted correctly; None without one."""
    n: int
    """Items measured: test items, or audit items."""


@dataclass(frozen=True)
class Confusion:
    """`n` items of class `true` were predicted to be of class `taken_for`; both are positions."""

    true: int
    taken_for: int
    n: int


def audit_confusion(answers: Iterable[AuditAnswer], classes: Sequence[str]) -> NDArray[np.int64]:
    """Audit items by answer and by prediction: int64 (C, C), rows answers, columns predictions.

    Parameters
    ----------
    answers : skips, items without a prediction, and classes not in `classes` are ignored.
    """
    class_pos = {name: position for position, name in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for answer in answers:
        true, predicted = class_pos.get(answer.class_name or ""), class_pos.get(answer.predicted or "")
        if true is not None and predicted is not None:
            matrix[true, predicted] += 1
    return matrix


def class_figures(counts: Sequence[int], confusion: NDArray[np.int64] | None) -> tuple[ClassFigure, ...]:
    """A figure for each class.

    Parameters
    ----------
    counts : labels of each class (C,).
    confusion : int (C, C), rows true, columns predicted; None if nothing was measured.
    """
    if confusion is None:
        return tuple(ClassFigure(count, None, 0) for count in counts)
    measured, correct = confusion.sum(axis=1).tolist(), confusion.diagonal().tolist()
    return tuple(
        ClassFigure(count, hits / n if n else None, n) for count, hits, n in zip(counts, correct, measured, strict=True)
    )


def most_confused(confusion: NDArray[np.int64] | None, most: int = MAX_CONFUSIONS) -> tuple[Confusion, ...]:
    """The most frequent mistakes, at most `most`, the most frequent first; ties in class order."""
    if confusion is None:
        return ()
    mistakes = confusion.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:most]
    rows, columns = np.unravel_index(order, mistakes.shape)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return tuple(Confusion(i, j, int(mistakes[i, j])) for i, j in pairs if mistakes[i, j])
