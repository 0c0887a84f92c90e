"""Images in .tar files, plain or compressed, one or many, read in place."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

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
from tuilabel.datasets.sources.places import Place
from tuilabel.datasets.sources.tables import word_of
from tuilabel.errors import TuilabelError

_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_DAMAGES = (tarfile.TarError, EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)
_SIDECARS = (".cls", ".json", ".txt")  # the first of them that says a class wins
_LONGEST_LABEL = 64  # characters: a longer text is a caption
_MOST_OF_A_KEY = 1000
_BLOCK = 512


class Tar:
    """The images in a .tar, which may be compressed by gzip, bzip2 or xz, and may be a shard of WebDataset.

    A plain one is read at random, a compressed one from its start. Members whose path is absolute or leads out with
    `..` are passed over, and so are links, devices and sparse files; nothing is extracted. Beside an image, a member of
    the same key (the name up to its first dot) with the suffix .cls, .json (`label`, `class`, …) or .txt (one short
    line) says the class, as in WebDataset, where it follows or leads directly.

    Raises
    ------
    TuilabelError : where it cannot be opened.
    """

    rows = None

    def __init__(self, place: Place, *, labels_from_folders: bool = False) -> None:
        self.where = place.where
        self.title = title_of(place.where)
        self._place = place
        self._labelled = labels_from_folders
        self._notes = Notes()
        self._offsets: dict[str, int] = {}  # of the content, in a plain archive
        try:
            with place.open() as file:
                start = file.read(6)
        except Exception as error:  # each file system has errors of its own
            raise place.failure(error) from error
        self._unpack = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
        self.sequential = self._unpack is not None
        self.keeps = self.sequential or not place.is_here

    def list(self) -> Iterator[Entry]:
        """Every image in the archive, in its order; of one that is cut short or damaged those before.

        Raises
        ------
        TuilabelError : where it is no tar file, or damaged at its start.
        """
        self._notes = Notes()
        self._offsets = {}
        if not self._labelled:
            yield from self._entries()
            return
        entries = [*self._entries()]
        layout = Layout.of_names(entry.name for entry in entries)
        yield from map(layout.sorted_in, entries)

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The bytes of the files, in the order given from a plain archive, else in the archive's."""
        return self._read_through(names) if self.sequential else self._read_at_random(names)

    def path(self, _name: str) -> Path | None:
        """None: it is in the archive."""
        return None

    def skipped(self) -> Skipped:
        """What the last `list` passed over: members with odd paths, links, devices, all after a damage."""
        return self._notes.all()

    def _read_at_random(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        try:
            if not self._offsets:
                for _ in self.list():
                    pass
            file = self._place.open()
        except Exception as error:  # each file system has errors of its own
            yield from ((name, SourceError(reason_of(error))) for name in names)
            return
        with file:
            for name in names:
                try:
                    file.seek(self._offsets[name] - _BLOCK)
                    header = tarfile.TarInfo.frombuf(file.read(_BLOCK), tarfile.ENCODING, "surrogateescape")
                    if header.size > LARGEST:
                        raise too_large(header.size)
                    yield name, _exactly(file, header.size)
                except SourceError as error:
                    yield name, error
                except KeyError:
                    yield name, SourceError("not in the archive")
                except Exception as error:  # of a file that has changed, or a file system elsewhere
                    yield name, SourceError(reason_of(error))

    def _read_through(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        missing = dict.fromkeys(names)
        reason = "not in the archive"
        try:
            with self._opened() as (file, archive):
                for info in _members(archive):
                    name = _name(info)
                    if name in missing and _refusal(info) is None:
                        file.seek(info.offset_data)
                        content = _exactly(file, info.size)
                        del missing[name]
                        yield name, content
                    if not missing:
                        return
        except Exception as error:  # damaged archives raise nearly everything
            reason = reason_of(error)
        for name in missing:
            yield name, SourceError(reason)

    def _entries(self) -> Iterator[Entry]:
        """The images, each with the class that a member beside it says."""
        key, waiting, labels = "", list[Entry](), dict[str, str]()
        count = 0
        try:
            with self._opened() as (file, archive):
                for info in _members(archive):
                    name = _name(info)
                    folder, _, last = name.rpartition("/")
                    stem, _, suffix = last.partition(".")
                    if key != f"{folder}/{stem}" or len(waiting) > _MOST_OF_A_KEY:
                        yield from _with_class(waiting, labels)
                        key, waiting, labels = f"{folder}/{stem}", [], {}
                    suffix = f".{suffix.lower()}"
                    if is_image(name):
                        entry = self._entry(name, info)
                        if entry is not None:
                            waiting.append(entry)
                            count += 1
                    elif suffix in _SIDECARS and info.isreg() and info.size < 2**16:
                        file.seek(info.offset_data)
                        label = _class_of(suffix, file.read(info.size))
                        if label:
                            labels[suffix] = label
                if any(file.last):  # the archive's end is a block of zeros; `tarfile` also stops at damaged ones
                    raise tarfile.ReadError("damaged")
        except TuilabelError:
            raise
        except Exception as error:  # damaged archives raise nearly everything
            if not count:
                raise self._place.failure(no_such_format(".tar") if isinstance(error, _DAMAGES) else error) from error
            self._notes.add(self._place.name, f"cut short or damaged after {count:,} images: {reason_of(error)}")
        yield from _with_class(waiting, labels)

    def _entry(self, name: str, info: tarfile.TarInfo) -> Entry | None:
        if is_hidden(name) and not is_unsafe(name):
            return None
        reason = _refusal(info) or ("another file has the same name" if name in self._offsets else None)
        if reason:
            self._notes.add(name, reason)
            return None
        self._offsets[name] = info.offset_data
        return Entry(name, info.size, f"{info.mtime:.9g}-{info.offset_data}")

    @contextmanager
    def _opened(self) -> Iterator[tuple[_Reader, tarfile.TarFile]]:
        with self._place.open() as raw:
            file = _Reader(raw if self._unpack is None else self._unpack(raw))
            with tarfile.open(fileobj=file, mode="r:", errors="surrogateescape") as archive:  # type: ignore[call-overload]
                yield file, archive


class Shards:
    """Many .tar files as one source: each image is called SHARD/NAME."""

    rows = None

    def __init__(self, where: str, shards: Sequence[Tar]) -> None:
        self.where = where
        self.title = title_of(where)
        self.sequential = any(shard.sequential for shard in shards)
        self.keeps = any(shard.keeps for shard in shards)
        self._shards = {Path(shard.where).name: shard for shard in shards}
        self._lost = Notes()

    def list(self) -> Iterator[Entry]:
        """Every image of every shard; a shard that is damaged from its start is passed over."""
        self._lost = Notes()
        for title, shard in self._shards.items():
            try:
                for entry in shard.list():
                    yield Entry(f"{title}/{entry.name}", entry.size, entry.stamp, entry.label, entry.test)
            except TuilabelError as error:
                self._lost.add(title, reason_of(error))

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The bytes of the files, shard by shard."""
        named: dict[str, list[str]] = {}
        for name in names:
            title, _, rest = name.partition("/")
            named.setdefault(title, []).append(rest)
        for title, rests in named.items():
            if title in self._shards:
                for rest, content in self._shards[title].read(rests):
                    yield f"{title}/{rest}", content
            else:
                for rest in rests:
                    yield f"{title}/{rest}" if rest else title, SourceError("no such shard")

    def path(self, _name: str) -> Path | None:
        """None: it is in an archive."""
        return None

    def skipped(self) -> Skipped:
        """What the shards passed over, and shards that are none."""
        of_shards = [(f"{title}/{name}", why) for title, shard in self._shards.items() for name, why in shard.skipped()]
        return [*self._lost.all(), *of_shards]


def braces(pattern: str) -> list[str]:
    """What `shards-{000000..000009}.tar` stands for, in order; the text itself where there are no braces."""
    found = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if found is None:
        return [pattern]
    first, last = found.groups()
    numbers = range(int(first), min(int(last), int(first) + 99_999) + 1)
    width = len(first) if first.startswith("0") else 0
    return [text for k in numbers for text in braces(f"{pattern[: found.start()]}{k:0{width}}{pattern[found.end() :]}")]


class _Reader:
    """A file that remembers the block read last, and reads no more at once than an image may have.

    A header may claim that the name after it has ten gigabytes, and a compressed archive may have them.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= LARGEST + _BLOCK:
            raise tarfile.ReadError("damaged: a member claims an absurd size")
        self.last = self._file.read(size)
        return self.last


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (info := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # else it holds all of them: a gigabyte for a million
        yield info


def _exactly(file: IO[bytes] | _Reader, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise SourceError("cut short")
    return content


def _name(info: tarfile.TarInfo) -> str:
    return re.sub(r"^(\./+)+", "", info.name)


def _refusal(info: tarfile.TarInfo) -> str | None:
    if is_unsafe(_name(info)):
        return "a path out of the archive"
    if info.issym() or info.islnk():
        return "a link"
    if not info.isreg() or info.issparse():
        return "no plain file"
    return str(too_large(info.size)) if info.size > LARGEST else None


def _with_class(entries: Sequence[Entry], labels: dict[str, str]) -> Iterator[Entry]:
    label = next((labels[suffix] for suffix in _SIDECARS if suffix in labels), None)
    return (Entry(entry.name, entry.size, entry.stamp, label) for entry in entries)


def _class_of(suffix: str, content: bytes) -> str | None:
    text = content.decode("utf-8", "replace").strip()
    if suffix == ".json":
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(values, dict):
            return word_of(values)
        known = (values[key] for key in ("label", "class", "class_name", "category", "target", "cls") if key in values)
        return word_of(next(known, None))
    return text if text and text.isprintable() and len(text) <= _LONGEST_LABEL else None
