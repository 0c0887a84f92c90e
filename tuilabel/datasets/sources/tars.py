"""Images in .tar files, plain or compressed, one or many, read without extracting them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import posixpath
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

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
from tuilabel.datasets.sources.file_refs import FileRef
from tuilabel.datasets.sources.folders import Folder, Known, PackedFile, nothing_known
from tuilabel.datasets.sources.layout import Layout
from tuilabel.datasets.sources.texts import class_text
from tuilabel.errors import TuilabelError, is_printable

_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_DAMAGES = (tarfile.TarError, EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)
_SIDECARS = (".cls", ".json", ".txt")  # the first one that names a class wins
_MASKS = {"seg", "segmentation", "mask", "masks", "depth", "alpha", "annotation", "label", "normal", "canny", "edge"}
_LOSSLESS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm", ".pnm")  # masks are among these
_CLASS_WORDS = ("label", "class", "cls", "target")  # before the suffix of a member that names a class
_LONGEST_LABEL = 64  # characters; a longer text is a caption
_MAX_PER_KEY = 1000  # images
_BLOCK = 512


class Tar(PackedFile):
    """The images in a .tar, which may be compressed by gzip, bzip2 or xz, and may be a shard of a WebDataset.

    A plain one is read by offset, a compressed one from its start. Members whose path is absolute or points outside
    with `..` are skipped, as are links, devices and sparse files; nothing is extracted. As in WebDataset, a member
    next to an image, with the same key and the suffix .cls, .json (`label`, `class`, …) or .txt (one short line), names
    its class. The key is the name up to its first dot or, where names have dots of their own (`22.05.png` and
    `22.05.cls`), up to the suffix. Of several images in such a sample one is listed: the one without a word before its
    suffix (`0001.jpg`, not `0001.seg.png`), photographs before masks.

    Raises
    ------
    TuilabelError : if it cannot be opened.
    """

    is_packed = True
    row_shape = None

    def __init__(self, ref: FileRef, *, labels_from_folders: bool = False) -> None:
        self.location = ref.location
        self.title = title_of(ref.location)
        self._ref = ref
        self._labelled = labels_from_folders
        self._skipped = SkipLog()
        self._offsets: dict[str, int] = {}  # of the contents, in a plain archive
        self._stamp_of: Callable[[str], str | None] | None = None
        try:
            with ref.open() as file:
                start = file.read(6)
        except Exception as error:  # each file system raises its own errors
            raise ref.error(error) from error
        self._unpack = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
        self.sequential = self._unpack is not None
        self.keeps_copies = self.sequential or not ref.is_local

    def find_by(self, stamp_of: Callable[[str], str | None]) -> None:
        """See `FindsByStamp`."""
        self._stamp_of = stamp_of

    def _listed(self) -> Iterator[Entry]:
        """Every image; of an archive that is truncated or damaged, those up to there."""
        self._skipped, self._offsets, self._is_whole = SkipLog(), {}, True
        if not self._labelled:
            yield from self._entries()
            return
        entries = [*self._entries()]
        layout = Layout.of_names(entry.name for entry in entries)
        yield from map(layout.classify, entries)

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The bytes of the files: in the given order from a plain archive, else in the archive's order."""
        return self._read_through(names) if self.sequential else self._read_at_random(names)

    def path(self, _name: str) -> Path | None:
        """None: the file is inside the archive."""
        return None

    def skipped(self) -> Skipped:
        """What the last `list` skipped: members with unsafe paths, links, devices, all after a damaged member."""
        return self._skipped.all()

    def passed_over(self) -> dict[str, int]:
        """Files that are not images, by suffix."""
        return self._skipped.passed_over

    def _read_at_random(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        try:
            if not self._offsets and self._stamp_of is None:
                for _ in self.list():
                    pass
            file = self._ref.open()
        except Exception as error:  # each file system raises its own errors
            yield from ((name, SourceError(reason_of(error))) for name in names)
            return
        with file:
            for name in names:
                try:
                    file.seek(self._offset(name) - _BLOCK)
                    header = tarfile.TarInfo.frombuf(file.read(_BLOCK), tarfile.ENCODING, "surrogateescape")
                    if header.size > MAX_FILE_BYTES:
                        raise too_large(header.size)
                    yield name, _exactly(file, header.size)
                except SourceError as error:
                    yield name, error
                except KeyError:
                    yield name, SourceError("not in the archive")
                except Exception as error:  # the file has changed, or a remote file system
                    yield name, SourceError(reason_of(error))

    def _offset(self, name: str) -> int:
        """Where the content of a file is; raises `KeyError` if it is not in the archive."""
        if self._offsets or self._stamp_of is None:
            return self._offsets[name]
        stamp = self._stamp_of(name)
        if stamp is None:
            raise KeyError(name)
        return int(stamp.rpartition("-")[2])

    def _read_through(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        missing = dict.fromkeys(names)
        reason = "not in the archive"
        try:
            with self._opened() as (file, archive):
                for info in _members(archive):
                    name = _name(info)
                    if name in missing and _skip_reason(info) is None:
                        file.seek(info.offset_data)
                        content = _exactly(file, info.size)
                        del missing[name]
                        yield name, content
                    if not missing:
                        return
        except Exception as error:  # damaged archives raise almost anything
            reason = reason_of(error)
        for name in missing:
            yield name, SourceError(reason)

    def _entries(self) -> Iterator[Entry]:
        """The images, each with the class that a member next to it names."""
        key, waiting, labels = "", list[Entry](), dict[str, dict[str, str | None]]()
        count = alone = 0
        try:
            with self._opened() as (file, archive):
                for info in _members(archive):
                    name = _name(info)
                    folder, _, last = name.rpartition("/")
                    stem = last.partition(".")[0]
                    if key != f"{folder}/{stem}" or len(waiting) > _MAX_PER_KEY:
                        yield from self._samples(waiting, labels)
                        alone += 0 if waiting else _n_named(labels)
                        key, waiting, labels = f"{folder}/{stem}", [], {}
                    beside, suffix = _sidecar(last)
                    if is_image(name):
                        entry = self._entry(name, info)
                        if entry is not None:
                            waiting.append(entry)
                            count += 1
                    elif suffix and info.isreg() and info.size < 2**16:
                        file.seek(info.offset_data)
                        labels.setdefault(beside, {})[suffix] = _class_of(suffix, file.read(info.size))
                    elif info.isreg() and not suffix:
                        self._skipped.pass_over(name)
                if any(file.last):  # an archive ends with a block of zeros; `tarfile` also stops at a damaged one
                    raise tarfile.ReadError("damaged")
        except TuilabelError:
            raise
        except Exception as error:  # damaged archives raise almost anything
            if not count:
                raise self._ref.error(wrong_format(".tar") if isinstance(error, _DAMAGES) else error) from error
            self._is_whole = False
            self._skipped.add(self._ref.name, f"truncated or damaged after {count:,} images: {reason_of(error)}")
        yield from self._samples(waiting, labels)
        alone += 0 if waiting else _n_named(labels)
        if count and alone >= max(2, count // 2):
            reason = f"{alone:,} files name classes, but are not next to their images: sort it by name"
            self._skipped.add(self._ref.name, reason)

    def _samples(self, entries: Sequence[Entry], labels: Mapping[str, dict[str, str | None]]) -> Iterator[Entry]:
        """The images whose names begin alike: one sample, or several whose keys have dots.

        Parameters
        ----------
        labels : the classes that members named, by what these have before their suffix, and by suffix.
        """
        key = entries[0].name.rpartition("/")[2].partition(".")[0] if entries else ""
        if key in labels or any(not _inner_word(entry.name) for entry in entries):
            yield from self._sample(entries, labels.get(key, {}))
            return
        samples: dict[str, list[Entry]] = {}
        for entry in entries:
            samples.setdefault(_key_with_dots(entry.name), []).append(entry)
        for key, of_sample in samples.items():
            yield from self._sample(of_sample, labels.get(key, {}))

    def _sample(self, entries: Sequence[Entry], labels: Mapping[str, str | None]) -> Iterator[Entry]:
        """The images with one key, with the class that their sample names; of several only the main one."""
        label = next((labels[suffix] for suffix in _SIDECARS if labels.get(suffix)), None)
        main = _main_image(entries) if len(entries) > 1 else None
        belongs_together = bool(labels) or any(_inner_word(entry.name) in _MASKS for entry in entries)
        for entry in entries:
            if main is None or entry is main or not belongs_together:
                yield Entry(entry.name, entry.size, entry.stamp, label)
            else:
                self._skipped.add(entry.name, f"another image of the sample of {main.name}")

    def _entry(self, name: str, info: tarfile.TarInfo) -> Entry | None:
        if is_hidden(name) and not is_unsafe(name):
            return None
        reason = _skip_reason(info) or ("another file has the same name" if name in self._offsets else None)
        if reason:
            self._skipped.add(name, reason)
            return None
        self._offsets[name] = info.offset_data
        return Entry(name, info.size, f"{info.mtime:.9g}-{info.offset_data}")

    @contextmanager
    def _opened(self) -> Iterator[tuple[_Reader, tarfile.TarFile]]:
        with self._ref.open() as raw:
            file = _Reader(raw if self._unpack is None else self._unpack(raw))
            with tarfile.open(fileobj=file, mode="r:", errors="surrogateescape") as archive:  # type: ignore[call-overload]
                yield file, archive


class Shards:
    """Many .tar files as one source: each image is called SHARD/NAME.

    SHARD is the name of the file, or as much of its path as makes it unique, with `-` for `/`.
    """

    is_packed = True
    row_shape = None

    def __init__(self, location: str, shards: Sequence[Tar]) -> None:
        self.location = location
        self.title = title_of(location)
        self.sequential = any(shard.sequential for shard in shards)
        self.keeps_copies = any(shard.keeps_copies for shard in shards)
        self._shards = dict(zip(_unique_names([shard.location for shard in shards]), shards, strict=True))
        self._unreadable = SkipLog()

    def list(self) -> Iterator[Entry]:
        """Every image of every shard; a shard that is damaged at its start is skipped."""
        return (found for found in self.changes(nothing_known) if isinstance(found, Entry))

    def changes(self, known: Known) -> Iterator[Entry | Folder]:
        """The images of each shard that has changed, followed by the shard; else `known`'s own alone."""
        self._unreadable = SkipLog()
        for title, shard in self._shards.items():
            known_shard = known(f"{title}/")
            try:
                for found in shard.changes(lambda _, known_shard=known_shard: known_shard):  # type: ignore[misc]
                    if isinstance(found, Folder):
                        yield replace(found, prefix=f"{title}/")
                    else:
                        yield Entry(f"{title}/{found.name}", found.size, found.stamp, found.label, found.test)
            except TuilabelError as error:
                self._unreadable.add(title, reason_of(error))
                yield Folder(f"{title}/", "", deep=True)

    def keeps_times(self) -> bool:
        """Whether the time of a shard tells whether it has changed."""
        return True

    def find_by(self, stamp_of: Callable[[str], str | None]) -> None:
        """See `FindsByStamp`."""
        for title, shard in self._shards.items():
            shard.find_by(lambda name, title=title: stamp_of(f"{title}/{name}"))  # type: ignore[misc]

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
        """None: the file is inside an archive."""
        return None

    def skipped(self) -> Skipped:
        """What the shards skipped, and shards that are not tar files."""
        of_shards = [(f"{title}/{name}", why) for title, shard in self._shards.items() for name, why in shard.skipped()]
        return [*self._unreadable.all(), *of_shards]

    def passed_over(self) -> dict[str, int]:
        """What the shards passed over."""
        return dict(sum((Counter(shard.passed_over()) for shard in self._shards.values()), Counter()))


def _unique_names(locations: Sequence[str]) -> list[str]:
    names = [location.rpartition("/")[2] for location in locations]
    if len(set(names)) == len(names):
        return names
    parent = posixpath.commonprefix(locations).rpartition("/")[0]
    return [location[len(parent) :].lstrip("/").replace("/", "-") for location in locations]


def braces(pattern: str) -> list[str]:
    """The names that `shards-{000000..000009}.tar` stands for, in order; the text itself if it has no braces."""
    match = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if match is None:
        return [pattern]
    first, last = match.groups()
    numbers = range(int(first), min(int(last), int(first) + 99_999) + 1)
    width = len(first) if first.startswith("0") else 0
    return [text for k in numbers for text in braces(f"{pattern[: match.start()]}{k:0{width}}{pattern[match.end() :]}")]


class _Reader:
    """A file that remembers the last block it read, and never reads more at once than the largest image.

    A header may claim that the name after it has ten gigabytes, and a compressed archive may really contain them.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_FILE_BYTES + _BLOCK:
            raise tarfile.ReadError("damaged: a member claims an absurd size")
        self.last = self._file.read(size)
        return self.last


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (info := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # otherwise it keeps all of them: a gigabyte for a million
        yield info


def _exactly(file: IO[bytes] | _Reader, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise SourceError("truncated")
    return content


def _name(info: tarfile.TarInfo) -> str:
    return re.sub(r"^(\./+)+", "", info.name)


def _skip_reason(info: tarfile.TarInfo) -> str | None:
    if is_unsafe(_name(info)):
        return "a path outside the archive"
    if info.issym() or info.islnk():
        return "a link"
    if not info.isreg() or info.issparse():
        return "not a regular file"
    return str(too_large(info.size)) if info.size > MAX_FILE_BYTES else None


def _main_image(entries: Sequence[Entry]) -> Entry | None:
    """The image of a sample that is not about another one of it; None if that cannot be told."""
    plain = [entry for entry in entries if not _inner_word(entry.name)]
    if not plain:
        no_masks = [entry for entry in entries if _inner_word(entry.name) not in _MASKS]
        return no_masks[0] if len(no_masks) == 1 else None
    photographs = [entry for entry in plain if not entry.name.lower().endswith(_LOSSLESS)]
    return next(iter(photographs or plain), None)


def _inner_word(name: str) -> str:
    """What is between the last dots in the name of an image: `seg` in 0001.seg.png."""
    return name.rpartition("/")[2].partition(".")[2].rpartition(".")[0].rpartition(".")[2].lower()


def _key_with_dots(name: str) -> str:
    """The key of an image whose name has dots of its own: 22.05 of 22.05.png, and of 22.05.seg.png."""
    stem = name.rpartition("/")[2].rpartition(".")[0]
    before, _, word = stem.rpartition(".")
    return before if word.lower() in _MASKS else stem


def _n_named(labels: Mapping[str, Mapping[str, str | None]]) -> int:
    """How many members name a class."""
    return sum(any(named.values()) for named in labels.values())


def _sidecar(name: str) -> tuple[str, str]:
    """What a member that may name a class has before its suffix, and the suffix; both empty for another member.

    That of 0001.jpg.txt and of 0001.label.txt is 0001, as if they were called 0001.txt.
    """
    stem, dot, suffix = name.rpartition(".")
    if f"{dot}{suffix}".lower() not in _SIDECARS:
        return "", ""
    before, _, word = stem.rpartition(".")
    return before if before and (is_image(stem) or word.lower() in _CLASS_WORDS) else stem, f".{suffix.lower()}"


def _class_of(suffix: str, content: bytes) -> str | None:
    text = content.decode("utf-8", "replace").strip()
    if suffix == ".json":
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(values, dict):
            return class_text(values)
        classes = (
            values[key] for key in ("label", "class", "class_name", "category", "target", "cls") if key in values
        )
        return class_text(next(classes, None))
    return text if text and is_printable(text) and len(text) <= _LONGEST_LABEL else None
