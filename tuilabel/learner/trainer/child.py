"""Child processes that talk to their parent over a pair of sockets, and end when it does.

A plain subprocess rather than a `multiprocessing.Process`: that one cannot be started from within a running Textual app
(`bad value(s) in fds_to_keep`), and a trainer that has died must be restarted there.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

from tuilabel.files import create_file


class Child:
    """A process that runs `python -m MODULE`.

    Parameters
    ----------
    module : its `main` calls `connect_to_parent`.
    settings : the first message that it receives; None if that is sent later.
    environment : default environment variables; those that are already set take precedence.
    log : the file that receives everything the process prints; by default it shares this process's output.
    new_session : run in a new session, so that Ctrl-C or a hang-up of the terminal does not reach the process.

    Attributes
    ----------
    connection : sends and receives pickled messages.
    pid : the id of the process.

    Raises
    ------
    OSError : if the process cannot be started.
    """

    def __init__(
        self,
        module: str,
        settings: object | None,
        *,
        environment: Mapping[str, str],
        log: Path | None = None,
        new_session: bool = False,
    ) -> None:
        parent_end, child_end = socket.socketpair()
        with ExitStack() as stack:
            stack.enter_context(child_end)
            on_error = stack.enter_context(ExitStack())
            on_error.enter_context(parent_end)
            output = None if log is None else stack.enter_context(_open_log(log))
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(child_end.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[child_end.fileno()],
                env={**environment, **os.environ},
                start_new_session=new_session,
            )
            on_error.pop_all()
        self.pid = self._process.pid
        self.connection = Connection(parent_end.detach())
        if settings is not None:
            self.connection.send(settings)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code of the process, which is killed if it has not ended within `timeout` seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def kill(self) -> None:
        """End the process at once, whatever state it is in."""
        self._process.kill()

    def cpu_seconds(self) -> float | None:
        """Processor time that the process has used so far; None if it has ended."""
        import psutil  # in a thread, once there is something to watch: the screen starts without it

        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return None
        return float(times.user + times.system)

    def stop(self, timeout: float) -> None:
        """Ask the process to end, and kill it after `timeout` seconds."""
        self._process.terminate()
        self.wait(timeout)


def exit_reason(code: int) -> str:
    """Describe an exit code, as the rest of a sentence that begins with the name of the process."""
    if code < 0:
        return f"was ended by signal {-code}" + (" (out of memory?)" if code == -9 else "")
    return f"ended with code {code}"


def connect_to_parent(niceness: int) -> Connection:
    """In the child: set up logging, lower the priority by `niceness`, and open the connection to the parent."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    os.nice(niceness)
    return Connection(int(sys.argv[1]))


def print_to(log: Path) -> None:
    """In the child: send everything that it prints from now on to a file."""
    with _open_log(log) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def listen(
    connection: Connection, on_parent_exit: Callable[[], None], on_message: Callable[[Any], None] | None = None
) -> None:
    """In the child: receive messages in a thread; when the parent has ended, call `on_parent_exit` in that thread."""

    def run() -> None:
        while True:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                on_parent_exit()
                return
            if on_message is not None:
                on_message(message)

    Thread(target=run, name="listen-to-parent", daemon=True).start()


def _open_log(log: Path) -> BinaryIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        create_file(log)
        return log.open("ab")
    except PermissionError:  # the log of a colleague who shares the directory but not this file
        return Path(os.devnull).open("ab")
