"""Which image each row of a table of latents belongs to."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool, ListedFile
from tuilabel.encoders.storage import new_table
from tuilabel.encoders.tables.base import Rows, TableFile
from tuilabel.errors import TuilabelError, pluralize, printable

ENOUGH = 0.5  # share of the images that must have a vector
_SAME = 1e-3  # relative difference of two vectors up to which they are the same
_ID_LENGTH = 32

Slots = tuple[NDArray[np.int64], NDArray[np.int64]]
"""For each row its index in the pool, and its index in the test split, int64 (n,) each; -1 for none."""


@dataclass(frozen=True)
class TableReport:
    """How a table fits a pool.

    Attributes
    ----------
    images : items of the pool and the test split whose files are not gone.
    found : those that have a vector.
    missing : those without a row.
    not_finite : those whose row has no vector, or one with NaN or infinity.
    conflicts : rows with another vector for an image that has one; the first one counts.
    unknown : rows that belong to no image; 0 while not every file has been read.
    by_path : rows whose id is unknown but whose path is not, in a table where other ids are known.
    example : the id or path of the first unknown row.
    test_missing : whether the pool has a test split, but no image of it has a vector.
    """

    images: int
    found: int
    missing: int
    not_finite: int
    conflicts: int
    unknown: int
    by_path: int
    example: str
    test_missing: bool

    def line(self) -> str:
        """What differs from one good vector for each image, in words; "" if nothing does."""
        parts = []
        if self.missing or self.not_finite:
            parts.append(f"{self.found:,} of {self.images:,} images have a vector")
        if self.missing:
            parts.append(f"{self.missing:,} missing")
        if self.not_finite:
            parts.append(f"{self.not_finite:,} without numbers, or with NaN or infinity")
        if self.missing or self.not_finite:
            parts[-1] += " (the mean stands for them)"
        if self.conflicts:
            parts.append(f"{pluralize(self.conflicts, 'row')} with another vector for the same image ignored")
        if self.unknown:
            example = f" (such as {_quoted(self.example)})" if self.example else ""
            parts.append(f"{pluralize(self.unknown, 'row')} of no image here ignored{example}")
        if self.by_path:
            parts.append(f"{pluralize(self.by_path, 'row')} with an unknown id found by path (has the image changed?)")
        if self.test_missing:
            parts.append("none for the test split")
        return ", ".join(parts)


@dataclass(frozen=True)
class PlacedLatents:
    """The vectors of a table in the order of a pool.

    Attributes
    ----------
    pool : float32 or float16 (N, D), as in the table.
    test : the same (M, D); None if there is no test split, or no vector for any image of it.
    """

    pool: NDArray[Any]
    test: NDArray[Any] | None
    report: TableReport


def place(table: TableFile, pool: ImagePool) -> PlacedLatents:
    """Give each image of a pool its vector; images without one get the mean of the others.

    Raises
    ------
    TuilabelError : if the table is damaged, has no keys and the wrong length, or vectors for less than half of the
        images.
    """
    n, m = len(pool), 0 if pool.test is None else len(pool.test.images)
    finder: _ByKey | _ByOrder = _ByKey(pool) if table.has_keys else _ByOrder(table, pool)
    vectors = new_table((n + m, table.dim), table.dtype, f"the vectors of {table.path}")
    filled, bad = np.zeros(n + m, dtype=np.bool_), np.zeros(n + m, dtype=np.bool_)
    total, conflicts = np.zeros(table.dim), 0
    for rows in table.rows():
        finite = np.isfinite(rows.vectors).all(axis=1)
        in_pool, in_test = finder.slots(rows)
        for slots in (in_pool, np.where(in_test < 0, -1, in_test + n)):
            bad[slots[(slots >= 0) & ~finite]] = True
            used = np.flatnonzero((slots >= 0) & finite)
            at, first = np.unique(slots[used], return_index=True)
            new = used[first[~filled[at]]]
            vectors[slots[new]] = rows.vectors[new]
            filled[slots[new]] = True
            total += rows.vectors[new].sum(axis=0, dtype=np.float64)
            again = np.setdiff1d(used, new, assume_unique=True)
            conflicts += _n_different(rows.vectors[again], vectors[slots[again]])
    there = np.ones(n + m, dtype=np.bool_)
    there[pool.gone] = False
    test_missing = m > 0 and not filled[n:].any()
    if test_missing:
        there[n:] = False
    report = TableReport(
        images=int(there.sum()),
        found=int((there & filled).sum()),
        missing=int((there & ~filled & ~bad).sum()),
        not_finite=int((there & ~filled & bad).sum()),
        conflicts=conflicts,
        unknown=finder.unknown if pool.is_complete else 0,
        by_path=finder.by_path,
        example=finder.example,
        test_missing=test_missing,
    )
    _check(report, table, pool)
    if not filled.all():
        vectors[~filled] = total / filled.sum()
    vectors.flags.writeable = False
    return PlacedLatents(vectors[:n], vectors[n:] if m and not test_missing else None, report)


def _n_different(some: NDArray[np.float32], others: NDArray[Any]) -> int:
    distance = np.linalg.norm(some - others, axis=1)
    return int((distance > _SAME * np.linalg.norm(others, axis=1)).sum())


def _check(report: TableReport, table: TableFile, pool: ImagePool) -> None:
    """Raise `TuilabelError` if too few images have a vector."""
    if report.found and report.found >= ENOUGH * report.images:
        return
    seen = f"{table.path} has vectors for {report.found:,} of the {report.images:,} images of {pool.name}, too few"
    if report.not_finite:
        raise TuilabelError(f"{seen}: {report.not_finite:,} have no numbers, or NaN or infinity")
    if not report.example:
        raise TuilabelError(f"{seen}: add the others (`tuilabel encode` writes a table of all)")
    ours = next((file.name for file in pool.listed_files()), "")
    raise TuilabelError(
        f"{seen}: rows are found by id or path; the table has {_quoted(report.example)}, the images {_quoted(ours)}"
    )


def _quoted(text: str) -> str:
    return "'" + printable(text if len(text) <= 60 else f"…{text[-59:]}") + "'"


def check_n_rows(table: TableFile, pool: ImagePool) -> None:
    """Raise `TuilabelError` if a table without keys does not have a row for each image, or for each file."""
    n, m = len(pool), 0 if pool.test is None else len(pool.test.images)
    files = pool.rows_by_file()
    allowed, unit, each = (n, n + m), "images", "image"
    if files is not None:
        allowed, unit, each = (files.n_files,) * 2, "files", "file, readable or not, sorted by name"
    if table.n_rows not in allowed:
        raise TuilabelError(
            f"{table.path} has {table.n_rows:,} rows but {pool.name} has {allowed[0]:,} {unit}: it must have a row "
            f"for each {each}, or ids or paths (`tuilabel encode` writes such a file)"
        )


class _ByOrder:
    """Rows without keys: one for each image, or for each file."""

    unknown, by_path, example = 0, 0, ""

    def __init__(self, table: TableFile, pool: ImagePool) -> None:
        check_n_rows(table, pool)
        files = pool.rows_by_file()
        self._slots = tuple(np.full(table.n_rows, -1, dtype=np.int64) for _ in range(2))
        if files is None:
            n = len(pool)
            self._slots[0][:n] = np.arange(n)
            self._slots[1][n:] = np.arange(table.n_rows - n)
        else:
            for slots, pairs in zip(self._slots, (files.pool, files.test), strict=True):
                slots[pairs[:, 0]] = pairs[:, 1]

    def slots(self, rows: Rows) -> Slots:
        """Where these rows go."""
        part = slice(rows.start, rows.start + len(rows.vectors))
        return self._slots[0][part], self._slots[1][part]


class _ByKey:
    """Rows with an id or a path, in any order.

    The id decides. Where pool and test split both have an image with this id, the path says which one is meant, or
    else both are. A path that is not the name of a file fits one if either ends with the other, part by part: `1.jpg`
    and `/old/photos/cats/1.jpg` fit `cats/1.jpg` as long as they fit no other image, and `dogs/1.jpg` never does.
    """

    def __init__(self, pool: ImagePool) -> None:
        self._pool = pool
        self.unknown = self.by_path = 0
        self.example = ""
        self._ids_known = False

    def slots(self, rows: Rows) -> Slots:
        """Where these rows go."""
        n = len(rows.vectors)
        ids, paths = rows.ids or [""] * n, rows.paths or [""] * n
        in_pool, in_test = self._by_id(ids)
        self._ids_known |= bool((in_pool >= 0).any() or (in_test >= 0).any())
        both, neither = (in_pool >= 0) & (in_test >= 0), (in_pool < 0) & (in_test < 0)
        open_rows = np.flatnonzero(both | neither)
        if not len(open_rows):
            return in_pool, in_test
        found = self._files.find([paths[row] for row in open_rows.tolist()])
        lost = np.flatnonzero(found == _FileIndex.UNKNOWN)
        found[lost] = self._files.find([ids[row] for row in open_rows[lost].tolist()])  # an id may be a path
        index, is_test = found // 2, found % 2 == 1
        for slots, others, here in ((in_pool, in_test, ~is_test), (in_test, in_pool, is_test)):
            hits = here & (found >= 0) & neither[open_rows]
            slots[open_rows[hits]] = index[hits]
            meant = here & both[open_rows] & (index == slots[open_rows])
            others[open_rows[meant]] = -1
        unknown = open_rows[neither[open_rows] & (found <= _FileIndex.UNKNOWN)]
        if len(unknown):
            self.example = self.example or paths[unknown[0]] or ids[unknown[0]]
            self.unknown += len(unknown)
        if self._ids_known:
            self.by_path += sum(bool(ids[row]) for row in open_rows[neither[open_rows] & (found >= 0)].tolist())
        return in_pool, in_test

    def _by_id(self, ids: Sequence[str]) -> Slots:
        plausible = [text if len(text) == _ID_LENGTH and text.isascii() else "" for text in ids]
        in_test = np.full(len(ids), -1, dtype=np.int64)
        if self._pool.test is not None:
            known, order = self._test_ids
            wanted = np.array(plausible, dtype=known.dtype)
            positions = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
            in_test = np.where(known[positions] == wanted, order[positions], -1)
        return self._pool.indices_of(plausible), in_test

    @cached_property
    def _test_ids(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
        """The ids of the test split in ascending order, and the index of each."""
        assert self._pool.test is not None
        ids = self._pool.test_ids
        order = np.argsort(ids)
        return ids[order], order

    @cached_property
    def _files(self) -> _FileIndex:
        return _FileIndex(self._pool.listed_files())


class _FileIndex:
    """Finds files by their names, and by the ends of names; it keeps hashes, as a million names take much memory."""

    UNKNOWN, AMBIGUOUS = -3, -4

    def __init__(self, files: Iterable[ListedFile]) -> None:
        hashes, slots, is_whole = array("q"), array("q"), array("b")
        for file in files:
            parts = _parts(file.name)
            for k in range(len(parts)):
                hashes.append(hash(parts[k:]))
                slots.append(2 * file.index + file.test)  # -2 and -1 are files that are not items
                is_whole.append(k == 0)
        pairs = np.column_stack([np.frombuffer(hashes, np.int64), np.frombuffer(slots, np.int64)])
        whole = np.frombuffer(is_whole, np.int8) == 1
        self._names, self._ends = _unambiguous(pairs[whole]), _unambiguous(pairs)

    def find(self, paths: Sequence[str]) -> NDArray[np.int64]:
        """For each path 2 × the index of its item, + 1 in the test split; UNKNOWN or AMBIGUOUS, int64 (n,)."""
        found = np.full(len(paths), self.UNKNOWN, dtype=np.int64)
        parts = [_parts(path) for path in paths]
        deepest = max(map(len, parts), default=0)
        for table, dropped in ((self._names, 0), (self._ends, 0), *((self._names, k) for k in range(1, deepest))):
            left = [row for row in np.flatnonzero(found == self.UNKNOWN).tolist() if len(parts[row]) > dropped]
            if left and len(table):
                wanted = np.array([hash(parts[row][dropped:]) for row in left], dtype=np.int64)
                at = np.minimum(np.searchsorted(table[:, 0], wanted), len(table) - 1)
                found[left] = np.where(table[at, 0] == wanted, table[at, 1], self.UNKNOWN)
        return found


def _unambiguous(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs (hash, slot), sorted by hash, with one slot for each hash, AMBIGUOUS if it had several."""
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    hashes, first, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    slots = pairs[first, 1]
    several = pairs[first + counts - 1, 1] != slots
    return np.column_stack([hashes, np.where(several, _FileIndex.AMBIGUOUS, slots)])


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
