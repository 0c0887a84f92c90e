"""Encode images into a folder of shards: here or on a Ray cluster, resumable, without a copy of any image."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tuilabel.datasets import DatasetLike, DatasetRef, as_ref
from tuilabel.datasets.decode import Decoded, DecodeError, decode
from tuilabel.datasets.item_files import png
from tuilabel.datasets.sources import Source, SourceError
from tuilabel.datasets.sources.texts import is_url
from tuilabel.encoders import AUTO, DEFAULT_ENCODER
from tuilabel.encoders.device_check import check_device_name
from tuilabel.encoders.networks.names import BUNDLED
from tuilabel.encoders.registry import check_encoder
from tuilabel.encoders.shards.engines import ENGINES, Engine, LocalEngine
from tuilabel.encoders.shards.folder import ShardFolder
from tuilabel.encoders.shards.frozen import CHECKPOINT, ENCODER, FrozenEncoder, View, fit, view_for
from tuilabel.encoders.shards.plan import PLAN, SAMPLE, Plan, read_group, write_plan
from tuilabel.encoders.shards.ray_engine import RayEngine
from tuilabel.encoders.shards.worker import (
    MADE_BY,
    PROBLEMS,
    SAMPLED,
    Job,
    Problem,
    Sampled,
    Task,
    TaskResult,
    shard_file,
)
from tuilabel.encoders.storage import check_room
from tuilabel.errors import TuilabelError, UsageError, pluralize, printable, unknown_name
from tuilabel.extras import require
from tuilabel.project.progress import Note, OnProgress, ignore

SHARD_SIZE = 1024  # images: 2.4 MB of latents, and what is lost when a worker dies
BYTES_BESIDE = 32  # its id, at least, besides an image's latents
LOOK = 200  # images whose size and colour are looked at
LOOK_SIDE = 128  # pixels: as large as a library looks at
MANIFEST, PROBLEM_LIST = "_manifest.json", "_problems.csv"
"""What is written at the end: the shards, and the files without latents."""


@dataclass(frozen=True)
class EncodedShards:
    """A folder with the latents of a dataset.

    Attributes
    ----------
    out : the folder.
    encoder : its name.
    images : files with latents.
    encoded : those of them that were encoded now; the others were there.
    shards : files of latents.
    problems : files without latents, with the reason.
    failed : shards that could not be written, with the reason; the same command tries them again.
    seconds : what encoding took.
    """

    dataset: str
    out: str
    encoder: str
    images: int
    encoded: int
    shards: int
    problems: list[Problem]
    failed: dict[str, str]
    seconds: float

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.encoded / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON document."""
        return {
            "dataset": self.dataset,
            "out": self.out,
            "encoder": self.encoder,
            "images": self.images,
            "encoded": self.encoded,
            "shards": self.shards,
            "problems": [{"file": problem.name, "reason": problem.reason} for problem in self.problems],
            "failed": self.failed,
            "seconds": round(self.seconds, 3),
        }


def encode_shards(
    dataset: DatasetLike,
    out: str,
    *,
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
    encoder: str = DEFAULT_ENCODER,
    checkpoint: Path | None = None,
    reference: str | None = None,
    shard_size: int | None = None,
    retry_unread: bool = False,
    device: str = "auto",
    on_progress: OnProgress = ignore,
    note: Note = ignore,
) -> EncodedShards:
    """Encode images into a folder of Parquet files with ids, paths and latents, which `latents` reads.

    Shards that are there already are left as they are, so the same call resumes an interrupted run, and after images
    were added or changed it encodes the shards that have them. An encoder is fitted on a sample first, unless the
    folder holds one.

    Parameters
    ----------
    out : a folder on a disk, or a URL that fsspec can write to; workers elsewhere must reach it, and the images.
    engine : "local" or "ray".
    address : of the Ray cluster; by default one on this machine.
    workers : processes; by default 1, or as many as the cluster has GPUs, else processors.
    encoder : a pretrained network, "pca", or "vae" with a `checkpoint`; "auto" is that of the folder or the reference,
        else the VAE if there is a checkpoint, else the bundled network.
    reference : a folder of shards whose latent space is used.
    shard_size : images in a shard, on average; by default as in the folder, else 1,024.
    retry_unread : encode shards again in which a file could not be read.
    note : called with lines that the user should see.

    Raises
    ------
    UsageError : if an argument cannot be used, or the folder holds latents of another encoder.
    TuilabelError : if images or folder cannot be read or written, weights are missing, or no cluster answers.
    """
    _check(as_ref(dataset), engine, address, workers, shard_size)
    require("pyarrow", "writing latents in shards")
    check_device_name(device)
    check_encoder(encoder)
    ref = as_ref(dataset)
    source = ref.open_source()
    folder = ShardFolder(out)
    run_on = RayEngine(address, workers) if engine == "ray" else LocalEngine(workers or 1)
    run = _Run(ref, source, folder, run_on, device, on_progress, note)
    with ExitStack() as stack:
        if isinstance(run_on, RayEngine):
            stack.enter_context(run_on.connected())
        plan = run.plan(shard_size)
        frozen = run.encoder(encoder, checkpoint, reference, plan)
        if encoder == AUTO:
            note(f"encoder auto: {frozen.name}")
        return run.encode(plan, frozen, retry_unread=retry_unread)


