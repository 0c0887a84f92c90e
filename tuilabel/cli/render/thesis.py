"""`tuilabel thesis` without a screen: progress on stderr, results kept after each run, a table of verdicts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tuilabel.cli.render.progress import progress
from tuilabel.cli.render.results_file import check_writable, has_results, set_aside
from tuilabel.datasets import ImagePool, open_labelled
from tuilabel.encoders import Latents
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import check_fits, find_checkpoint, read_header
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import atomic_write
from tuilabel.simulation.claims import findings
from tuilabel.simulation.experiment import total_rounds
from tuilabel.simulation.findings import Finding
from tuilabel.simulation.parallel import run_experiment
from tuilabel.simulation.results import Results
from tuilabel.simulation.run import Run
from tuilabel.simulation.supervised import supervised_run
from tuilabel.simulation.thesis import (
    Block,
    ThesisSettings,
    blocks,
    check_size,
    from_document,
    setting_lines,
    to_document,
)
from tuilabel.version import __version__


@dataclass
class _Kept:
    """The runs so far, and the file that has them too."""

    description: dict[str, Any]
    path: Path | None
    runs: dict[str, tuple[Run, ...]] = field(default_factory=dict)

    def put(self, block: str, runs: tuple[Run, ...]) -> None:
        """Take over what is new; runs of other seeds stay."""
        new = {(run.strategy, run.learner, run.seed) for run in runs}
        before = (r for r in self.runs.get(block, ()) if (r.strategy, r.learner, r.seed) not in new)
        self.runs[block] = (*before, *runs)
        self.write()

    def write(self, **more: Any) -> dict[str, Any]:
        """The whole document, on disk as well."""
        document = {**to_document(self.description, self.runs), **more}
        if self.path is not None:
            with atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps(document, indent=1) + "\n")
        return document


def run_thesis(
    dataset: str,
    data_dir: Path | None,
    checkpoint: Path | None,
    *,
    jobs: int | None,
    path: Path | None,
    resume: bool,
    quiet: bool,
    **options: Any,
) -> tuple[dict[str, Any], list[Finding]]:
    """Do what the claims need and judge them; `options` are those of `ThesisSettings`.

    Parameters
    ----------
    path : keeps the results after each run; what an earlier command left there is set aside.
    resume : take over the runs that are in it instead.

    Returns
    -------
    What `thesis --json` prints, and the findings in it.

    Raises
    ------
    TuilabelError, UsageError : as `open_pool`, `Encoder.encode`, `run_experiment`; where `path` holds something else.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs} is too small: give 1 or more")
    if resume and path is None:
        raise UsageError("--resume needs the file to go on with: give --json FILE")
    earlier = None
    if path is not None:
        check_writable(path, "--json")
        if has_results(path):
            earlier = _read(path)  # also where it is not gone on with: nobody wants another file overwritten
    ThesisSettings(dataset, data_dir, Path(), **options)  # what makes no sense is said before anything is decoded
    err = Console(stderr=True, quiet=quiet, highlight=False)
    with progress(err) as show:
        pool = open_labelled(dataset, data_dir, show)
    source = find_checkpoint(pool.name, checkpoint)
    check_fits(read_header(source), pool)
    settings = ThesisSettings(dataset, data_dir, source, **options)
    check_size(settings, len(pool.images))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,}/{task.total:,}"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as bar:
        task = bar.add_task("encoding", total=len(pool.images))
        latents = VAEEncoder(source).encode(pool, on_progress=lambda n, of: bar.update(task, completed=n, total=of))
        kept = _Kept(_description(settings, pool, latents), path)
        if path is not None and earlier is not None:
            if resume:
                kept.runs = from_document(earlier, kept.description, path)
            else:
                set_aside(path, err)
        kept.write()
        try:
            if 1 in settings.claims:
                _supervise(settings, pool, latents, kept, bar, task)
            for block in blocks(settings):
                _simulate(block, kept, jobs, bar, task)
        except KeyboardInterrupt:
            if path is not None:
                err.print(f"what is done is in {path}: --resume goes on with it", markup=False, soft_wrap=True)
            raise
    wanted = {block.name: block.wanted(kept.runs.get(block.name, ())) for block in blocks(settings)}
    seeds = range(settings.seed, settings.seed + settings.seeds)
    wanted["supervised"] = tuple(run for run in kept.runs.get("supervised", ()) if run.seed in seeds)
    assert pool.test is not None
    found = findings(settings.claims, wanted, len(pool.test.targets))
    more: dict[str, Any] = {name: getattr(settings, name) for name in ("seeds", "seed", "cnn_seeds")}
    more["settings"] = setting_lines(settings)
    return kept.write(**more, claims=[finding.to_json() for finding in found]), found


def _description(settings: ThesisSettings, pool: ImagePool, latents: Latents) -> dict[str, Any]:
    """What must be the same for runs to be laid beside each other."""
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
        document = json.loads(path.read_text())
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError:
        document = None
    if not isinstance(document, dict) or "blocks" not in document:
        raise TuilabelError(f"{path} holds no results of `tuilabel thesis`: name another file")
    return document


def _supervise(
    settings: ThesisSettings, pool: ImagePool, latents: Latents, kept: _Kept, bar: Progress, task: TaskID
) -> None:
    from tuilabel.learner.open import open_test_set

    test = open_test_set(pool, latents.test)
    if test is None or pool.targets is None:
        raise TuilabelError(f"{pool.name} has no true labels to try claims with: name a dataset of `tuilabel datasets`")
    bar.reset(task, description="with all labels", total=settings.seeds)
    for seed in range(settings.seed, settings.seed + settings.seeds):
        if seed not in {run.seed for run in kept.runs.get("supervised", ())}:
            kept.put("supervised", (supervised_run(latents.pool, pool.targets, len(pool.classes), test, seed),))
        bar.advance(task)


def _simulate(block: Block, kept: _Kept, jobs: int | None, bar: Progress, task: TaskID) -> None:
    for experiment in block.experiments:
        done = kept.runs.get(block.name, ())
        before, total = total_rounds(experiment, done)
        learners = "+".join(experiment.learners)
        bar.reset(task, description=f"{block.name} ({learners}), rounds", total=total, completed=before)
        run_experiment(
            experiment,
            {},
            done,
            jobs=jobs,
            on_round=lambda: bar.advance(task),
            on_run=_keeper(kept, block, bar.console),
        )


def _keeper(kept: _Kept, block: Block, console: Console) -> Callable[[Results], None]:
    def keep(results: Results) -> None:
        kept.put(block.name, results.runs)
        if not console.is_terminal:
            here, wanted = len(block.wanted(kept.runs[block.name])), len(block.run_keys())
            console.print(f"{block.name}: {here} of {wanted} runs")

    return keep
