"""OpenSSH's server on loopback as this user, with throw-away keys, and its client in a pseudo-terminal."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.needed import needed
from tests.helpers.terminal import PLAIN, Terminal

SECONDS = 20.0  # for the server to start


@dataclass(frozen=True)
class SSHServer:
    """A server that runs; keys are added to `authorized`."""

    port: int
    folder: Path

    def authorize(self, options: str = "") -> Path:
        """Make a key that may come in, with options before it as in authorized_keys; returns its file."""
        key = self.folder / f"key{len(list(self.folder.glob('*.pub')))}"
        subprocess.run([needed("ssh-keygen", "SSH"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        with (self.folder / "authorized").open("a") as file:
            file.write(f"{options} {key.with_suffix('.pub').read_text()}".lstrip())
        return key

    def client(self, key: Path, *more: str, program: str = "ssh", port: int | None = None) -> list[str]:
        """The command of a client, up to what it should do."""
        flag = "-P" if program == "sftp" else "-p"
        return [
            needed(program, "SSH"), "-F", "none", flag, str(port or self.port), "-i", str(key),
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
            "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", *more, "127.0.0.1",
        ]  # fmt: skip

    def terminal(self, key: Path, command: str = "", *more: str, port: int | None = None) -> Terminal:
        """A terminal with a client that runs a command."""
        argv = [*self.client(key, "-tt", *more, port=port), *([command] if command else [])]
        return Terminal(argv, directory=self.folder, answers=PLAIN)


@contextmanager
def ssh_server(folder: Path, settings: str = "") -> Iterator[SSHServer]:
    """Run the server with its files in `folder`."""
    sshd, keygen = needed("sshd", "SSH"), needed("ssh-keygen", "SSH")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # it gives up its rights there
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / "host"], check=True)
    (folder / "authorized").touch(0o600)
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\nPrintMotd no\n"
        f"{settings}"
    )
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "config"], stderr=log, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < end, "sshd does not listen"
            time.sleep(0.05)
        yield SSHServer(port, folder)
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remote_command(directory: Path, argv: Sequence[str], pid_file: Path | None = None) -> str:
    """A command line that runs a program as the tests do; what SSH leaves of the environment is left."""
    kept = {
        name: os.environ[name]
        for name in ("TUILABEL_CACHE", "TUILABEL_CONFIG", "OMP_NUM_THREADS", "PYTHONPATH")
        if name in os.environ
    }
    environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in kept.items())
    note = "" if pid_file is None else f"echo $$ > {shlex.quote(str(pid_file))} && "
    return f"cd {shlex.quote(str(directory))} && {note}exec env {environment} {shlex.join(argv)}"


@contextmanager
def slow_line(port: int, delay: float) -> Iterator[int]:
    """A relay on loopback that passes on everything `delay` seconds later, in both directions; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    sockets = [listener]

    def relay(source: socket.socket, target: socket.socket) -> None:
        waiting: list[tuple[float, bytes]] = []
        arrived = threading.Condition()

        def send() -> None:
            while True:
                with arrived:
                    while not waiting:
                        arrived.wait()
                    due, data = waiting.pop(0)
                time.sleep(max(0.0, due - time.monotonic()))
                with suppress(OSError):
                    if not data:
                        target.shutdown(socket.SHUT_WR)
                        return
                    target.sendall(data)

        threading.Thread(target=send, daemon=True).start()
        data = b"begin"
        while data:
            try:
                data = source.recv(1 << 16)
            except OSError:
                data = b""
            with arrived:
                waiting.append((time.monotonic() + delay, data))
                arrived.notify()

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                sockets.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=relay, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
