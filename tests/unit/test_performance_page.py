"""The table of docs/performance.md is made from docs/performance.json, and says what that says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.rivals import report
from tests.benchmarks.rivals.task import Contender, Limit, Task, take_turns


@pytest.fixture
def task() -> Task:
    return Task(
        "Sorting",
        [Contender("tuilabel", [0.1, 0.2, 0.1], "99 %"), Contender("others", [0.3, 0.4, 0.5], "98 %")],
        Limit(0.05, "1 billion comparisons at 20 billion a second"),
        {"others": 4.0},
    )


def record_of(*tasks: Task) -> dict[str, dict[str, Any]]:
    recorded = {
        "threads": 1,
        "processor": "Z80",
        "cores": 2,
        "load": 0.1,
        "python": "3.11.7",
        "versions": {"torch": "2"},
    }
    record = {"sorting": {**recorded, "tasks": [task.__dict__ for task in tasks]}}
    return json.loads(json.dumps(record, default=lambda one: one.__dict__))


def test_the_page_shows_what_the_file_says() -> None:
    record = json.loads(report.RECORD.read_text(encoding="utf-8"))
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.table(record) in page


def test_ratios_are_those_of_one_turn(task: Task) -> None:
    assert task.ratios(task.contenders[1]) == pytest.approx([2, 3, 5])
    table = report.table(record_of(task))
    assert "| others | 400 ms | 4 × (2 to 5); goal 4 × | 98 % |" in table
    assert "| *the machine's limit* | 50 ms | 50 % of it reached | |" in table
    assert "- Sorting: 1 billion comparisons at 20 billion a second." in table
    assert "2 cores of Z80, load 0.1, 1 thread; Python 3.11.7, torch 2" in table


def test_one_turn_of_a_slow_one_is_compared_by_the_median() -> None:
    slow = Task("Sorting", [Contender("tuilabel", [0.1, 0.1, 0.3]), Contender("others", [5.0])])
    assert slow.ratios(slow.contenders[1]) == pytest.approx([50])


def test_parts_that_are_measured_again_replace_themselves_alone(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    report.merge(path, {"b": {"cores": 1}, "a": {"cores": 1}, "gone": {}}, "ab")
    report.merge(path, {"b": {"cores": 2}}, "ab")
    assert [*json.loads(path.read_text()).items()] == [("a", {"cores": 1}), ("b", {"cores": 2})]


def test_the_text_around_the_table_stays(tmp_path: Path, task: Task) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    for _ in range(2):
        report.write_page(record_of(task), page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("**Sorting**") == 1


def test_contenders_take_turns() -> None:
    calls: list[str] = []
    seconds = take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, turns=2)
    assert calls == ["a", "b"] * 3
    assert [len(each) for each in seconds.values()] == [2, 2]


@pytest.mark.parametrize(
    ("seconds", "text"), [(12e-6, "12 µs"), (0.0234, "23.4 ms"), (0.685, "685 ms"), (12.34, "12.3 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert report.duration(seconds) == text
