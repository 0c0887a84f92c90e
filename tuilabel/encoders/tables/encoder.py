"""Your own latents, in a .npy, .npz or .parquet file, or a folder of these, with a row for each image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool, Subset
from tuilabel.encoders.base import Encoder, EncoderOptions
from tuilabel.encoders.cache import Latents, OnProgress, no_progress
from tuilabel.encoders.tables.base import TableFile
from tuilabel.encoders.tables.open import open_table
from tuilabel.encoders.tables.placing import PlacedLatents, check_n_rows, place
from tuilabel.encoders.tables.write import check_table_path, write_with_keys
from tuilabel.errors import TuilabelError, printable
from tuilabel.files import atomic_write

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LatentTable(Encoder):
    """Latents read from tables of numbers (N, D).

    The rows of a table with ids or paths are in any order. Of a table without, row k belongs to the k-th image: a pool
    of arrays has a row for each image, with or without the test split's after them, and a pool of files has one for
    each file, readable or not, sorted by name.

    Attributes
    ----------
    file : the table for the pool.
    others : the table for other images that are predicted.
    """

    file: Path
    others: Path | None = None

    @property
    def name(self) -> str:
        """`own latents`."""
        return "own latents"

    @property
    def path(self) -> Path | None:
        """The table of the pool."""
        return self.file

    @classmethod
    def choose(cls, pool: ImagePool, options: EncoderOptions) -> LatentTable:
        """The table in `options.latents`.

        Raises
        ------
        UsageError : if the file does not hold a table of numbers.
        TuilabelError : if it cannot be read, or has no ids or paths and not as many rows as the pool has images or
            files. Whether ids and paths are those of the pool is found by `notes` and `encode`.
        """
        assert options.latents is not None
        table = open_table(options.latents)
        if not table.has_keys:
            _rows_in_order(table, pool)
        return cls(options.latents)

    def notes(self, pool: ImagePool) -> list[str]:
        """What the user should know about how the table fits: the order that is assumed, and what was left out."""
        table = open_table(self.file)
        whole = pool.whole if isinstance(pool, Subset) else pool
        return _notes(table, whole if table.has_keys else _rows_in_order(table, pool))

    def notes_on_others(self, others: ImagePool) -> list[str]:
        """The same of the other images' table; raises like `encode_others`."""
        with self._naming_what_to_pass(others):
            return _notes(self._table_of_others(others), others)

    def available(self, pool: ImagePool) -> Latents:
        """The latents in the table; see `encode`."""
        table = open_table(self.file)
        placed = _placed(table, pool)
        return Latents(placed.pool, placed.test, None, table.compact)

    def encode(self, pool: ImagePool, _device: str = "auto", _on_progress: OnProgress = no_progress) -> Latents:
        """The latents in the table.

        Raises
        ------
        UsageError : if the file does not hold a table of numbers.
        TuilabelError : if it cannot be read, has no ids or paths and not as many rows as the pool has images or files,
            or has vectors for less than half of the images.
        """
        return self.available(pool)

    def encode_others(
        self, others: ImagePool, _pool: ImagePool, _device: str = "auto", _on_progress: OnProgress = no_progress
    ) -> NDArray[np.float32]:
        """The latents in the other table, or in this one if it has ids or paths.

        Raises
        ------
        UsageError : if a file does not hold a table of numbers.
        TuilabelError : as for `encode`, or if there is no table of them, or its vectors have another length.
        """
        with self._naming_what_to_pass(others):
            return place(self._table_of_others(others), others).pool

    @contextmanager
    def _naming_what_to_pass(self, others: ImagePool) -> Iterator[None]:
        try:
            yield
        except TuilabelError as error:
            if self.others is not None:
                raise
            raise TuilabelError(
                f"{self.file} has no latents of {others.name}: pass `on_latents`, a table of those, by the same network"
            ) from error

    def _table_of_others(self, others: ImagePool) -> TableFile:
        here = open_table(self.file)
        there = here if self.others is None else open_table(self.others)
        if self.others is None and not here.has_keys:
            raise TuilabelError(f"{self.file} has no ids or paths that could be those of {others.name}")
        if there.dim != here.dim:
            raise TuilabelError(
                f"{there.path} has vectors of {there.dim:,} numbers, but {here.path} of {here.dim:,}: they must be "
                "made in the same way; `encode` does that with a `reference`"
            )
        return there

    def export_module(self, _pool: ImagePool) -> nn.Module:
        """Raise `TuilabelError`: what made the vectors is not known."""
        raise TuilabelError(
            f"a model on own latents cannot be exported: what made {self.file} of the images is not known; `predict` "
            "works with it, or choose an `encoder`"
        )


