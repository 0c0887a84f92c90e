"""Who does the tasks of a job: this process, several on this machine, or the workers of a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from typing import Protocol

from tuilabel.datasets.library.read_files import n_workers
from tuilabel.encoders.shards.worker import Job, ShardWorker, Task, TaskResult
from tuilabel.errors import TuilabelError

ENGINES = ("local", "ray")
DEATHS = 2  # of processes at one task, until it is given up


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
    workers : processes; with one, this one does it all. On a machine with GPUs each takes the next one. One that dies
        is replaced, and its task done once more; a task that kills its process again is given up.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[TaskResult]:
        """See `Engine.run`."""
        if self._workers < 2:
            worker = ShardWorker(job)
            yield from map(worker, tasks)
            return
        workers = min(self._workers, len(tasks))
        job = replace(job, threads=job.threads or max(1, n_workers() // workers))
        waiting, deaths, in_a_row = deque(tasks), Counter[Task](), 0
        idle, busy = list(range(workers)), dict[Future[TaskResult], tuple[int, Task]]()
        pools = dict[int, ProcessPoolExecutor]()  # of one process each, so that it is known which task it died of
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            while waiting or busy:
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # this process alone hears Ctrl-C
                while waiting and idle:
                    number, task = idle.pop(), waiting.popleft()
                    pools[number] = pools.get(number) or _pool_of_one(job, number)
                    busy[pools[number].submit(_work, task)] = number, task
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                for future in wait(busy, return_when=FIRST_COMPLETED).done:
                    number, task = busy.pop(future)
                    idle.append(number)
                    try:
                        result = future.result()
                    except BrokenExecutor as error:
                        pools.pop(number).shutdown(wait=False)
                        deaths[task] += 1
                        in_a_row += 1
                        if in_a_row > DEATHS + workers:
                            raise TuilabelError(
                                "worker processes keep dying, perhaps for lack of memory: run the same command again, "
                                "with fewer `workers`"
                            ) from error
                        if deaths[task] < DEATHS:
                            waiting.append(task)
                        else:
                            yield TaskResult(task, error=f"its worker died {DEATHS} times")
                        continue
                    in_a_row = 0
                    yield result
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for process in multiprocessing.active_children():  # do not wait for interrupted shards
                process.terminate()
            for pool in pools.values():
                pool.shutdown(wait=True, cancel_futures=True)


def _pool_of_one(job: Job, number: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_start, initargs=(job, number))


_job: Job
_worker: ShardWorker | None = None


def _start(job: Job, number: int) -> None:
    """In each process: know the job, and end with the parent, however that ends."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    global _job
    _job = replace(job, device=_device_of(job.device, number))


def _device_of(device: str, number: int) -> str:
    """The device of a worker: one GPU after the other, unless the user names one."""
    if device not in ("auto", "cuda"):
        return device
    import torch

    return f"cuda:{number % torch.cuda.device_count()}" if torch.cuda.is_available() else device


def _work(task: Task) -> TaskResult:
    global _worker
    _worker = _worker or ShardWorker(_job)  # not in `_start`, whose errors do not reach the parent
    return _worker(task)


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
