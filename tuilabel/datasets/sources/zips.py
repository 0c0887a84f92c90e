"""Images in a .zip, read without extracting them."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from tuilabel.datasets.sources.base import (
    MAX_FILE_BYTES,
    Content,
    Entry,
    SkipLog,
    Skipped,
    SourceError,
    is_hidden,
    is_image,
    is_unsafe,
    reason_of,
    title_of,
    too_large,
    wrong_format,
)
from tuilabel.datasets.sources.file_refs import FileRef, open_zip
from tuilabel.datasets.sources.folders import PackedFile
from tuilabel.datasets.sources.layout import Layout

_ENCRYPTED = 1  # bit of a member's flags
_MAX_RATIO = 200  # of unpacked to compressed size; images never reach it
_HARMLESS = 16 * 2**20  # bytes; harmless, however well they are compressed


class Zip(PackedFile):
    """The images in a .zip.

    Members whose path is absolute or points outside with `..` are skipped, as are links. A member that would unpack to
    more than 200 times its compressed size (and 16 MB), or to more than 256 MB, is not unpacked.

    Its directory, which takes seconds for a million members, is read when it is needed.

    Raises
    ------
    TuilabelError : if it cannot be opened, or has no directory at its end.
    """

    sequential = False
    is_packed = True
    row_shape = None

    def __init__(self, ref: FileRef, *, labels_from_folders: bool = False) -> None:
        self.location = ref.location
        self.title = title_of(ref.location)
        self.keeps_copies = not ref.is_local
        self._ref = ref
        self._labelled = labels_from_folders
        self._skipped = SkipLog()
        self._opened: tuple[tuple[int, str], ZipFile] | None = None  # as of a size and a time
        self._lock = Lock()
        if not ref.is_local or not is_zipfile(ref.path):
            self._archive()  # says why not

    def _listed(self) -> Iterator[Entry]:
        self._skipped = SkipLog()
        archive = self._archive(again=True)
        layout = Layout.of_names(i.filename for i in archive.infolist() if _is_wanted(i) and not is_unsafe(i.filename))
        for info in archive.infolist():
            name = info.filename
            if not _is_wanted(info):
                if not (is_image(name) or info.is_dir()):
                    self._skipped.pass_over(name)
                continue
            reason = _skip_reason(archive, info)
            if reason:
                self._skipped.add(name, reason)
            else:
                entry = Entry(name, info.file_size, f"{info.CRC:08x}")
                yield layout.classify(entry) if self._labelled else entry

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The bytes of the files, in the given order."""
        for name in names:
            try:
                archive = self._archive()
                info = archive.getinfo(name)
                if info.flag_bits & _ENCRYPTED:
                    raise SourceError("encrypted")
                if info.file_size > MAX_FILE_BYTES:
                    raise too_large(info.file_size)
                if info.file_size > max(_HARMLESS, _MAX_RATIO * info.compress_size):
                    raise SourceError(f"a zip bomb: {info.compress_size:,} bytes that unpack to {info.file_size:,}")
                yield name, archive.read(info)
            except SourceError as error:
                yield name, error
            except KeyError:
                yield name, SourceError("not in the archive")
            except Exception as error:  # damaged members raise almost anything
                yield name, SourceError(reason_of(error))

    def path(self, _name: str) -> Path | None:
        """None: the file is inside the archive."""
        return None

    def skipped(self) -> Skipped:
        """What the last `list` skipped: members with unsafe paths, links, duplicate names, files of over 256 MB."""
        return self._skipped.all()

    def passed_over(self) -> dict[str, int]:
        """Files that are not images, by suffix."""
        return self._skipped.passed_over

    def _archive(self, *, again: bool = False) -> ZipFile:
        """The archive; with `again`, opened once more if it has changed."""
        with self._lock:
            if self._opened is None or (again and self._status() != self._opened[0]):
                self._opened = self._status(), self._open()
            return self._opened[1]

    def _open(self) -> ZipFile:
        try:
            return open_zip(self._ref)
        except BadZipFile as error:
            raise self._ref.error(wrong_format(".zip")) from error
        except Exception as error:  # damaged directories and remote file systems raise almost anything
            raise self._ref.error(error) from error

    def _status(self) -> tuple[int, str]:
        try:
            return self._ref.status()
        except Exception as error:  # each file system raises its own errors
            raise self._ref.error(error) from error


def _is_wanted(info: ZipInfo) -> bool:
    name = info.filename
    return is_image(name) and (is_unsafe(name) or not is_hidden(name))


def _skip_reason(archive: ZipFile, info: ZipInfo) -> str | None:
    if is_unsafe(info.filename):
        return "a path outside the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link"
    if archive.getinfo(info.filename) is not info:
        return "another file has the same name"
    return str(too_large(info.file_size)) if info.file_size > MAX_FILE_BYTES else None
