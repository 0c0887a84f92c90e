"""Events as the label store holds them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tuilabel.labels import Event
from tuilabel.labels.events import Kind

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(number: int, item: str = "", kind: Kind = "label", **changes: Any) -> Event:
    base = Event(
        key=f"{number:032x}",
        kind=kind,
        item=item or f"{number:032x}",
        class_name="7" if kind == "label" else None,
        annotator="ann",
        at=START + timedelta(seconds=number, microseconds=number),
        milliseconds=640,
        round=1,
        strategy="margin",
        origin="batch",
        query_probability=None,
        trained_on=20,
        predicted="1",
        confidence=0.25,
        audit=False,
    )
    return replace(base, **changes)


def item_event(index: int, key: str = "", **changes: Any) -> Event:
    """A label of class a for item `i<index>`, without a prediction."""
    values = {"class_name": "a", "trained_on": None, "predicted": None, "confidence": None, **changes}
    return event(index, f"i{index}", **{"key": key or f"e{index}", **values})
