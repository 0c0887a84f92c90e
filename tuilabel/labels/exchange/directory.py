"""Directories of exported images, built next to their destination, with a manifest of what each file is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.errors import TuilabelError, pluralize
from tuilabel.files import atomic_directory
from tuilabel.labels.exchange.base import ExportOptions, WriteResult
from tuilabel.labels.exchange.image_files import ImageUnavailable, ImageWriter
from tuilabel.labels.exchange.rows import LabelRow

MANIFEST = "tuilabel.json"


@dataclass
class ExportDirectory:
    """A directory that is being written; see `export_directory`."""

    root: Path
    """Where it is built."""
    out: Path
    """Where it will be when it is complete, absolute."""
    images: ImageWriter
    class_of_folder: dict[str, str] = field(default_factory=dict)
    """Class name by folder name, for formats with a folder per class."""
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metadata of each image, by file name."""
    left_out: int = 0
    notes: list[str] = field(default_factory=list)

    def add_image(self, row: LabelRow, *folders: str) -> str | None:
        """Write a row's image into a subfolder and return its file name, or None if the image is not available."""
        folder = self.root.joinpath(*folders)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            name = self.images.write(row, folder)
        except ImageUnavailable:
            self.left_out += 1
            return None
        self.items[name] = metadata(row)
        return name

    def write_json(self, name: str, document: object) -> None:
        """Write a JSON file into the directory."""
        (self.root / name).write_text(json.dumps(document, indent=1) + "\n")

    def result(self, labels: int) -> WriteResult:
        """The result of the export, with `labels` written."""
        if self.images.n_copied:
            copied = pluralize(self.images.n_copied, "image")
            self.notes.append(f"{copied} copied: hard links cannot reach another file system")
        return WriteResult(labels, self.left_out, tuple(self.notes))


@contextmanager
def export_directory(
    file_format: str, files: ItemFiles, out: Path, options: ExportOptions
) -> Iterator[ExportDirectory]:
    """A directory next to `out` that replaces it as a whole when the block ends without an error.

    Raises
    ------
    TuilabelError : if `out` exists and must not be replaced: `options.force` is not set, or it is not an export.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow a symbolic link
    _check_destination(out, options.force)
    images = ImageWriter(files, options.link)
    with atomic_directory(out) as root:
        directory = ExportDirectory(root, out, images)
        yield directory
        manifest = {"format": file_format, "classes": directory.class_of_folder, "items": directory.items}
        directory.write_json(MANIFEST, manifest)


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of an exported directory; empty if it has none, or one that is damaged."""
    try:
        document = json.loads((directory / MANIFEST).read_text())
    except (OSError, ValueError):
        return {}
    usable = isinstance(document, dict) and all(isinstance(document.get(k, {}), dict) for k in ("items", "classes"))
    return document if usable else {}


def metadata(row: LabelRow) -> dict[str, Any]:
    """A row's fields as JSON values; flag and note only where there are any."""
    at = None if row.labelled_at is None else row.labelled_at.isoformat(timespec="milliseconds")
    return {
        "id": row.id,
        "path": row.path,
        "label": row.label,
        "annotator": row.annotator,
        "labelled_at": at,
        "seconds": row.seconds,
        **marks(row),
    }


def marks(row: LabelRow) -> dict[str, Any]:
    """A row's flag and note as JSON values, where there are any."""
    flag = {"flagged": True, "flagged_by": row.flagged_by} if row.flagged else {}
    return {**flag, "note": row.note, "noted_by": row.noted_by} if row.note else flag


def all_classes(rows: Sequence[LabelRow], classes: Sequence[str]) -> list[str]:
    """The project's classes, followed by others that occur in labels."""
    return list(dict.fromkeys([*classes, *(row.label for row in rows)]))


def _check_destination(out: Path, force: bool) -> None:
    if not (out.exists() or out.is_symlink()):
        return
    if not force:
        raise TuilabelError(f"{out} already exists: pass `force=True` to overwrite it, or choose another `out`")
    if not out.is_dir() or out.is_symlink():
        raise TuilabelError(f"{out} is not a directory, but this format is one: choose another `out`")
    if any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise TuilabelError(f"{out} is not an export of tuilabel, so it is not replaced: choose another `out`")
