"""A test card: colours, greys and a digit drawn by every renderer, so that the user can see what works best."""

from __future__ import annotations

import lzma
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.segment import Segment, Segments
from rich.text import Text

from tuilabel.render import RENDERERS, CellPicture, get_renderer
from tuilabel.terminal import TerminalInfo

COLUMNS, ROWS = 14, 7
WIDTH = 64


def test_card(console: Console, terminal: TerminalInfo) -> None:
    """Print the card in the colours of `terminal`."""
    console.print(_titled("Colours", ", 64 steps in each bar; if you see fewer, the terminal has few colours"))
    bars = get_renderer("halfblock", colours=terminal.colours).draw(ramps(), WIDTH, len(ramps()) // 2)
    _print_side_by_side(console, [bars.cells])
    about = f" of 28 × 28 pixels in {COLUMNS} × {ROWS} cells; `label --images NAME` chooses one"
    console.print("\n", _titled("A digit", about), sep="")
    digit, shown, names = _digit(), [], []
    for name in RENDERERS:
        if name in ("iterm2", "sixel") or (name == "kitty" and terminal.images != "kitty"):
            continue  # elsewhere the cells of Kitty are boxes or nothing; the others are not made of characters
        drawing = get_renderer(name, colours=terminal.colours).draw(digit, COLUMNS, ROWS)
        console.file.write(drawing.before)
        shown.append(drawing.cells)
        names.append(name)
    _print_side_by_side(console, shown)
    console.print("  ".join(name.ljust(COLUMNS) for name in names).rstrip())


def _titled(title: str, text: str) -> Text:
    return Text(title, "bold").append(text, "not bold")


def ramps() -> NDArray[np.uint8]:
    """Bars of red, green, blue, all hues and grey, each two pixels high: uint8 (10, 64, 3)."""
    level = np.linspace(0, 255, WIDTH)
    hue = np.linspace(0, 6, WIDTH, endpoint=False)[:, None]
    hues = 255 * np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    bars = [np.outer(level, channels) for channels in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    return np.repeat(np.stack([*bars, hues, np.outer(level, (1, 1, 1))]), 2, axis=0).astype(np.uint8)


def _digit() -> NDArray[np.uint8]:
    """The first test image of the bundled MNIST: uint8 (28, 28, 1)."""
    packed = resources.files("tuilabel.datasets") / "mnist/t10k-images-idx3-ubyte.xz"
    with resources.as_file(packed) as path, lzma.open(path) as file:
        file.read(16)
        return np.frombuffer(file.read(28 * 28), dtype=np.uint8).reshape(28, 28, 1)


def _print_side_by_side(console: Console, pictures: list[CellPicture]) -> None:
    segments: list[Segment] = []
    for y in range(len(pictures[0])):
        for picture in pictures:
            segments += [*picture[y], Segment("  ")]
        segments.append(Segment.line())
    console.print(Segments(segments), end="")
