"""What `datasets` and `strategies` print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from tuilabel.cli.render.console import two_lines
from tuilabel.datasets import list_datasets
from tuilabel.strategies import get_strategy, strategy_names


def dataset_rows(data_dir: Path | None) -> list[dict[str, Any]]:
    """The built-in datasets as a JSON document."""
    return [
        {
            "name": info.name,
            "classes": list(info.classes),
            "pool_size": info.pool_size,
            "test_size": info.test_size,
            "shape": list(info.shape),
            "licence": info.licence,
            "state": info.state,
        }
        for info in list_datasets(data_dir)
    ]


def datasets_table(rows: list[dict[str, Any]]) -> Table:
    """The built-in datasets as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for heading in ("dataset", "classes", "images", "test", "shape", "state", "licence"):
        is_number = heading in ("classes", "images", "test")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=heading != "licence")
    for row in rows:
        shape = "×".join(map(str, row["shape"]))
        figures = (f"{len(row['classes'])}", f"{row['pool_size']:,}", f"{row['test_size']:,}")
        table.add_row(row["name"], *figures, shape, row["state"], row["licence"])
    return table


def strategy_rows() -> list[dict[str, Any]]:
    """The query strategies as a JSON document; those that need no model come first."""
    strategies = sorted(map(get_strategy, strategy_names()), key=lambda strategy: (strategy.needs_model, strategy.name))
    return [
        {
            "name": strategy.name,
            "summary": strategy.summary,
            "when": strategy.when,
            "cost": strategy.cost,
            "sees": strategy.sees,
            "needs_model": strategy.needs_model,
            "paper": strategy.paper,
        }
        for strategy in strategies
    ]


def strategies_table(rows: list[dict[str, Any]]) -> Table:
    """The query strategies as a table, two lines each: what it picks, and when to use it."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("strategy", two_lines("picks", "use it for"), two_lines("cost", "looks at"), "paper"):
        table.add_column(heading, no_wrap=heading == "strategy")
    for row in rows:
        paper = two_lines(row["paper"], "needs a model") if row["needs_model"] else row["paper"]
        cost = two_lines(row["cost"], row["sees"])
        table.add_row(row["name"], two_lines(row["summary"], row["when"]), cost, paper)
    return table
