"""Images in a .zip, read in place."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from tuilabel.datasets.sources.base import (
    LARGEST,
    Content,
    Entry,
    Notes,
    Skipped,
    SourceError,
    is_hidden,
    is_image,
    is_unsafe,
    no_such_format,
    reason_of,
    title_of,
    too_large,
)
from tuilabel.datasets.sources.layout import Layout
from tuilabel.datasets.sources.places import Place, opened_zip

_ENCRYPTED = 1  # bit of a member's flags
_BLOWN_UP = 200  # times its packed size: no image
_SMALL = 16 * 2**20  # bytes that do no harm, however well they are packed


class Zip:
    """The images in a .zip.

    Members whose path is absolute or leads out with `..` are passed over, and so are links. One that would unpack to
    more than 200 times its size (and 16 MB), or to more than 256 MB, is not unpacked.

    Raises
    ------
    TuilabelError : where it cannot be opened or its directory is damaged or cut off.
    """

    sequential = False
    rows = None

    def __init__(self, place: Place, *, labels_from_folders: bool = False) -> None:
        self.where = place.where
        self.title = title_of(place.where)
        self.keeps = not place.is_here
        self._place = place
        self._labelled = labels_from_folders
        self._notes = Notes()
        self._archive, self._stamp = self._open(), self._status()

    def list(self) -> Iterator[Entry]:
        """Every image in the archive, in its order."""
        self._notes = Notes()
        if self._status() != self._stamp:
            self._archive, self._stamp = self._open(), self._status()
        archive = self._archive
        layout = Layout.of_names(i.filename for i in archive.infolist() if _is_ours(i) and not is_unsafe(i.filename))
        for info in archive.infolist():
            name = info.filename
            if not _is_ours(info):
                continue
            reason = self._refused(info)
            if reason:
                self._notes.add(name, reason)
            else:
                entry = Entry(name, info.file_size, f"{info.CRC:08x}")
                yield layout.sorted_in(entry) if self._labelled else entry

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The bytes of the files, in the order given."""
        archive = self._archive
        for name in names:
            try:
                info = archive.getinfo(name)
                if info.flag_bits & _ENCRYPTED:
                    raise SourceError("encrypted")
                if info.file_size > LARGEST:
                    raise too_large(info.file_size)
                if info.file_size > max(_SMALL, _BLOWN_UP * info.compress_size):
                    raise SourceError(f"a zip bomb: {info.compress_size:,} bytes that unpack to {info.file_size:,}")
                yield name, archive.read(info)
            except SourceError as error:
                yield name, error
            except KeyError:
                yield name, SourceError("not in the archive")
            except Exception as error:  # damaged members raise nearly everything
                yield name, SourceError(reason_of(error))

    def path(self, _name: str) -> Path | None:
        """None: it is in the archive."""
        return None

    def skipped(self) -> Skipped:
        """What the last `list` passed over: members with odd paths, links, of the same name, of over 256 MB."""
        return self._notes.all()

    def _refused(self, info: ZipInfo) -> str | None:
        if is_unsafe(info.filename):
            return "a path out of the archive"
        if stat.S_ISLNK(info.external_attr >> 16):
            return "a link"
        if self._archive.getinfo(info.filename) is not info:
            return "another file has the same name"
        return str(too_large(info.file_size)) if info.file_size > LARGEST else None

    def _open(self) -> ZipFile:
        try:
            return opened_zip(self._place)
        except BadZipFile as error:
            raise self._place.failure(no_such_format(".zip")) from error
        except Exception as error:  # damaged directories and file systems elsewhere raise nearly everything
            raise self._place.failure(error) from error

    def _status(self) -> tuple[int, str]:
        try:
            return self._place.status()
        except Exception as error:  # each file system has errors of its own
            raise self._place.failure(error) from error


def _is_ours(info: ZipInfo) -> bool:
    name = info.filename
    return is_image(name) and (is_unsafe(name) or not is_hidden(name))
