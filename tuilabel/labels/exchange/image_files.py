"""Image files of an export: safe names, and files that are copied, linked or written."""

from __future__ import annotations

import io
import os
import shutil
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.datasets.sources.base import is_image
from tuilabel.errors import TuilabelError, is_printable, unknown_name
from tuilabel.labels.exchange.rows import LabelRow

LINK_MODES = ("copy", "hard", "symlink")
_UNSAFE = set('/\\:*?"<>|#%&$`;')  # special in paths, on Windows, in URLs or in shells
_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{k}" for name in ("com", "lpt") for k in range(10))}
MAX_NAME = 150  # bytes


class ImageUnavailable(Exception):
    """The image of an item can no longer be read."""


class UniqueNames:
    """Safe names for files or folders, distinct even on a file system that ignores case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str, *suffixes: str) -> str:
        """A safe form of `wanted`; if that is taken, with one of `suffixes` or a number appended."""
        base = safe_name(wanted)
        tails = chain([""], (f"-{suffix}" for suffix in suffixes), (f"-{k}" for k in count(2)))
        name = next(base + tail for tail in tails if (base + tail).casefold() not in self._taken)
        self._taken.add(name.casefold())
        return name


class ImageWriter:
    """Writes the images of an export into its folders, under unique names.

    Parameters
    ----------
    link : what to do with files on a local disk: copy, hard (a hard link) or symlink. Images in archives, in arrays or
        at a URL are always written as new files.
    """

    def __init__(self, files: ItemFiles, link: str = "copy") -> None:
        if link not in LINK_MODES:
            raise unknown_name("link", link, LINK_MODES)
        self._files, self._link = files, link
        self._names = UniqueNames()
        self.n_copied = 0
        """Files that were copied because a hard link was not possible."""

    def write(self, row: LabelRow, folder: Path) -> str:
        """Write the row's image into `folder` and return its file name; raises `ImageUnavailable`."""
        source, data = self._source(row)
        suffix = Path(row.path).suffix.lower()
        if not is_image(suffix):
            suffix = _suffix(source if data is None else io.BytesIO(data))
        name = self._names.new(_stem(row.path) or row.id, row.id[:8], row.id) + suffix
        target = folder / name
        if data is not None:
            target.write_bytes(data)
        elif source is not None:
            self._copy_or_link(source, target)
        return name

    def local_path(self, row: LabelRow) -> Path | None:
        """The row's own file, if other programs can open it; None if `write` has to make one."""
        path = self._files.path(row.index) if row.index >= 0 else None
        return path if path is not None and os.access(path, os.R_OK) else None

    def _source(self, row: LabelRow) -> tuple[Path | None, bytes | None]:
        """The local file or, if there is none, the content."""
        if row.index < 0:
            raise ImageUnavailable
        path = self.local_path(row)
        if path is not None:
            return path, None
        try:
            return None, self._files.read(row.index)
        except TuilabelError as error:
            raise ImageUnavailable from error

    def _copy_or_link(self, source: Path, target: Path) -> None:
        if self._link == "symlink":
            target.symlink_to(source)
            return
        if self._link == "hard":
            try:
                os.link(source.resolve(), target)
                return
            except OSError:  # another file system, or one without hard links
                self.n_copied += 1
        shutil.copyfile(source, target)


def safe_name(name: str) -> str:
    """The name as a path component valid on every system: not hidden, no separators, no control characters."""
    kept = "".join("_" if c in _UNSAFE or not is_printable(c) else c for c in name).strip(" .")
    while len(kept.encode()) > MAX_NAME:
        kept = kept[:-1]
    kept = kept.strip(" .") or "_"
    return f"_{kept}" if kept.split(".")[0].lower() in _RESERVED else kept


def _stem(path: str) -> str:
    """The last part of a path without an image suffix; `mnist#12` becomes `mnist-12`."""
    last = path.rsplit("/", 1)[-1]
    stem = last.rsplit(".", 1)[0] if is_image(Path(last).suffix) else last
    return stem.replace("#", "-")


def _suffix(source: Path | BinaryIO | None) -> str:
    """The suffix that fits an image file's content; empty if that is unknown."""
    try:
        with Image.open(source) as image:  # type: ignore[arg-type]
            return {"JPEG": ".jpg", "TIFF": ".tif", "MPO": ".jpg"}.get(image.format or "", f".{image.format}".lower())
    except (OSError, Image.DecompressionBombError):
        return ""
