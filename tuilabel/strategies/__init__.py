"""Query strategies: which items to ask next. One module a family; `get_strategy` finds them by name."""

from __future__ import annotations

from tuilabel.strategies import coverage, random, uncertainty
from tuilabel.strategies.base import QueryContext, Selection, Strategy, get_strategy, register, strategy_names
from tuilabel.strategies.coverage import COVERAGE
from tuilabel.strategies.random import draw_uniformly

__all__ = [
    "COVERAGE",
    "QueryContext",
    "Selection",
    "Strategy",
    "coverage",
    "draw_uniformly",
    "get_strategy",
    "random",
    "register",
    "strategy_names",
    "uncertainty",
]
