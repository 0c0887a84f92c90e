"""Values in files written by other programs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypedDict

from tuilabel.datasets.sources.texts import class_text
from tuilabel.labels.events import note_text

_MILLISECONDS = 1e11  # larger numbers of seconds would be in the year 5138


def text_value(value: object) -> str:
    """A cell as text: empty if it is missing, and without a decimal point if it is a whole number."""
    return class_text(value) or ""


class Marks(TypedDict):
    """The flag and the note of an image, as `ImportedLabel` and the files of tuilabel name them."""

    flagged: bool
    flagged_by: str
    note: str
    noted_by: str


def marks_of(values: Mapping[str, object]) -> Marks:
    """The flag and the note among the values of a row, a task or an item; what is missing is false or empty."""
    flagged, note = values.get("flagged"), values.get("note")
    return Marks(
        flagged=flagged is True or text_value(flagged).lower() in ("true", "yes", "1"),
        flagged_by=text_value(values.get("flagged_by")),
        note=note_text(note if isinstance(note, str) else text_value(note)),
        noted_by=text_value(values.get("noted_by")),
    )


def time_value(value: object) -> datetime | None:
    """A time in UTC, from a datetime, ISO 8601 text or a number as in `timestamp_value`; None if it is not a time.

    The number may be a text, as in a table, with at least nine digits: fewer are a date or a year.
    """
    if isinstance(value, int | float):
        return timestamp_value(value)
    if isinstance(value, str) and re.fullmatch(r"\d{9,}(\.\d*)?", value.strip()):
        return timestamp_value(float(value))
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):  # no such time, or none in UTC
        return None


def timestamp_value(value: object) -> datetime | None:
    """A time in UTC from seconds or milliseconds since 1970; None if it is not such a number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    try:
        return datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLISECONDS else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
