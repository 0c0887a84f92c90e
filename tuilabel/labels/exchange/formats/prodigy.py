"""`prodigy`: answers of Prodigy, for `db-in` and from `db-out`."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.datasets.sources.tables import json_objects, several
from tuilabel.datasets.sources.texts import classes_in, text_of
from tuilabel.errors import UsageError
from tuilabel.labels.exchange.base import ExportOptions, Format, ImportedLabel, ImportOptions, WriteResult
from tuilabel.labels.exchange.directory import all_classes, export_directory, marks, metadata
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.text_files import open_text
from tuilabel.labels.exchange.values import marks_of, text_value, timestamp_value

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
            written += bool(row.label)
    return directory.result(written)


def read_prodigy(source: Path, options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read answers of the interfaces `choice` and `classification`; only accepted ones have a label.

    Raises
    ------
    UsageError : if no answer has a field called as `options` say.
    """
    source = source / ANNOTATIONS if source.is_dir() else source
    wanted = {name for name in (options.path_column, options.label_column) if name is not None}
    with source.open("rb") as file, text_of(file) as text:
        for where, task in json_objects(text):
            wanted -= set(task if isinstance(task, dict) else ())
            yield _label_of(where, task, options)
    if wanted:
        raise UsageError(f"{source} has no field {wanted.pop()!r}: leave out `path_column` and `label_column`")


def recognise_prodigy(source: Path) -> bool:
    """Whether the first line of a JSON Lines file is an answer of Prodigy."""
    with source.open("rb") as file, text_of(file) as text:
        _, first = next(json_objects(text), ("", ""))
    return not isinstance(first, str) and bool({"answer", "accept", "_view_id", "_input_hash"} & set(first))


def _label_of(where: str, task: dict[str, Any] | str, options: ImportOptions) -> ImportedLabel:
    if isinstance(task, str):
        return ImportedLabel(where, "", problem=task, is_odd=True)
    answer = text_value(task.get("answer"))
    accepted = task.get("accept")
    if accepted is None or options.label_column is not None:
        names = classes_in(task.get(options.label_column or "label"))
    elif isinstance(accepted, list):
        texts = _option_texts(task.get("options"))
        names = [name for choice in accepted if (name := texts.get(str(choice)) or text_value(choice))]
    else:
        return ImportedLabel(where, "", problem="`accept` is not a list", is_odd=True)
    meta = task.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    image = task.get("image")
    image = image if isinstance(image, str) else ""
    embedded = image.startswith("data:")
    paths = (task.get(options.path_column or "path"), meta.get("path"), meta.get("file"), "" if embedded else image)
    return ImportedLabel(
        where=where,
        label=names[0] if len(names) == 1 and answer == "accept" else "",
        id=text_value(meta.get("id")),
        path=next((path for path in paths if path and isinstance(path, str)), ""),
        annotator=text_value(task.get("_annotator_id")),
        at=timestamp_value(task.get("_timestamp")),
        content=partial(_decode_data_url, image) if embedded else None,
        problem=several(names) if answer == "accept" else f"answered: {answer or 'nothing'}",
        **marks_of({**meta, "flagged": task.get("flagged")}),
    )


def _option_texts(options: object) -> dict[str, str]:
    """The texts of options whose ids are only numbers: their classes are in the texts."""
    choices = [choice for choice in options if isinstance(choice, dict)] if isinstance(options, list) else []
    numbered = [choice for choice in choices if re.fullmatch(r"\d+", str(choice.get("id")))]
    return {str(choice["id"]): text_value(choice.get("text")) for choice in numbered}


def _answer(row: LabelRow, path: Path, choices: list[dict[str, str]]) -> dict[str, Any]:
    """A label as an accepted answer, an image without one as an ignored one.

    A prediction is a question with one choice selected, but without an answer. Flags are Prodigy's own.
    """
    meta = {key: value for key, value in metadata(row).items() if key in ("id", "path", "seconds")} | marks(row)
    flagged = {"flagged": True} if meta.pop("flagged", False) else {}
    task: dict[str, Any] = {
        "image": str(path),
        "options": choices,
        "accept": [row.label] if row.label else [],
        "config": {"choice_style": "single"},
        "meta": meta,
    }
    if row.confidence is not None:
        return {**task, "meta": {**meta, "confidence": row.confidence}}
    annotator = row.annotator or row.flagged_by or row.noted_by
    task |= {"answer": "accept" if row.label else "ignore", "_view_id": "choice", "_annotator_id": annotator, **flagged}
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
    markers=(ANNOTATIONS,),
    without_label=True,
)
