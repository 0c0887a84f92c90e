"""Divides the listing of a source into shards.

The plan is a Parquet file whose k-th row group lists the files of shard k: a worker on any machine needs a number only,
and ten million names are nowhere in memory. Where a shard ends depends on the names around it, so that when files are
added, changed or removed, the shards that do not have them stay as they were, with their keys.
"""

from __future__ import annotations

import hashlib
import heapq
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, NamedTuple

from tuilabel.datasets.sources import Source
from tuilabel.datasets.sources.base import Entry
from tuilabel.datasets.sources.directory import Directory
from tuilabel.datasets.sources.manifest import DirectoryWithMetadata
from tuilabel.datasets.sources.remote_directory import RemoteDirectory
from tuilabel.encoders.shards.folder import ShardFolder
from tuilabel.errors import TuilabelError
from tuilabel.extras import require

PLAN, SAMPLE = "_plan.parquet", "_sample.parquet"
SAMPLE_SIZE = 5_000  # images that an encoder is fitted on; see `Projection.fit`
SAMPLE_GROUP = 256  # images of a task
_PER_INSERT = 10_000  # rows


class PlannedFile(NamedTuple):
    """A file of a plan: its name, and a digest that changes when its content may have."""

    name: str
    version: bytes


@dataclass(frozen=True)
class Plan:
    """What is to be encoded.

    Attributes
    ----------
    keys : of each shard, 16 hexadecimal digits: a digest of its files, with their sizes and stamps.
    sizes : the number of files in each.
    sample_sizes : the number of files in each part of the sample.
    """

    keys: list[str]
    sizes: list[int]
    sample_sizes: list[int]

    @property
    def n_files(self) -> int:
        """The number of files."""
        return sum(self.sizes)


def write_plan(
    source: Source, folder: ShardFolder, shard_size: int, on_listed: Callable[[int], None] = lambda _: None
) -> Plan:
    """List a source, and write the plan and its sample.

    Parameters
    ----------
    shard_size : files in a shard on average; there are between half and twice as many.
    on_listed : called with the number of files so far.

    Raises
    ------
    TuilabelError : if the source cannot be listed or has no images, or the plan cannot be written.
    """
    keys, sizes = list[str](), list[int]()
    sample = _Sample(SAMPLE_SIZE)
    with folder.writing(PLAN) as path, _Groups(path) as groups:
        for files in _divided(_in_order(source), shard_size):
            keys.append(_key(files))
            sizes.append(len(files))
            groups.write(files)
            for file in files:
                sample.add(file)
            on_listed(sum(sizes))
    if not keys:
        skipped = source.skipped()
        more = f"; {len(skipped):,} were skipped ({skipped[0][1]})" if skipped else ""
        raise TuilabelError(f"there are no images in {source.location}{more}: name another folder or file")
    chosen = sample.files()
    parts = [chosen[start : start + SAMPLE_GROUP] for start in range(0, len(chosen), SAMPLE_GROUP)]
    with folder.writing(SAMPLE) as path, _Groups(path) as groups:
        for part in parts:
            groups.write(part)
    return Plan(keys, sizes, [len(part) for part in parts])


def read_group(file: IO[bytes], group: int) -> list[PlannedFile]:
    """The files of a row group of a plan."""
    from pyarrow import parquet

    table = parquet.ParquetFile(file).read_row_group(group)
    names, versions = (table.column(name).to_pylist() for name in ("name", "version"))
    return [
        PlannedFile(name.decode("utf-8", "surrogatepass"), version)
        for name, version in zip(names, versions, strict=True)
    ]


def _planned(entry: Entry) -> PlannedFile:
    return PlannedFile(entry.name, _digest(f"{entry.size}|{entry.stamp}"))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _key(files: list[PlannedFile]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name, version in files:
        digest.update(_digest(name) + version)
    return digest.hexdigest()


def _divided(files: Iterator[PlannedFile], size: int) -> Iterator[list[PlannedFile]]:
    """Files in shards of about `size`, each of which ends after a file that its own name says."""
    smallest = max(1, size // 2)
    shard: list[PlannedFile] = []
    for file in files:
        shard.append(file)
        ends = int.from_bytes(_digest(file.name), "little") % smallest == 0
        if (ends and len(shard) >= smallest) or len(shard) >= 2 * size:
            yield shard
            shard = []
    if shard:
        yield shard


def _in_order(source: Source) -> Iterator[PlannedFile]:
    """What a source lists, in an order that is the same each time and in which it is read quickly.

    That of the source itself, but of a folder by name; on disk, as there may be ten million.
    """
    if not isinstance(source, Directory | RemoteDirectory | DirectoryWithMetadata):
        yield from map(_planned, source.list())
        return
    with closing(sqlite3.connect("")) as database:  # a temporary file
        database.execute("CREATE TABLE file (name BLOB, version BLOB)")
        rows = ((name.encode("utf-8", "surrogatepass"), version) for name, version in map(_planned, source.list()))
        while batch := list(islice(rows, _PER_INSERT)):
            database.executemany("INSERT INTO file VALUES (?, ?)", batch)
        for name, version in database.execute("SELECT name, version FROM file ORDER BY name"):
            yield PlannedFile(name.decode("utf-8", "surrogatepass"), version)


class _Sample:
    """The files whose names have the smallest digests: a fair sample, and nearly the same when files are added."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[int, PlannedFile]] = []

    def add(self, file: PlannedFile) -> None:
        ranked = (-int.from_bytes(_digest(f"sample {file.name}"), "big"), file)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, ranked)
        elif ranked > self._heap[0]:
            heapq.heapreplace(self._heap, ranked)

    def files(self) -> list[PlannedFile]:
        """In an order that looks random."""
        return [file for _, file in sorted(self._heap, reverse=True)]


class _Groups:
    """Writes lists of files as the row groups of a Parquet file."""

    def __init__(self, path: Any) -> None:
        require("pyarrow", "writing latents in shards")
        import pyarrow as pa
        from pyarrow import parquet

        self._pa = pa
        self._schema = pa.schema([("name", pa.binary()), ("version", pa.binary(8))])
        self._writer = parquet.ParquetWriter(path, self._schema)

    def write(self, files: list[PlannedFile]) -> None:
        names = [name.encode("utf-8", "surrogatepass") for name, _ in files]
        columns = [self._pa.array(names, self._pa.binary()), self._pa.array([v for _, v in files], self._pa.binary(8))]
        self._writer.write_table(self._pa.Table.from_arrays(columns, schema=self._schema), row_group_size=len(files))

    def __enter__(self) -> _Groups:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
