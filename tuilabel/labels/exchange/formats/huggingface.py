"""`huggingface`: images and metadata for the `datasets` library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.extras import require
from tuilabel.labels.exchange.base import ExportOptions, Format, WriteResult
from tuilabel.labels.exchange.directory import all_classes, export_directory, marks
from tuilabel.labels.exchange.formats.imagefolder import read_imagefolder
from tuilabel.labels.exchange.formats.parquet_table import utf8
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.split import split_names
from tuilabel.labels.exchange.tables import MARKS

METADATA = "metadata.parquet"
CARD = """---
task_categories:
- image-classification
---

Images with one label each, of these classes:

"""


def write_huggingface(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `train/image` and `train/metadata.parquet` for `load_dataset("imagefolder", data_dir=OUT)`.

    Labels are numbers, and the table names their classes, so that `datasets` reads a `ClassLabel`.
    """
    rows = list(rows)
    parts = ["train"] * len(rows)
    if options.split is not None:
        parts = split_names(rows, options.split, options.seed, ("train", "validation", "test"))
    names = [name for name in all_classes(rows, classes) if name]
    written: dict[str, list[tuple[str, LabelRow]]] = {}
    has_marks = any(map(marks, rows))
    with export_directory("huggingface", files, out, options) as directory:
        for row, part in zip(rows, parts, strict=True):
            name = directory.add_image(row, part)
            if name is not None:
                written.setdefault(part, []).append((name, row))
        for part, images in written.items():
            _write_metadata(directory.root / part / METADATA, images, names, has_marks=has_marks)
        listed = "".join(f"- {name}\n" for name in names)
        (directory.root / "README.md").write_text(CARD + listed, encoding="utf-8", errors="backslashreplace")
    return directory.result(sum(map(len, written.values())))


def _write_metadata(
    path: Path, images: Sequence[tuple[str, LabelRow]], names: Sequence[str], *, has_marks: bool
) -> None:
    require("pyarrow", "writing Hugging Face folders")
    import pyarrow as pa
    from pyarrow import parquet

    number = {name: k for k, name in enumerate(names)}
    columns: dict[str, tuple[str, list[Any]]] = {
        "file_name": ("string", [utf8(name) for name, _ in images]),
        "label": ("int64", [number.get(row.label) for _, row in images]),
        "id": ("string", [row.id for _, row in images]),
    }
    if any(row.confidence is not None for _, row in images):
        columns["confidence"] = "float32", [row.confidence for _, row in images]
    elif has_marks:
        kinds = {name: "bool" if name == "flagged" else "string" for name in MARKS}
        columns |= {name: (kind, [getattr(row, name) for _, row in images]) for name, kind in kinds.items()}
    features: dict[str, dict[str, Any]] = {
        name: {"dtype": kind, "_type": "Value"} for name, (kind, _) in columns.items()
    }
    features["label"] = {"names": [utf8(name) for name in names], "_type": "ClassLabel"}
    kinds_of = {"string": pa.string(), "int64": pa.int64(), "float32": pa.float32(), "bool": pa.bool_()}
    arrays = {name: pa.array(values, kinds_of[kind]) for name, (kind, values) in columns.items()}
    table = pa.table(arrays).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path)


FORMAT = Format("huggingface", "directory", writer=write_huggingface, reader=read_imagefolder)
