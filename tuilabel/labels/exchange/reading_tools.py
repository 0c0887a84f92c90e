"""Labels from Label Studio and Prodigy."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tuilabel.errors import TuilabelError
from tuilabel.labels.exchange.foreign import ForeignLabel, ImportOptions, json_lines, text_of, time_of

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file


def read_label_studio(source: Path, _options: ImportOptions) -> Iterator[ForeignLabel]:
    """Tasks with annotations, as `JSON` or `JSON-MIN` exports them; a task with several annotators is several rows."""
    try:
        document = json.loads(source.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise TuilabelError(f"{source} is no JSON: {error}") from error
    tasks = document if isinstance(document, list) else [document]
    for number, task in enumerate(tasks, 1):
        if not isinstance(task, dict):
            raise TuilabelError(f"{source} is no export of Label Studio: its entry {number} is no task")
        data = task.get("data", task)
        where = f"task {task.get('id', number)}"
        item, path = text_of(data.get("item")), _named(data)
        if "data" not in task:
            label = text_of(task.get("choice", task.get("label")))
            at = time_of(data.get("labelled_at")) or time_of(task.get("created_at"))
            yield ForeignLabel(where, label, item, path, text_of(task.get("annotator")), at)
            continue
        answers = [answer for answer in task.get("annotations") or () if not answer.get("was_cancelled")]
        if not answers:
            yield ForeignLabel(where, "", item, path)
        for answer in answers:
            new = _person(answer.get("completed_by"))  # whoever answered in Label Studio, not before
            who = new or text_of(data.get("annotator"))
            at = (None if new else time_of(data.get("labelled_at"))) or time_of(answer.get("created_at"))
            yield ForeignLabel(where, _only_choice(answer), item, path, who, at)


def read_prodigy(source: Path, _options: ImportOptions) -> Iterator[ForeignLabel]:
    """Answers of the interfaces `choice` and `classification`, as `db-out` writes them; only accepted ones count."""
    for where, task in json_lines(source):
        accepted = task.get("accept")
        label = task.get("label") if accepted is None else accepted[0] if len(accepted) == 1 else None
        meta = task.get("meta") or {}
        image = text_of(task.get("image"))
        embedded = image.startswith("data:")
        stamp = task.get("_timestamp")
        yield ForeignLabel(
            where=where,
            label=text_of(label) if task.get("answer") == "accept" else "",
            id=text_of(meta.get("id")),
            path=text_of(task.get("path") or meta.get("path") or meta.get("file") or ("" if embedded else image)),
            annotator=text_of(task.get("_annotator_id")),
            at=datetime.fromtimestamp(stamp, UTC) if isinstance(stamp, int | float) else None,
            content=partial(_embedded, image) if embedded else None,
        )


def _only_choice(annotation: dict[str, Any]) -> str:
    """The class, where the annotation chooses exactly one."""
    found = [choice for part in annotation.get("result") or () for choice in part.get("value", {}).get("choices", ())]
    return text_of(found[0]) if len(found) == 1 else ""


def _person(completed_by: object) -> str:
    if isinstance(completed_by, dict):
        return text_of(completed_by.get("email") or completed_by.get("username") or completed_by.get("id"))
    return text_of(completed_by)


def _named(data: dict[str, Any]) -> str:
    """The file of a task: what we called it, else the end of its address."""
    if data.get("path"):
        return str(data["path"])
    address = data.get("image") or next((v for v in data.values() if isinstance(v, str) and "/" in v), "")
    parts = urlsplit(str(address))
    local = parse_qs(parts.query).get("d")
    path = local[0] if local else unquote(parts.path)
    folder, _, name = path.rpartition("/")
    return _UPLOADED.sub("", name) if "data/upload/" in f"{folder}/" else path


def _embedded(address: str) -> bytes:
    try:
        return base64.b64decode(address.partition(",")[2])
    except binascii.Error:
        return b""
