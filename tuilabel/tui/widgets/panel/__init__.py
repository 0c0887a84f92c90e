"""The side panel: all live statistics, laid out as lines of text by pure functions."""

from __future__ import annotations

from tuilabel.tui.widgets.panel.layout import panel_lines
from tuilabel.tui.widgets.panel.widget import StatisticsPanel

__all__ = ["StatisticsPanel", "panel_lines"]
