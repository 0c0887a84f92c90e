"""Workers on a Ray cluster, by Ray Data: actors that load the network once, on GPUs if the cluster has any.

Ray Data places the actors, hands out shards as workers become free, and does those of a dead worker again. It does not
write the latents: its writers name files by task, so that a run could not be resumed by shard. The actors write theirs
themselves, each under the name that the plan gives it, which makes doing a shard twice harmless.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuilabel.encoders.shards.worker import Job, ShardWorker, Task, TaskResult
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.extras import require

TRIES = 3  # times that a shard is done again whose worker has died
STARTS = 3  # times that a cluster on this machine is started, if it takes too long
ANSWER = 10.0  # seconds in which a cluster must answer
OBJECTS = 256 * 2**20  # bytes of memory for what a local cluster passes around: file names and counts
_PASSED_ON = ("TUILABEL_NO_REMOTE", "TUILABEL_LOCAL_URLS")
_LOGGERS = ("ray", "ray.data")


class RayEngine:
    """The workers of a Ray cluster, or of one that is started on this machine alone for the time of the run.

    Parameters
    ----------
    address : "HOST:PORT" or "ray://HOST:PORT"; None for that of RAY_ADDRESS, else for a cluster on this machine.
    workers : how many; by default one for each GPU, else one for each processor.

    Raises
    ------
    TuilabelError : if ray is not installed.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        require("ray", "encoding on a Ray cluster")
        self._address = address or os.environ.get("RAY_ADDRESS")
        self._workers = workers

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Be connected to the cluster; without it each `run` connects anew.

        Raises
        ------
        TuilabelError : if it does not answer.
        UsageError : if the address is not one.
        """
        # Ray reports how it is used to its makers, and takes `uv run` as a wish to copy this folder to all workers
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        import ray

        if ray.is_initialized():  # by the program that uses this as a library
            yield
            return
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        options: dict[str, Any] = {
            "logging_level": logging.ERROR,
            "log_to_driver": False,
            "runtime_env": {"env_vars": passed_on} if passed_on else None,
        }
        if self._address in (None, "local"):
            alone = {"address": "local", "include_dashboard": False, "object_store_memory": OBJECTS}
            options |= {**alone, "num_cpus": self._workers, "_node_ip_address": "127.0.0.1"}
        else:
            assert self._address is not None
            check_answers(self._address)
            options |= {"address": self._address}
        try:
            _start(options, STARTS if "include_dashboard" in options else 1)
        except Exception as error:  # it raises almost anything
            where = "on this machine" if "include_dashboard" in options else f"at {self._address}"
            raise TuilabelError(f"cannot use a Ray cluster {where}: {_first_line(error)}") from error
        try:
            yield
        finally:
            ray.shutdown()

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[TaskResult]:
        """See `Engine.run`."""
        with self.connected():
            yield from self._run(job, tasks)

    def _run(self, job: Job, tasks: Sequence[Task]) -> Iterator[TaskResult]:
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        context = DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.max_errored_blocks = -1  # a shard that kills its workers does not end the others
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        workers, cpus, gpus = self._shares(job, len(tasks))
        rows = [{"task": pickle.dumps(task)} for task in tasks]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the last two, without which a shard could kill workers for ever
            results = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                _Actor,
                fn_constructor_args=(replace(job, threads=cpus),),
                batch_size=1,
                compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
                num_cpus=cpus,
                num_gpus=gpus,
                max_restarts=-1,
                max_task_retries=TRIES,
            )
        missing = {task.group: task for task in tasks}
        try:
            for row in results.iter_rows():
                result = pickle.loads(row["result"])
                if isinstance(result, Exception):
                    raise result
                missing.pop(result.task.group, None)
                yield result
        except (TuilabelError, GeneratorExit):
            raise
        except Exception as error:  # ray raises almost anything
            raise TuilabelError(f"the Ray cluster failed: {_first_line(error)}; run the same command again") from error
        for task in missing.values():
            yield TaskResult(task, error=f"its worker died {TRIES + 1} times")

    def _shares(self, job: Job, n_tasks: int) -> tuple[int, int, int]:
        """How many workers, and the processors and GPUs of each."""
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        with_gpus = [node for node in nodes if node.get("GPU")]
        if job.device != "cpu" and with_gpus:
            cpus = max(1, min(int(node.get("CPU", 1) // node["GPU"]) for node in with_gpus))
            available = sum(int(node["GPU"]) for node in with_gpus)
            return min(self._workers or available, available, n_tasks), cpus, 1
        available = sum(int(node.get("CPU", 0)) for node in nodes)
        if not available:
            raise TuilabelError("the Ray cluster has no processors: start `ray start` on its workers")
        return min(self._workers or available, available, n_tasks), 1, 0


class _Actor:
    """A worker of Ray Data: batches of one task each."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker: ShardWorker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """What came of the tasks; an error is a result, so that it arrives as it is, and is not tried again."""
        return {"result": [pickle.dumps(self._do(pickle.loads(task))) for task in batch["task"]]}

    def _do(self, task: Task) -> TaskResult | TuilabelError:
        try:
            self._worker = self._worker or ShardWorker(self._job)
            return self._worker(task)
        except TuilabelError as error:
            return TuilabelError(f"on {socket.gethostname()}: {error}")
        except Exception as error:  # of torch, say: the others may fare better
            return TaskResult(task, error=f"{type(error).__name__}: {_first_line(error)}")


def check_answers(address: str) -> None:
    """Check that something answers at the address of a cluster; Ray itself would wait for minutes.

    Raises
    ------
    UsageError : if it is not an address.
    TuilabelError : if nothing answers.
    """
    if address == "auto":
        return
    try:
        parsed = urlsplit(address if "://" in address else f"//{address}")
        host, port = parsed.hostname, parsed.port
    except ValueError:
        host = port = None
    if not host or not port or parsed.scheme not in ("", "ray"):
        raise UsageError(f"address must be HOST:PORT, ray://HOST:PORT or auto, got {address!r}", parameter="address")
    try:
        socket.create_connection((host, port), ANSWER).close()
    except OSError as error:
        reason = error.strerror or str(error) or "no answer"
        raise TuilabelError(
            f"no Ray cluster answers at {address} ({reason}): is it running, and its port open?"
        ) from error


def _start(options: dict[str, Any], tries: int) -> None:
    """Start Ray; its own 30 seconds may be too few for a cluster on a busy machine."""
    import ray

    while True:
        tries -= 1
        try:
            with _silent():
                ray.init(**options)
            return
        except Exception as error:  # it raises almost anything
            if not tries or "timed out" not in str(error):
                raise


@contextmanager
def _silent() -> Iterator[None]:
    """Send what Ray's own libraries write to stderr, whatever they are told, nowhere."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(lines[-1] if lines and "Error" in lines[-1] else lines[0])[:200] if lines else type(error).__name__
