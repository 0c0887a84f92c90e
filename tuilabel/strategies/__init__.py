"""Query strategies: which items to label next. One module per family; `get_strategy` finds them by name."""

from __future__ import annotations

from tuilabel.strategies import (
    auto,
    badge,
    batchbald,
    clustered,
    coverage,
    custom,
    density,
    ensemble,
    herding,
    kcenter,
    probcover,
    random,
    stochastic,
    tcm,
    uncertainty,
)
from tuilabel.strategies.base import QueryContext, Selection, Strategy, register, strategy_names
from tuilabel.strategies.coverage import COVERAGE
from tuilabel.strategies.custom import get_strategy
from tuilabel.strategies.query import query
from tuilabel.strategies.random import draw_uniformly

__all__ = [
    "COVERAGE",
    "QueryContext",
    "Selection",
    "Strategy",
    "auto",
    "badge",
    "batchbald",
    "clustered",
    "coverage",
    "custom",
    "density",
    "draw_uniformly",
    "ensemble",
    "get_strategy",
    "herding",
    "kcenter",
    "probcover",
    "query",
    "random",
    "register",
    "stochastic",
    "strategy_names",
    "tcm",
    "uncertainty",
]
