"""`fiftyone`: a FiftyOneImageClassificationDataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.datasets.sources.base import is_hidden, is_image, read_file
from tuilabel.datasets.sources.tables import several
from tuilabel.errors import TuilabelError
from tuilabel.labels.exchange.base import ExportOptions, Format, ImportedLabel, ImportOptions, WriteResult
from tuilabel.labels.exchange.directory import all_classes, export_directory, marks, read_manifest
from tuilabel.labels.exchange.formats.label_studio import read_label_studio
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.values import marks_of, text_value, time_value

LABELS = "labels.json"
SAMPLES = "samples.json"
DATA = "data"


def write_fiftyone(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `data/image` and `labels.json`, which has the class number of each image by its name without suffix.

    A flag and a note are attributes of the label.
    """
    rows = list(rows)
    names = all_classes(rows, classes)
    class_number = {name: k for k, name in enumerate(names)}
    labels: dict[str, object] = {}
    with export_directory("fiftyone", files, out, options) as directory:
        for row in rows:
            name = directory.add_image(row, DATA)
            if name is None:
                continue
            number, attributes = class_number[row.label], marks(row)
            more: dict[str, object] = {} if row.confidence is None else {"confidence": row.confidence}
            more |= {"attributes": attributes} if attributes else {}
            labels[Path(name).stem] = {"label": number, **more} if more else number
        (directory.root / LABELS).write_text(json.dumps({"classes": names, "labels": labels}))
    return directory.result(len(labels))


def read_fiftyone(source: Path, options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read `labels.json`, or the directory that has it: classes, or their numbers, by the names of images.

    The names have no suffix; the images, if they are there, are in `data/`. A directory may also be a `FiftyOneDataset`
    with the classifications in `samples.json`.
    """
    if source.is_dir() and not (source / LABELS).exists():
        yield from read_label_studio(source / SAMPLES, options)
        return
    options.refuse_columns(source)
    folder = source if source.is_dir() else source.parent
    path = source / LABELS if source.is_dir() else source
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise TuilabelError(f"{path} is not JSON: {error}") from error
    items = read_manifest(folder).get("items", {})
    names = document.get("classes") or []
    files = {str(file.relative_to(folder / DATA).with_suffix("")): file for file in _images(folder / DATA)}
    for key, value in document["labels"].items():
        file = files.get(key) or files.get(str(Path(key).with_suffix("")))
        item = items.get(file.name, {}) if file is not None else {}
        attributes = value.get("attributes") if isinstance(value, dict) else None
        value = value.get("label") if isinstance(value, dict) else value
        found = [_class_name(name, names) for name in (value if isinstance(value, list) else [value])]
        label = "" if len(found) != 1 else found[0]
        yield ImportedLabel(
            where=key,
            label=label,
            id=text_value(item.get("id")),
            path=key if file is None else str(file.absolute()),
            annotator=text_value(item.get("annotator")),
            at=time_value(item.get("labelled_at")),
            content=None if file is None else partial(read_file, file),
            problem=several(found),
            **marks_of(attributes if isinstance(attributes, dict) else item),
        )


def recognise_fiftyone(source: Path) -> bool:
    """Whether a JSON file has classes by the names of images."""
    try:
        document = json.loads(source.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and isinstance(document.get("labels"), dict) and "classes" in document


def _images(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if is_image(file.name) and not is_hidden(file.name))


def _class_name(value: object, names: Sequence[object]) -> str:
    if isinstance(value, int) and 0 <= value < len(names):
        return str(names[value])
    return text_value(value)


FORMAT = Format(
    "fiftyone",
    "directory",
    writer=write_fiftyone,
    reader=read_fiftyone,
    suffixes=(".json",),
    recognises=recognise_fiftyone,
    markers=(LABELS, SAMPLES),
)
