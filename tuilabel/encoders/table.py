"""Your own latents, in a .npy file with one row for each image or file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.base import Encoder, EncoderOptions
from tuilabel.encoders.cache import Latents, OnProgress, no_progress
from tuilabel.errors import TuilabelError, UsageError


@dataclass(frozen=True)
class LatentTable(Encoder):
    """Latents read from a table of numbers (N, D).

    For a pool of arrays the table has a row for each image, with or without the test split's after them; for files it
    has a row for each file, readable or not, sorted by name. `table_of` makes such tables.
    """

    file: Path

    @property
    def name(self) -> str:
        """`own latents`."""
        return "own latents"

    @property
    def path(self) -> Path:
        """The table."""
        return self.file

    @classmethod
    def choose(cls, pool: ImagePool, options: EncoderOptions) -> LatentTable:
        """The table in `options.latents`; raises an error if it is not for this pool, see `encode`."""
        assert options.latents is not None
        table = cls(options.latents)
        table.check(pool)
        return table

    def check(self, pool: ImagePool) -> None:
        """Raise an error if the table is not for this pool; see `encode`."""
        self._rows(pool)

    def available(self, pool: ImagePool) -> Latents:
        """The latents in the table; see `encode`."""
        rows = self._rows(pool)
        files = pool.rows_by_file()
        n, m = _sizes(pool)
        if files is None:
            return Latents(rows[:n], rows[n:] if m and len(rows) > n else None, None)
        parts = []
        for pairs, length in ((files.pool, n), (files.test, m)):
            part = np.zeros((length, rows.shape[1]), dtype=np.float32)  # 0 for missing files: not queried
            part[pairs[:, 1]] = rows[pairs[:, 0]]
            parts.append(part)
        return Latents(parts[0], parts[1] if m else None, None)

    def encode(self, pool: ImagePool, _device: str = "auto", _on_progress: OnProgress = no_progress) -> Latents:
        """The latents in the table.

        Raises
        ------
        UsageError : if the file does not hold a table of numbers.
        TuilabelError : if it cannot be read, or does not have as many rows as the pool has images or files.
        """
        return self.available(pool)

    def encode_others(
        self, others: ImagePool, _pool: ImagePool, _device: str = "auto", _on_progress: OnProgress = no_progress
    ) -> NDArray[np.float32]:
        """Raise `TuilabelError`: the table has no latents of other images."""
        raise TuilabelError(f"{self.file} has no latents of {others.name}: use a VAE for other images")

    def _rows(self, pool: ImagePool) -> NDArray[np.float32]:
        try:
            rows = np.load(self.file, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            raise TuilabelError(f"cannot read {self.file}: {error.strerror or error}") from error
        except (ValueError, EOFError) as error:
            raise TuilabelError(f"{self.file} is not a .npy file with a table of numbers (N, D)") from error
        if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "fiu" or not rows.shape[1]:
            raise UsageError(f"{self.file} must hold a table of numbers (N, D): save one with numpy.save")
        n, m = _sizes(pool)
        files = pool.rows_by_file()
        allowed = (n, n + m) if files is None else (files.n_files,)
        if len(rows) not in allowed:
            unit, each = "images", "image"
            if files is not None:
                unit, each = "files", "file, readable or not, sorted by name"
            raise TuilabelError(
                f"{self.file} has {len(rows):,} rows but {pool.name} has {allowed[0]:,} {unit}: it must have a row for "
                f"each {each} (`tuilabel encode` writes such a file)"
            )
        return rows if rows.dtype == np.float32 else rows.astype(np.float32)


def table_of(pool: ImagePool, latents: Latents) -> NDArray[np.float32]:
    """Latents as a table that `LatentTable` reads: a row for each item, or for each file, sorted by name.

    The row of a file that cannot be read is NaN.
    """
    files = pool.rows_by_file()
    if files is None:
        return latents.pool
    table = np.full((files.n_files, latents.pool.shape[1]), np.nan, dtype=np.float32)
    for pairs, part in ((files.pool, latents.pool), (files.test, latents.test)):
        if part is not None:
            table[pairs[:, 0]] = part[pairs[:, 1]]
    return table


def _sizes(pool: ImagePool) -> tuple[int, int]:
    return len(pool.images), 0 if pool.test is None else len(pool.test.images)
