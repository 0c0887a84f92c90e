"""The lock of a project: any number of sessions share it, and what replaces files of the project needs it alone."""

from __future__ import annotations

import errno
import fcntl
import getpass
import json
import os
import platform
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from tuilabel.errors import TuilabelError, printable
from tuilabel.files import share

PATIENCE = 1.0  # seconds that a session waits for another one, which is alone for a moment when it comes in first
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@dataclass(frozen=True)
class Holder:
    """A process that is in a project."""

    host: str
    user: str
    process: int
    since: str
    """The time in UTC, as ISO 8601."""

    @classmethod
    def here(cls) -> Holder:
        """The process that asks."""
        return cls(platform.node(), user_name(), os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def is_gone(self) -> bool:
        """Whether it no longer runs; unknown, and so False, on another host."""
        return self.host == platform.node() and not is_running(self.process)

    def __str__(self) -> str:
        return printable(f"{self.user} on {self.host} (process {self.process}, since {self.since[:16]} UTC)")


class ProjectLock:
    """A hold on a project; a context manager. Create it with `take`.

    Attributes
    ----------
    alone : whether nobody else was in the project when it was taken.
    is_sure : False on a file system without locks.
    """

    def __init__(self, descriptor: int, holder: Holder, *, alone: bool, is_sure: bool) -> None:
        self._descriptor: int | None = descriptor
        self._holder = holder
        self.alone, self.is_sure = alone, is_sure

    @classmethod
    def take(
        cls, directory: Path, *, exclusive: bool = False, allow_unlocked: bool = False, take_over: bool = False
    ) -> ProjectLock:
        """Enter a project.

        Parameters
        ----------
        exclusive : whether nobody else may be in it; else it is enough that nobody is in it exclusively.
        allow_unlocked : whether to go on, not sure to be alone, where the file system has no locks.
        take_over : whether to take it from those who are in, because they are gone.

        Raises
        ------
        TuilabelError : if others are in, the lock cannot be written, is a link, or there are no locks.
        """
        path = directory / "lock"
        while True:
            descriptor = _open(path)
            try:
                taken = _lock(descriptor, exclusive=exclusive)
                if taken is None and not take_over:
                    raise _is_taken(directory, _holders(descriptor))
                if taken is None:
                    path.unlink(missing_ok=True)  # who is gone keeps a lock on a file without a name
                elif _is_at(descriptor, path):
                    lock = cls(descriptor, Holder.here(), alone=taken, is_sure=True)
                    if lock._enter(exclusive=exclusive):
                        return lock
            except OSError as error:
                if error.errno in _NO_LOCKS and allow_unlocked:
                    return cls(descriptor, Holder.here(), alone=False, is_sure=False)
                os.close(descriptor)
                if error.errno not in _NO_LOCKS:
                    raise _not_writable(directory, error) from error
                raise TuilabelError(
                    f"the file system of {directory} has no locks, so two sessions could get in each other's way: make "
                    "sure that nobody else is in, and pass `allow_unlocked=True`"
                ) from error
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def close(self) -> None:
        """Leave the project."""
        if self._descriptor is not None:
            with suppress(OSError):  # the disk is full or gone; the system ends the lock all the same
                _write(self._descriptor, self._holder, left=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _enter(self, *, exclusive: bool) -> bool:
        """Write who is in, and let others in as well; False if somebody was faster."""
        assert self._descriptor is not None
        if self.alone:
            os.ftruncate(self._descriptor, 0)
        _write(self._descriptor, self._holder)
        if self.alone and not exclusive:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # not atomic
            except BlockingIOError:
                return False
        return True

    def __enter__(self) -> ProjectLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def holders(directory: Path) -> list[Holder]:
    """Who is in a project, as far as the lock knows; those on this host that no longer run are left out."""
    try:
        descriptor = os.open(directory / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return []
    try:
        return [holder for holder in _holders(descriptor) if not holder.is_gone]
    finally:
        os.close(descriptor)


def user_name() -> str:
    """The user's login name; in a container whose user has none, the number of the user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry in the password database
        return f"user-{os.getuid()}"


def _open(path: Path) -> int:
    """Open the lock to read and append; never through a link, or to what is not a file of its own."""
    try:
        descriptor = _open_or_create(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TuilabelError(f"{path} is a link, which a lock never is: remove it") from error
        raise _not_writable(path.parent, error) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise TuilabelError(f"{path} is not a file of its own, as a lock is: remove it")
    return descriptor


def _open_or_create(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        share(path)
        return descriptor


def _lock(descriptor: int, *, exclusive: bool) -> bool | None:
    """Whether this process is alone; None if it may not enter."""
    until = time.monotonic() + PATIENCE
    while True:
        for kind, alone in ((fcntl.LOCK_EX, True), (fcntl.LOCK_SH, False)):
            if alone or not exclusive:
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                    return alone
        if exclusive or time.monotonic() > until:
            return None
        time.sleep(PATIENCE / 50)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the lock that was taken is still the one that others find."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _write(descriptor: int, holder: Holder, *, left: bool = False) -> None:
    line = json.dumps({**asdict(holder), "left": left}) + "\n"
    os.write(descriptor, line.encode())  # at once, at the end: lines of several processes do not mix


def _holders(descriptor: int) -> list[Holder]:
    inside: dict[Holder, None] = {}
    for holder, left in _lines(os.pread(descriptor, 1 << 20, 0)):
        inside.pop(holder, None)
        if not left:
            inside[holder] = None
    return list(inside)


def _lines(content: bytes) -> Iterator[tuple[Holder, bool]]:
    for line in content.splitlines():
        try:
            values = json.loads(line)
            if isinstance(values, int):  # of an older version: only the process
                yield Holder(platform.node(), "somebody", values, ""), False
            else:
                left = bool(values.pop("left", False))
                texts = {name: str(values[name]) for name in ("host", "user", "since")}
                yield Holder(**texts, process=int(values["process"])), left
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def is_running(process: int) -> bool:
    """Whether a process of this host runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _is_taken(directory: Path, inside: Sequence[Holder]) -> TuilabelError:
    who = ", ".join(map(str, inside)) or "another process"
    if inside and all(holder.is_gone for holder in inside):
        return TuilabelError(
            f"the project {directory} is held for {who}, which no longer runs: if it is really gone, pass "
            "`take_over=True`"
        )
    elsewhere = any(holder.host != platform.node() for holder in inside)
    advice = "quit that first" + (", or, if that host is gone, pass `take_over=True`" if elsewhere else "")
    return TuilabelError(f"the project {directory} is being worked on by {who}: {advice}")


def _not_writable(directory: Path, error: OSError) -> TuilabelError:
    return TuilabelError(
        f"cannot write into the project {directory}: {error.strerror or error}; pass another `project`"
    )
