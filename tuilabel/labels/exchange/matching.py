"""Finds the item of a pool that an imported label belongs to."""

from __future__ import annotations

import io
import re
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from tuilabel.datasets import ImagePool
from tuilabel.datasets.ids import content_ids, file_id
from tuilabel.datasets.sources.base import SourceError, is_image, read_file
from tuilabel.datasets.sources.texts import is_upload, is_url, normal, paths_meant, upload_name
from tuilabel.labels.exchange.base import ImportedLabel

_ID = re.compile(r"[0-9a-f]{32}")


class Matcher:
    """Finds items by id, by name and by content.

    Parameters
    ----------
    folder : the directory of the imported file, which its paths may be relative to.
    """

    def __init__(self, pool: ImagePool, folder: Path) -> None:
        self._pool, self._folder = pool, folder

    def find(self, row: ImportedLabel) -> int:
        """The pool index of the labelled item; -1 if there is none, or if it is ambiguous.

        The first of these that finds an item decides: the id; the file's name in the source, or its absolute path; the
        image that came with the label; the end of the path, if it fits exactly one item (`1.jpg` fits `cats/1.jpg` as
        long as no other folder has a `1.jpg`, and `dogs/1.jpg` never does; so does `1`, if no other file is called
        that; upper and lower case are the same if that is not enough); the name that an upload to Label Studio gave the
        file, if it fits exactly one; the content of the file at that path. A path is tried in each way that it may be
        meant, see `paths_meant`.
        """
        if _ID.fullmatch(row.id):
            index = int(self._pool.indices_of([row.id])[0])
            if index >= 0:
                return index
        paths = [*paths_meant(row.path)] if row.path else []
        found = chain(
            map(self._by_name, paths),
            (self._by_content(row.content()) for _ in range(1) if row.content is not None),
            map(self._by_path_suffix, paths),
            map(self._by_case, paths),
            map(self._by_upload_name, paths),
            (self._by_content(read_file(self._folder / path)) for path in paths if not is_url(path)),
        )
        return next((index for index in found if index >= 0), -1)

    @cached_property
    def _names(self) -> dict[str, int]:
        """Pool index by name in the source; the first item of that name."""
        files, index_of = self._pool.files, dict[str, int]()
        for index in range(len(self._pool)):
            for name in (files.last_name(index), *files.names(index)):
                index_of.setdefault(name, index)
        return index_of

    @cached_property
    def _paths_by_filename(self) -> dict[str, list[tuple[tuple[str, ...], int]]]:
        """The parts of each name and its pool index, by the last part."""
        by_filename: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for name, index in self._names.items():
            parts = _parts(name)
            if parts:
                by_filename.setdefault(parts[-1], []).append((parts, index))
        return by_filename

    @cached_property
    def _paths_by_stem(self) -> dict[str, list[tuple[tuple[str, ...], int]]]:
        """The same by the last part without its suffix, as some programs name images."""
        by_stem: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for filename, named in self._paths_by_filename.items():
            if is_image(filename):
                by_stem.setdefault(filename.rpartition(".")[0], []).extend(named)
        return by_stem

    @cached_property
    def _by_upload(self) -> dict[str, set[int]]:
        """Pool indices by the name that Label Studio would give to an upload."""
        by_upload: dict[str, set[int]] = {}
        for name, index in self._names.items():
            by_upload.setdefault(upload_name(name.rpartition("/")[2]), set()).add(index)
        return by_upload

    def _by_name(self, path: str) -> int:
        index = self._names.get(path, -1)
        if index < 0 and path.startswith("/"):
            near = {index for _, index in self._paths_by_filename.get(normal(Path(path).name), ())}
            here = Path(path)
            index = next((k for k in sorted(near) if self._pool.files.path(k) == here), -1)
        return index

    def _by_upload_name(self, path: str) -> int:
        found = self._by_upload.get(path.rpartition("/")[2].partition("-")[2], set()) if is_upload(path) else set()
        return next(iter(found)) if len(found) == 1 else -1

    def _by_content(self, data: bytes | SourceError) -> int:
        if isinstance(data, SourceError):
            return -1
        ids = [file_id(data)]
        pixels = self._pixels(data)
        if pixels is not None:
            ids.append(content_ids(pixels)[0].decode())
        return next((index for index in self._pool.indices_of(ids).tolist() if index >= 0), -1)

    def _pixels(self, data: bytes) -> np.ndarray | None:
        """The image as a row of the pool, uint8 (1, H, W, C), if it has that size."""
        height, width, channels = self._pool.images.shape[1:]
        try:
            with Image.open(io.BytesIO(data)) as image:
                if image.size != (width, height):
                    return None
                pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return None
        return pixels.reshape(1, height, width, channels)

    @cached_property
    def _paths_by_folded_name(self) -> dict[str, list[tuple[tuple[str, ...], int]]]:
        """As `_paths_by_filename`, in lower case throughout."""
        by_name: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for named in self._paths_by_filename.values():
            for parts, index in named:
                folded = tuple(part.casefold() for part in parts)
                by_name.setdefault(folded[-1], []).append((folded, index))
        return by_name

    def _by_path_suffix(self, path: str) -> int:
        wanted = _parts(path)
        if not wanted:
            return -1
        return self._fitting(wanted, self._paths_by_filename.get(wanted[-1]) or self._paths_by_stem.get(wanted[-1], []))

    def _by_case(self, path: str) -> int:
        """Some systems change the case of names, as from 1.JPG to 1.jpg."""
        wanted = tuple(part.casefold() for part in _parts(path))
        return self._fitting(wanted, self._paths_by_folded_name.get(wanted[-1], [])) if wanted else -1

    def _fitting(self, wanted: tuple[str, ...], named: list[tuple[tuple[str, ...], int]]) -> int:
        fits = [(len(parts), index) for parts, index in named if parts[-len(wanted) : -1] == wanted[-len(parts) : -1]]
        if not fits:
            return -1
        # The longest match wins; a path shorter than the names it fits must fit only one of them.
        longest = max(min(n, len(wanted)) for n, _ in fits)
        best = {index for n, index in fits if min(n, len(wanted)) == longest}
        return best.pop() if len(best) == 1 else -1


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in normal(path).split("/") if part not in ("", "."))
