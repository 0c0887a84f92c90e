"""Lines of the side panel: text and styles."""

from __future__ import annotations

Line = list[tuple[str, str]]
"""(text, style) pairs; the styles are the component classes of `StatisticsPanel`, "key@2" marks class 2."""
