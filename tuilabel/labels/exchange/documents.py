"""Labels in JSON documents of other programs, as the rows of a table: COCO, fiftyone, VIA, labelme, a plain object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuilabel.datasets.sources.base import is_image

Rows = list[dict[str, Any]]


def rows_in(document: object) -> Rows | None:
    """The images of a document, each with its `path` and `label`; None if it is not of a known kind."""
    if not isinstance(document, dict):
        return None
    readers: tuple[Callable[[dict[str, Any]], Rows | None], ...] = (_coco, _fiftyone, _labelme, _via, _by_path)
    return next((rows for read in readers if (rows := read(document)) is not None), None)


def _coco(document: dict[str, Any]) -> Rows | None:
    """COCO, also of camera traps: each image with the categories of its annotations."""
    images, annotations, categories = (_objects(document.get(key)) for key in ("images", "annotations", "categories"))
    if not (images and annotations and categories):
        return None
    names = {str(category.get("id")): category.get("name") for category in categories}
    classes: dict[str, dict[object, None]] = {}
    for annotation in annotations:
        name = names.get(str(annotation.get("category_id")))
        classes.setdefault(str(annotation.get("image_id")), {})[name] = None
    return [{"path": image.get("file_name"), "label": [*classes.get(str(image.get("id")), ())]} for image in images]


def _fiftyone(document: dict[str, Any]) -> Rows | None:
    """The samples of a FiftyOneDataset, with their classifications by the names of the fields."""
    samples = [sample for sample in _objects(document.get("samples")) if "filepath" in sample]
    if not samples:
        return None
    rows = [{"path": sample["filepath"], **dict(_classifications(sample))} for sample in samples]
    fields = {name for row in rows for name in row} - {"path"}
    return [{"path": row["path"], "label": row.get(*fields)} for row in rows] if len(fields) == 1 else rows


def _classifications(sample: dict[str, Any]) -> list[tuple[str, object]]:
    found = [(name, value) for name, value in sample.items() if isinstance(value, dict)]
    return [(name, value.get("label")) for name, value in found if value.get("_cls") == "Classification"]


def _labelme(document: dict[str, Any]) -> Rows | None:
    """The one image of a file of labelme, with its flags."""
    if not ("imagePath" in document and isinstance(document.get("flags"), dict)):
        return None
    return [{"path": document["imagePath"], "label": document["flags"]}]


def _via(document: dict[str, Any]) -> Rows | None:
    """The files of a project or an export of VIA, with their attributes."""
    files = document.get("_via_img_metadata", document)
    files = [*files.values()] if isinstance(files, dict) else []
    if not files or not all(isinstance(file, dict) and "filename" in file for file in files):
        return None
    return [{"path": file["filename"], "label": file.get("file_attributes")} for file in files]


def _by_path(document: dict[str, Any]) -> Rows | None:
    if not document or not all(map(is_image, document)):
        return None
    return [{"path": path, "label": label} for path, label in document.items()]


def _objects(values: object) -> Rows:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
