"""Values in files written by other programs."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def text_value(value: object) -> str:
    """A cell as text: empty if it is missing, and without a decimal point if it is a whole number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def time_value(value: object) -> datetime | None:
    """A time in UTC, from a datetime or ISO 8601 text; None if it is neither."""
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):  # no such time, or none in UTC
        return None


def timestamp_value(value: object) -> datetime | None:
    """A time in UTC from seconds since 1970; None if it is not such a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