def _check(ref: DatasetRef, engine: str, address: str | None, workers: int | None, shard_size: int | None) -> None:
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    if address is not None and engine != "ray":
        raise UsageError("address is that of a Ray cluster: pass `engine='ray'` with it", parameter="address")
    if workers is not None and workers < 1:
        raise UsageError(f"workers must be at least 1, got {workers}")
    if shard_size is not None and shard_size < 1:
        raise UsageError(f"shard_size must be at least 1, got {shard_size}")
    if ref.is_builtin:
        raise UsageError(
            f"{ref.location} is a built-in dataset, and shards are for your own images: write one file, as with "
            "`out='latents.parquet'`"
        )


def _encoder_of(folder: ShardFolder) -> FrozenEncoder:
    if ENCODER not in folder.names():
        raise UsageError(f"reference must be a folder that `tuilabel encode` has written, got {folder.location}")
    return FrozenEncoder.from_bytes(folder.read(ENCODER))


@dataclass
class _Run:
    ref: DatasetRef
    source: Source
    folder: ShardFolder
    engine: Engine
    device: str
    on_progress: OnProgress
    note: Note
    seconds: float = field(default=0.0, init=False)
    shard_size: int = field(default=SHARD_SIZE, init=False)

    def plan(self, shard_size: int | None) -> Plan:
        """List the source, and write down which shard has which files."""
        stage = f"listing {self.source.title}"
        shard_size = self.shard_size = shard_size or self._size_before() or SHARD_SIZE
        if MANIFEST not in self.folder.names():
            self._write(MANIFEST, json.dumps({"complete": False, "shard_size": shard_size}).encode())
        return write_plan(self.source, self.folder, shard_size, lambda files: self.on_progress(stage, files, 0))

    def encoder(self, name: str, checkpoint: Path | None, reference: str | None, plan: Plan) -> FrozenEncoder:
        """The encoder in the folder, in that of the reference, or one that is fitted on the sample now."""
        if ENCODER in self.folder.names():
            stored = FrozenEncoder.from_bytes(self.folder.read(ENCODER))
            self._check_same(stored, name, checkpoint, reference)
            return stored
        if reference is not None:
            return self._copied(name, reference)
        name = (BUNDLED if checkpoint is None else "vae") if name == AUTO else name
        with self.folder.open(SAMPLE) as file:
            looked_at = self._look([planned.name for planned in read_group(file, 0)][:LOOK])
        view = view_for(name, looked_at, checkpoint)
        if view.needs_checkpoint:
            assert checkpoint is not None
            self._write(CHECKPOINT, checkpoint.read_bytes())
            frozen = fit(name, view, np.empty(0))
        else:
            frozen = fit(name, view, self._sampled(view, plan).features)
        self._write(ENCODER, frozen.to_bytes())
        return frozen

    def encode(self, plan: Plan, frozen: FrozenEncoder, *, retry_unread: bool) -> EncodedShards:
        """Encode what is not there yet, and write down what there is."""
        stored = set(plan.keys) & self._keys(self.folder.names())
        problems = {key: found for key in stored if (found := self._problems_of(key, frozen)) is not None}
        sizes = dict(zip(plan.keys, plan.sizes, strict=True))
        rows = {key: sizes[key] - len(found) for key, found in problems.items()}
        again = {key for key, found in problems.items() if retry_unread and any(problem.unread for problem in found)}
        tasks = [Task(k, key) for k, key in enumerate(plan.keys) if key not in problems or key in again]
        there = plan.n_files - sum(plan.sizes[task.group] for task in tasks)
        if there:
            self.note(f"{pluralize(len(plan.keys) - len(tasks), 'shard')} of {len(plan.keys):,} there already")
        failed, encoded = dict[str, str](), 0
        job = Job(self.ref, self.folder.location, frozen.view, self.device)
        self._check_room(frozen, plan.n_files - there)
        for result in self._results("encoding", job, tasks, there, plan.n_files, plan.sizes):
            key = result.task.key
            if result.error:
                failed[key] = result.error
                continue
            problems[key], rows[key] = list(result.problems), result.rows
            encoded += result.rows
        return self._finished(plan, frozen, problems, rows, failed, encoded)

    # -- the encoder -----------------------------------------------------------------------------------------------

    def _look(self, names: Sequence[str]) -> list[Decoded]:
        """Some images, as small as they are looked at to decide how they are seen."""
        images, reason = list[Decoded](), ""
        for name, content in self.source.read(names):
            try:
                if isinstance(content, SourceError):
                    raise content
                images.append(decode(content if isinstance(content, bytes) else png(content), LOOK_SIDE))
            except (SourceError, DecodeError) as error:
                reason = reason or f"{name}: {error}"
        if not images:
            raise TuilabelError(
                f"none of {pluralize(len(names), 'file')} of {self.source.location} is a readable image "
                f"({printable(reason)}): name another folder or file"
            )
        return images

    def _sampled(self, view: View, plan: Plan) -> Sampled:
        """The features of the sample, kept until all is encoded."""
        tasks = [Task(k) for k in range(len(plan.sample_sizes))]
        job = Job(self.ref, self.folder.location, view, self.device)
        total = sum(plan.sample_sizes)
        results = sorted(
            self._results("encoding a sample", job, tasks, 0, total, plan.sample_sizes), key=lambda r: r.task.group
        )
        parts = [result.sample for result in results if result.sample is not None and result.sample.files]
        errors = [result.error for result in results if result.error]
        if not parts:
            reason = errors[0] if errors else results[0].problems[0].reason
            raise TuilabelError(f"the sample that the encoder is fitted on could not be encoded ({reason})")
        if errors:  # the shards that have these files will say which they are
            lost = sum(plan.sample_sizes[result.task.group] for result in results if result.error)
            self.note(f"the encoder is fitted without {lost:,} of {total:,} images of the sample ({errors[0]})")
        sampled = Sampled(
            tuple(file for part in parts for file in part.files),
            tuple(item for part in parts for item in part.ids),
            np.concatenate([part.features for part in parts]),
        )
        with self.folder.writing(SAMPLED) as path:
            sampled.save(path)
        return sampled

    def _check_same(self, stored: FrozenEncoder, name: str, checkpoint: Path | None, reference: str | None) -> None:
        """Raise `UsageError` if the latents in the folder are not those that are asked for."""
        fits = name in (AUTO, stored.name)
        if fits and checkpoint is not None:
            fits = view_for("vae", [], checkpoint) == stored.view
        if fits and reference is not None:
            fits = _encoder_of(ShardFolder(reference)).digest == stored.digest
        if not fits:
            raise UsageError(
                f"out is a folder of other latents, by the encoder {stored.name}: name another one", parameter="out"
            )

    def _copied(self, name: str, reference: str) -> FrozenEncoder:
        """The encoder of another folder."""
        other = ShardFolder(reference)
        frozen = _encoder_of(other)
        if name not in (AUTO, frozen.name):
            raise UsageError(f"reference has latents of the encoder {frozen.name}: leave out `encoder`")
        content = other.read(ENCODER)
        if frozen.view.needs_checkpoint:
            self._write(CHECKPOINT, other.read(CHECKPOINT))
        self._write(ENCODER, content)
        return frozen

    # -- shards ----------------------------------------------------------------------------------------------------

    def _results(
        self, stage: str, job: Job, tasks: Sequence[Task], done: int, total: int, sizes: Sequence[int]
    ) -> Iterator[TaskResult]:
        self.on_progress(stage, done, total)
        if not tasks:
            return
        begun = time.monotonic()
        for result in self.engine.run(job, tasks):
            done += sizes[result.task.group]
            self.on_progress(stage, done, total)
            yield result
        self.seconds += time.monotonic() - begun

    def _check_room(self, frozen: FrozenEncoder, images: int) -> None:
        """Raise `TuilabelError` if the latents will not fit on a local disk, as far as their width is known."""
        if is_url(self.folder.location) or SAMPLED not in self.folder.names():
            return
        with self.folder.open(SAMPLED) as file:
            width = frozen.latents(Sampled.load(io.BytesIO(file.read())).features[:1]).shape[1]
        needed = images * (4 * width + BYTES_BESIDE)
        what = f"the latents of {self.source.title}"
        check_room(Path(self.folder.location), needed, what, instead="name a folder elsewhere by `out`")

    def _finished(
        self,
        plan: Plan,
        frozen: FrozenEncoder,
        problems: dict[str, list[Problem]],
        rows: dict[str, int],
        failed: dict[str, str],
        encoded: int,
    ) -> EncodedShards:
        written = [key for key in plan.keys if key in rows]
        skipped = [Problem(name, reason, True) for name, reason in self.source.skipped()]
        listed = [*skipped, *(problem for key in written for problem in problems[key])]
        document = {
            "dataset": self.source.location,
            "encoder": frozen.name,
            "digest": frozen.digest,
            "images": sum(rows[key] for key in written),
            "complete": not failed,
            "shard_size": self.shard_size,
            "shards": [{"file": shard_file(key), "images": rows[key]} for key in written],
        }
        self._write(MANIFEST, json.dumps(document, indent=1).encode())
        table = io.StringIO()
        csv.writer(table).writerows([("path", "reason"), *((printable(p.name), p.reason) for p in listed)])
        self._write(PROBLEM_LIST, table.getvalue().encode())
        if not failed:
            names = self.folder.names()
            unused = {shard_file(key) for key in self._keys(names) - set(plan.keys)}
            for name in (names & {PLAN, SAMPLE, SAMPLED}) | unused | {n for n in names if n.startswith(".latents-")}:
                self.folder.remove(name)
        return EncodedShards(
            dataset=self.source.title,
            out=self.folder.location,
            encoder=frozen.name,
            images=document["images"],  # type: ignore[arg-type]
            encoded=encoded,
            shards=len(written),
            problems=listed,
            failed=failed,
            seconds=self.seconds,
        )

    @staticmethod
    def _keys(names: set[str]) -> set[str]:
        """The keys of the shards among some files."""
        prefix, suffix = shard_file("|").split("|")
        return {n[len(prefix) : -len(suffix)] for n in names if n.startswith(prefix) and n.endswith(suffix)}

    def _problems_of(self, key: str, frozen: FrozenEncoder) -> list[Problem] | None:
        """What a shard notes about files without latents; None if it is damaged, or of another encoder."""
        from pyarrow import ArrowException, parquet

        try:
            with self.folder.open(shard_file(key)) as file:
                metadata = parquet.read_schema(file).metadata or {}
            if metadata[MADE_BY.encode()].decode() != frozen.digest:
                return None
            return [Problem(*problem) for problem in json.loads(metadata[PROBLEMS.encode()])]
        except (ArrowException, OSError, ValueError, KeyError):
            return None

    def _size_before(self) -> int | None:
        """The size of shards of an earlier run: another one would have other files in each."""
        try:
            return (
                int(json.loads(self.folder.read(MANIFEST))["shard_size"]) if MANIFEST in self.folder.names() else None
            )
        except (ValueError, KeyError, TypeError):
            return None

    def _write(self, name: str, content: bytes) -> None:
        with self.folder.writing(name) as path:
            path.write_bytes(content)
