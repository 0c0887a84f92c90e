"""`huggingface`: images and metadata for the `datasets` library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.labels.exchange.base import ExportOptions, Format, WriteResult
from tuilabel.labels.exchange.directory import all_classes, export_directory, marks
from tuilabel.labels.exchange.formats.imagefolder import read_imagefolder
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.split import split_names
from tuilabel.labels.exchange.tables import MARKS

CARD = """---
task_categories:
- image-classification
---

Images with one label each, of these classes:

"""


def write_huggingface(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `train/image` and `train/metadata.jsonl` for `load_dataset("imagefolder", data_dir=OUT)`."""
    rows = list(rows)
    parts, has_marks = ["train"] * len(rows), any(map(marks, rows))
    if options.split is not None:
        parts = split_names(rows, options.split, options.seed, ("train", "validation", "test"))
    lines: dict[str, list[str]] = {}
    with export_directory("huggingface", files, out, options) as directory:
        for row, part in zip(rows, parts, strict=True):
            name = directory.add_image(row, part)
            if name is not None:
                line: dict[str, object] = {"file_name": name, "label": row.label, "id": row.id}
                if row.confidence is not None:
                    line["confidence"] = row.confidence
                elif has_marks:
                    line |= {name: getattr(row, name) for name in MARKS}
                lines.setdefault(part, []).append(json.dumps(line))
        for part, texts in lines.items():
            (directory.root / part / "metadata.jsonl").write_text("\n".join(texts) + "\n")
        names = "".join(f"- {name}\n" for name in all_classes(rows, classes))
        (directory.root / "README.md").write_text(CARD + names, encoding="utf-8", errors="backslashreplace")
    return directory.result(sum(map(len, lines.values())))


FORMAT = Format("huggingface", "directory", writer=write_huggingface, reader=read_imagefolder)
