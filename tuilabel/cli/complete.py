"""Values that the shell offers for options and arguments."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

Complete = Callable[[str], list[str]]


def choices(*values: str) -> Complete:
    """Complete one of some values."""

    def complete(incomplete: str) -> list[str]:
        return _starting(values, incomplete)

    return complete


def datasets(incomplete: str) -> list[str]:
    """Built-in datasets, and folders and projects here; with a slash the shell completes paths itself."""
    from tuilabel.datasets.builtin.catalogue import DATASETS

    folders = [f"{path.name}/" for path in sorted(Path().iterdir()) if path.is_dir() and path.name[0] != "."]
    return [] if "/" in incomplete else _starting([*DATASETS, *folders], incomplete)


def strategies(incomplete: str) -> list[str]:
    """Query strategies; after a comma, one more of them."""
    from tuilabel.strategies import strategy_names

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _starting(strategy_names(), last)]


def encoders(incomplete: str) -> list[str]:
    """Encoders that have a name of their own."""
    from tuilabel.encoders import NAMES

    return _starting(NAMES, incomplete)


def _starting(values: Collection[str], incomplete: str) -> list[str]:
    return [value for value in values if value.startswith(incomplete)]
