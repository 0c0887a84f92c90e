"""Who did what, and how far annotators agree, from answers."""

from __future__ import annotations

from tests.helpers.events import item_event
from tuilabel.session.annotators import team_figures


def test_only_independent_labels_count_for_agreement() -> None:
    answers = [
        item_event(1, "a1", annotator="ann", class_name="cat"),
        item_event(1, "b1", annotator="bob", class_name="cat"),
        item_event(2, "a2", annotator="ann", class_name="cat"),
        item_event(2, "b2", annotator="bob", class_name="dog"),
        item_event(3, "a3", annotator="ann", class_name="cat"),
        item_event(3, "b3", annotator="bob", class_name="dog", origin="history"),  # bob saw ann's
    ]
    figures = team_figures(answers)
    assert figures.agreement is not None
    assert (figures.agreement.n, figures.agreement.share) == (2, 0.5)
    assert figures.disputed == 1
    assert [(figure.name, figure.labels) for figure in figures.annotators] == [("ann", 3), ("bob", 3)]


def test_a_decision_in_review_settles_a_dispute_and_says_who_was_right() -> None:
    answers = [
        item_event(1, "a1", annotator="ann", class_name="cat"),
        item_event(1, "b1", annotator="bob", class_name="dog"),
        item_event(1, "c1", annotator="cleo", class_name="cat", origin="review"),
        item_event(2, "a2", annotator="ann", class_name="cat"),
        item_event(2, "a3", annotator="ann", class_name="dog", origin="review"),  # nobody is checked by themselves
    ]
    figures = team_figures(answers)
    assert figures.disputed == 0
    checked = {figure.name: (figure.right, figure.checked) for figure in figures.annotators}
    assert checked == {"ann": (1, 1), "bob": (0, 1), "cleo": (0, 0)}


def test_an_annotator_who_answers_again_counts_once() -> None:
    answers = [item_event(1, f"a{k}", annotator="ann", class_name="cat") for k in range(3)]
    assert team_figures(answers).annotators[0].labels == 1
    assert team_figures(answers).agreement is None
