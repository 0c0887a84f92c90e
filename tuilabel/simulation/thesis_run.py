"""The thesis experiments: do the runs that the claims need, keep them in a file, and evaluate the claims."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tuilabel.datasets import DatasetLike, ImagePool, open_labelled
from tuilabel.encoders import Latents
from tuilabel.encoders.held_out import encode_pool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import check_fits, find_checkpoint, read_header
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import atomic_write
from tuilabel.simulation.claims import findings
from tuilabel.simulation.experiment import total_rounds
from tuilabel.simulation.findings import Finding
from tuilabel.simulation.parallel import run_experiment
from tuilabel.simulation.results import Results
from tuilabel.simulation.results_file import check_writable, has_results, set_aside
from tuilabel.simulation.run import Run
from tuilabel.simulation.simulate import OnProgress, check_jobs, ignore
from tuilabel.simulation.supervised import supervised_run
from tuilabel.simulation.thesis import (
    CLAIMS,
    Block,
    ThesisSettings,
    blocks,
    check_size,
    from_document,
    setting_lines,
    to_document,
)
from tuilabel.version import SCHEMA, __version__


@dataclass(frozen=True)
class ThesisResults:
    """The findings, and the document that holds them with their runs."""

    findings: tuple[Finding, ...]
    document: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The document of `tuilabel thesis --json`."""
        return self.document


@dataclass(frozen=True)
class _Reports:
    """The callbacks of `run_thesis`."""

    on_progress: OnProgress
    on_run: Callable[[str, int, int], object]


@dataclass
class _Kept:
    """The runs so far, also written to a file."""

    description: dict[str, Any]
    path: Path | None
    runs: dict[str, tuple[Run, ...]] = field(default_factory=dict)

    def put(self, block: str, runs: tuple[Run, ...]) -> None:
        """Add runs, replacing those with the same key."""
        new = {run.key for run in runs}
        self.runs[block] = (*(run for run in self.runs.get(block, ()) if run.key not in new), *runs)
        self.write()

    def write(self, **more: Any) -> dict[str, Any]:
        """The whole document, written to the file as well."""
        document = {"schema": SCHEMA, **to_document(self.description, self.runs), **more}
        if self.path is not None:
            with atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        return document


def run_thesis(
    dataset: DatasetLike,
    *,
    claims: tuple[int, ...] = tuple(CLAIMS),
    seeds: int = 5,
    seed: int = 0,
    budget: int = 500,
    cnn_seeds: int = 3,
    checkpoint: Path | None = None,
    file: Path | None = None,
    resume: bool = False,
    jobs: int | None = None,
    data_dir: Path | None = None,
    on_progress: OnProgress = ignore,
    on_run: Callable[[str, int, int], object] = ignore,
    note: Callable[[str], object] = ignore,
) -> ThesisResults:
    """Do the runs that the claims of Tonnaer 2017 need, and evaluate the claims.

    Parameters
    ----------
    claims, seeds, seed, budget, cnn_seeds : see `ThesisSettings`.
    checkpoint : of the VAE; by default the one of the dataset.
    file : a JSON file that holds all finished runs at any time. Results of an earlier call in it are renamed.
    resume : continue with the runs in `file` instead.
    jobs : number of processes; by default one for each processor.
    on_progress : called with (stage, steps done, total steps).
    on_run : called after a run with (block, finished runs of the block, total runs of the block).
    note : called with lines that the user should see.

    Raises
    ------
    UsageError : if a parameter is out of range, or `file` holds results of other settings.
    TuilabelError : as `open_labelled`, `Encoder.encode`, `run_experiment`; if `file` holds something else.
    """
    check_jobs(jobs)
    settings = ThesisSettings(dataset, data_dir, Path(), claims, seeds, seed, budget, cnn_seeds)
    earlier = _earlier(file, resume)
    pool = open_labelled(dataset, data_dir, on_progress)
    source = find_checkpoint(pool.name, checkpoint)
    check_fits(read_header(source), pool)
    settings = replace(settings, checkpoint=source)
    check_size(settings, len(pool.images))
    latents = encode_pool(
        VAEEncoder(source), pool, on_progress=lambda done, total: on_progress("encoding", done, total)
    )
    kept = _Kept(_description(settings, pool, latents), file)
    if file is not None and earlier is not None:
        if resume:
            kept.runs = from_document(earlier, kept.description, file)
        else:
            set_aside(file, note)
    kept.write()
    reports = _Reports(on_progress, on_run)
    if 1 in settings.claims:
        _supervise(settings, pool, latents, kept, on_progress)
    for block in blocks(settings):
        _simulate(block, kept, jobs, reports)
    return _evaluated(settings, pool, kept)


