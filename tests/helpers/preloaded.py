"""The program in a process of its own that need not import anything first.

What a start imports takes a second, and torch three more, in some two hundred starts. Here one process has imported all
of it, and a copy of it (`fork`) becomes the program: with the arguments, folder, environment and files of the test, and
with nothing left by other tests. What is tested of the start itself starts `python -m tuilabel` as ever.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = (
    "torch",
    "tuilabel.api",
    "tuilabel.cli",
    "tuilabel.encoders.vae.encoder",
    "tuilabel.labels.exchange.registry",
    "tuilabel.learner.mlp",
    "tuilabel.project.predict",
    "typer.rich_utils",
)


class Preloaded:
    """The process that has imported the program; use as a context manager, which ends it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.helpers.preloaded", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=ROOT,
                process_group=0,
            )

    def __enter__(self) -> Preloaded:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.wait(60)

    def run(
        self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run `tuilabel` with arguments in a directory, without a terminal."""
        request = {"arguments": arguments, "directory": str(directory), "environment": dict(environment)}
        with tempfile.TemporaryFile("w+") as asked, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            json.dump(request, asked)
            asked.flush()
            socket.send_fds(self._socket, [b"r"], [file.fileno() for file in (asked, out, err)])
            self._socket.settimeout(timeout)
            try:
                code = int(self._socket.recv(16))
            except TimeoutError:
                os.killpg(self._process.pid, 9)
                raise
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(["tuilabel", *arguments], code, *said)


def wait_for_work(connection: socket.socket) -> Sequence[str]:
    """Make a copy of this process for each request; return only in the copy, with the arguments of the program."""
    while True:
        message, files, *_ = socket.recv_fds(connection, 1, 3)
        if not message:
            sys.exit()
        if not (pid := os.fork()):
            break
        for file in files:
            os.close(file)
        connection.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    connection.close()
    asked, out, err = files
    with os.fdopen(asked) as question:
        question.seek(0)
        request = json.load(question)
    for source, target in ((out, 1), (err, 2)):
        os.dup2(source, target)
        os.close(source)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = request["directory"]
    arguments: list[str] = request["arguments"]
    return arguments


if __name__ == "__main__":
    for name in MODULES:
        import_module(name)
    gc.freeze()  # else the first collection in a copy writes to, and so copies, all memory
    assert threading.active_count() == 1, "a copy has no other threads"
    sys.argv[1:] = wait_for_work(socket.socket(fileno=int(sys.argv[1])))
    sys.orig_argv[1:] = ["-m", "tuilabel", *sys.argv[1:]]
    runpy.run_module("tuilabel", run_name="__main__", alter_sys=True)
