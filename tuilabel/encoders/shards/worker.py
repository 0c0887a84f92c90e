"""Encodes one shard: reads, decodes and encodes its files, and writes a Parquet file that is whole or not there."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import DatasetRef
from tuilabel.datasets.decode import DecodeError
from tuilabel.datasets.ids import content_ids, file_id
from tuilabel.datasets.item_files import png
from tuilabel.datasets.library.read_files import n_workers
from tuilabel.datasets.read_ahead import in_threads
from tuilabel.datasets.sources import Content, SourceError
from tuilabel.encoders.shards.folder import ShardFolder
from tuilabel.encoders.shards.frozen import CHECKPOINT, ENCODER, Features, FrozenEncoder, View
from tuilabel.encoders.shards.plan import PLAN, SAMPLE, PlannedFile, read_group
from tuilabel.encoders.tables.parquet import COMPACT
from tuilabel.encoders.tables.write import write_parquet

PROBLEMS, MADE_BY = "tuilabel.problems", "tuilabel.encoder"
"""What the metadata of a shard say, besides its rows."""
SAMPLED = "_sample.npz"
"""Features of the sample, until all shards are written."""
BATCH = 256  # images that are decoded ahead, and encoded at once
CHUNK = 2_000  # rows that are projected at once


class Problem(NamedTuple):
    """A file without latents.

    Attributes
    ----------
    unread : whether it could not be read, which may be different another time; else it is not an image.
    """

    name: str
    reason: str
    unread: bool


@dataclass(frozen=True)
class Task:
    """What a worker is asked to do: with a key to encode that shard, without one the features of a part of the sample.

    Attributes
    ----------
    group : the row group of the plan, or of the sample.
    """

    group: int
    key: str = ""

    @property
    def file(self) -> str:
        """The name of the shard's file."""
        return shard_file(self.key)


@dataclass(frozen=True)
class TaskResult:
    """What came of a task.

    Attributes
    ----------
    rows : how many files have latents.
    problems : the others.
    sample : features (n, …) of a part of the sample, with their files and ids.
    error : why a shard was not written, in one line; empty if it was.
    """

    task: Task
    rows: int = 0
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    sample: Sampled | None = None
    error: str = ""


@dataclass(frozen=True)
class Sampled:
    """Features of some files.

    Attributes
    ----------
    files, ids : of each row.
    features : (n, …), as a `View` makes them.
    """

    files: tuple[PlannedFile, ...]
    ids: tuple[str, ...]
    features: NDArray[Any]

    def save(self, path: Path) -> None:
        """Write them, without pickling."""
        names = np.array([json.dumps(file.name) for file in self.files], dtype=np.str_)
        versions = np.array([file.version.hex() for file in self.files], dtype=np.str_)
        with path.open("wb") as file:
            np.savez(file, names=names, versions=versions, ids=np.array(self.ids, np.str_), features=self.features)

    @classmethod
    def load(cls, path: Any) -> Sampled:
        """What `save` has written."""
        with np.load(path, allow_pickle=False) as stored:
            files = zip(stored["names"].tolist(), stored["versions"].tolist(), strict=True)
            planned = tuple(PlannedFile(json.loads(name), bytes.fromhex(version)) for name, version in files)
            return cls(planned, tuple(stored["ids"].tolist()), stored["features"])


@dataclass(frozen=True)
class Job:
    """What all workers of a run need to know; small, and the same on every machine.

    Attributes
    ----------
    dataset : see `DatasetRef`.
    out : the folder.
    view : how images are seen.
    device : "auto", "cpu", "cuda", …
    threads : for decoding, and for torch on a CPU; None for as many as there are.
    """

    dataset: DatasetRef
    out: str
    view: View
    device: str = "auto"
    threads: int | None = None


