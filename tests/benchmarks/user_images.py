"""The program on user images: time to the first batch, reading all images, keys in the meantime, damaged files."""

from __future__ import annotations

import io
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.benchmarks.images import SIDE, decode_with_pillow
from tests.benchmarks.program import p95
from tests.helpers.terminal import TUILABEL, Terminal
from tuilabel.datasets import open_pool

Rows = Iterator[tuple[str, str, str]]
PROGRESS = 150  # bytes; less is the progress of the reading, which goes on, and no answer to a key
COMMAND = [*TUILABEL, "label", "--classes", "a,b,c", "--learner", "latent"]


def photographs(folder: Path, n: int, *, width: int = 320, height: int = 240, kinds: int = 500) -> Path:
    """`n` JPEGs in folders of 1,000: `kinds` different pictures, and a comment in each file so that none is a copy."""
    rng, bodies = np.random.default_rng(0), []
    for _ in range(min(n, kinds)):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((width, height))
        file = io.BytesIO()
        coarse.save(file, "JPEG", quality=80)
        bodies.append(file.getvalue())
    for k in range(n):
        directory = folder / f"{k // 1000:03}"
        if k % 1000 == 0:
            directory.mkdir(parents=True)
        comment = f"{k:08}".encode()
        body = bodies[k % len(bodies)]
        (directory / f"{k:06}.jpg").write_bytes(body[:2] + b"\xff\xfe\x00\x0a" + comment + body[2:])
    return folder


def first_batch(folder: Path) -> Rows:
    """2,000 and 100,000 photographs, nothing cached."""
    for n, budget in ((2_000, ""), (100_000, "5 s")):
        photos = photographs(folder / f"photos-{n}", n)
        seconds = []
        for k in range(3):
            environment = {"TUILABEL_CACHE": str(folder / f"cache-{n}-{k}")}
            seconds.append(_to_first_batch(folder, photos, f"project-{n}-{k}", environment))
        yield f"{n:,} photographs, nothing cached, to the first batch", f"{statistics.median(seconds):.1f} s", budget


def reading(folder: Path) -> Rows:
    """JPEGs of 500 × 375 into a library, compared with a plain loop over the same files that only decodes."""
    photos = photographs(folder / "photos-read", 2_000, width=500, height=375)
    os.environ["TUILABEL_CACHE"] = str(folder / "cache-read")
    begin = time.perf_counter()
    pool = open_pool(str(photos))
    ours = len(pool) / (time.perf_counter() - begin)
    files = sorted(photos.rglob("*.jpg"))
    begin = time.perf_counter()
    for file in files:
        decode_with_pillow(file.read_bytes())
    plain = len(files) / (time.perf_counter() - begin)
    del os.environ["TUILABEL_CACHE"]
    yield "reading JPEGs of 500 × 375 into a library", f"{ours:.0f} images/s", ""
    yield f"… by a plain Pillow loop, to {SIDE} pixels, not stored", f"{plain:.0f} images/s", "no faster"


def keys_meanwhile(folder: Path) -> Rows:
    """Keys typed while images are read and then while the pretrained network looks at them."""
    photos = photographs(folder / "photos-keys", 30_000)
    environment = {"TUILABEL_CACHE": str(folder / "cache-keys")}
    latencies: dict[str, list[float]] = {"reading": [], "features": []}
    command = [*COMMAND, str(photos), "--project", str(folder / "keys-own")]
    with Terminal(command, directory=folder, environment=environment) as terminal:
        terminal.wait_for("round 1 by", 60)
        terminal.settle(2)
        for stage, seconds in latencies.items():
            terminal.wait_for(stage, 300)
            for k in range(60):
                first = terminal.burst("abc"[k % 3], 0.06)[0][0]
                if k % 20 != 19:  # every 20th key brings the next 20 images
                    seconds.append(first)
    for stage, seconds in latencies.items():
        what = "images are read" if stage == "reading" else "the network looks at them"
        yield f"key to the first byte of its answer while {what}, p95", f"{1000 * p95(seconds):.1f} ms", "16 ms"
        yield "… median", f"{1000 * statistics.median(seconds):.1f} ms", ""


