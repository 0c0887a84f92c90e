"""A PostgreSQL server of the tests' own: on loopback, in a temporary directory, with a password."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

PASSWORD = "geheim/:@ß"
USER = "owner"
DATABASE = "labels"


@dataclass
class Server:
    """A running server; `url` has no password."""

    directory: Path
    port: int
    durable: bool = False

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    def sql(self, statement: str, database: str = DATABASE) -> list[Any]:
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.directory}"
        if not self.durable:
            options += " -c fsync=off"
        _run(["pg_ctl", "start", "-w", "-D", self.directory / "data", "-l", self.directory / "log", "-o", options])

    def stop(self) -> None:
        _run(["pg_ctl", "stop", "-w", "-m", "immediate", "-D", self.directory / "data"])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Meanwhile none of its processes gets on, although its connections stand."""
        first = psutil.Process(int((self.directory / "data" / "postmaster.pid").read_text().split()[0]))
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(processes):
                process.resume()


def is_installed() -> bool:
    return _program("initdb").is_file()


def require_installed() -> None:
    if not is_installed():
        assert os.environ.get("CI") != "true", "PostgreSQL is missing: .ci/run installs it"
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")


@contextmanager
def running_server(*, durable: bool = False) -> Iterator[Server]:
    """A new cluster, which is gone afterwards; `durable` flushes commits to disk, as a server in use does."""
    directory = Path(tempfile.mkdtemp(prefix="tuilabel-pg-"))
    try:
        (directory / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_user())
            for path in (directory, directory / "password"):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        _run(["initdb", "-D", directory / "data", "-U", USER, "--pwfile", directory / "password",
              "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"])  # fmt: skip
        server = Server(directory, port, durable)
        server.start()
        try:
            server.sql(f"CREATE DATABASE {DATABASE}", "postgres")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _user() -> str:
    """Who runs the server where the tests run as root, which PostgreSQL refuses to."""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def _program(name: str) -> Path:
    """A program of the newest PostgreSQL; Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return found[-1] if found else Path(shutil.which(name) or name)


def _run(command: Sequence[str | Path]) -> None:
    as_user = {"user": _user(), "group": pwd.getpwnam(_user()).pw_gid, "extra_groups": []}
    done = subprocess.run(
        [_program(str(command[0])), *command[1:]],
        stdout=subprocess.DEVNULL,  # not a pipe, which the server would keep open
        stderr=subprocess.DEVNULL,
        cwd="/",
        check=False,
        **(as_user if os.geteuid() == 0 else {}),  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{command[0]} failed: {done.returncode}"
