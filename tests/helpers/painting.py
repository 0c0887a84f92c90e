"""A terminal that paints Sixel images and those of iTerm2's protocol over its cells: what it shows, pixel by pixel."""

from __future__ import annotations

import io
import re
from base64 import b64decode

import numpy as np
from PIL import Image
from rich.cells import cell_len

_TOKENS = re.compile(
    r"\x1b\[(?P<csi>[\d;:?<=>$]*)(?P<final>[A-Za-z])"
    r"|\x1bP(?P<dcs>[^\x1b]*)\x1b\\"
    r"|\x1b\]1337;File=(?P<control>[^:]*):(?P<data>[^\x07]*)\x07"
    r"|\x1b_G[^\x1b]*\x1b\\|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>78]"
    r"|(?P<text>[^\x1b])",
    re.DOTALL,
)
_SIXEL = re.compile(
    r'"(?P<raster>[\d;]+)|#(?P<register>\d+)(?:;2;(?P<rgb>[\d;]+))?|!(?P<count>\d+)(?P<repeated>[?-~])'
    r"|(?P<one>[?-~])|(?P<back>\$)|(?P<next>-)"
)


class PaintingTerminal:
    """Cells of `cell` pixels (width, height); `canvas` (h, w, 3) has the pixels of images, and -1 elsewhere."""

    def __init__(self, columns: int, rows: int, cell: tuple[int, int] = (8, 16)) -> None:
        self.cell = cell
        self.canvas = np.full((rows * cell[1], columns * cell[0], 3), -1, dtype=np.int64)
        self.text = [[" "] * columns for _ in range(rows)]
        self.images = 0
        self._x = self._y = 0

    def feed(self, output: str) -> None:
        for match in _TOKENS.finditer(output):
            if match["final"] == "H":
                row, _, column = match["csi"].partition(";")
                self._x, self._y = int(column or 1) - 1, int(row or 1) - 1
            elif match["final"] == "X":
                for x in range(self._x, self._x + int(match["csi"])):
                    self._write(" ", x)
            elif match["dcs"] is not None and "q" in match["dcs"]:
                self._paint(decode_sixel(match["dcs"].partition("q")[2]))
            elif match["data"] is not None:
                control = dict(part.split("=") for part in match["control"].split(";"))
                size = int(control["width"]) * self.cell[0], int(control["height"]) * self.cell[1]
                file = b64decode(match["data"])
                assert len(file) == int(control["size"])
                assert control["preserveAspectRatio"] == "0"
                image = Image.open(io.BytesIO(file)).convert("RGB").resize(size, Image.Resampling.BILINEAR)
                self._paint(np.asarray(image))
            elif match["text"] is not None:
                width = cell_len(match["text"])
                if width:
                    self._write(match["text"], self._x)
                self._x += width

    def _write(self, character: str, x: int) -> None:
        if x < len(self.text[self._y]):
            self.text[self._y][x] = character
            wide, tall = self.cell
            self.canvas[self._y * tall : (self._y + 1) * tall, x * wide : (x + 1) * wide] = -1

    def _paint(self, pixels: np.ndarray) -> None:
        self.images += 1
        top, left = self._y * self.cell[1], self._x * self.cell[0]
        height, width = pixels.shape[:2]
        assert top + height <= self.canvas.shape[0] - self.cell[1], "an image in the last line scrolls the screen"
        assert left + width <= self.canvas.shape[1]
        self.canvas[top : top + height, left : left + width] = pixels


def decode_sixel(data: str) -> np.ndarray:
    """The pixels (h, w, 3) of a Sixel image, -1 where none was drawn."""
    pixels = np.full((1, 1, 3), -1, dtype=np.int64)
    registers: dict[int, np.ndarray] = {}
    colour, x, y, end = np.zeros(3), 0, 0, 0
    for match in _SIXEL.finditer(data):
        assert match.start() == end, f"not Sixel: {data[end : end + 20]!r}"
        end = match.end()
        if match["raster"]:
            _, _, width, height = map(int, match["raster"].split(";"))
            pixels = np.full((height, width, 3), -1, dtype=np.int64)
        elif match["register"]:
            if match["rgb"]:
                registers[int(match["register"])] = np.rint(np.array(match["rgb"].split(";"), dtype=float) * 2.55)
            colour = registers[int(match["register"])]
        elif match["back"]:
            x = 0
        elif match["next"]:
            x, y = 0, y + 6
        else:
            count, character = int(match["count"] or 1), match["repeated"] or match["one"]
            for bit in range(6):
                if (ord(character) - 63) >> bit & 1:
                    pixels[y + bit, x : x + count] = colour
            x += count
    assert end == len(data)
    return pixels