def keys_in_a_million(folder: Path) -> Rows:
    """Keys in a folder of 1,000,000 small files, while they are read for the first time and at the next start."""
    photos = folder / "photos-million"
    if not photos.is_dir():
        photographs(photos, 1_000_000, width=16, height=16)
    environment = {"TUILABEL_CACHE": str(folder / "cache-million-keys")}
    for what in ("while they are read for the first time", "when the program starts again"):
        command = [*COMMAND, str(photos), "--project", str(folder / "keys-million")]
        latencies: list[float] = []
        with Terminal(command, directory=folder, environment=environment) as terminal:
            first_frame = terminal.wait_for("photos-million", 120)
            terminal.wait_for("round [0-9]+ by", 120)
            first_batch = time.perf_counter() - terminal.started
            terminal.settle(2)
            for k in range(100):
                pieces = terminal.burst("abc"[k % 3], 0.03)
                answers = [at for at, size in pieces if size > PROGRESS]
                if k % 20 != 19 and answers:
                    latencies.append(answers[0])
        yield f"1,000,000 files, {what}: to the first frame", f"{first_frame:.1f} s", ""
        yield "… to the first batch", f"{first_batch:.1f} s", ""
        yield "… key to the first byte of its answer, p95", f"{1000 * p95(latencies):.1f} ms", "16 ms"
        yield "… median", f"{1000 * statistics.median(latencies):.1f} ms", ""


def hostile(folder: Path) -> Rows:
    """1,000 damaged files, with bytes changed or the end cut off, among 200 good ones."""
    good = photographs(folder / "photos-hostile", 200, width=160, height=120)
    rng = np.random.default_rng(1)
    bodies = [file.read_bytes() for file in sorted(good.rglob("*.jpg"))]
    for mode, name in (("L", "PNG"), ("RGBA", "PNG"), ("P", "GIF"), ("RGB", "WEBP"), ("RGB", "TIFF"), ("RGB", "BMP")):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).convert(mode).save(file, name)
        bodies.append(file.getvalue())
    fuzzed = good / "fuzzed"
    fuzzed.mkdir()
    for k in range(1_000):
        data = bytearray(bodies[rng.integers(len(bodies)) if k % 2 else len(bodies) - 1 - k % 6])
        for _ in range(rng.integers(1, 30)):
            data[rng.integers(min(len(data), 400) if k % 3 else len(data))] = rng.integers(256)
        if k % 4 == 0:
            del data[rng.integers(1, len(data)) :]
        (fuzzed / f"{k}.{('jpg', 'png', 'gif', 'webp', 'tif', 'bmp')[k % 6]}").write_bytes(data)
    os.environ["TUILABEL_CACHE"] = str(folder / "cache-hostile")
    begin = time.perf_counter()
    pool = open_pool(str(good))
    seconds = time.perf_counter() - begin
    del os.environ["TUILABEL_CACHE"]
    problems = pool.n_problems
    yield "1,000 damaged files among 200 good ones: reported as problems", f"{problems:,}", ""
    yield "… decoded in spite of the damage", f"{len(pool) - 200:,}", ""
    yield "… seconds to read all", f"{seconds:.1f} s", ""


def _to_first_batch(folder: Path, photos: Path, project: str, environment: dict[str, str]) -> float:
    command = [*COMMAND, str(photos), "--project", str(folder / project)]
    with Terminal(command, directory=folder, environment=environment) as terminal:
        terminal.wait_for("round 1 by", 120)
        return time.perf_counter() - terminal.started


if __name__ == "__main__":
    photographs(Path(sys.argv[1]), int(sys.argv[2]))
