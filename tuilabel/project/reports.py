"""What the reporting commands say: plain documents for --json, tables for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from tuilabel.datasets import (
    FOLDERS,
    ImagePool,
    announcer,
    list_datasets,
    open_pool,
    problems_of,
    source_of,
    title_of,
)
from tuilabel.errors import TuilabelError, UsageError, pluralize, printable
from tuilabel.labels import LabelStore, Project
from tuilabel.session.log_statistics import log_statistics
from tuilabel.strategies import get_strategy, strategy_names

_STATES = {
    "listed": "in all",
    "unread": "not read yet",
    "copies": "the same as another",
    "gone": "gone",
    "problems": "cannot be asked (--problems)",
}
CLASS_ROWS, CLASS_COLUMNS = 20, 2  # of the table of classes: more rows where two side by side are too few


def project_directory(dataset: str, named: Path | None) -> Path:
    """The project's directory: the one named, else ./DATASET.tuilabel.

    A project is found by its own name too, wherever its images are.
    """
    if named is not None:
        return named
    mine = Path(f"{dataset.removesuffix('/').removesuffix('.tuilabel')}.tuilabel")
    return mine if mine.is_dir() else Path(f"{title_of(dataset)}.tuilabel")


def images_of(project: Project) -> str:
    """The project's DATASET, after a look at whether its images are still there.

    Raises
    ------
    TuilabelError : where they are not, with how they are found again.
    """
    try:
        if project.source != project.dataset:  # a person's own images, by their whole path
            source_of(project.source)
    except UsageError as error:
        raise TuilabelError(
            f"the images of {project.directory} are not in {project.source.removesuffix(FOLDERS)} any more: "
            f"start `tuilabel label NEW_PLACE --project {project.directory}` once, and they are found again"
        ) from error
    return project.source


def project_pool(project: Project, data_dir: Path | None) -> ImagePool:
    """The project's pool, to look at: what was read before, without what is gone; no new image is read.

    Where the images are not there any more, what is kept of them in the cache is enough.

    Raises
    ------
    TuilabelError : where nothing is, with how the images are found again.
    """
    try:
        return open_pool(project.source, data_dir, reading="listed")
    except UsageError:
        return open_pool(images_of(project), data_dir)


def file_problems(dataset: str, named: Path | None, say: Callable[[str], object]) -> dict[str, Any]:
    """What `stats --problems --json` prints; of a project's images, or where there is no project yet, of DATASET.

    Raises
    ------
    TuilabelError, UsageError : as `problems_of`.
    """
    directory = project_directory(dataset, named)
    source = images_of(Project.read(directory)) if named is not None or directory.is_dir() else dataset
    problems = problems_of(source, announcer(say))
    return {"dataset": title_of(source), "problems": [{"file": one.name, "reason": one.reason} for one in problems]}


def problem_lines(found: dict[str, Any]) -> list[str]:
    """The same for people: a line for each file, and how many there are."""
    problems = found["problems"]
    lines = [printable(f"{one['file']}: {one['reason']}") for one in problems]
    return [*lines, f"{pluralize(len(problems), 'file')} of {found['dataset']} cannot be asked"]


def project_statistics(dataset: str, named: Path | None, data_dir: Path | None) -> dict[str, Any]:
    """What `stats --json` prints.

    Raises
    ------
    TuilabelError : where there is no project, or its dataset or labels cannot be read.
    """
    project = Project.read(project_directory(dataset, named))
    pool = project_pool(project, data_dir)
    files = pool.file_counts()
    store = LabelStore.open(project.store, create=False)
    try:
        found = log_statistics(
            store.events(),
            store.rounds(),
            store.class_changes(),
            classes=project.classes,
            pool_size=len(pool.ids),
            test_size=None if pool.test is None else len(pool.test.images),
        )
    finally:
        store.close()
    names = found.classes
    return {
        "dataset": project.dataset,
        "project": str(project.directory),
        "pool_size": len(pool.ids),
        "files": None if files is None else asdict(files),
        "labelled": found.labelled,
        "skipped": found.skipped,
        "flagged": found.flagged,
        "rounds": found.rounds,
        "annotators": dict(found.annotators),
        "classes": dict(zip(names, found.class_counts, strict=True)),
        "accuracy": {
            "test": found.test_accuracy,
            "audit": None if found.audit is None else asdict(found.audit),
        },
        "lure": None if found.lure is None else asdict(found.lure),
        "class_accuracy": {
            name: {"value": figure.accuracy, "n": figure.n}
            for name, figure in zip(names, found.class_figures, strict=True)
        },
        "confusions": [{"true": names[c.true], "taken_for": names[c.taken_for], "n": c.n} for c in found.confusions],
        "advice": {"gain": found.advice.gain, "text": found.advice_text},
    }


def statistics_table(figures: dict[str, Any]) -> Group:
    """The same for people, in 80 columns."""
    table = Table("", "", show_header=False, box=None, pad_edge=False)
    accuracy, audit, lure = figures["accuracy"], figures["accuracy"]["audit"], figures["lure"]
    table.add_row("project", f"{figures['project']} ({figures['dataset']}, {figures['pool_size']:,} images)")
    files = figures["files"]
    if files is not None and any(files.values()):
        table.add_row("files", ", ".join(f"{n:,} {_STATES[state]}" for state, n in files.items() if n))
    table.add_row("labelled", f"{figures['labelled']:,} in {pluralize(figures['rounds'], 'round')}")
    table.add_row("put aside", f"{figures['skipped']:,} skipped, {figures['flagged']:,} flagged")
    table.add_row("annotators", ", ".join(f"{name} {n:,}" for name, n in figures["annotators"].items()) or "–")
    table.add_row("test", "–" if accuracy["test"] is None else f"{accuracy['test']:.1%} when the last batch was picked")
    table.add_row("audit", _interval(audit))
    table.add_row("lure", _interval(lure) + ("" if lure is None else ", the models on the way"))
    table.add_row("advice", figures["advice"]["text"])
    mistakes = ", ".join(f"{c['true']} for {c['taken_for']} ({c['n']})" for c in figures["confusions"])
    if mistakes:
        table.add_row("mistaken", mistakes)
    return Group(table, "", _class_table(figures))


def _interval(estimate: dict[str, Any] | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate['value']:.0%} ({estimate['low']:.0%} to {estimate['high']:.0%}, n {estimate['n']})"


def _class_table(figures: dict[str, Any]) -> Table:
    """Labels and audited recall of each class, as many side by side as `CLASS_COLUMNS` where there are many."""
    counts, recalls = figures["classes"], figures["class_accuracy"]
    side = min(CLASS_COLUMNS, -(-len(counts) // CLASS_ROWS))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for _ in range(side):
        table.add_column("class", max_width=78 // side - 22, no_wrap=True)
        table.add_column("labels", justify="right")
        table.add_column("audited", justify="right")
    cells = []
    for name, count in counts.items():
        recall = recalls[name]
        right = "" if recall["value"] is None else f"{recall['value']:.0%} of {recall['n']}"
        cells.append((name, f"{count:,}", right))
    rows = -(-len(cells) // side)
    for row in range(rows):
        table.add_row(*(text for cell in cells[row::rows] for text in cell))
    return table


def dataset_rows(data_dir: Path | None) -> list[dict[str, Any]]:
    """What `datasets --json` prints."""
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
    """The same for people."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for heading in ("dataset", "classes", "images", "test", "shape", "state", "licence"):
        table.add_column(heading, justify="right" if heading in ("classes", "images", "test") else "left", no_wrap=True)
    for row in rows:
        shape = "×".join(map(str, row["shape"]))
        figures = (f"{len(row['classes'])}", f"{row['pool_size']:,}", f"{row['test_size']:,}")
        table.add_row(row["name"], *figures, shape, row["state"], row["licence"])
    return table


def strategy_rows() -> list[dict[str, Any]]:
    """What `strategies --json` prints; those that need no model first."""
    strategies = sorted(map(get_strategy, strategy_names()), key=lambda strategy: (strategy.needs_model, strategy.name))
    return [
        {
            "name": strategy.name,
            "summary": strategy.summary,
            "when": strategy.when,
            "cost": strategy.cost,
            "needs_model": strategy.needs_model,
            "paper": strategy.paper,
        }
        for strategy in strategies
    ]


def strategies_table(rows: list[dict[str, Any]]) -> Table:
    """The same for people: two lines each, what it picks and when to use it."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("strategy", "picks\n[dim]use it for[/]", "cost", "paper"):
        table.add_column(heading, no_wrap=heading == "strategy")
    for row in rows:
        cost = f"{row['cost']}\n[dim]needs a model[/]" if row["needs_model"] else row["cost"]
        table.add_row(row["name"], f"{row['summary']}\n[dim]{row['when']}[/]", cost, row["paper"])
    return table
