"""How good the classifier is class by class, and which classes it takes for one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate.audit import Judged

MOST = 5  # confusions that are told


@dataclass(frozen=True)
class ClassFigure:
    """One class: its labels, and its recall."""

    count: int
    """Items that carry it as their label."""
    accuracy: float | None
    """The share of its judged items that were predicted right; None without one."""
    n: int
    """Items judged: of the test split, or audited."""


@dataclass(frozen=True)
class Confusion:
    """`n` items of class `true` were taken for class `taken_for`."""

    true: int
    taken_for: int
    n: int


def audit_confusion(answers: Iterable[Judged], classes: Sequence[str]) -> NDArray[np.int64]:
    """Audit items by answer and by what the model said before: int64 (C, C), rows answers, columns predictions.

    Parameters
    ----------
    answers : skips, and items that no model had judged, do not count; nor do classes that are none of `classes`.
    """
    place = {name: position for position, name in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for answer in answers:
        true, said = place.get(answer.class_name or ""), place.get(answer.predicted or "")
        if true is not None and said is not None:
            matrix[true, said] += 1
    return matrix


def class_figures(counts: Sequence[int], confusion: NDArray[np.int64] | None) -> tuple[ClassFigure, ...]:
    """A figure for each class.

    Parameters
    ----------
    counts : labels of each class (C,).
    confusion : int (C, C), rows true, columns predicted; None where nothing has been judged.
    """
    if confusion is None:
        return tuple(ClassFigure(count, None, 0) for count in counts)
    judged, right = confusion.sum(axis=1).tolist(), confusion.diagonal().tolist()
    return tuple(
        ClassFigure(count, hits / n if n else None, n) for count, hits, n in zip(counts, right, judged, strict=True)
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
