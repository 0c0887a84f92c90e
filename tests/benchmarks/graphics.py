"""Photographs on the screen, in the real program: keys in every way to draw them, and bytes of what opens over them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.hands import DATA
from tests.benchmarks.program import p95
from tests.helpers.terminal import PLAIN, TUILABEL, Terminal

Rows = Iterator[tuple[str, str, str]]
MODES = ("halfblock", "quadrant", "kitty", "iterm2", "sixel")
ANSWERS = {  # of a terminal with all of them, and cells of 8 × 16 pixels
    **PLAIN,
    b"\x1b[16t": b"\x1b[6;16;8t",
    b"\x1b[c": b"\x1b[?62;4c",
}
TURNS, BATCHES = 2, 2
LONG = 1.5  # seconds
CLASSES = "apple,juice,melon,milk,pear,pepper,potato,satsumas,tomato,yoghurt"
OVER = {"help": ("?", "\x1b"), "the list of classes": ("/", "\x1b"), "figures": ("=", "\x1b")}


def keys(folder: Path) -> Rows:
    """The same keys in each mode, which take turns: 20 to a batch, the large image with its film strip, 120 × 40."""
    latencies: dict[str, list[float]] = {mode: [] for mode in MODES}
    sizes: dict[str, list[int]] = {mode: [] for mode in MODES}
    for turn in range(TURNS):
        for mode in MODES:
            with _opened(folder / f"{mode}-{turn}", mode) as terminal:
                for number in range(2, 2 + BATCHES):
                    batch: list[list[tuple[float, int]]] = []
                    while f"round {number}" not in terminal.text:  # keys that come before their image label nothing
                        batch.append(terminal.burst("1234567890"[len(batch) % 10], 0.3))
                    terminal.settle(0.5)
                    for pieces in batch[:19]:  # the 20th brings the next batch
                        latencies[mode].append(pieces[0][0])
                        sizes[mode].append(sum(size for _, size in pieces))
    plain = p95(latencies["halfblock"])
    for mode, seconds in latencies.items():
        yield (
            f"key to the first byte of its answer, photographs as {mode}, p95",
            f"{1000 * p95(seconds):.1f} ms ({p95(seconds) / plain:.2f} ×)",
            "16 ms",
        )
        yield "… median", f"{1000 * statistics.median(seconds):.1f} ms", ""
        yield "… bytes to the next image, median", f"{statistics.median(sizes[mode]) / 1000:.1f} kB", ""


def dialogs(folder: Path) -> Rows:
    """What opens over the grid of photographs, and closes again."""
    for mode in ("halfblock", "quadrant"):
        with _opened(folder / f"over-{mode}", mode) as terminal:
            terminal.type("\t")
            terminal.settle(0.5)
            for what, (opens, closes) in OVER.items():
                written = [_bytes_of(terminal, key) / 1000 for key in (opens, closes)]
                yield f"opening and closing {what} over a grid as {mode}", f"{written[0]:.1f} + {written[1]:.1f} kB", ""


def _bytes_of(terminal: Terminal, key: str) -> int:
    """Bytes written within `LONG` seconds of a key: a cursor that blinks never stops."""
    before, end = terminal.bytes_written, time.perf_counter() + LONG
    terminal.type(key)
    while (left := end - time.perf_counter()) > 0:
        terminal.read(left)
    return terminal.bytes_written - before


def _opened(project: Path, mode: str) -> Terminal:
    unpacked = DATA / "grocery"
    images = unpacked if unpacked.is_dir() else DATA / "grocery.tar.gz"
    terminal = Terminal(
        [*TUILABEL, "label", str(images), "--project", str(project), "--images", mode, "--classes", CLASSES],
        directory=project.parent,
        answers=ANSWERS,
    )
    terminal.wait_for("round 1", 120)
    terminal.wait_for_gone("reading", 300)
    terminal.wait_for("space network features", 600)
    terminal.settle(2)  # until torch is loaded
    return terminal
