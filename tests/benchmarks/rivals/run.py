"""The speed of tuilabel beside what a user would take instead.

    uv run --group rivals python -m tests.benchmarks rivals [PART …] [--json FILE] [--page]

All do the same with the same data and as many threads, take turns, and say what comes out of it. The times are those of
this machine; ratios hold elsewhere. With `--page` docs/performance.json and the table of docs/performance.md are
written; parts that are not named stay as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.markdown import Markdown
from threadpoolctl import threadpool_limits

from tests.benchmarks.rivals import disk, graphs, pictures, report, rounds
from tests.benchmarks.rivals.task import Task
from tuilabel.learner.trainer.early import spare_processors

PARTS: dict[str, Callable[[Path], Iterator[Task]]] = {
    "rounds": rounds.rounds,
    "pixels": rounds.pixels,
    "neighbours": graphs.neighbours,
    "propagation": graphs.propagation,
    "features": pictures.features,
    "epoch": pictures.epoch,
    "decoding": pictures.decoding,
    "labels": disk.labels,
}
ALL_CORES = ("features", "epoch")  # what encoding and training of VAEs have; learning leaves one to the screen


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks rivals", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--page", action="store_true", help="write docs/performance.json and docs/performance.md")
    given = parser.parse_args(arguments)
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"unknown part {unknown[0]!r}: must be one of {', '.join(PARTS)}")
    err, measured = Console(stderr=True), {}
    with tempfile.TemporaryDirectory(prefix="tuilabel-rivals-") as folder:
        for part in given.parts or PARTS:
            err.print(f"{part} …")
            threads = (torch.get_num_threads() if part in ALL_CORES else None) or spare_processors()
            measured[part] = report.to_json(part, measure(part, threads, Path(folder)), threads)
            for path in [given.json, report.RECORD if given.page else None]:
                if path is not None:
                    report.merge(path, {part: measured[part]}, PARTS)
    Console().print(Markdown(report.table(measured)))
    if given.page:
        report.write_page(json.loads(report.RECORD.read_text(encoding="utf-8")))
    return 0


def measure(part: str, threads: int, folder: Path) -> list[Task]:
    """The tasks of a part, by as many threads in every library."""
    import faiss

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            return list(PARTS[part](folder))
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
