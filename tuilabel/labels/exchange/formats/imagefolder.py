"""`imagefolder`: one folder per class, as torchvision's ImageFolder, Keras and fastai read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.datasets.sources.base import read_file
from tuilabel.errors import TuilabelError
from tuilabel.labels.exchange.base import ExportOptions, Format, ImportedLabel, ImportOptions, WriteResult
from tuilabel.labels.exchange.class_folders import add_class_folders
from tuilabel.labels.exchange.directory import export_directory, read_manifest
from tuilabel.labels.exchange.image_files import IMAGE_SUFFIXES
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.split import split_names
from tuilabel.labels.exchange.values import text_value, time_value

PART_NAMES = {"train", "val", "valid", "validation", "test"}


def write_imagefolder(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `CLASS/image`, or `train/CLASS/image` and so on with a split."""
    rows, parts = list(rows), None
    if options.split is not None:
        parts = split_names(rows, options.split, options.seed, ("train", "val", "test"))
    with export_directory("imagefolder", files, out, options) as directory:
        written = add_class_folders(directory, rows, classes, parts)
    return directory.result(written)


def read_imagefolder(source: Path, _options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read `CLASS/…/image` or `train/CLASS/…/image`.

    In a directory that tuilabel has exported the manifest identifies each file, even one that was moved to the folder
    of another class: then it has that class.
    """
    if not source.is_dir():
        raise TuilabelError(f"{source} is a file, but imagefolder is a directory: choose another `file_format`")
    manifest = read_manifest(source)
    items, class_of_folder = manifest.get("items", {}), manifest.get("classes", {})
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    tops = {path.relative_to(source).parts[0] for path in files if len(path.relative_to(source).parts) > 1}
    level = 1 if tops and tops <= PART_NAMES else 0
    for path in files:
        parts = path.relative_to(source).parts
        folder = parts[level] if len(parts) > level + 1 else ""
        entry = items.get(path.name, {})
        yield ImportedLabel(
            where=str(path.relative_to(source)),
            label=str(class_of_folder.get(folder, folder)),
            id=text_value(entry.get("id")),
            path=str(path.absolute()),
            annotator=text_value(entry.get("annotator")),
            at=time_value(entry.get("labelled_at")),
            content=partial(read_file, path),
        )


FORMAT = Format(
    "imagefolder",
    "directory",
    writer=write_imagefolder,
    reader=read_imagefolder,
)
