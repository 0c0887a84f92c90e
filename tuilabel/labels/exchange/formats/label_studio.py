"""`label-studio`: tasks of Label Studio with their annotations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.datasets.sources.base import is_image
from tuilabel.datasets.sources.tables import LABELS, PATHS, json_objects, position, record_of, several
from tuilabel.datasets.sources.texts import classes_in, text_of
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.labels.exchange.base import ExportOptions, Format, ImportedLabel, ImportOptions, WriteResult
from tuilabel.labels.exchange.directory import all_classes, export_directory, metadata
from tuilabel.labels.exchange.documents import rows_in
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.tables import choose_columns, imported_row
from tuilabel.labels.exchange.values import marks_of, text_value, time_value

TASKS = "tasks.json"
LOCAL_FILES = "/data/local-files/?d="  # how Label Studio serves files from its own disks


def write_label_studio(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `tasks.json` for Label Studio's import, `label_config.xml` for its settings, and `images/`.

    Image URLs are relative to the parent of `out`, which must be LOCAL_FILES_DOCUMENT_ROOT. Labels become annotations,
    predictions become predictions; the data of a task have its flag and note.
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
    return directory.result(sum("annotations" in task or "predictions" in task for task in tasks))


def read_label_studio(source: Path, options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read tasks as exported in the formats `JSON` or `JSON-MIN`; each annotation of a task is one label.

    Other lists of objects in JSON are read as tables, and so are the objects that `rows_in` knows.

    Raises
    ------
    UsageError : if there are several controls of choices, or not the one that `options.label_column` names.
    TuilabelError : if it is not JSON.
    """
    source = source / TASKS if source.is_dir() else source
    try:
        document = json.loads(source.read_bytes())
    except ValueError as error:
        document = _lines_of(source)
        if document is None:
            raise TuilabelError(f"{source} is not JSON: {error}") from error
    rows = rows_in(document)
    if rows is not None:
        document = rows
    tasks = document if isinstance(document, list) else [document]
    named = [(_place(task, number), task) for number, task in enumerate(tasks, 1)]
    yield from _odd(named)
    full = [(where, task) for where, task in named if isinstance(task, dict) and isinstance(task.get("data"), dict)]
    control = _control({name: None for _, task in full for name in _controls_of(task)}, options, source)
    for where, task in full:
        yield from _labels_of_task(task, where, control, options)
    flat = [(where, task) for where, task in named if isinstance(task, dict) and "data" not in task]
    names = list(dict.fromkeys(name for _, task in flat for name in task))
    try:
        chosen = choose_columns(names, options, source) if flat else {}
    except TuilabelError:
        if not full:
            raise
        yield from (ImportedLabel(where, "", problem="not a task", is_odd=True) for where, _ in flat)
        return
    for where, task in flat:
        yield imported_row(record_of(where, [task.get(name) for name in names], chosen))


def _lines_of(source: Path) -> list[dict[str, Any]] | None:
    """The objects of a file that has one in each line, in spite of its name; None if it has not."""
    with source.open("rb") as file, text_of(file) as text:
        objects = [values for _, values in json_objects(text)]
    found = [values for values in objects if isinstance(values, dict)]
    return found if len(found) == len(objects) > 1 else None


def _place(task: object, number: int) -> str:
    return f"task {task.get('id', number)}" if isinstance(task, dict) else f"entry {number}"


def _odd(named: list[tuple[str, object]]) -> Iterator[ImportedLabel]:
    for where, task in named:
        if not isinstance(task, dict):
            yield ImportedLabel(where, "", problem="not a task", is_odd=True)
        elif "data" in task and not isinstance(task["data"], dict):
            yield ImportedLabel(where, "", problem="its data is not an object", is_odd=True)


