"""Recall of each class, and which classes are confused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate.audit import Judged

MOST = 5  # confusions that are reported


@dataclass(frozen=True)
class ClassFigure:
    """One class: its labels, and its recall."""

    count: int
    """Items that carry it as their label."""
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


def audit_confusion(answers: Iterable[Judged], classes: Sequence[str]) -> NDArray[np.int64]:
    """Audit items by answer and by prediction: int64 (C, C), rows answers, columns predictions.

    Parameters
    ----------
    answers : skips, items without a prediction, and classes not in `classes` do not count.
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
    confusion : int (C, C), rows true, columns predicted; None where nothing was measured.
    """
    if confusion is None:
        return tuple(ClassFigure(count, None, 0) for count in counts)
    measured, right = confusion.sum(axis=1).tolist(), confusion.diagonal().tolist()
    return tuple(
        ClassFigure(count, hits / n if n else None, n) for count, hits, n in zip(counts, right, measured, strict=True)
    )


def most_confused(confusion: NDArray[np.int64] | None, most: int = MOST) -> tuple[Confusion, ...]:
    """The most frequent mistakes, at most `most`, the most frequent first; of equal ones the first class."""
    if confusion is None:
        return ()
    mistakes = confusion.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:most]
    rows, columns = np.unravel_index(order, mistakes.shape)
    found = zip(rows.tolist(), columns.tolist(), strict=True)
    return tuple(Confusion(i, j, int(mistakes[i, j])) for i, j in found if mistakes[i, j])
