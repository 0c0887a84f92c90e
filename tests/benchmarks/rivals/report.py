"""The comparisons as JSON, as a table, and as the table of docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.rivals.task import Contender, Limit, Task

PAGE = Path(__file__).parents[3] / "docs" / "performance.md"
RECORD = PAGE.with_suffix(".json")
BEGIN, END = "<!-- written by `python -m tests.benchmarks rivals --page` -->", "<!-- end -->"
LIBRARIES = ("torch", "numpy", "scikit-learn", "scikit-activeml", "modAL-python", "small-text", "faiss-cpu", "pillow")


def to_json(part: str, tasks: Sequence[Task], threads: int) -> dict[str, Any]:
    """A part with where and with what it was measured."""
    return {
        "tasks": [asdict(task) for task in tasks],
        "threads": threads,
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
        "command": f"python -m tests.benchmarks rivals {part}",
    }


def from_json(recorded: dict[str, Any]) -> list[Task]:
    """The tasks of a part."""
    return [
        Task(
            task["title"],
            [Contender(**contender) for contender in task["contenders"]],
            None if task["limit"] is None else Limit(**task["limit"]),
            task["goal"],
        )
        for task in recorded["tasks"]
    ]


def merge(path: Path, parts: dict[str, dict[str, Any]], order: Iterable[str]) -> None:
    """Write parts to a JSON file, and keep the others of `order` that are there."""
    known = {**(json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}), **parts}
    ordered = {part: known[part] for part in order if part in known}
    path.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(record: dict[str, dict[str, Any]]) -> str:
    """All comparisons in Markdown."""
    lines = ["| | median | times as long as tuilabel (lowest to highest turn) | result |", "| --- | --- | --- | --- |"]
    notes = []
    for recorded in record.values():
        for task in from_json(recorded):
            lines.append(f"| **{task.title}** | | | |")
            for one in task.contenders:
                cells = one.name, duration(one.median), _ratio(task, one), one.quality
                lines.append("| " + " | ".join(cells) + " |")
            if task.limit is not None and task.share is not None:
                reached = f"{100 * task.share:.0f} % of it reached" if task.share < 1 else "passed by another way"
                lines.append(f"| *the machine's limit* | {duration(task.limit.seconds)} | {reached} | |")
                notes.append(f"- {task.title}: {task.limit.because}.")
    limits = ["", "The limits:", "", *notes] if notes else []
    return "\n".join([*lines, *limits, "", *_conditions(record)])


def write_page(record: dict[str, dict[str, Any]], page: Path = PAGE) -> None:
    """Put the table in its place on the page."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{table(record)}\n\n{END}{after}", encoding="utf-8")


def duration(seconds: float) -> str:
    """In the unit that suits it."""
    if seconds < 1e-3:
        return f"{1e6 * seconds:.0f} µs"
    if seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.1f} s"


def processor() -> str:
    """Its name, where the system says it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _ratio(task: Task, contender: Contender) -> str:
    if contender is task.contenders[0]:
        return ""
    ratios = task.ratios(contender)
    spread = f" ({ratios[0]:.3g} to {ratios[-1]:.3g})" if len(ratios) > 1 else ""
    goal = task.goal.get(contender.name)
    return f"{contender.median / task.contenders[0].median:.3g} ×{spread}" + (f"; goal {goal:g} ×" if goal else "")


def _conditions(record: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["Measured with:", ""]
    for part, recorded in record.items():
        versions = ", ".join(f"{name} {number}" for name, number in recorded["versions"].items())
        threads = "1 thread" if recorded["threads"] == 1 else f"{recorded['threads']} threads"
        where = f"{recorded['cores']} cores of {recorded['processor']}, load {recorded['load']}, {threads}"
        with_what = f"Python {recorded['python']}, {versions}"
        lines.append(f"- `{part}`: {where}; {with_what}." if part == next(iter(record)) else f"- `{part}`: {where}.")
    return lines
