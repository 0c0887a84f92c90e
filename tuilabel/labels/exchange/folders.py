"""Formats that are folders of images: imagefolder, ultralytics, huggingface, fiftyone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tuilabel.datasets.pool import ItemFiles
from tuilabel.errors import pluralize
from tuilabel.labels.exchange.folder import (
    MANIFEST,
    ExportOptions,
    Folder,
    Written,
    all_classes,
    new_folder,
    stratified_split,
)
from tuilabel.labels.exchange.images import Names
from tuilabel.labels.exchange.rows import LabelRow


def write_imagefolder(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> Written:
    """`CLASS/image`, as torchvision's ImageFolder, Keras and fastai read it; with a split, `train/CLASS/image`."""
    rows = list(rows)
    parts = _parts(rows, options, ("train", "val", "test"))
    return _by_class("imagefolder", rows, classes, files, out, options, parts)


def write_ultralytics(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> Written:
    """`train/CLASS/image`, `val/…`, `test/…`: a dataset for `yolo classify train data=FOLDER`.

    Every part has a folder for each class, an empty one also: the numbers of the classes come from their order.
    """
    rows = list(rows)
    split = stratified_split(rows, options.split or (80, 10, 10), options.seed)
    parts = [("train", "val", "test")[k] for k in split]
    return _by_class("ultralytics", rows, classes, files, out, options, parts, every=("train", "val", "test"))


def write_huggingface(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> Written:
    """`train/image` with `train/metadata.jsonl`, which `load_dataset("imagefolder", data_dir=FOLDER)` reads."""
    rows = list(rows)
    parts = _parts(rows, options, ("train", "validation", "test")) or ["train"] * len(rows)
    with new_folder("huggingface", files, out, options) as folder:
        lines: dict[str, list[str]] = {}
        for row, part in zip(rows, parts, strict=True):
            name = folder.place(row, part)
            if name is not None:
                line: dict[str, object] = {"file_name": name, "label": row.label, "id": row.id}
                if row.confidence is not None:
                    line["confidence"] = row.confidence
                lines.setdefault(part, []).append(json.dumps(line))
        for part, texts in lines.items():
            (folder.root / part / "metadata.jsonl").write_text("\n".join(texts) + "\n")
        counts = "".join(f"- {name}\n" for name in all_classes(rows, classes))
        card = "---\ntask_categories:\n- image-classification\n---\n\nImages with one label each, of these classes:\n\n"
        (folder.root / "README.md").write_text(card + counts, encoding="utf-8", errors="backslashreplace")
    return folder.written(sum(map(len, lines.values())))


def write_fiftyone(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> Written:
    """`data/image` and `labels.json`: a FiftyOneImageClassificationDataset."""
    rows = list(rows)
    names = all_classes(rows, classes)
    place = {name: k for k, name in enumerate(names)}
    with new_folder("fiftyone", files, out, options) as folder:
        labels: dict[str, object] = {}
        for row in rows:
            name = folder.place(row, "data")
            if name is None:
                continue
            target = place[row.label]
            labels[Path(name).stem] = (
                target if row.confidence is None else {"label": target, "confidence": row.confidence}
            )
        (folder.root / "labels.json").write_text(json.dumps({"classes": names, "labels": labels}))
    return folder.written(len(labels))


def _parts(rows: Sequence[LabelRow], options: ExportOptions, names: tuple[str, str, str]) -> list[str] | None:
    if options.split is None:
        return None
    return [names[part] for part in stratified_split(rows, options.split, options.seed)]


def _by_class(
    file_format: str,
    rows: Sequence[LabelRow],
    classes: Sequence[str],
    files: ItemFiles,
    out: Path,
    options: ExportOptions,
    parts: Sequence[str] | None,
    every: Sequence[str] = (),
) -> Written:
    """A folder for each class that has a label, below the row's part where there are parts."""
    used = {row.label for row in rows}
    with new_folder(file_format, files, out, options) as folder:
        folder_of = _class_folders(folder, [name for name in all_classes(rows, classes) if name in used])
        for part in every:
            for name in folder_of.values():
                (folder.root / part / name).mkdir(parents=True)
        placed = 0
        for k, row in enumerate(rows):
            below = () if parts is None else (parts[k],)
            placed += folder.place(row, *below, folder_of[row.label]) is not None
    return folder.written(placed)


def _class_folders(folder: Folder, classes: Sequence[str]) -> dict[str, str]:
    """A safe folder name for each class, noted in the manifest."""
    names = Names()
    folder_of = {name: names.new(name) for name in classes}
    folder.classes.update({name: label for label, name in folder_of.items()})
    changed = [name for name, safe in folder_of.items() if name != safe]
    if changed:
        folder.notes.append(f"{pluralize(len(changed), 'class folder')} of another name: {MANIFEST} says which")
    return folder_of