def _rows_in_order(table: TableFile, pool: ImagePool) -> ImagePool:
    """The pool whose order the rows are in: a subset of arrays, or the pool that a subset is from.

    Raises
    ------
    TuilabelError : if there are not as many rows as images or files.
    """
    whole = pool.whole if isinstance(pool, Subset) else pool
    if isinstance(pool, Subset) and pool.test_indices is None and whole.rows_by_file() is None:
        n, m = len(pool), 0 if pool.test is None else len(pool.test.images)
        if table.n_rows in (n, n + m):
            return pool
    check_n_rows(table, whole)
    return whole


def _placed(table: TableFile, pool: ImagePool) -> PlacedLatents:
    """The vectors in the order of a pool; those of a subset by way of the whole pool, whose files it has."""
    if not isinstance(pool, Subset) or (not table.has_keys and _rows_in_order(table, pool) is pool):
        return place(table, pool)
    placed = _placed(table, pool.whole)
    test = placed.test if pool.test_indices is None else placed.pool[pool.test_indices]
    return PlacedLatents(placed.pool[pool.indices], test, placed.report)


def _notes(table: TableFile, pool: ImagePool) -> list[str]:
    return [f"{table.path}: {line}" for line in (_order(table, pool), place(table, pool).report.line()) if line]


def _order(table: TableFile, pool: ImagePool) -> str:
    """The order that is assumed for a table without ids and paths."""
    if table.has_keys:
        return ""
    files = pool.rows_by_file()
    if files is None or "#" in files.first:
        order = f"row k for image k of {pool.name}" + ("" if pool.test is None else ", the test split last")
    else:
        order = f"rows in the order of the {files.n_files:,} file names, sorted as text, broken files too, from "
        order += f"'{printable(files.first)}' on"
    return f"no ids or paths, so {order} (a .parquet or .npz with ids needs no order)"


# -- writing -----------------------------------------------------------------------------------------------------------


def write_table(path: Path, pool: ImagePool, latents: Latents) -> None:
    """Write latents to a file that `LatentTable` reads.

    A .npz or .parquet gets a row with id and path for each item of the pool and the test split, a .npy the rows of
    `table_of`.

    Raises
    ------
    UsageError : if the name ends in none of these.
    TuilabelError : if it cannot be written.
    """
    check_table_path(path)
    if path.suffix.lower() == ".npy":
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.save(file, table_of(pool, latents))
        return
    parts = [latents.pool] if latents.test is None else [latents.pool, latents.test]
    ids = [item.decode() for item in [*pool.ids.tolist(), *(pool.test_ids.tolist() if len(parts) > 1 else ())]]
    write_with_keys(path, ids, _paths(pool)[: len(ids)], parts)


def _paths(pool: ImagePool) -> list[str]:
    """The first file of each item of the pool, then of the test split; the last known one if it is gone."""
    n, m = len(pool), 0 if pool.test is None else len(pool.test.images)
    paths = [""] * (n + m)
    for file in pool.listed_files():
        at = file.index + n * file.test
        if file.index >= 0 and not paths[at]:
            paths[at] = file.name
    for index in pool.gone.tolist():
        paths[index] = pool.files.last_name(index)
    return paths


def table_of(pool: ImagePool, latents: Latents) -> NDArray[np.float32]:
    """Latents as one array: of a pool of arrays a row for each item, without the test split, as in version 0.1.

    Of user images it has a row for each file, test split included, sorted by name; NaN for one that cannot be read.
    """
    files = pool.rows_by_file()
    if files is None:
        return latents.pool
    table = np.full((files.n_files, latents.pool.shape[1]), np.nan, dtype=np.float32)
    for pairs, part in ((files.pool, latents.pool), (files.test, latents.test)):
        if part is not None:
            table[pairs[:, 0]] = part[pairs[:, 1]]
    return table
