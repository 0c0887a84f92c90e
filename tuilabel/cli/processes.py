"""Start a command several times, as the processes of one training (`train-vae --processes`).

It does what torchrun does on one machine, but ends as the command ends: with the output and exit code of the first one.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import typer

PATIENCE = 60.0  # seconds that the first process gets to save its state, once another one has failed
_STOPPED = 130  # the exit code after SIGINT


def is_one_of_several() -> bool:
    """Whether this process was started by `run_processes` or by torchrun."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def run_processes(count: int, arguments: Sequence[str]) -> int:
    """Run `tuilabel` with `arguments` in `count` processes, and wait for them.

    The first one has this process's output. What another one says is shown only if it was the first to fail. SIGINT and
    SIGTERM are passed on to all.

    Returns
    -------
    The exit code: that of the first process or, if this succeeded, that of another one that failed.
    """
    command = [sys.executable, "-m", "tuilabel", *arguments]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": f"{count}"}
    common["LOCAL_WORLD_SIZE"] = common["WORLD_SIZE"]
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    with tempfile.TemporaryFile() as said:
        children = [
            subprocess.Popen(
                command,
                env={**os.environ, **common, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}"},
                stdin=subprocess.DEVNULL,
                stdout=said if rank else None,
                stderr=said if rank else None,
                start_new_session=True,  # a key sequence of the terminal reaches them once, through this process
            )
            for rank in range(count)
        ]
        try:
            for rank, child in enumerate(children):
                threading.Thread(target=lambda r=rank, c=child: ended.put((c.wait(), r)[1]), daemon=True).start()
            with _passed_on(children):
                failed = _first_to_fail(ended, children)
                if failed and children[failed].returncode != _STOPPED:
                    said.seek(0)
                    typer.echo(f"process {failed + 1} of {count}: {_reason(children[failed], said.read())}", err=True)
                _wait_for(children)
        finally:
            for child in children:
                child.kill()
                child.wait()
    codes = [child.returncode for child in children]
    return next((code if code > 0 else 1 for code in codes if code), 0)


def _first_to_fail(ended: queue.SimpleQueue[int], children: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Wait until a process has failed, or all have succeeded: its number, or None."""
    for _ in children:
        rank = ended.get()
        if children[rank].returncode:
            return rank
    return None


def _reason(child: subprocess.Popen[bytes], said: bytes) -> str:
    """Why a process has failed, in one line."""
    if child.returncode < 0:
        return f"ended by {signal.Signals(-child.returncode).name}"
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("tuilabel: ") if lines else f"exit code {child.returncode}"


def _wait_for(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until the first process has ended, and end the others."""
    for child in children:
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
        for other in children[1:]:
            if other.poll() is None:
                other.terminate()


@contextmanager
def _passed_on(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Pass SIGINT and SIGTERM on to the children."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        for child in children:
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
