"""What a row in a file of another program says, and how its values are read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuilabel.errors import TuilabelError


@dataclass(frozen=True)
class ForeignLabel:
    """What a file of another program says of one image."""

    where: str
    """For people: a line, a task, a file."""
    label: str
    """Empty where there is none."""
    id: str = ""
    path: str = ""
    annotator: str = ""
    """As the row names who; empty where it does not."""
    at: datetime | None = None
    content: Callable[[], bytes] | None = None
    """The image itself, where the row comes with it."""


@dataclass(frozen=True)
class ImportOptions:
    """Which columns of a table to read; by default those that are called as is usual."""

    path_column: str | None = None
    label_column: str | None = None


def json_lines(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a jsonl file with their lines; raises `TuilabelError` where a line is none."""
    with source.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise TuilabelError(f"{source}, line {number}, is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise TuilabelError(f"{source}, line {number}, is no JSON object")
            yield f"line {number}", row


def text_of(value: object) -> str:
    """A cell as text: a number that is whole without a point, and nothing for what is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def time_of(value: object) -> datetime | None:
    """A time in UTC; None where the cell holds none."""
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
