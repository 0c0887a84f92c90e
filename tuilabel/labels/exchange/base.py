"""What every format shares: the `Format` record, its options, and the rows that go in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TextIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.datasets.sources.base import SourceError
from tuilabel.errors import UsageError
from tuilabel.labels.exchange.rows import LabelRow

OutOfFoldPredictor: TypeAlias = Callable[
    [NDArray[np.int64], NDArray[np.int64], int], tuple[NDArray[np.int64], NDArray[np.float32]]
]
"""From pool indices (m,), their classes (m,) and the number of classes C to the indices of the items that could be
predicted (k,) and their probabilities (k, C), by models that have not seen those labels."""


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export. A format uses those that apply to it."""

    force: bool = False
    """Overwrite an existing file, or the directory of an earlier export."""
    link: str = "copy"
    """How image files get into a directory, one of `LINK_MODES`: copy, hard or symlink."""
    split: tuple[int, int, int] | None = None
    """Shares of training, validation and test set, such as (80, 10, 10)."""
    seed: int = 0
    """Seed of the split."""
    spreadsheet: bool = False
    """Guard the texts of `csv` that a spreadsheet would run as formulas."""
    out_of_fold: OutOfFoldPredictor | None = None
    """Computes the probabilities that `cleanlab` needs."""


@dataclass(frozen=True)
class ImportOptions:
    """Options of an import: the columns of a table. By default they are found by their usual names."""

    path_column: str | None = None
    label_column: str | None = None

    def refuse_columns(self, source: Path) -> None:
        """Raise `UsageError` if columns are named, for a source that has none."""
        for parameter, name in (("path_column", self.path_column), ("label_column", self.label_column)):
            if name is not None:
                raise UsageError(f"{source} has no columns to choose {name!r} from: leave out `{parameter}`")


@dataclass(frozen=True)
class WriteResult:
    """What was written."""

    labels: int
    left_out: int = 0
    """Labels left out because their image is no longer available and the format needs it."""
    notes: tuple[str, ...] = ()
    """Other messages for the user, one line each."""


@dataclass(frozen=True)
class ImportedLabel:
    """The label of one image with its flag and note, as read from a file."""

    where: str
    """Where it was read, for messages: a line, a task, a file."""
    label: str
    """The class name; empty if there is none."""
    id: str = ""
    path: str = ""
    annotator: str = ""
    """Empty if the file does not name one."""
    at: datetime | None = None
    content: Callable[[], bytes | SourceError] | None = None
    """Reads the image file itself, if the label came with it."""
    problem: str = ""
    """Why there is no label, where that is worth saying, such as several classes."""
    is_odd: bool = False
    """Whether this is a record that could not be read at all; `problem` says why."""
    flagged: bool = False
    flagged_by: str = ""
    """Empty if the file does not say."""
    note: str = ""
    noted_by: str = ""

    @property
    def has_content(self) -> bool:
        """Whether it says anything about its image: a label, a flag or a note."""
        return bool(self.label or self.flagged or self.note)


Writer: TypeAlias = Callable[[Iterable[LabelRow], Sequence[str], ItemFiles, Path, ExportOptions], WriteResult]
StreamWriter: TypeAlias = Callable[[Iterable[LabelRow], Sequence[str], TextIO], int]
Reader: TypeAlias = Callable[[Path, ImportOptions], Iterable[ImportedLabel]]


@dataclass(frozen=True)
class Format:
    """A format of labels that can be written, read, or both.

    To add one, write a module in `formats/` that ends with such a record, and add that to the list in `registry.py`.
    """

    name: str
    kind: Literal["file", "directory"]
    """What is written."""
    writer: Writer | None = None
    """See `write`; None for a format that can only be read."""
    reader: Reader | None = None
    """See `read`; None for a format that can only be written."""
    stream: StreamWriter | None = None
    """Writes to an open text file and returns the number of rows; None for binary files and directories."""
    suffixes: tuple[str, ...] = ()
    """Endings of files in this format, in lower case."""
    recognises: Callable[[Path], bool] | None = None
    """Looks inside a file with one of `suffixes`, where other formats share that ending."""
    markers: tuple[str, ...] = ()
    """The files by any of which a directory in this format is known."""
    without_label: bool = False
    """Whether it has room for an image without a label, for its flag and note."""

    def write(
        self, rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
    ) -> WriteResult:
        """Write all rows to `out`, or nothing if that fails.

        Parameters
        ----------
        rows : the labels, or predictions (rows with a confidence); images without a label only if the format has
            room for them.
        classes : the class names in the project's order.
        files : the image files of the rows' pool.

        Raises
        ------
        UsageError : if the format cannot be written.
        TuilabelError : if writing fails, or `out` exists and `options.force` is not set.
        """
        if self.writer is None:
            raise UsageError(f"format {self.name} can be imported, but not exported")
        return self.writer(rows, classes, files, out, options)

    def read(self, source: Path, options: ImportOptions) -> Iterable[ImportedLabel]:
        """Read all labels of a file or directory; whatever is wrong with it surfaces while iterating.

        Raises
        ------
        UsageError : if the format cannot be read, or a table lacks a column.
        TuilabelError : if the source is not in this format.
        """
        if self.reader is None:
            raise UsageError(f"format {self.name} can be exported, but not imported")
        return self.reader(source, options)