def _annotations(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The annotations that were not cancelled; before version 1 of Label Studio they were completions."""
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        return []
    return [a for a in annotations if isinstance(a, dict) and not a.get("was_cancelled")]


def _choices(annotation: dict[str, Any]) -> dict[str, list[str]]:
    """What an annotation chooses, by control."""
    chosen: dict[str, list[str]] = {}
    result = annotation.get("result")
    for part in result if isinstance(result, list) else ():
        value = part.get("value") if isinstance(part, dict) else None
        if isinstance(value, dict) and "choices" in value:
            chosen.setdefault(text_value(part.get("from_name")), []).extend(classes_in(value["choices"]))
    return chosen


def _other_answers(annotation: dict[str, Any]) -> str:
    """What an annotation has instead of choices, as the problem of its row."""
    result = annotation.get("result")
    parts = [part for part in result if isinstance(part, dict)] if isinstance(result, list) else []
    kinds = dict.fromkeys(text_value(part.get("type")) for part in parts)
    return f"no choice, but {', '.join(kinds)}" if any(kinds) and "choices" not in kinds else ""


def _controls_of(task: dict[str, Any]) -> Iterator[str]:
    for annotation in _annotations(task):
        yield from _choices(annotation)


def _control(controls: dict[str, None], options: ImportOptions, source: Path) -> str:
    """The control whose choices are the classes; empty if there is none, or no name for it."""
    names, wanted = list(controls), options.label_column
    k = position(names, LABELS if wanted is None else (wanted,))
    if k is None and wanted is not None and names:
        raise UsageError(f"{source} has no control {wanted!r} for `label_column`: it has {printable(', '.join(names))}")
    if k is None and len(names) > 1:
        raise UsageError(
            f"{source} has the controls {printable(' and '.join(names))}: set `label_column` to one of them"
        )
    return "" if not names else names[k or 0]


def _labels_of_task(task: dict[str, Any], where: str, control: str, options: ImportOptions) -> Iterator[ImportedLabel]:
    data = task["data"]
    item, path = text_value(data.get("item")), _image_path(task, options)
    annotations = _annotations(task)
    if not annotations:
        problem = "it has predictions, and no annotation" if task.get("predictions") else ""
        yield ImportedLabel(where, "", item, path, problem=problem, **marks_of(data))
    for annotation in annotations:
        # Without a user of Label Studio the annotation is one that tuilabel exported.
        user = _user(annotation.get("completed_by"))
        annotator = user or text_value(data.get("annotator"))
        at = (None if user else time_value(data.get("labelled_at"))) or time_value(annotation.get("created_at"))
        names = _choices(annotation).get(control, [])
        problem = several(names) or ("" if names else _other_answers(annotation))
        label = "" if problem else "".join(names)
        yield ImportedLabel(where, label, item, path, annotator, at, problem=problem, **marks_of(data))


def _user(completed_by: object) -> str:
    if isinstance(completed_by, dict):
        return text_value(completed_by.get("email") or completed_by.get("username") or completed_by.get("id"))
    return text_value(completed_by)


def _image_path(task: dict[str, Any], options: ImportOptions) -> str:
    """The path or URL of a task's image: the one that tuilabel exported, or else what the data have."""
    data = task["data"]
    names = list(data)
    k = position(names, (options.path_column,) if options.path_column else PATHS)
    texts = [value for value in data.values() if isinstance(value, str)]
    likely = (data[names[k]] if k is not None else "", *(t for t in texts if "/" in t or is_image(t)))
    return next((path for path in (*likely, task.get("file_upload")) if path and isinstance(path, str)), "")


def _task(row: LabelRow, path: str) -> dict[str, Any]:
    choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [row.label]}}
    extra = {key: value for key, value in metadata(row).items() if key not in ("id", "label")}
    data = {"image": LOCAL_FILES + quote(path), "item": row.id, **extra}  # Label Studio uses `id` for the task itself
    if row.confidence is not None:
        prediction = {"model_version": row.annotator, "score": row.confidence, "result": [choice]}
        return {"data": data, "predictions": [prediction]}
    if not row.label:
        return {"data": data}
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
    markers=(TASKS,),
    without_label=True,
)
