"""Image files of an export: names that are safe everywhere, and the files themselves, copied, linked or written."""

from __future__ import annotations

import io
import os
import shutil
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from tuilabel.datasets.pool import ItemFiles
from tuilabel.errors import TuilabelError, unknown_name
from tuilabel.labels.exchange.rows import LabelRow

LINKS = ("copy", "hard", "symlink")
SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
_UNSAFE = set('/\\:*?"<>|#%&$`;')  # of paths, of Windows, of addresses, of shells
_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{k}" for name in ("com", "lpt") for k in range(10))}
MAX_NAME = 150  # bytes


class ImageLost(Exception):
    """The image of an item cannot be had any more."""


class Names:
    """Names for files or folders that are safe and differ also where a disk knows no upper and lower case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str, *spares: str) -> str:
        """A safe form of `wanted`; where it is taken, with the first of `spares` or a number after it."""
        base = safe_name(wanted)
        tails = chain([""], (f"-{spare}" for spare in spares), (f"-{k}" for k in count(2)))
        name = next(base + tail for tail in tails if (base + tail).casefold() not in self._taken)
        self._taken.add(name.casefold())
        return name


class Images:
    """Puts the images of an export into its folders, each under a name of its own without a path.

    Parameters
    ----------
    link : for files on this machine's disks: copy, hard (a second name of the same file), symlink. What lies in an
        archive, an array or elsewhere is written out.
    """

    def __init__(self, files: ItemFiles, link: str = "copy") -> None:
        if link not in LINKS:
            raise unknown_name("link", link, LINKS)
        self._files, self._link = files, link
        self._names = Names()
        self.copied = 0
        """Files that no hard link could reach, so that they were copied."""

    def place(self, row: LabelRow, folder: Path) -> str:
        """Put the row's image into `folder` and return its name there; raises `ImageLost` where it cannot be had."""
        source, data = self._source(row)
        suffix = Path(row.path).suffix.lower()
        if suffix not in SUFFIXES:
            suffix = _suffix(source if data is None else io.BytesIO(data))
        name = self._names.new(_stem(row.path) or row.id, row.id[:8], row.id) + suffix
        target = folder / name
        if data is not None:
            target.write_bytes(data)
        elif source is not None:
            self._bring(source, target)
        return name

    def readable(self, row: LabelRow) -> Path | None:
        """The row's own file, where another program can open it; None where `place` must write one."""
        path = self._files.path(row.index) if row.index >= 0 else None
        return path if path is not None and os.access(path, os.R_OK) else None

    def _source(self, row: LabelRow) -> tuple[Path | None, bytes | None]:
        """The file, or else its content."""
        if row.index < 0:
            raise ImageLost
        path = self.readable(row)
        if path is not None:
            return path, None
        try:
            return None, self._files.read(row.index)
        except TuilabelError as error:
            raise ImageLost from error

    def _bring(self, source: Path, target: Path) -> None:
        if self._link == "symlink":
            target.symlink_to(source)
            return
        if self._link == "hard":
            try:
                os.link(source.resolve(), target)
                return
            except OSError:  # another file system, or one without links
                self.copied += 1
        shutil.copyfile(source, target)


def safe_name(name: str) -> str:
    """The name as one part of a path that every system takes: nothing hidden, no separators or control characters."""
    kept = "".join("_" if c in _UNSAFE or not c.isprintable() else c for c in name).strip(" .")
    while len(kept.encode()) > MAX_NAME:
        kept = kept[:-1]
    kept = kept.strip(" .") or "_"
    return f"_{kept}" if kept.split(".")[0].lower() in _RESERVED else kept


def _stem(path: str) -> str:
    """The last part of a path without what says its format; `mnist#12` is `mnist-12`."""
    last = path.rsplit("/", 1)[-1]
    stem = last.rsplit(".", 1)[0] if Path(last).suffix.lower() in SUFFIXES else last
    return stem.replace("#", "-")


def _suffix(source: Path | BinaryIO | None) -> str:
    """What a file's content says it is; nothing where that is unknown."""
    try:
        with Image.open(source) as image:  # type: ignore[arg-type]
            return {"JPEG": ".jpg", "TIFF": ".tif", "MPO": ".jpg"}.get(image.format or "", f".{image.format}".lower())
    except (OSError, Image.DecompressionBombError):
        return ""
