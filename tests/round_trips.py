"""Every export format read by every import format: how many labels, flags and notes come home.

`python -m tests.round_trips` prints the table of docs/exchange.md; a test compares it, and checks that no reader gives
an image a label that it did not have.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.helpers.exchange import answer, array_pool, disk_pool
from tuilabel.datasets import ImagePool
from tuilabel.errors import TuilabelError
from tuilabel.labels.exchange import (
    FORMATS,
    READABLE,
    ExportOptions,
    ImportOptions,
    get_format,
    read_labels,
    rows_of,
    rows_without_label,
)
from tuilabel.labels.exchange.import_plan import plan_import
from tuilabel.labels.exchange.matching import Matcher

CLASSES = (
    "cat",
    "a, b",
    'say "no"',
    "été",
    "e\u0301tude",
    "猫/犬",
    "con",
    " ".join("x" * 9),
    "[red]",
    "train",
    "no;",
    "1.0",
)
NAMES = (
    "1.png", "left/1.png", "right/1.png", "deep/er/still/1.png", "a, b.png", 'say "no".png', "it's.png", "é.png",
    "cafe\u0301.png", "猫 1.png", " space.png", "new\nline.png", "tab\tname.png", "semi;colon.png", "#5.png",
    "100%25.png", "a&b=c?.png", "[1].png", "back\\slash.png", "two.dots.png", "UPPER.PNG", "می‌خواهم.png",
    "train/2.png", "-x.png",
)  # fmt: skip
FLAGGED, NOTED, UNLABELLED = (1, 5, 24), (2, 5, 8, 25), (24, 25)
NOTES = ("or a dog?", "two words", "a, \"b\"; 'c'", "été 猫")
AUTO = "auto"


@dataclass(frozen=True)
class Kept:
    """What came home, of how many.

    Attributes
    ----------
    wrong : labels that the images did not have, and flags and notes on other images.
    """

    labels: int
    flags: int
    notes: int
    wrong: int


def pools(folder: Path) -> list[ImagePool]:
    """Image files with odd names, two of them without a label, and rows of an array."""
    return [disk_pool(folder, [*NAMES, "25.png", "26.png"], CLASSES), array_pool(len(NAMES) + 2, CLASSES)]


def round_trip(pool: ImagePool, export_to: str, import_as: str, folder: Path) -> Kept | None:
    """Export the labels of a pool and read them again; None if the reader refuses them."""
    labelled = [k for k in range(len(pool)) if k not in UNLABELLED]
    events = [
        *(answer(pool, k, CLASSES[k % len(CLASSES)], k) for k in labelled),
        *(answer(pool, k, None, 100 + k, "bob", kind="flag") for k in FLAGGED),
        *(answer(pool, k, None, 200 + k, "eve", kind="note", note=NOTES[n]) for n, k in enumerate(NOTED)),
    ]
    form = get_format(export_to)
    out = folder / (f"labels.{export_to}" if form.kind == "file" else "out")
    rows = [*rows_of(events, pool), *(rows_without_label(events, pool) if form.without_label else [])]
    options = ExportOptions(out_of_fold=lambda k, labels, n: (k, np.eye(n, dtype=np.float32)[labels]), force=True)
    form.write(rows, pool.classes, pool.files, out, options)
    try:
        _, read = read_labels(out, import_as, ImportOptions())
    except TuilabelError:
        return None
    matcher = Matcher(pool, out if out.is_dir() else out.parent)
    matched = [(row, matcher.find(row) if row.has_content else -1) for row in read]
    plan = plan_import(matched, pool, [], [], CLASSES, lambda name: name or "somebody")
    position = {item.decode(): k for k, item in enumerate(pool.ids.tolist())}
    came = {(event.kind, position[event.item], event.class_name or event.note) for event in plan.events}
    true: set[tuple[str, int, str | None]] = {("label", k, CLASSES[k % len(CLASSES)]) for k in labelled}
    true |= {("flag", k, None) for k in FLAGGED} | {("note", k, NOTES[n]) for n, k in enumerate(NOTED)}
    kinds = [kind for kind, _, _ in came & true]
    return Kept(kinds.count("label"), kinds.count("flag"), kinds.count("note"), len(came - true))


def table(figures: dict[tuple[str, str], Sequence[Kept | None]]) -> str:
    """The table of the documentation, in Markdown."""

    def total(name: str, kind: str) -> str:
        return _of(sum(getattr(kept, kind) for kept in figures[name, AUTO] if kept), kind)

    lines = [
        "| exported as | labels | flags | notes | also read whole by `--format` |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in FORMATS:
        others = [
            f"`{other}`" for other in READABLE
            if other != name and all(kept and kept.labels == len(NAMES) for kept in figures[name, other])
        ]  # fmt: skip
        kept = " | ".join(total(name, kind) for kind in ("labels", "flags", "notes"))
        lines.append(f"| `{name}` | {kept} | {', '.join(others)} |")
    return "\n".join(lines)


def _of(n: int, kind: str) -> str:
    return f"{n} of {2 * len({'labels': NAMES, 'flags': FLAGGED, 'notes': NOTED}[kind])}"


def all_round_trips(formats: Sequence[str] = (AUTO, *READABLE)) -> dict[tuple[str, str], Sequence[Kept | None]]:
    """What comes home from each export format by each import format, for image files and rows of an array."""
    with tempfile.TemporaryDirectory() as folder:
        made = pools(Path(folder) / "images")
        figures: dict[tuple[str, str], Sequence[Kept | None]] = {}
        for name in FORMATS:
            for other in formats:
                outs = [Path(folder) / f"{name}-{other}-{k}" for k in range(len(made))]
                for out in outs:
                    out.mkdir()
                trips = [round_trip(pool, name, other, out) for pool, out in zip(made, outs, strict=True)]
                figures[name, other] = trips
        return figures


if __name__ == "__main__":
    print(table(all_round_trips()))
