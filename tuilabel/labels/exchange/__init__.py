"""Labels to and from the files of other programs."""

from __future__ import annotations

from tuilabel.labels.exchange.formats import FORMATS, ExportOptions, Format, Written, get_format
from tuilabel.labels.exchange.rows import RESOLVE, LabelRow, Resolved, resolve_answers, rows_of

__all__ = [
    "FORMATS",
    "RESOLVE",
    "ExportOptions",
    "Format",
    "LabelRow",
    "Resolved",
    "Written",
    "get_format",
    "resolve_answers",
    "rows_of",
]
