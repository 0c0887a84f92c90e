"""`ultralytics`: a dataset for `yolo classify train data=OUT`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.labels.exchange.base import ExportOptions, Format, WriteResult
from tuilabel.labels.exchange.class_folders import add_class_folders
from tuilabel.labels.exchange.directory import export_directory
from tuilabel.labels.exchange.formats.imagefolder import read_imagefolder
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.split import split_names

PARTS = ("train", "val", "test")
DEFAULT_SPLIT = (80, 10, 10)


def write_ultralytics(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `train/CLASS/image`, `val/CLASS/image` and `test/CLASS/image`.

    Every part has a folder for each class, even an empty one, because the order of the folders numbers the classes.
    """
    rows = list(rows)
    parts = split_names(rows, options.split or DEFAULT_SPLIT, options.seed, PARTS)
    with export_directory("ultralytics", files, out, options) as directory:
        written = add_class_folders(directory, rows, classes, parts, complete_parts=PARTS)
    return directory.result(written)


FORMAT = Format("ultralytics", "directory", writer=write_ultralytics, reader=read_imagefolder)
