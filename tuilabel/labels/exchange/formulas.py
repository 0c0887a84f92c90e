"""Texts that a spreadsheet would run as formulas, guarded in tables of text and read back as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tuilabel.labels.exchange.base import ImportedLabel
from tuilabel.labels.exchange.rows import LabelRow

BEGINNINGS = tuple("=+-@\t\r\n＝＋－＠")
"""A cell that begins with one of these is a formula to Excel, LibreOffice or Google Sheets, or becomes one."""

TEXTS = ("path", "label", "annotator", "flagged_by", "note", "noted_by")
"""The columns of texts that somebody has typed, or has given to a file."""


def guarded(text: str, *, formulas: bool) -> str:
    """A cell with an apostrophe before it, which spreadsheets take as text.

    A text that looks guarded already always gets another one, so that `unguarded` gives back every text.

    Parameters
    ----------
    formulas : whether what would be a formula is guarded.
    """
    bare = text.lstrip("'")
    return f"'{text}" if bare.startswith(BEGINNINGS) and (formulas or bare != text) else text


def unguarded(text: str) -> str:
    """The text of a cell that `guarded` has written."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(BEGINNINGS) else text


def guard_rows(rows: Iterable[LabelRow], *, formulas: bool) -> Iterator[LabelRow]:
    """Rows whose texts are `guarded`."""
    for row in rows:
        texts = {name: guarded(getattr(row, name), formulas=formulas) for name in TEXTS}
        yield replace(row, **texts)  # type: ignore[arg-type]


def unguard(label: ImportedLabel) -> ImportedLabel:
    """A label read from a table whose texts may be `guarded`."""
    texts = {name: unguarded(getattr(label, name)) for name in TEXTS}
    return replace(label, **texts)  # type: ignore[arg-type]
