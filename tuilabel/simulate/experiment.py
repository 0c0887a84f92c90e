"""Many runs: strategies × seeds, paired by seed, in parallel processes, kept as they finish."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuilabel import __version__
from tuilabel.datasets import open_pool
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import atomic_write
from tuilabel.simulate.run import STARTS, Run, RunSettings, rounds_of, simulate_run
from tuilabel.strategies import get_strategy

POLL = 0.2  # seconds between two looks at the processes


@dataclass(frozen=True)
class Experiment:
    """What is compared: every strategy and learner with the same seeds, and so with the same random starts.

    Raises
    ------
    UsageError : where a number makes no sense, or a strategy or a start is unknown.
    """

    dataset: str
    data_dir: Path | None
    checkpoint: Path | None
    strategies: tuple[str, ...]
    learners: tuple[str, ...] = ("latent",)
    seeds: int = 10
    seed: int = 0
    batch: int = 20
    budget: int = 500
    initial: int = 20
    start: str = "own"
    audit_share: float = 0.1

    def __post_init__(self) -> None:
        for option, low in (("seeds", 1), ("seed", 0), ("batch", 1), ("budget", 1), ("initial", 1)):
            if getattr(self, option) < low:
                raise UsageError(f"--{option} {getattr(self, option)} is too small: give {low} or more")
        if self.initial > self.budget:
            raise UsageError(f"--initial {self.initial} is more than --budget {self.budget}: give less")
        if self.start not in STARTS:
            raise UsageError(f"--start {self.start!r} is unknown: give {', '.join(STARTS)}")
        for names, what in ((self.strategies, "strategy"), (self.learners, "learner")):
            if not names or len(set(names)) < len(names):
                raise UsageError(f"give each {what} once, and at least one")
        for name in self.strategies:
            get_strategy(name)

    def runs(self) -> list[RunSettings]:
        """Every run, all strategies of a seed beside each other, so that an interrupted experiment is paired too."""
        common = {name: getattr(self, name) for name in ("batch", "budget", "initial", "start", "audit_share")}
        return [
            RunSettings(strategy, learner, seed, **common)
            for seed in range(self.seed, self.seed + self.seeds)
            for learner in self.learners
            for strategy in self.strategies
        ]


@dataclass(frozen=True)
class Results:
    """What came of an experiment so far."""

    settings: dict[str, Any]
    runs: tuple[Run, ...]

    def to_json(self) -> dict[str, Any]:
        """The document of `tuilabel simulate --json`."""
        return {**self.settings, "runs": [run.to_json() for run in self.runs]}


def describe(experiment: Experiment, *, pool_size: int, test_size: int, latent_dim: int | None) -> dict[str, Any]:
    """What the document says besides the runs; two experiments whose descriptions agree can be joined."""
    path = experiment.checkpoint
    settings = {k: v for k, v in asdict(experiment).items() if k in ("batch", "budget", "initial", "start")}
    return {
        "tuilabel": __version__,
        "dataset": experiment.dataset,
        "pool_size": pool_size,
        "test_size": test_size,
        "latent_dim": latent_dim,
        "checkpoint": None if path is None else str(path),
        **settings,
        "audit_share": experiment.audit_share,
    }


def read_results(path: Path) -> Results:
    """The results in a file that `write_results` wrote.

    Raises
    ------
    TuilabelError : where it cannot be read or is something else.
    """
    try:
        document = json.loads(path.read_text())
        runs = tuple(Run.from_json(run) for run in document.pop("runs"))
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TuilabelError(f"{path} holds no results of `tuilabel simulate`: name another file") from error
    return Results(document, runs)


def write_results(results: Results, path: Path) -> None:
    """Write the document, whole or not at all; raises `TuilabelError` where it cannot be written."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(results.to_json(), indent=1) + "\n")


def run_experiment(
    experiment: Experiment,
    settings: dict[str, Any],
    done: Sequence[Run] = (),
    *,
    jobs: int | None = None,
    on_round: Callable[[], object] = lambda: None,
    on_run: Callable[[Results], object] = lambda _: None,
) -> Results:
    """Do the runs that are not `done` yet, in `jobs` processes (by default one a processor).

    Each process computes in one thread, so that a run's figures do not depend on how many there are.

    Parameters
    ----------
    on_round : called after every round of any run.
    on_run : called with all results so far after every run.

    Raises
    ------
    TuilabelError : where a process failed or died.
    """
    wanted = experiment.runs()
    known = {(run.strategy, run.learner, run.seed): run for run in done}
    todo = [run for run in wanted if (run.strategy, run.learner, run.seed) not in known]

    def results() -> Results:
        keys = [(run.strategy, run.learner, run.seed) for run in wanted]
        return Results(settings, tuple(known[key] for key in keys if key in known))

    if not todo:
        return results()
    context = multiprocessing.get_context("spawn")
    rounds = context.Queue()
    workers = ProcessPoolExecutor(
        min(jobs or os.cpu_count() or 1, len(todo)),
        mp_context=context,
        initializer=_start,
        initargs=(experiment, rounds),
    )
    try:
        pending: set[Future[Run]] = {workers.submit(_work, run) for run in todo}
        while pending:
            finished, pending = wait(pending, POLL, FIRST_COMPLETED)
            for _ in range(_waiting(rounds)):
                on_round()
            for future in finished:
                run = future.result()
                known[run.strategy, run.learner, run.seed] = run
                on_run(results())
    except BrokenExecutor as error:
        raise TuilabelError("a simulating process died, for want of memory perhaps: give --jobs 1") from error
    finally:
        for process in multiprocessing.active_children():  # an interrupted run is not waited for
            process.terminate()
        workers.shutdown(wait=True, cancel_futures=True)
    return results()


def total_rounds(experiment: Experiment, done: Sequence[Run]) -> tuple[int, int]:
    """Rounds that are done already, and rounds in all."""
    known = {(run.strategy, run.learner, run.seed) for run in done}
    rounds = [(rounds_of(run), (run.strategy, run.learner, run.seed) in known) for run in experiment.runs()]
    return sum(n for n, here in rounds if here), sum(n for n, _ in rounds)


def _waiting(rounds: Any) -> int:
    count = 0
    while True:
        try:
            rounds.get_nowait()
        except queue.Empty:
            return count
        count += 1


_state: tuple[Experiment, Any, Any, dict[str, Any]]


def _start(experiment: Experiment, rounds: Any) -> None:
    """In each process: open the pool; Ctrl-C is for the parent."""
    import signal

    import torch

    global _state
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    _state = (experiment, rounds, open_pool(experiment.dataset, experiment.data_dir), {})


def _work(run: RunSettings) -> Run:
    from tuilabel.learner.opening import open_learner, test_set
    from tuilabel.learner.round import RoundRunner

    experiment, rounds, pool, runners = _state
    if run.learner not in runners:
        learner, features = open_learner(run.learner, pool, experiment.checkpoint, device="cpu")
        learner.prepare()
        runners[run.learner] = RoundRunner(learner, test_set(pool, features, pool.classes))
    return simulate_run(pool, runners[run.learner], run, lambda: rounds.put(1))
