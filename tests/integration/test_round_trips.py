"""Labels that leave by any format come home, or are refused by the wrong reader; none lands on another image."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.round_trips import AUTO, NAMES, Kept, all_round_trips, table
from tuilabel.errors import UsageError
from tuilabel.labels.classes import clean_class_name
from tuilabel.labels.exchange import FORMATS

DOCS = Path(__file__).parents[2] / "docs/exchange.md"


@pytest.fixture(scope="module")
def figures() -> dict[tuple[str, str], list[Kept | None]]:
    return {pair: list(kept) for pair, kept in all_round_trips().items()}


def test_every_label_comes_home(figures: dict[tuple[str, str], list[Kept | None]]) -> None:
    for name in FORMATS:
        assert {kept and kept.labels for pair in ((name, AUTO), (name, name)) for kept in figures[pair]} == {len(NAMES)}
    for pair, trips in figures.items():
        for kept in trips:
            assert kept is None or kept.wrong == 0, f"{pair}: what is read is what was written"


def test_the_table_of_the_documentation_is_what_comes_home(figures: dict[tuple[str, str], list[Kept | None]]) -> None:
    assert table(dict(figures)) in DOCS.read_text(), "run `python -m tests.round_trips`"


def test_no_class_has_a_line_break() -> None:
    with pytest.raises(UsageError):
        clean_class_name("two\nlines", ())
