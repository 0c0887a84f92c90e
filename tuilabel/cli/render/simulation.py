"""`simulate` without a screen: checks before any run starts, progress on stderr, tables and curves at the end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from rich.console import Console

from tuilabel.cli.render.curves import print_results
from tuilabel.cli.render.progress import progress
from tuilabel.cli.render.results_file import check_writable, has_results, set_aside
from tuilabel.cli.render.simulation_progress import encoding, running
from tuilabel.datasets import ImagePool, open_labelled
from tuilabel.encoders import Encoder, choose_encoder
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.base import needs_encoder
from tuilabel.learner.open import open_learner
from tuilabel.simulation.experiment import Experiment
from tuilabel.simulation.parallel import run_experiment
from tuilabel.simulation.plots import check_plot_file, write_plot
from tuilabel.simulation.results import Results, describe, disagreement, read_results, write_results

STDOUT = "-"


class SimulationStopped(TuilabelError):
    """Somebody asked it to stop."""

    exit_code = 130


def run_simulation(
    experiment: Experiment,
    *,
    out: str | None,
    plot: Path | None,
    resume: bool,
    jobs: int | None,
    encoder: str = "vae",
    checkpoint: Path | None = None,
    latents: Path | None = None,
) -> None:
    """Do the runs with progress on stderr, and print tables and curves, or the document alone where `out` is "-".

    Parameters
    ----------
    encoder, checkpoint, latents : as they were typed; see `choose_encoder`.
    out : a file that holds the document of all finished runs at any time.

    Raises
    ------
    TuilabelError, UsageError : where something is wrong, before any run starts as far as can be known then.
    SimulationStopped : after Ctrl-C or a termination.
    """
    err = Console(stderr=True, highlight=False)
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs} is too small: give 1 or more")
    file = None if out in (None, STDOUT) else Path(str(out))
    earlier = _earlier(file, resume)
    if plot is not None:
        check_plot_file(plot)
        check_writable(plot, "--plot")
    with progress(err) as show:
        pool = open_labelled(experiment.dataset, experiment.data_dir, show)
    check_pool(pool, experiment.budget)
    if any(map(needs_encoder, experiment.learners)):
        experiment = replace(experiment, encoder=_encoder(pool, encoder, checkpoint, latents))
    latent_dim = _prepare(experiment, pool, err)
    assert pool.test is not None
    settings = describe(
        experiment, dataset=pool.name, pool_size=len(pool.ids), test_size=len(pool.test.targets), latent_dim=latent_dim
    )
    if earlier is not None and (difference := disagreement(earlier.settings, settings)):
        raise UsageError(f"{file} has {difference}: give its settings to go on with it, or another --json FILE")
    done = () if earlier is None else earlier.runs
    if earlier is not None and latent_dim is None:  # its runs may have needed a VAE
        settings |= {name: earlier.settings.get(name) for name in ("latent_dim", "checkpoint", "checkpoint_digest")}
    if file is not None and not resume:
        set_aside(file, err)
    results = _run(experiment, Results(settings, done), file, jobs, err)
    shown = results.of({run.key for run in experiment.runs()})
    if plot is not None:
        write_plot(shown, pool.name, plot)
    if out == STDOUT:
        sys.stdout.write(results.to_text())
        return
    print_results(shown, settings, estimates=experiment.cross_validate)
    for path in (file, plot):
        if path is not None:
            err.print(f"written: {path}", markup=False, soft_wrap=True)


def check_pool(pool: ImagePool, budget: int) -> None:
    """Raise where `pool` cannot answer for itself: without true labels, test split, or enough images."""
    if pool.targets is None or pool.test is None:
        lacking = "true labels" if pool.targets is None else "test split"
        raise TuilabelError(
            f"{pool.name} has no {lacking}, which a simulation needs; where folders are classes say "
            "--labels-from-folders"
        )
    if budget > len(pool.ids):
        raise UsageError(f"--budget {budget} is more than the {len(pool.ids):,} images of {pool.name}: give less")


def _earlier(file: Path | None, resume: bool) -> Results | None:
    """What the file holds that is to be gone on with."""
    if file is None:
        if resume:
            raise UsageError("--resume goes on with a file: name it with --json FILE")
        return None
    check_writable(file, "--json")
    if not has_results(file):
        return None
    results = read_results(file)  # also where it is not gone on with: nobody wants another file overwritten
    return results if resume else None


def _encoder(pool: ImagePool, encoder: str, checkpoint: Path | None, latents: Path | None) -> Encoder:
    chosen = choose_encoder(encoder, pool, checkpoint=checkpoint, latents=latents)
    if chosen.needs_training(pool):
        raise TuilabelError(f"no VAE for {pool.name} yet: train it with `tuilabel train-vae`, or give --encoder pca")
    return chosen


def _prepare(experiment: Experiment, pool: ImagePool, err: Console) -> int | None:
    """Encode, and make what else lies in the cache, once for all processes; returns the dimensions of the latents."""
    dimensions = None
    for name in filter(needs_encoder, experiment.learners):
        with encoding(err) as show:
            learner, _ = open_learner(name, pool, experiment.encoder, on_progress=show)
        with err.status(f"preparing the learner {name}"):
            learner.prepare()
        dimensions = int(learner.features.shape[1])
    return dimensions


def _run(experiment: Experiment, done: Results, file: Path | None, jobs: int | None, err: Console) -> Results:
    wanted = {run.key for run in experiment.runs()}
    newest = done

    def keep(results: Results) -> None:
        nonlocal newest
        newest = results
        if file is not None:
            write_results(results, file)

    with _termination_as_interrupt():
        try:
            keep(done)  # what cannot be written is known now and not after the first run
            with running(err, experiment, done.runs) as (on_round, on_run):

                def keep_and_tell(now: Results) -> None:
                    keep(now)
                    on_run(len(now.of(wanted)))

                results = run_experiment(
                    experiment,
                    done.settings,
                    done.runs,
                    jobs=jobs,
                    on_round=on_round,
                    on_run=keep_and_tell,
                )
            keep(results)
        except KeyboardInterrupt:
            if file is None:
                raise SimulationStopped("interrupted: nothing is kept (--json FILE keeps finished runs)") from None
            finished = f"{len(newest.of(wanted))} of {len(wanted)} runs are in {file}"
            raise SimulationStopped(f"interrupted: {finished}, the same command with --resume goes on") from None
    return results


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler == signal.SIG_DFL:  # under nohup a hang-up is ignored
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
