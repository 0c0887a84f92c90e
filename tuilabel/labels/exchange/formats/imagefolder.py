"""`imagefolder`: one folder per class, as torchvision's ImageFolder, Keras and fastai read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tuilabel.datasets.ids import file_id
from tuilabel.datasets.item_files import ItemFiles, png
from tuilabel.datasets.sources import Source, SourceError, open_source
from tuilabel.datasets.sources.manifest import DirectoryWithMetadata
from tuilabel.datasets.sources.parquets import ParquetImages
from tuilabel.datasets.sources.passed_over import passed_over_line
from tuilabel.datasets.sources.tars import Shards, Tar
from tuilabel.datasets.sources.texts import are_captions
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.labels.exchange.base import ExportOptions, Format, ImportedLabel, ImportOptions, WriteResult
from tuilabel.labels.exchange.class_folders import add_class_folders
from tuilabel.labels.exchange.directory import export_directory, read_manifest
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.split import split_names
from tuilabel.labels.exchange.values import marks_of, text_value, time_value

WITH_CLASSES = ("imagefolder", "ultralytics", "huggingface")
"""Formats of folders whose images have a class by their place or by a table."""


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


def read_imagefolder(source: Path, options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read the images and classes of a folder or archive, just as they are read when it is a DATASET.

    These are `CLASS/…/image`, `train/CLASS/…/image`, an image folder of Hugging Face, shards of a WebDataset. In what
    tuilabel has exported the manifest identifies each file, even one that was moved to the folder of another class:
    then it has that class.
    """
    images = open_source(str(source), labels_from_folders=True, label_column=options.label_column)
    if options.path_column is not None or not isinstance(images, DirectoryWithMetadata | ParquetImages):
        options.refuse_columns(source)
    manifest = read_manifest(source)
    written_as = manifest.get("format", "imagefolder")
    if written_as not in WITH_CLASSES:
        raise TuilabelError(
            f"{source} was exported as {printable(str(written_as))}, without class folders: leave out `file_format`"
        )
    items, class_of_folder = manifest.get("items", {}), manifest.get("classes", {})
    entries = sorted(images.list(), key=lambda entry: entry.name)
    if not (entries or manifest or images.skipped()):
        others = passed_over_line(images.passed_over(), all_suffixes=True)
        raise TuilabelError(f"{source} has no images{f': {others}' if others else ''}")
    if isinstance(images, ParquetImages) and not any(entry.label for entry in entries):
        raise UsageError(f"{source} has no column called label: set `label_column` to one of {images.columns()}")
    if isinstance(images, Tar | Shards) and are_captions(Counter(entry.label for entry in entries if entry.label)):
        raise UsageError(f"{source} has no classes: the texts beside its images nearly all differ, as captions do")
    # Each image of a compressed archive would be read from the start of it: all at once they are only identified.
    ids = _ids(images, [entry.name for entry in entries]) if images.sequential else {}
    for entry in entries:
        folders = entry.name.split("/")
        item = items.get(folders.pop(), {})
        label = class_of_folder.get(folders[-1] if folders else "", entry.label)
        path = images.path(entry.name)
        yield ImportedLabel(
            where=entry.name,
            label=str(label or ""),
            id=text_value(item.get("id")) or ids.get(entry.name, ""),
            path=entry.name if path is None else str(path),
            annotator=text_value(item.get("annotator")),
            at=time_value(item.get("labelled_at")),
            content=None if images.sequential else partial(_content, images, entry.name),
            **marks_of(item),
        )
    for name, reason in images.skipped():
        yield ImportedLabel(where=name, label="", problem=reason, is_odd=True)


def _ids(images: Source, names: Sequence[str]) -> dict[str, str]:
    return {name: file_id(content) for name, content in images.read(names) if isinstance(content, bytes)}


def _content(images: Source, name: str) -> bytes | SourceError:
    _, content = next(iter(images.read([name])))
    return content if isinstance(content, bytes | SourceError) else png(content)


FORMAT = Format(
    "imagefolder",
    "directory",
    writer=write_imagefolder,
    reader=read_imagefolder,
    suffixes=(".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz"),
)
