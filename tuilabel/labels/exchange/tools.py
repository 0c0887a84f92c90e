"""Formats of other labelling tools, label-studio and prodigy, and cleanlab's arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from tuilabel.datasets.pool import ItemFiles
from tuilabel.errors import TuilabelError, pluralize
from tuilabel.labels.exchange.folder import ExportOptions, Folder, Written, about, all_classes, new_folder
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.tables import open_text, write_csv

LOCAL_FILES = "/data/local-files/?d="  # how Label Studio serves files of its own disks


def write_label_studio(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> Written:
    """`tasks.json` for Label Studio's import, `label_config.xml` for its settings, and `images/`.

    Addresses of images begin at the folder that holds the export: that is LOCAL_FILES_DOCUMENT_ROOT. Labels become
    annotations, predictions become predictions.
    """
    rows = list(rows)
    tasks = []
    with new_folder("label-studio", files, out, options) as folder:
        for row in rows:
            name = folder.place(row, "images")
            if name is not None:
                tasks.append(_task(row, f"{folder.out.name}/images/{name}"))
        _write_json(folder, "tasks.json", tasks)
        choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in all_classes(rows, classes))
        config = f'<View>\n  <Image name="image" value="$image"/>\n  <Choices name="label" toName="image">\n{choices}'
        (folder.root / "label_config.xml").write_text(config + "  </Choices>\n</View>\n", encoding="utf-8")
    return folder.written(len(tasks))


def write_prodigy(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> Written:
    """`annotations.jsonl` for `prodigy db-in`, answers of its `choice` interface with one choice.

    Images are named by absolute paths: their own, or where they are no plain files, below `images/`.
    """
    rows = list(rows)
    choices = [{"id": name, "text": name} for name in all_classes(rows, classes)]
    written = 0
    with new_folder("prodigy", files, out, options) as folder, open_text(folder.root / "annotations.jsonl") as file:
        for row in rows:
            path = folder.images.readable(row)
            if path is None:
                name = folder.place(row, "images")
                if name is None:
                    continue
                path = folder.out / "images" / name
            file.write(json.dumps(_answer(row, path, choices)) + "\n")
            written += 1
    return folder.written(written)


def write_cleanlab(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> Written:
    """`labels.npy`, int64 (k,), and `pred_probs.npy`, float32 (k, C), by models that have not learnt the label.

    `ids.csv` says what each row is, `classes.txt` each column. Only classes with labels have a column.

    Raises
    ------
    TuilabelError : where the labels are of fewer than two classes, or a model cannot be trained.
    """
    assert options.out_of_fold is not None
    rows = list(rows)
    here = [row for row in rows if row.index >= 0 and row.label in classes]
    place = {name: k for k, name in enumerate(classes)}
    indices = np.array([row.index for row in here], dtype=np.int64)
    labels = np.array([place[row.label] for row in here], dtype=np.int64)
    if len(np.unique(labels)) < 2:
        raise TuilabelError("cleanlab compares classes, and the labels are of one or none: label more first")
    judged, probabilities = options.out_of_fold(indices, labels, len(classes))
    if not len(judged):
        raise TuilabelError("cleanlab needs two labels of a class at least: label more first")
    known = {index: k for k, index in enumerate(judged.tolist())}
    kept = [(row, label, known[row.index]) for row, label in zip(here, labels, strict=True) if row.index in known]
    used, compact = np.unique([label for _, label, _ in kept], return_inverse=True)
    columns = probabilities[[k for _, _, k in kept]][:, used]
    columns = columns / np.maximum(columns.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    with new_folder("cleanlab", files, out, options) as folder:
        np.save(folder.root / "labels.npy", compact.astype(np.int64))
        np.save(folder.root / "pred_probs.npy", columns.astype(np.float32))
        with open_text(folder.root / "ids.csv") as file:
            write_csv((row for row, _, _ in kept), classes, file)
        with open_text(folder.root / "classes.txt") as file:
            file.writelines(f"{classes[k]}\n" for k in used)
        single = len(here) - len(kept)
        if single:
            folder.notes.append(f"{pluralize(single, 'label')} left out, alone in a class: nothing else tells of it")
    folder.left_out = len(rows) - len(here)
    return folder.written(len(kept))


def _task(row: LabelRow, path: str) -> dict[str, Any]:
    choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [row.label]}}
    known = {key: value for key, value in about(row).items() if key not in ("id", "label")}
    data = {"image": LOCAL_FILES + quote(path), "item": row.id, **known}  # `id` is the task's own
    if row.confidence is not None:
        prediction = {"model_version": row.annotator, "score": row.confidence, "result": [choice]}
        return {"data": data, "predictions": [prediction]}
    annotation: dict[str, Any] = {"result": [choice]}
    if row.seconds is not None:
        annotation["lead_time"] = row.seconds
    if row.labelled_at is not None:
        annotation["created_at"] = row.labelled_at.isoformat(timespec="milliseconds")
    return {"data": data, "annotations": [annotation]}


def _answer(row: LabelRow, path: Path, choices: list[dict[str, str]]) -> dict[str, Any]:
    """A prediction is a question with a choice made beforehand: it has no answer yet."""
    meta = {key: value for key, value in about(row).items() if key in ("id", "path", "seconds")}
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


def _write_json(folder: Folder, name: str, document: object) -> None:
    (folder.root / name).write_text(json.dumps(document, indent=1) + "\n")
