"""What became of the files of a person's own images: read, copies, gone, broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuilabel.datasets import LibraryPool, announcer, open_pool, source_of, title_of
from tuilabel.datasets.library import Library
from tuilabel.datasets.opening import variant_of
from tuilabel.errors import TuilabelError, UsageError, printable, several
from tuilabel.labels import Project


def file_figures(pool: LibraryPool) -> dict[str, int]:
    """What `stats --json` says of the files: listed, to be read yet, copies of others, gone, with problems."""
    index = pool.library.index
    return {
        "listed": index.n_files(),
        "unread": index.n_unread(),
        "copies": index.n_duplicates(),
        "gone": len(pool.gone),
        "problems": index.n_problems(),
    }


def files_text(figures: dict[str, int]) -> str:
    """The same for people, in a line: what there is none of is left out."""
    words = [
        (figures["unread"], "not read yet"),
        (figures["copies"], "copies of others"),
        (figures["gone"], "images gone"),
        (figures["problems"], "not readable (--problems lists them)"),
    ]
    return ", ".join([several(figures["listed"], "file"), *(f"{n:,} {word}" for n, word in words if n)])


def problem_report(dataset: str, named: Path | None, say: Callable[[str], object]) -> dict[str, Any]:
    """What `stats --problems --json` prints: dataset, source, and the problems, each with file and reason.

    There need be no project; images that were never read are read now.

    Raises
    ------
    UsageError : where the dataset is one known by name.
    TuilabelError : where it cannot be listed.
    """
    directory = named or Path(f"{title_of(dataset)}.tuilabel")
    where = Project.read(directory).source if (directory / "settings.toml").is_file() else dataset
    source = source_of(where)
    if source is None:
        raise UsageError(f"{where} has no files of yours: name a folder or a project of your own images")
    library = Library(source, variant_of(where))
    if library.index.n_unread() or not library.index.listing:
        try:
            open_pool(where, on_progress=announcer(say))
        except TuilabelError:
            if not library.index.n_problems():
                raise
    problems = library.index.problems()
    return {
        "dataset": source.title,
        "source": source.where,
        "problems": [{"file": problem.name, "reason": problem.reason} for problem in problems],
    }


def problem_lines(report: dict[str, Any]) -> list[str]:
    """The same for people: a line for each, and how many."""
    lines = [f"{printable(problem['file'])}: {printable(problem['reason'])}" for problem in report["problems"]]
    n = len(lines)
    return [*lines, f"{several(n, 'file')} of {printable(report['source'])} cannot be asked" if n else "no problems"]
