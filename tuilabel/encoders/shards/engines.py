"""Who does the tasks of a job: this process, several on this machine, or the workers of a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

from tuilabel.datasets.library.read_files import n_workers
from tuilabel.encoders.shards.worker import Job, ShardWorker, Task, TaskResult
from tuilabel.errors import TuilabelError

ENGINES = ("local", "ray")


class Engine(Protocol):
    """Does tasks in any order, each once, wherever its workers are."""

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[TaskResult]:
        """The results, as they come.

        Raises
        ------
        TuilabelError, UsageError : if workers cannot start, or keep dying; results so far stay.
        """


class LocalEngine:
    """Does them in the calling process, or in several on this machine.

    Parameters
    ----------
    workers : processes; with one, this one does it all. On a machine with GPUs each takes the next one.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[TaskResult]:
        """See `Engine.run`."""
        workers = min(self._workers, len(tasks))
        if workers < 2:
            worker = ShardWorker(job)
            yield from map(worker, tasks)
            return
        context = multiprocessing.get_context("spawn")
        numbers = context.Value("i", 0)
        job = replace(job, threads=job.threads or max(1, n_workers() // workers))
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(job, numbers))
        pending: deque[Future[TaskResult]] = deque()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # this process alone hears Ctrl-C
        try:
            pending.extend(pool.submit(_work, task) for task in tasks)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            while pending:
                yield pending.popleft().result()
        except BrokenExecutor as error:
            raise TuilabelError(
                "a worker process died, perhaps for lack of memory: run the same command again, with fewer `workers`"
            ) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for process in multiprocessing.active_children():  # do not wait for interrupted shards
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)


_worker: ShardWorker


def _start(job: Job, numbers: Any) -> None:
    """In each process: load the network, and end with the parent, however that ends."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    with numbers.get_lock():
        number, numbers.value = numbers.value, numbers.value + 1
    global _worker
    _worker = ShardWorker(replace(job, device=_device_of(job.device, number)))


def _device_of(device: str, number: int) -> str:
    """The device of a worker: one GPU after the other, unless the user names one."""
    if device not in ("auto", "cuda"):
        return device
    import torch

    return f"cuda:{number % torch.cuda.device_count()}" if torch.cuda.is_available() else device


def _work(task: Task) -> TaskResult:
    return _worker(task)


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
