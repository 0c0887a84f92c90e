"""How far annotators agree who labelled the same items: in percent, and beyond chance.

Written out because each is a few lines for classes without order; tested against published examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tuilabel.estimate.stopping import cohen_kappa


@dataclass(frozen=True)
class PairAgreement:
    """How far two annotators agree."""

    first: str
    second: str
    n: int
    """Items that both labelled."""
    share: float
    """Of these, those on which they agree, 0…1."""
    kappa: float
    """Agreement beyond chance (Cohen 1960)."""


@dataclass(frozen=True)
class ClassAgreement:
    """How far annotators agree on one class: if one of them says it, how often another one says it as well."""

    name: str
    n: int
    """Labels of this class on items with several labels."""
    share: float


@dataclass(frozen=True)
class AnnotatorAgreement:
    """How far the annotators of a project agree."""

    n: int
    """Items that at least two annotators labelled."""
    share: float
    """How often two of them agree, on average over these items, 0…1."""
    fleiss: float
    """Fleiss' kappa (Fleiss 1971), for any number of labels per item: 1 for full agreement, 0 for that by chance."""
    alpha: float
    """Krippendorff's alpha for classes without order, which corrects for few items."""
    pairs: tuple[PairAgreement, ...]
    """The pairs with common items, most items first."""
    classes: tuple[ClassAgreement, ...]
    """The classes, those with least agreement first."""


def annotator_agreement(labels: Sequence[Mapping[str, str]]) -> AnnotatorAgreement | None:
    """How far annotators agree; None if no item has labels of two.

    Parameters
    ----------
    labels : for each item, the label of each annotator who labelled it.

    Notes
    -----
    With n_ic the number of labels of item i that are of class c, and n_i their sum, the observed agreement is the mean
    of Σ_c n_ic (n_ic - 1) / (n_i (n_i - 1)). Fleiss' expected agreement is Σ_c p_c² by the shares p_c of all labels;
    Krippendorff weights items by n_i and expects Σ_c N_c (N_c - 1) / (N (N - 1)) of the N labels.
    """
    several = [Counter(of_item.values()) for of_item in labels if len(of_item) > 1]
    if not several:
        return None
    names = sorted({name for counts in several for name in counts})
    counts = np.array([[of_item[name] for name in names] for of_item in several], dtype=np.float64)  # (items, classes)
    n_of_item, n_of_class, n = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    agreeing = (counts * (counts - 1)).sum(axis=1) / (
        n_of_item - 1
    )  # of each label with the others of its item, summed
    share = float((agreeing / n_of_item).mean())
    by_class = (counts * (counts - 1)).sum(axis=0) / (counts * (n_of_item - 1)[:, None]).sum(axis=0)
    return AnnotatorAgreement(
        n=len(several),
        share=share,
        fleiss=_beyond_chance(share, float(((n_of_class / n) ** 2).sum())),
        alpha=_beyond_chance(float(agreeing.sum() / n), float((n_of_class * (n_of_class - 1)).sum() / (n * (n - 1)))),
        pairs=_pairs([of_item for of_item in labels if len(of_item) > 1]),
        classes=tuple(
            sorted(
                (
                    ClassAgreement(name, int(n_labels), float(its_share))
                    for name, n_labels, its_share in zip(names, n_of_class, by_class, strict=True)
                ),
                key=lambda figure: (figure.share, figure.name),
            )
        ),
    )


def _beyond_chance(observed: float, expected: float) -> float:
    return 1.0 if observed == 1 else (observed - expected) / (1 - expected)


def _pairs(labels: Sequence[Mapping[str, str]]) -> tuple[PairAgreement, ...]:
    both: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for of_item in labels:
        for first, second in combinations(sorted(of_item), 2):
            both.setdefault((first, second), []).append((of_item[first], of_item[second]))
    number = {name: k for k, name in enumerate({name for of_item in labels for name in of_item.values()})}
    figures = []
    for (first, second), given in both.items():
        a, b = ([number[pair[side]] for pair in given] for side in (0, 1))
        share = sum(x == y for x, y in given) / len(given)
        figures.append(PairAgreement(first, second, len(given), share, cohen_kappa(a, b)))
    return tuple(sorted(figures, key=lambda pair: (-pair.n, pair.first, pair.second)))
