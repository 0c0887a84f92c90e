"""User strategies: functions by name, and entry points."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.query_contexts import make_context
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.strategies import QueryContext, Selection, custom, get_strategy


def last(context: QueryContext, k: int) -> np.ndarray:
    """The last ones first."""
    return np.arange(len(context.candidates))[::-1][:k]


last.needs_model = False  # type: ignore[attr-defined]


def with_probability(context: QueryContext, k: int) -> Selection:
    return Selection(np.arange(k, dtype=np.int32), np.full(k, 0.5))


class Other:
    @staticmethod
    def pick(context: QueryContext, k: int) -> list[int]:
        return list(range(k))


number = 3
MODULE = "tests.unit.strategies.test_custom"


def pick_from(name: str, k: int = 3, n: int = 10) -> Selection:
    return get_strategy(name).pick(make_context(np.zeros((n, 2))), k)


def test_a_function_by_module_and_name() -> None:
    strategy = get_strategy(f"{MODULE}:last")
    assert (strategy.name, strategy.summary, strategy.needs_model) == (f"{MODULE}:last", "The last ones first.", False)
    assert pick_from(f"{MODULE}:last").positions.tolist() == [9, 8, 7]
    assert len(pick_from(f"{MODULE}:last", k=50).positions) == 10
    assert get_strategy(f"{MODULE}:Other.pick").needs_model
    assert pick_from(f"{MODULE}:Other.pick").positions.dtype == np.int64


def test_a_selection_keeps_its_probabilities() -> None:
    selection = pick_from(f"{MODULE}:with_probability")
    assert selection.query_probability is not None
    assert selection.query_probability.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([0, 1], "returned 2 positions, not 3"),
        ([0, 1, 2, 3], "returned 4 positions, not 3"),
        ([0, 1, 1], "position 1 more than once"),
        ([0, 1, 10], "position 10, outside 0…9"),
        ([0, -1, 2], "position -1, outside"),
        ([0.0, 1.0, 2.0], "float64, not integers"),
        ([True, False, True], "bool, not integers"),
        (["a", "b", "c"], "not integers"),
        ([[0, 1, 2]], r"shape \(1, 3\), not \(3,\)"),
        ([[0], [1, 2]], "unequal length"),
        (None, r"shape \(\)"),
        (Selection(np.arange(3), np.ones(2)), r"query_probability has shape \(2,\)"),
        (Selection(np.arange(3), np.array([0.5, 0, 1])), "above 0 and at most 1"),
        (Selection(np.arange(3), np.array([0.5, np.nan, 1])), "above 0 and at most 1"),
    ],
)
def test_invalid_output_is_an_error(result: object, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[MODULE], "last", lambda context, k: result)
    with pytest.raises(TuilabelError, match=message) as raised:
        pick_from(f"{MODULE}:last")
    assert "\n" not in str(raised.value)


def test_asking_for_no_items_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[MODULE], "last", lambda context, k: [])
    assert pick_from(f"{MODULE}:last", k=0).positions.shape == (0,)


def test_its_exceptions_name_the_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[MODULE], "last", lambda context, k: 1 / 0)
    with pytest.raises(TuilabelError, match="failed: ZeroDivisionError"):
        pick_from(f"{MODULE}:last")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package.here:pick", "No module named 'no_such_package'.*install it"),
        (f"{MODULE}:no_such_function", "has no no_such_function"),
        (f"{MODULE}:number", "got int"),
        (f"{MODULE}:", "must be package.module:function"),
        (":pick", "must be package.module:function"),
    ],
)
def test_import_errors_name_the_strategy(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        get_strategy(name)


def test_a_file_in_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    (tmp_path / "my_own_strategy.py").write_text("def pick(context, k):\n    return range(k)\n")
    (tmp_path / "my_broken_strategy.py").write_text("def pick(context, k)\n")
    assert pick_from("my_own_strategy:pick").positions.tolist() == [0, 1, 2]
    with pytest.raises(UsageError, match="SyntaxError"):
        get_strategy("my_broken_strategy:pick")


def test_entry_points_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("backwards", f"{MODULE}:last", custom.GROUP),
        EntryPoint("broken", "no_such_package:pick", custom.GROUP),
        EntryPoint("margin", f"{MODULE}:last", custom.GROUP),
    ]
    monkeypatch.setattr(custom, "entry_points", lambda group: points)
    assert pick_from("backwards").positions.tolist() == [9, 8, 7]
    assert get_strategy("margin").paper != "–"  # built-in names take precedence
    with pytest.raises(UsageError, match=r"broken.*No module named"):
        get_strategy("broken")
    with pytest.raises(UsageError, match="did you mean backwards"):
        get_strategy("backward")


def test_an_entry_point_may_be_a_whole_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        custom, "entry_points", lambda group: [EntryPoint("cold", "tuilabel.strategies:COVERAGE", custom.GROUP)]
    )
    strategy = get_strategy("cold")
    assert (strategy.name, strategy.needs_model, strategy.paper) == ("cold", False, "Hacohen et al. 2022")
    assert len(pick_from("cold").positions) == 3
