"""Agreement of annotators, against published examples."""

from __future__ import annotations

import pytest

from tuilabel.estimate import annotator_agreement


def from_table(rows: str) -> list[dict[str, str]]:
    """The labels of each item from one row per annotator, a dot for none."""
    annotators = [row.split() for row in rows.strip().splitlines()]
    return [{f"a{k}": label for k, label in enumerate(item) if label != "."} for item in zip(*annotators, strict=True)]


def from_counts(counts: list[list[int]]) -> list[dict[str, str]]:
    """The labels of each item from how many annotators said each class."""
    return [
        {f"a{k}": label for k, label in enumerate(str(c) for c, n in enumerate(of_item) for _ in range(n))}
        for of_item in counts
    ]


def test_krippendorffs_alpha_is_that_of_his_paper() -> None:
    """Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example C."""
    labels = from_table("""
        1 2 3 3 2 1 4 1 2 . . .
        1 2 3 3 2 2 4 1 2 5 . 3
        . 3 3 3 2 3 4 2 2 5 1 .
        1 2 3 3 2 4 4 1 2 5 1 .
    """)
    agreement = annotator_agreement(labels)
    assert agreement is not None
    assert agreement.alpha == pytest.approx(0.743, abs=0.0005)
    assert agreement.n == 11, "an item with one label says nothing"


def test_fleiss_kappa_is_that_of_the_textbook_example() -> None:
    """14 raters, 10 items, 5 categories: kappa 0.210, as in many textbooks."""
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    agreement = annotator_agreement(from_counts(counts))
    assert agreement is not None
    assert agreement.fleiss == pytest.approx(0.210, abs=0.0005)
    assert agreement.share == pytest.approx(0.378, abs=0.0005)


def test_cohens_kappa_of_each_pair() -> None:
    """50 proposals, two readers: both yes 20, both no 15, 5 and 10 apart: kappa 0.4."""
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    agreement = annotator_agreement([{"ann": first, "bob": second} for first, second in pairs] + [{"cleo": "yes"}])
    assert agreement is not None
    (pair,) = agreement.pairs
    assert (pair.first, pair.second, pair.n) == ("ann", "bob", 50)
    assert (pair.share, pair.kappa) == pytest.approx((0.7, 0.4))
    assert [figure.name for figure in agreement.classes] == ["no", "yes"], "least agreement first"
    assert [figure.share for figure in agreement.classes] == pytest.approx([2 * 15 / 45, 2 * 20 / 55])


def test_full_agreement_is_one_also_on_a_single_class() -> None:
    agreement = annotator_agreement([{"ann": "cat", "bob": "cat"}] * 3)
    assert agreement is not None
    assert (agreement.share, agreement.fleiss, agreement.alpha) == (1, 1, 1)


def test_there_is_no_agreement_without_an_item_of_two() -> None:
    assert annotator_agreement([]) is None
    assert annotator_agreement([{"ann": "cat"}]) is None
