"""Values in files written by other programs."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from tuilabel.datasets.sources.texts import class_text

_MILLISECONDS = 1e11  # larger numbers of seconds would be in the year 5138


def text_value(value: object) -> str:
    """A cell as text: empty if it is missing, and without a decimal point if it is a whole number."""
    return class_text(value) or ""


def time_value(value: object) -> datetime | None:
    """A time in UTC, from a datetime, ISO 8601 text or a number as in `timestamp_value`; None if it is no time."""
    if isinstance(value, int | float):
        return timestamp_value(value)
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
