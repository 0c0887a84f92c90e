"""`python -m tuilabel.learner.worker FD`: the trainer process behind `ProcessTrainer`."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from multiprocessing.connection import Connection
from threading import Condition, Thread

from tuilabel.datasets import open_pool
from tuilabel.errors import TuilabelError
from tuilabel.learner.messages import Failure, Message, Progress, Ready, TrainRequest
from tuilabel.learner.opening import open_learner, test_set
from tuilabel.learner.process import WorkerSettings, spare_processors
from tuilabel.learner.round import RoundRunner

log = logging.getLogger("tuilabel.trainer")

NICENESS = 10  # the screen goes first


class Inbox:
    """The newest request; older ones are forgotten. When the other end closes, the process ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._newest: TrainRequest | None = None
        self._changed = Condition()
        Thread(target=self._read, daemon=True).start()

    def take(self) -> TrainRequest:
        """Wait for a request and take it."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None)
            request, self._newest = self._newest, None
        assert request is not None
        return request

    def _read(self) -> None:
        while True:
            try:
                request: TrainRequest = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # the screen has gone; there is nothing to keep
            with self._changed:
                self._newest = request
                self._changed.notify_all()


def serve(connection: Connection) -> None:
    """Load what the settings name, then answer requests until the other end closes."""
    settings: WorkerSettings = connection.recv()
    inbox = Inbox(connection)

    def send(message: Message) -> None:
        connection.send(message)

    try:
        send(Progress("load"))
        pool = open_pool(settings.dataset, settings.data_dir)
        learner, features = open_learner(
            settings.learner,
            pool,
            settings.checkpoint,
            device=settings.device,
            on_progress=lambda done, total: send(Progress("encode", done, total)),
        )
        runner = RoundRunner(learner, test_set(pool, features))
        send(Ready())
        prepared = False
        while True:
            request = inbox.take()
            send(Progress("train"))
            if request.indices.size:
                _load_torch()
            send(runner.run(request))
            if not prepared:  # while the person looks at the first batch
                send(Progress("load"))
                _load_torch()
                learner.prepare()
                prepared = True
                send(Ready())
    except TuilabelError as error:
        send(Failure(str(error), fatal=True))
    except OSError:
        log.info("the screen has gone")
    except Exception as error:
        traceback.print_exc()
        reason = " ".join(str(error).split())
        send(Failure(f"the trainer failed: {type(error).__name__}: {reason}; see {settings.log}", fatal=True))


def _load_torch() -> None:
    """Load torch, and leave the screen a processor of its own."""
    import torch

    import tuilabel.learner.mlp  # noqa: F401

    torch.set_num_threads(spare_processors())
    os.environ.setdefault("OMP_NUM_THREADS", str(spare_processors()))  # faiss reads it when it is imported


def main() -> None:
    """Serve over the socket whose file descriptor is the first argument."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    os.nice(NICENESS)
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
