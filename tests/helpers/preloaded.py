"""Programs, trainers and their helpers as copies of a process that has imported everything.

What a start imports takes a second, and torch three more, in some three hundred starts. Here one process has imported
all of it, and a copy of it (`fork`) becomes the program: with the arguments, folder, environment and files of the test,
and with nothing left by other tests. What is tested of the start itself, or of the tree of processes, starts
`python -m tuilabel` as ever: the parent of a copy is a process that waits for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import types
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NoReturn

from tuilabel.cli.group import COMMANDS

ROOT = Path(__file__).parents[2]
ADDRESS = "TUILABEL_TESTS_PRELOADED"  # the environment variable with the address of the process
HIGH = 512  # file descriptors from here on are free
MODULES = (
    "torch",
    *(f"tuilabel.cli.{module}" for module, _ in COMMANDS.values()),
    "tuilabel.api",
    "tuilabel.encoders.vae.encoder",
    "tuilabel.labels.exchange.registry",
    "tuilabel.learner.mlp",
    "tuilabel.learner.trainer.child",
    "tuilabel.learner.trainer.prepare_process",
    "tuilabel.learner.trainer.workspace",
    "tuilabel.project.predict",
    "tuilabel.tui.app",
    "typer.rich_utils",
)
Session = Literal["same", "new", "terminal"]


class Copy:
    """A copy that runs; has what is used of a `subprocess.Popen`.

    Attributes
    ----------
    pid : the id of its process.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._lock = connection, Lock()
        self._replies = connection.makefile("r")
        self.pid = int(self._replies.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; raises `subprocess.TimeoutExpired` if it runs on."""
        with self._lock:
            if self.returncode is None:
                if not select.select([self._connection], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(f"copy {self.pid}", timeout or 0)
                self.returncode = int(self._replies.readline())
                self._replies.close()
                self._connection.close()
            return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def start_copy(
    address: str,
    module: str,
    arguments: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    files: Mapping[int, int],
    session: Session = "same",
) -> Copy:
    """Run `python -m MODULE` in a copy of the process at an address.

    Parameters
    ----------
    files : its file descriptors, and for each the one of this process that it is.
    session : its parent's, a new one, or a new one whose terminal is its standard input.
    """
    request = {
        "module": module,
        "arguments": list(arguments),
        "directory": str(directory),
        "environment": dict(environment),
        "targets": list(files),
        "session": session,
    }
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    with tempfile.TemporaryFile("w+") as asked:
        json.dump(request, asked)
        asked.flush()
        socket.send_fds(connection, [b"r"], [asked.fileno(), *files.values()])
        return Copy(connection)


class Preloaded:
    """The process that has imported the program; use as a context manager, which ends it.

    Attributes
    ----------
    address : of its socket.
    """

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp()
        self.address = str(Path(self._folder, "socket"))
        listener = socket.socket(socket.AF_UNIX)
        with listener:
            listener.bind(self.address)
            listener.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.helpers.preloaded", str(listener.fileno())],
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,  # ends when this process does
                stdout=subprocess.DEVNULL,
                cwd=ROOT,
                process_group=0,
            )

    def __enter__(self) -> Preloaded:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        shutil.rmtree(self._folder)

    def run(
        self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run `tuilabel` with arguments in a directory, without a terminal."""
        with (
            Path(os.devnull).open("rb") as nothing,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            files = {0: nothing.fileno(), 1: out.fileno(), 2: err.fileno()}
            copy = start_copy(
                self.address, "tuilabel", arguments, directory=directory, environment=environment, files=files
            )
            try:
                code = copy.wait(timeout)
            except subprocess.TimeoutExpired:
                copy.kill()
                raise
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(["tuilabel", *arguments], code, *said)


def children_from(address: str) -> types.SimpleNamespace:
    """The module `subprocess` for `tuilabel.learner.trainer.child`, whose children are copies."""

    def start(
        command: Sequence[str],
        *,
        stdin: int,
        stdout: Any,
        stderr: Any,
        pass_fds: Sequence[int],
        env: Mapping[str, str],
        start_new_session: bool,
    ) -> Copy:
        python, *options, module, descriptor = command
        assert (python, options, stdin) == (sys.executable, ["-P", "-m"], subprocess.DEVNULL)
        with Path(os.devnull).open("rb") as nothing:
            files = {
                0: nothing.fileno(),
                1: 1 if stdout is None else stdout.fileno(),
                2: 2 if stderr is None else stderr.fileno(),
                **{number: number for number in pass_fds},
            }
            session: Session = "new" if start_new_session else "same"
            return start_copy(
                address, module, [descriptor], directory=Path.cwd(), environment=env, files=files, session=session
            )

    return types.SimpleNamespace(**{**vars(subprocess), "Popen": start})


# -- in the process, and in its copies -------------------------------------------------------------------------------


def serve(listener: socket.socket) -> tuple[str, list[str]]:
    """Make a copy of this process for each request; return only in the copy, with its module and its arguments."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    while True:
        if sys.stdin in select.select([sys.stdin, listener], [], [])[0]:
            os._exit(0)
        connection, _ = listener.accept()
        if not os.fork():
            break
        connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    listener.close()
    _, files, *_ = socket.recv_fds(connection, 1, 64)
    if pid := os.fork():
        watch(pid, connection, files)
    connection.close()
    return become(*files)


def watch(pid: int, connection: socket.socket, files: Sequence[int]) -> NoReturn:
    """Say the id of a copy, and once it has ended its exit code."""
    for file in files:
        os.close(file)
    with contextlib.suppress(BrokenPipeError):
        connection.send(f"{pid}\n".encode())
        connection.send(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())
    os._exit(0)


def become(asked: int, *files: int) -> tuple[str, list[str]]:
    """Take on what a request says; returns its module and its arguments."""
    with os.fdopen(asked) as question:
        question.seek(0)
        request = json.load(question)
    kept = [fcntl.fcntl(file, fcntl.F_DUPFD, HIGH) for file in files]
    os.closerange(0, HIGH)
    for file, target in zip(kept, request["targets"], strict=True):
        os.dup2(file, target)
    os.closerange(HIGH, max(kept) + 1)
    if request["session"] != "same":
        os.setsid()
    if request["session"] == "terminal":
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number, name in enumerate(("stdin", "stdout", "stderr")):  # the old ones know what their files could do
        old = getattr(sys, name)
        stream = os.fdopen(number, old.mode, 1 if os.isatty(number) else -1, old.encoding, old.errors, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if address := os.environ.get(ADDRESS):
        import_module("tuilabel.learner.trainer.child").subprocess = children_from(address)  # type: ignore[attr-defined]
    is_program = request["module"] == "tuilabel"
    sys.path[0:1] = [request["directory"]] if is_program else []  # trainers run with -P
    sys.orig_argv[1:] = [*([] if is_program else ["-P"]), "-m", request["module"], *request["arguments"]]
    return request["module"], request["arguments"]


if __name__ == "__main__":
    for name in MODULES:
        import_module(name)
    gc.freeze()  # else the first collection in a copy writes to, and so copies, all memory
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a copy has no other threads"
    module, sys.argv[1:] = serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
