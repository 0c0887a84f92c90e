"""The cache directory, the configuration file, and atomic writes of files and directories."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

import platformdirs

from tuilabel.errors import TuilabelError

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "beegfs", "gpfs", "fuse.sshfs"}
_WITHOUT_FOLDER_TIMES = {"vfat", "msdos", "exfat", "fuse", "9p", "vboxsf", "prl_fs", "drvfs"}


def cache_dir() -> Path:
    """The directory for cached pools and latents: `$TUILABEL_CACHE` if set, else the user's cache directory.

    A user without a home directory, as in some containers, has one for temporary files.
    """
    return _named_in("TUILABEL_CACHE") or _in_home(platformdirs.user_cache_dir) or _homeless()


def _homeless() -> Path:
    """A folder of this user alone among the temporary files."""
    folder = Path(tempfile.gettempdir(), f"tuilabel-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise TuilabelError(f"{folder} belongs to somebody else: set TUILABEL_CACHE to a directory of your own")
    return folder


def config_file() -> Path:
    """The user's file of defaults: `$TUILABEL_CONFIG`, else config.toml in the user's configuration directory."""
    folder = _in_home(platformdirs.user_config_dir)
    return _named_in("TUILABEL_CONFIG") or Path(os.devnull if folder is None else folder / "config.toml")


def _named_in(variable: str) -> Path | None:
    path = os.environ.get(variable)
    return Path(os.path.expanduser(path)) if path else None  # noqa: PTH111 - fails without a home directory


def _in_home(find: Callable[[str], str]) -> Path | None:
    """The program's folder, as platformdirs finds it; None without a home directory."""
    try:
        folder = Path(find("tuilabel"))
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None


@contextmanager
def open_file(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for reading; never waits for a pipe, nor reads a device without end.

    Raises
    ------
    OSError : if there is no such file, or it cannot be read.
    TuilabelError : if it is something else.
    """
    if path.is_dir():
        raise TuilabelError(f"{path} is a directory: name a file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise TuilabelError(f"{path} is a pipe or device: name a regular file")
        yield file


def _temporary(path: Path) -> Path:
    """A path next to `path` whose name nobody can foresee."""
    return path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success it is flushed to disk and renamed to `path`.

    An interrupted run leaves `path` unchanged. A link at `path` is replaced and never followed, nor is one that
    somebody else has put in the place of the temporary file. Raises `TuilabelError` if the file cannot be written.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        share(temporary)
        mode = temporary.stat().st_mode  # according to the umask; some libraries create private files
        yield temporary
        temporary.chmod(mode)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise TuilabelError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # its folder may be a file
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a new directory next to `path`; on success it replaces `path`.

    An interrupted run leaves `path` unchanged. Raises `TuilabelError` if the directory cannot be written.
    """
    temporary = _temporary(path)
    previous = temporary.with_suffix(".old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        yield temporary
        if path.exists():  # a directory cannot be renamed over a non-empty one
            path.replace(previous)
        try:
            temporary.replace(path)
        except OSError:
            if previous.exists():
                previous.replace(path)
            raise
    except OSError as error:
        raise TuilabelError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(previous, ignore_errors=True)


@contextmanager
def no_empty_folders(files: Iterable[Path]) -> Iterator[None]:
    """If writing some files fails, remove the folders that were created for them and are empty."""
    missing = {folder for file in files for folder in file.absolute().parents if not folder.exists()}
    try:
        yield
    except BaseException:
        for folder in sorted(missing, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # it was not created, or holds what has been written so far
                folder.rmdir()
        raise


def create_file(path: Path) -> None:
    """Create an empty file unless there is one, with the mode of `share`; raises `OSError`.

    SQLite itself would create one that the group cannot write, whatever the umask says.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return
    os.close(descriptor)
    share(path)


def share(path: Path) -> None:
    """Let the group use a new file or directory as well, if that is what its directory is for.

    It is if the directory is writable for its group and hands its group down (setgid), as directories of a team are;
    else the umask decides.
    """
    around = path.parent.stat().st_mode
    if around & stat.S_ISGID and around & stat.S_IWGRP:
        mode = path.stat().st_mode
        with suppress(PermissionError):  # it is somebody else's
            path.chmod(stat.S_IMODE(mode) | (0o2070 if stat.S_ISDIR(mode) else 0o060))


def is_on_network(path: Path) -> bool:
    """Whether `path` is on a network file system, according to the mount table if there is one."""
    return _file_system(path) in _NETWORK


def keeps_folder_times(folder: Path) -> bool:
    """Whether the file system of `folder` gives it a new time when a file is added to it, removed or renamed.

    On FAT that depends on the system that writes, and object stores that are mounted invent the times of folders.
    """
    kind = _file_system(folder / "file")
    return kind not in _WITHOUT_FOLDER_TIMES and not kind.startswith("fuse.")


def _file_system(path: Path) -> str:
    """The kind of file system that `path` is on; empty where there is no mount table."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(errors="surrogateescape").splitlines()]
    except OSError:
        return ""
    folder = str(path.parent.resolve()) + "/"
    containing = [(len(m[1]), m[2]) for m in mounts if len(m) > 2 and folder.startswith(m[1].rstrip("/") + "/")]
    return max(containing, default=(0, ""))[1]
