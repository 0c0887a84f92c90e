"""`label-studio`: tasks of Label Studio with their annotations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.errors import TuilabelError
from tuilabel.labels.exchange.base import ExportOptions, Format, ImportedLabel, ImportOptions, WriteResult
from tuilabel.labels.exchange.directory import all_classes, export_directory, metadata
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.values import text_value, time_value

TASKS = "tasks.json"
LOCAL_FILES = "/data/local-files/?d="  # how Label Studio serves files from its own disks
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts it before the name of an uploaded file


def write_label_studio(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `tasks.json` for Label Studio's import, `label_config.xml` for its settings, and `images/`.

    Image URLs are relative to the parent of `out`, which must be LOCAL_FILES_DOCUMENT_ROOT. Labels become annotations,
    predictions become predictions.
    """
    rows = list(rows)
    tasks = []
    with export_directory("label-studio", files, out, options) as directory:
        for row in rows:
            name = directory.add_image(row, "images")
            if name is not None:
                tasks.append(_task(row, f"{directory.out.name}/images/{name}"))
        directory.write_json(TASKS, tasks)
        choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in all_classes(rows, classes))
        config = f'<View>\n  <Image name="image" value="$image"/>\n  <Choices name="label" toName="image">\n{choices}'
        (directory.root / "label_config.xml").write_text(config + "  </Choices>\n</View>\n", encoding="utf-8")
    return directory.result(len(tasks))


def read_label_studio(source: Path, _options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read tasks as exported in the formats `JSON` or `JSON-MIN`; each annotation of a task is one label."""
    source = source / TASKS if source.is_dir() else source
    try:
        document = json.loads(source.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise TuilabelError(f"{source} is not JSON: {error}") from error
    for number, task in enumerate(document if isinstance(document, list) else [document], 1):
        if not isinstance(task, dict):
            raise TuilabelError(f"{source} is not an export of Label Studio: its entry {number} is not a task")
        where = f"task {task.get('id', number)}"
        if "data" in task:
            yield from _labels_of_task(task, where)
        else:
            yield _label_of_min_task(task, where)


def _label_of_min_task(task: dict[str, Any], where: str) -> ImportedLabel:
    label = text_value(task.get("choice", task.get("label")))
    at = time_value(task.get("labelled_at")) or time_value(task.get("created_at"))
    annotator = text_value(task.get("annotator"))
    return ImportedLabel(where, label, text_value(task.get("item")), _image_path(task), annotator, at)


def _labels_of_task(task: dict[str, Any], where: str) -> Iterator[ImportedLabel]:
    data = task["data"]
    item, path = text_value(data.get("item")), _image_path(data)
    annotations = [annotation for annotation in task.get("annotations") or () if not annotation.get("was_cancelled")]
    if not annotations:
        yield ImportedLabel(where, "", item, path)
    for annotation in annotations:
        # Without a user of Label Studio the annotation is one that tuilabel exported.
        user = _user(annotation.get("completed_by"))
        annotator = user or text_value(data.get("annotator"))
        at = (None if user else time_value(data.get("labelled_at"))) or time_value(annotation.get("created_at"))
        yield ImportedLabel(where, _only_choice(annotation), item, path, annotator, at)


def _only_choice(annotation: dict[str, Any]) -> str:
    """The class, if the annotation chooses exactly one."""
    choices = [choice for part in annotation.get("result") or () for choice in part.get("value", {}).get("choices", ())]
    return text_value(choices[0]) if len(choices) == 1 else ""


def _user(completed_by: object) -> str:
    if isinstance(completed_by, dict):
        return text_value(completed_by.get("email") or completed_by.get("username") or completed_by.get("id"))
    return text_value(completed_by)


def _image_path(data: dict[str, Any]) -> str:
    """The path of a task's image: the one that tuilabel exported, or else the end of its URL."""
    if data.get("path"):
        return str(data["path"])
    url = data.get("image") or next((v for v in data.values() if isinstance(v, str) and "/" in v), "")
    parts = urlsplit(str(url))
    local = parse_qs(parts.query).get("d")
    path = local[0] if local else unquote(parts.path)
    folder, _, name = path.rpartition("/")
    return _UPLOAD_PREFIX.sub("", name) if "data/upload/" in f"{folder}/" else path


def _task(row: LabelRow, path: str) -> dict[str, Any]:
    choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [row.label]}}
    extra = {key: value for key, value in metadata(row).items() if key not in ("id", "label")}
    data = {"image": LOCAL_FILES + quote(path), "item": row.id, **extra}  # Label Studio uses `id` for the task itself
    if row.confidence is not None:
        prediction = {"model_version": row.annotator, "score": row.confidence, "result": [choice]}
        return {"data": data, "predictions": [prediction]}
    annotation: dict[str, Any] = {"result": [choice]}
    if row.seconds is not None:
        annotation["lead_time"] = row.seconds
    if row.labelled_at is not None:
        annotation["created_at"] = row.labelled_at.isoformat(timespec="milliseconds")
    return {"data": data, "annotations": [annotation]}


FORMAT = Format(
    "label-studio",
    "directory",
    writer=write_label_studio,
    reader=read_label_studio,
    suffixes=(".json",),
)
