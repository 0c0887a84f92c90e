"""Labels to and from the files of other programs.

There is one module per format in `formats/`, listed in `registry.py`. For an export, `rows.py` makes one row for each
labelled item. For an import, `matching.py` finds the item of each label, and `import_plan.py` works out what to write.
"""

from __future__ import annotations

from tuilabel.labels.exchange.base import ExportOptions, Format, ImportedLabel, ImportOptions, WriteResult
from tuilabel.labels.exchange.registry import FORMATS, READABLE, format_for_path, get_format, read_labels
from tuilabel.labels.exchange.rows import (
    RESOLVE_RULES,
    LabelRow,
    Resolved,
    resolve_answers,
    rows_from,
    rows_of,
    rows_without_label,
)

__all__ = [
    "FORMATS",
    "READABLE",
    "RESOLVE_RULES",
    "ExportOptions",
    "Format",
    "ImportOptions",
    "ImportedLabel",
    "LabelRow",
    "Resolved",
    "WriteResult",
    "format_for_path",
    "get_format",
    "read_labels",
    "resolve_answers",
    "rows_from",
    "rows_of",
    "rows_without_label",
]
