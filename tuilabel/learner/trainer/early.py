"""The trainer's process, started before it is known what it is to open: it loads its modules while the screen's load.

Importing this module loads next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuilabel.learner.trainer.child import Child

CLOSE_WITHIN = 2.0  # seconds


def spare_processors() -> int:
    """The number of processors for the trainer: all but one, which is left to the screen."""
    return max(1, (os.cpu_count() or 2) - 1)


def start_worker(settings: object | None, log: Path) -> Child:
    """Start a trainer process; raises `OSError` if that fails.

    Parameters
    ----------
    settings : its `WorkerSettings`; None to send them later.
    log : the file that receives everything it prints.
    """
    return Child(
        "tuilabel.learner.trainer.worker",
        settings,
        environment={"OPENBLAS_NUM_THREADS": str(spare_processors())},
        log=log,
        new_session=True,  # a Ctrl-C or hang-up of the terminal is for the screen to handle
    )


@contextmanager
def early_worker() -> Iterator[Child | None]:
    """A trainer process for the `ProcessTrainer` that is made in the meantime; it ends here at the latest.

    None if it cannot be started: whoever needs it tries again, and reports why.
    """
    try:
        child = start_worker(None, Path(os.devnull))  # its log is not known yet
    except OSError:
        yield None
        return
    try:
        yield child
    finally:
        child.stop(CLOSE_WITHIN)
