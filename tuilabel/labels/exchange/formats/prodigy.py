"""`prodigy`: answers of Prodigy, for `db-in` and from `db-out`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.labels.exchange.base import ExportOptions, Format, ImportedLabel, ImportOptions, WriteResult
from tuilabel.labels.exchange.directory import all_classes, export_directory, metadata
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.text_files import json_lines, open_text
from tuilabel.labels.exchange.values import text_value, timestamp_value

ANNOTATIONS = "annotations.jsonl"


def write_prodigy(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `annotations.jsonl` for `prodigy db-in`: answers of its `choice` interface.

    Images are given by absolute paths: of the user's own file or, if there is none, of a copy in `images/`.
    """
    rows = list(rows)
    choices = [{"id": name, "text": name} for name in all_classes(rows, classes)]
    written = 0
    with (
        export_directory("prodigy", files, out, options) as directory,
        open_text(directory.root / ANNOTATIONS) as file,
    ):
        for row in rows:
            path = directory.images.local_path(row)
            if path is None:
                name = directory.add_image(row, "images")
                if name is None:
                    continue
                path = directory.out / "images" / name
            file.write(json.dumps(_answer(row, path, choices)) + "\n")
            written += 1
    return directory.result(written)


def read_prodigy(source: Path, _options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read answers of the interfaces `choice` and `classification`; only accepted ones have a label."""
    for where, task in json_lines(source / ANNOTATIONS if source.is_dir() else source):
        accepted = task.get("accept")
        label = task.get("label") if accepted is None else accepted[0] if len(accepted) == 1 else None
        meta = task.get("meta") or {}
        image = text_value(task.get("image"))
        embedded = image.startswith("data:")
        yield ImportedLabel(
            where=where,
            label=text_value(label) if task.get("answer") == "accept" else "",
            id=text_value(meta.get("id")),
            path=text_value(task.get("path") or meta.get("path") or meta.get("file") or ("" if embedded else image)),
            annotator=text_value(task.get("_annotator_id")),
            at=timestamp_value(task.get("_timestamp")),
            content=partial(_decode_data_url, image) if embedded else None,
        )


def recognise_prodigy(source: Path) -> bool:
    """Whether the first line of a JSON Lines file is an answer of Prodigy."""
    _, first = next(json_lines(source), ("", {}))
    return bool({"answer", "accept", "_view_id", "_input_hash"} & set(first))


def _answer(row: LabelRow, path: Path, choices: list[dict[str, str]]) -> dict[str, Any]:
    """A label as an accepted answer; a prediction as a question with one choice selected, but without an answer."""
    meta = {key: value for key, value in metadata(row).items() if key in ("id", "path", "seconds")}
    task: dict[str, Any] = {
        "image": str(path),
        "options": choices,
        "accept": [row.label],
        "config": {"choice_style": "single"},
        "meta": meta,
    }
    if row.confidence is not None:
        return {**task, "meta": {**meta, "confidence": row.confidence}}
    task |= {"answer": "accept", "_view_id": "choice", "_annotator_id": row.annotator}
    if row.labelled_at is not None:
        task["_timestamp"] = int(row.labelled_at.timestamp())
    return task


def _decode_data_url(url: str) -> bytes:
    try:
        return base64.b64decode(url.partition(",")[2])
    except ValueError:
        return b""


FORMAT = Format(
    "prodigy",
    "directory",
    writer=write_prodigy,
    reader=read_prodigy,
    suffixes=(".jsonl", ".ndjson"),
    recognises=recognise_prodigy,
)