class ShardWorker:
    """Does the tasks of a job, one after another; loads the network once.

    Raises
    ------
    TuilabelError, UsageError : if images, folder or weights are not there.
    """

    def __init__(self, job: Job) -> None:
        self._view = job.view
        self._threads = job.threads or n_workers()
        self._source = job.dataset.open_source()
        self._folder = ShardFolder(job.out)
        self._features = self._load(job.device)
        if job.threads and "torch" in sys.modules:  # principal components do without
            sys.modules["torch"].set_num_threads(job.threads)

    def _load(self, device: str) -> Features:
        if not self._view.needs_checkpoint:
            return self._view.load(device, None)
        with tempfile.NamedTemporaryFile() as file:  # the folder may be elsewhere
            file.write(self._folder.read(CHECKPOINT))
            file.flush()
            return self._view.load(device, Path(file.name))

    def __call__(self, task: Task) -> TaskResult:
        """Do a task.

        Raises
        ------
        TuilabelError : if the plan cannot be read, the shard cannot be written, or the encoder fails; never for a file.
        """
        begun = time.monotonic()
        if task.key:
            result = self._shard(task)
        else:
            sampled, problems = self._encoded(self._files(SAMPLE, task.group))
            result = TaskResult(task, len(sampled.files), problems, sample=sampled)
        return replace(result, seconds=time.monotonic() - begun)

    def _shard(self, task: Task) -> TaskResult:
        files = self._files(PLAN, task.group)
        new, problems = self._encoded([file for file in files if file not in self._known])
        if not new.files and len(problems) == len(files) and all(problem.unread for problem in problems):
            return TaskResult(task, problems=problems, error=f"none of its files can be read ({problems[0].reason})")
        rows: dict[str, tuple[str, NDArray[np.float32]]] = {}
        for sampled, indices in ((new, range(len(new.files))), (self._sampled, self._known_among(files))):
            for start in range(0, len(indices), CHUNK):
                part = indices[start : start + CHUNK]
                latents = self._frozen.latents(sampled.features[part])
                rows |= {sampled.files[k].name: (sampled.ids[k], row) for k, row in zip(part, latents, strict=True)}
        kept = [(file.name, *rows[file.name]) for file in files if file.name in rows]
        about = {
            MADE_BY: self._frozen.digest,
            PROBLEMS: json.dumps(problems),
            **({} if self._frozen.compact is None else {COMPACT: str(self._frozen.compact)}),
        }
        vectors = np.stack([row for *_, row in kept]) if kept else np.empty((0, 1), np.float32)
        with self._folder.writing(task.file) as path:
            write_parquet(path, [item for _, item, _ in kept], [name for name, *_ in kept], [vectors], about)
        return TaskResult(task, len(kept), problems)

    def _known_among(self, files: Sequence[PlannedFile]) -> list[int]:
        return [self._known[file] for file in files if file in self._known]

    @cached_property
    def _frozen(self) -> FrozenEncoder:
        return FrozenEncoder.from_bytes(self._folder.read(ENCODER))

    @cached_property
    def _sampled(self) -> Sampled:
        """The features of the sample, which need not be computed again."""
        if SAMPLED not in self._folder.names():
            return Sampled((), (), np.empty((0, 1), np.float16))
        with self._folder.open(SAMPLED) as file:
            return Sampled.load(io.BytesIO(file.read()))

    @cached_property
    def _known(self) -> dict[PlannedFile, int]:
        return {file: k for k, file in enumerate(self._sampled.files)}

    def _files(self, plan: str, group: int) -> list[PlannedFile]:
        with self._folder.open(plan) as file:
            return read_group(file, group)

    def _encoded(self, files: Sequence[PlannedFile]) -> tuple[Sampled, tuple[Problem, ...]]:
        """Features of all files that are images, and what is wrong with the others."""
        by_name = {file.name: file for file in files}
        done, ids, features, problems = list[PlannedFile](), list[str](), list[NDArray[Any]](), list[Problem]()
        batch: list[NDArray[np.uint8]] = []
        for name, prepared in self._prepared(list(by_name)):
            if isinstance(prepared, Problem):
                problems.append(prepared)
                continue
            done.append(by_name[name])
            ids.append(prepared[0])
            batch.append(prepared[1])
            if len(batch) == BATCH:
                features.append(self._features(np.stack(batch)))
                batch = []
        if batch:
            features.append(self._features(np.stack(batch)))
        rows = np.concatenate(features) if features else np.empty((0, 1), np.float16)
        return Sampled(tuple(done), tuple(ids), rows), tuple(problems)

    def _prepared(self, names: Sequence[str]) -> Iterator[tuple[str, Problem | tuple[str, NDArray[np.uint8]]]]:
        """Each file with its id and what the network sees of it; decoded in threads, a batch ahead."""
        return in_threads(self._contents(names), partial(prepare, self._view), threads=self._threads, ahead=BATCH)

    def _contents(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The contents of files; those that cannot be read are tried once more at the end."""
        failed = list[str]()
        for name, content in self._source.read(names):
            if isinstance(content, SourceError):
                failed.append(name)
            else:
                yield name, content
        if failed:
            yield from self._source.read(failed)


def prepare(view: View, name: str, content: Content) -> Problem | tuple[str, NDArray[np.uint8]]:
    """The id of an image and what a network sees of it, or why there is none."""
    if isinstance(content, SourceError):
        return Problem(name, str(content), True)
    try:
        if isinstance(content, np.ndarray):
            return content_ids(content[None])[0].decode(), view.prepare(png(content))
        return file_id(content), view.prepare(content)
    except DecodeError as error:
        return Problem(name, str(error), False)


def shard_file(key: str) -> str:
    """The name of a shard's file."""
    return f"latents-{key}.parquet"