def _earlier(file: Path | None, resume: bool) -> Any:
    """The document in the file, if any."""
    if file is None:
        if resume:
            raise UsageError("resume needs a file of earlier results: name it with `file`", parameter="resume")
        return None
    check_writable(file, "file")
    return _read(file) if has_results(file) else None  # also without `resume`: nothing else must be overwritten


def _evaluated(settings: ThesisSettings, pool: ImagePool, kept: _Kept) -> ThesisResults:
    wanted = {block.name: block.wanted(kept.runs.get(block.name, ())) for block in blocks(settings)}
    seeds = range(settings.seed, settings.seed + settings.seeds)
    wanted["supervised"] = tuple(run for run in kept.runs.get("supervised", ()) if run.seed in seeds)
    assert pool.test is not None
    evaluated = findings(settings.claims, wanted, len(pool.test.targets))
    more: dict[str, Any] = {name: getattr(settings, name) for name in ("seeds", "seed", "cnn_seeds")}
    more["settings"] = setting_lines(settings)
    return ThesisResults(tuple(evaluated), kept.write(**more, claims=[finding.to_json() for finding in evaluated]))


def _description(settings: ThesisSettings, pool: ImagePool, latents: Latents) -> dict[str, Any]:
    """What must agree for runs to be compared."""
    return {
        "tuilabel": __version__,
        "dataset": pool.name,
        "pool_size": len(pool.images),
        "test_size": 0 if pool.test is None else len(pool.test.targets),
        "latents": "" if latents.path is None else latents.path.stem,  # named by the content of images and checkpoint
        "latent_dim": int(latents.pool.shape[1]),
        "budget": settings.budget,
    }


def _read(path: Path) -> Any:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError:
        document = None
    if not isinstance(document, dict) or "blocks" not in document:
        raise TuilabelError(f"{path} does not contain results of `tuilabel thesis`: choose another file")
    return document


def _supervise(
    settings: ThesisSettings, pool: ImagePool, latents: Latents, kept: _Kept, on_progress: OnProgress
) -> None:
    from tuilabel.learner.open import open_test_set

    test = open_test_set(pool, latents.test)
    if test is None or pool.targets is None:
        raise TuilabelError(f"{pool.name} has no true labels: choose a dataset listed by `tuilabel datasets`")
    for done, seed in enumerate(range(settings.seed, settings.seed + settings.seeds)):
        on_progress("training with all labels", done, settings.seeds)
        if seed not in {run.seed for run in kept.runs.get("supervised", ())}:
            kept.put("supervised", (supervised_run(latents.pool, pool.targets, len(pool.classes), test, seed),))


def _simulate(block: Block, kept: _Kept, jobs: int | None, reports: _Reports) -> None:
    for experiment in block.experiments:
        done = kept.runs.get(block.name, ())
        rounds, total = total_rounds(experiment, done)
        stage = f"{block.name} ({'+'.join(experiment.learners)}), rounds"
        reports.on_progress(stage, rounds, total)

        def on_round(stage: str = stage, total: int = total) -> None:
            nonlocal rounds
            rounds += 1
            reports.on_progress(stage, rounds, total)

        def keep(results: Results) -> None:
            kept.put(block.name, results.runs)
            reports.on_run(block.name, len(block.wanted(kept.runs[block.name])), len(block.run_keys()))

        run_experiment(experiment, {}, done, jobs=jobs, on_round=on_round, on_run=keep)
