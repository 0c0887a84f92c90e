"""Run an experiment in parallel processes."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from tuilabel.datasets import open_labelled
from tuilabel.errors import TuilabelError
from tuilabel.simulation.experiment import Experiment
from tuilabel.simulation.results import Results
from tuilabel.simulation.run import Run, RunSettings, open_runner, simulate_run

POLL = 0.2  # seconds between two checks of the processes
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def run_experiment(
    experiment: Experiment,
    settings: dict[str, Any],
    done: Sequence[Run] = (),
    *,
    jobs: int | None = None,
    on_round: Callable[[], object] = lambda: None,
    on_run: Callable[[Results], object] = lambda _: None,
) -> Results:
    """Do the runs that are not `done` yet, in `jobs` processes (by default one for each processor).

    Each process computes in one thread, so that the results do not depend on the number of processes.

    Parameters
    ----------
    settings : of the results; see `describe`.
    done : earlier runs; those that are not part of the experiment come last in the results.
    on_round : called after every round of any run.
    on_run : called with all results so far after every run.

    Raises
    ------
    TuilabelError : if a process fails or dies.
    """
    wanted = experiment.runs()
    finished_runs = {run.key: run for run in done}
    todo = [run for run in wanted if run.key not in finished_runs]
    order = list(dict.fromkeys([*(run.key for run in wanted), *finished_runs]))

    def results() -> Results:
        return Results(settings, tuple(finished_runs[key] for key in order if key in finished_runs))

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
        with _worker_environment():
            pending: set[Future[Run]] = {workers.submit(_work, run) for run in todo}
        while pending:
            finished, pending = wait(pending, POLL, FIRST_COMPLETED)
            for _ in range(_count_finished(rounds)):
                on_round()
            for future in finished:
                run = future.result()
                finished_runs[run.key] = run
                on_run(results())
    except BrokenExecutor as error:
        raise TuilabelError("a process of the simulation died, perhaps out of memory: pass `jobs=1`") from error
    finally:
        for process in multiprocessing.active_children():  # do not wait for interrupted runs
            process.terminate()
        workers.shutdown(wait=True, cancel_futures=True)
    return results()


@contextmanager
def _worker_environment() -> Iterator[None]:
    """What processes inherit when they start: one thread each, and Ctrl-C ignored, as the parent handles it."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(
        dict.fromkeys(THREADS, "1")
    )  # read when numpy is imported, before any code of this module runs there
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _count_finished(rounds: Any) -> int:
    count = 0
    while True:
        try:
            rounds.get_nowait()
        except queue.Empty:
            return count
        count += 1


_state: tuple[Experiment, Any, Any, dict[str, Any]]


def _start(experiment: Experiment, rounds: Any) -> None:
    """In each process: open the pool, and make the process end with its parent, however that ends."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()

    import torch

    global _state
    torch.set_num_threads(1)
    _state = (experiment, rounds, open_labelled(experiment.dataset, experiment.data_dir), {})


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(run: RunSettings) -> Run:
    experiment, rounds, pool, runners = _state
    if run.learner not in runners:
        runners[run.learner] = open_runner(run.learner, pool, experiment.encoder)
    return simulate_run(pool, runners[run.learner], run, lambda: rounds.put(1))
