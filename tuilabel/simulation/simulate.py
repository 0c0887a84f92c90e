"""A whole simulation: open the images, encode them, do the runs in parallel, keep the results in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuilabel.datasets import DatasetLike, ImagePool, open_labelled, with_test
from tuilabel.encoders import AUTO, DEFAULT_ENCODER, DOWNLOADING, Encoder, choose_encoder
from tuilabel.encoders.titles import title_of
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.base import needs_encoder
from tuilabel.learner.open import open_learner
from tuilabel.session.rounds import AUDIT_SHARE
from tuilabel.simulation.experiment import Experiment, total_rounds
from tuilabel.simulation.parallel import run_experiment
from tuilabel.simulation.results import Results, describe, disagreement, read_results, write_results
from tuilabel.simulation.results_file import check_writable, has_results, set_aside
from tuilabel.simulation.run import open_runner, simulate_run

OnProgress = Callable[[str, int, int], None]
"""Called with (stage, steps done, steps in all); the last is 0 if the number of steps is unknown."""


@dataclass(frozen=True)
class SimulationProgress:
    """The progress of a simulation."""

    rounds: int
    total_rounds: int
    runs: int
    """Finished runs."""
    total_runs: int


def ignore(*_args: object) -> None:
    """Report nothing."""


def simulate(
    dataset: DatasetLike | ImagePool,
    *,
    strategies: Sequence[str] = ("auto", "random"),
    learners: Sequence[str] = ("latent",),
    encoder: str = DEFAULT_ENCODER,
    checkpoint: Path | None = None,
    latents: Path | None = None,
    batch_size: int = 20,
    budget: int = 500,
    seeds: int = 10,
    seed: int = 0,
    initial: int = 20,
    start: str = "own",
    audit_share: float = AUDIT_SHARE,
    cross_validate: bool = False,
    file: Path | None = None,
    resume: bool = False,
    jobs: int | None = None,
    data_dir: Path | None = None,
    on_progress: OnProgress = ignore,
    on_round: Callable[[SimulationProgress], object] = ignore,
    note: Callable[[str], object] = ignore,
) -> Results:
    """Replay active learning with the true labels as the annotator, and compare query strategies.

    Every strategy and learner runs with the same seeds, and so with the same random starts: the runs are paired.

    Parameters
    ----------
    dataset : the name of a dataset, or the path or URL of your images, with labels; see `open_pool`. The runs of an
        `ImagePool` are done in this process.
    strategies, learners : the names of those to compare.
    encoder, checkpoint, latents : what images are represented by; see `choose_encoder`.
    batch_size : labels per round.
    budget : total labels per run.
    seeds : number of runs of each strategy and learner; their seeds are `seed`, `seed` + 1, ….
    initial : labels in the first round.
    start : how the first batch is chosen: "own" (by the strategy; at random if it needs a model), "random" or
        "coverage".
    audit_share : share of each batch that is drawn at random, to estimate accuracy, between 0 and 1.
    cross_validate : whether accuracy is also estimated by cross-validation, which takes several times as long.
    file : a JSON file that holds all finished runs at any time. Results of an earlier simulation in it are renamed.
    resume : continue the simulation in `file` instead.
    jobs : number of processes; by default one for each processor, and none for an `ImagePool`.
    data_dir : the folder of built-in datasets.
    on_progress : called while images are read and encoded.
    on_round : called after every round.
    note : called with lines that the user should see.

    Returns
    -------
    The runs of this simulation. `file` also keeps earlier runs that are not part of this simulation.

    Raises
    ------
    UsageError : if a parameter is out of range or unknown, or `file` was made with other settings.
    TuilabelError : if images, encoder or file cannot be read or written, or a process dies. Most of this is checked
        before the first run.
    """
    in_memory = dataset if isinstance(dataset, ImagePool) else None
    experiment = Experiment(
        dataset=dataset.name if isinstance(dataset, ImagePool) else dataset,
        data_dir=data_dir,
        encoder=None,
        strategies=tuple(strategies),
        learners=tuple(learners),
        seeds=seeds,
        seed=seed,
        batch_size=batch_size,
        budget=budget,
        initial=initial,
        start=start,
        audit_share=audit_share,
        cross_validate=cross_validate,
    )
    check_jobs(jobs)
    earlier = _earlier(file, resume)
    pool = open_labelled(experiment.dataset, data_dir, on_progress) if in_memory is None else with_test(in_memory)
    check_pool(pool, budget)
    if any(map(needs_encoder, experiment.learners)):
        chosen = _encoder(pool, encoder, checkpoint, latents)
        if encoder == AUTO and not pool.is_builtin and latents is None:
            note(f"encoder auto: {title_of(chosen.name)}, by the look of the images")
        for line in chosen.notes(pool):
            note(line)
        chosen.fetch(lambda done, total: on_progress(DOWNLOADING, done, total))
        experiment = replace(experiment, encoder=chosen)
    latent_dim = _prepare(experiment, pool, on_progress)
    assert pool.test is not None  # `check_pool`
    settings = describe(
        experiment, dataset=pool.name, pool_size=len(pool.ids), test_size=len(pool.test.targets), latent_dim=latent_dim
    )
    if earlier is not None and (difference := disagreement(earlier.settings, settings)):
        raise UsageError(f"{file} was made with {difference}: use the same settings to resume it, or another `file`")
    if earlier is not None and latent_dim is None:  # its runs may have needed an encoder
        settings |= {name: earlier.settings.get(name) for name in ("latent_dim", "checkpoint", "checkpoint_digest")}
    if file is not None and not resume:
        set_aside(file, note)
    done = Results(settings, () if earlier is None else earlier.runs)
    return _run(experiment, done, file, jobs, on_round, None if in_memory is None else pool)


def check_jobs(jobs: int | None) -> None:
    """Raise `UsageError` if `jobs` is not a number of processes."""
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs must be at least 1, got {jobs}", parameter="jobs")


def check_pool(pool: ImagePool, budget: int) -> None:
    """Raise unless `pool` has what a simulation needs: true labels, a test split, and enough images."""
    classes = "pass `labels_from_folders=True` for images with a folder for each of two classes or more"
    if pool.targets is None:
        raise TuilabelError(f"{pool.name} has no true labels, which a simulation needs: {classes}")
    if len({*pool.targets.tolist()}) < 2:
        raise TuilabelError(f"{pool.name} has images of one class only, and a simulation needs two: {classes}")
    if pool.test is None:
        raise TuilabelError(
            f"{pool.name} has no test split, which a simulation needs: put images into folders train and test"
        )
    if budget > len(pool.ids):
        raise UsageError(
            f"budget must be at most {len(pool.ids):,}, the images of {pool.name}, got {budget:,}",
            parameter="budget",
        )


def _earlier(file: Path | None, resume: bool) -> Results | None:
    """The results in the file that are to be continued."""
    if file is None:
        if resume:
            raise UsageError("resume needs a file of earlier results: name it with `file`", parameter="resume")
        return None
    check_writable(file, "file")
    if not has_results(file):
        return None
    results = read_results(file)  # also without `resume`: a file with something else must not be overwritten
    return results if resume else None


def _encoder(pool: ImagePool, encoder: str, checkpoint: Path | None, latents: Path | None) -> Encoder:
    chosen = choose_encoder(encoder, pool, checkpoint=checkpoint, latents=latents)
    if chosen.needs_training(pool):
        command = chosen.training_command(pool.name)
        raise TuilabelError(f"no VAE for {pool.name} yet: train it with `{command}`, or pass `encoder='pca'`")
    return chosen


def _prepare(experiment: Experiment, pool: ImagePool, on_progress: OnProgress) -> int | None:
    """Fill the caches once for all processes: latents and what learners prepare; returns the dimension of latents."""
    dimension = None
    for name in filter(needs_encoder, experiment.learners):
        learner, test_features = open_learner(
            name, pool, experiment.encoder, on_progress=lambda done, total: on_progress("encoding", done, total)
        )
        if test_features is None:
            raise TuilabelError(
                f"there are no latents of the test split of {pool.name}, which a simulation needs: `tuilabel encode` "
                "writes them to .parquet and .npz"
            )
        learner.prepare()
        dimension = int(learner.features.shape[1])
    return dimension


def _run(
    experiment: Experiment,
    done: Results,
    file: Path | None,
    jobs: int | None,
    on_round: Callable[[SimulationProgress], object],
    in_memory: ImagePool | None,
) -> Results:
    wanted = {run.key for run in experiment.runs()}
    rounds, all_rounds = total_rounds(experiment, done.runs)
    progress = SimulationProgress(rounds, all_rounds, len(done.of(wanted)), len(wanted))

    def report(**changes: int) -> None:
        nonlocal progress
        progress = replace(progress, **changes)
        on_round(progress)

    def keep(results: Results) -> None:
        if file is not None:
            write_results(results, file)
        report(runs=len(results.of(wanted)))

    keep(done)  # report a file that cannot be written now, not after the first run

    def count_round() -> None:
        report(rounds=progress.rounds + 1)

    if in_memory is None:
        results = run_experiment(experiment, done.settings, done.runs, jobs=jobs, on_round=count_round, on_run=keep)
    else:
        results = _run_here(experiment, done, in_memory, count_round, keep)
    if file is not None:
        write_results(results, file)
    return Results(results.settings, results.of(wanted))


def _run_here(
    experiment: Experiment,
    done: Results,
    pool: ImagePool,
    on_round: Callable[[], object],
    on_run: Callable[[Results], object],
) -> Results:
    """The runs that are not done yet, one after another in this process."""
    results, runners = done, {name: open_runner(name, pool, experiment.encoder) for name in experiment.learners}
    for settings in experiment.runs():
        if not results.of({settings.key}):
            run = simulate_run(pool, runners[settings.learner], settings, on_round)
            results = replace(results, runs=(*results.runs, run))
            on_run(results)
    return results
