"""`fiftyone`: a FiftyOneImageClassificationDataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.labels.exchange.base import ExportOptions, Format, WriteResult
from tuilabel.labels.exchange.directory import all_classes, export_directory
from tuilabel.labels.exchange.rows import LabelRow


def write_fiftyone(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `data/image` and `labels.json`, which has the class number of each image by its name without suffix."""
    rows = list(rows)
    names = all_classes(rows, classes)
    class_number = {name: k for k, name in enumerate(names)}
    labels: dict[str, object] = {}
    with export_directory("fiftyone", files, out, options) as directory:
        for row in rows:
            name = directory.add_image(row, "data")
            if name is None:
                continue
            number = class_number[row.label]
            labels[Path(name).stem] = (
                number if row.confidence is None else {"label": number, "confidence": row.confidence}
            )
        (directory.root / "labels.json").write_text(json.dumps({"classes": names, "labels": labels}))
    return directory.result(len(labels))


FORMAT = Format("fiftyone", "directory", writer=write_fiftyone)
