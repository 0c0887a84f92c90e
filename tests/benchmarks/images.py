"""User images: how fast they are listed and decoded, in how much memory, and how many bytes a terminal gets."""

from __future__ import annotations

import io
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from rich.console import Console
from textual.strip import Strip

from tests.helpers.folders import photograph
from tuilabel.datasets.decode import decode
from tuilabel.datasets.library import Library
from tuilabel.datasets.sources import open_source
from tuilabel.render import RENDERERS, picture_source
from tuilabel.tui.output import Shown, SparseUpdate, sparse_update

Rows = Iterator[tuple[str, str, str]]
SIDE = 128  # pixels of the longer side after decoding


def listing(folder: Path) -> Rows:
    """100,000 files in 100 folders, with the file system's caches warm."""
    root = folder / "files"
    tree(root, 100, 1000)
    seconds = []
    for _ in range(4):
        begin = time.perf_counter()
        count = sum(1 for _ in open_source(str(root)).list())
        seconds.append(time.perf_counter() - begin)
    shutil.rmtree(root)
    yield f"listing {count:,} files", f"{statistics.median(seconds[1:]):.2f} s", "1 s"


def listing_a_million(folder: Path) -> Rows:
    """A tree of links to one file in folders of 1,000, and a table; each in its own process, to measure memory."""
    root = folder / "million"
    tree(root, 1000, 1000)
    table = folder / "million.csv"
    with table.open("w") as file:
        file.write("path,label\n")
        file.writelines(f"million/{k:04}/{n:04}.jpg,{n % 10}\n" for k in range(1000) for n in range(1000))
    for what, path in (("files of a directory", root), ("rows of a .csv", table)):
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.images", str(path)], capture_output=True, text=True, check=True
        )
        count, seconds, megabytes = done.stdout.split()
        yield f"listing {int(count):,} {what}", f"{float(seconds):.1f} s", ""
        yield "… resident memory beyond that at the start", f"{float(megabytes):,.0f} MB", "under 100 MB"
    for what, how in (
        ("listing 1,000,000 files into a library's index", "index"),
        ("… again, looking at every file", "index"),
        ("… again, folders that have not changed", "folders"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.images", str(root), how],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "TUILABEL_CACHE": str(folder / "cache-million")},
        )
        _, seconds, megabytes = done.stdout.split()
        yield what, f"{float(seconds):.1f} s", "5 s" if how == "folders" else ""
        yield "… resident memory beyond that at the start", f"{float(megabytes):,.0f} MB", "under 100 MB"
    shutil.rmtree(root)
    table.unlink()


def decoding(folder: Path) -> Rows:
    """JPEGs of 500 × 375, as in ImageNet, compared with a plain Pillow loop that does the same; both take turns."""
    rng = np.random.default_rng(0)
    files = []
    for _ in range(20):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).resize((500, 375))
        grain = rng.normal(0, 6, (375, 500, 3))
        file = io.BytesIO()
        Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
        files.append(file.getvalue())
    ours, plain = [], []
    for _ in range(7):
        ours.append(rate(lambda data: decode(data, SIDE), files))
        plain.append(rate(decode_with_pillow, files))
    mean = sum(map(len, files)) / len(files) / 1000
    yield f"decoding JPEGs of 500 × 375 ({mean:.0f} kB)", f"{statistics.median(ours):.0f} images/s", ""
    yield "… by a plain Pillow loop", f"{statistics.median(plain):.0f} images/s", "no faster"


def sent(_: Path) -> Rows:
    """Bytes written to the terminal for a photograph of 640 × 480, in each mode, with cells of 8 × 16 pixels."""
    console = Console(color_system="truecolor", force_terminal=True)
    photographs = [np.asarray(photograph(seed, 640, 480)) for seed in range(5)]
    for columns, rows in ((14, 7), (72, 28)):
        for images in RENDERERS:
            sizes = []
            for index, image in enumerate(photographs):
                pictures = picture_source(images, cell=(8, 16))
                lines = [Strip(line) for line in pictures.picture(index, image, columns, rows)]
                update = _written(lines, sparse_update(Shown(), pictures))
                sizes.append(len((pictures.pop_escapes() + update.render_segments(console)).encode()))
            budget = "150 kB" if images == "kitty" else ""
            yield (
                f"a photograph in {columns} × {rows} cells as {images}",
                f"{statistics.mean(sizes) / 1000:.1f} kB",
                budget,
            )


def _written(lines: list[Strip], kind: type[SparseUpdate]) -> SparseUpdate:
    """The update that writes these lines to an empty terminal."""
    update = kind.__new__(kind)
    update.changes = lambda: ((0, y, line) for y, line in enumerate(lines))  # type: ignore[method-assign]
    return update


def decode_with_pillow(data: bytes) -> np.ndarray:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    image.thumbnail((SIDE, SIDE))
    return np.asarray(image)


def rate(work: Callable[[bytes], object], files: list[bytes]) -> float:
    begin = time.perf_counter()
    for data in 3 * files:
        work(data)
    return 3 * len(files) / (time.perf_counter() - begin)


def tree(root: Path, folders: int, files: int) -> None:
    """Folders of hard links to one tiny file each: quick to create."""
    for k in range(folders):
        folder = root / f"{k:04}"
        folder.mkdir(parents=True)
        (folder / "0000.jpg").write_bytes(b"x")
        for n in range(1, files):
            os.link(folder / "0000.jpg", folder / f"{n:04}.jpg")


if __name__ == "__main__":
    source = open_source(sys.argv[1])
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    if sys.argv[2:]:
        count = Library(source).update_listing(trust_folders=sys.argv[2] == "folders")
    else:
        count = sum(1 for _ in source.list())
    took = time.perf_counter() - begin
    print(count, took, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
