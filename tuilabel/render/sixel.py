"""Images in the Sixel format: bands of six rows of pixels, for each colour in a band one row of characters.

Pillow reads and writes no Sixel, and libsixel's Python binding needs a C library that is not in any wheel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BAND = 6  # rows of pixels
FEW_COLOURS = 64  # up to this number they are improved
SAMPLE = 48  # rows and columns of pixels that the colours are chosen for


def sixel(image: NDArray[np.uint8], colours: int = 256) -> str:
    """Encode an image, uint8 (H, W, 1) or (H, W, 3), with at most `colours` colours of its own.

    If H is not a multiple of 6, the last band has pixels without a colour, which leave the screen as it is.
    """
    height, width = image.shape[:2]
    picture = Image.fromarray(np.broadcast_to(image, (height, width, 3)))
    sample = picture.resize((min(width, SAMPLE), min(height, SAMPLE)), Image.Resampling.NEAREST)
    # Too slow for all pixels, and with many colours.
    best = sample.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=int(colours <= FEW_COLOURS))
    indexed = picture.quantize(palette=best, dither=Image.Dither.NONE)
    palette = np.array(indexed.getpalette(), dtype=np.float64).reshape(-1, 3)
    indices = np.asarray(indexed)
    used = np.unique(indices)
    registers = "".join(
        "#{};2;{};{};{}".format(index, *np.rint(palette[index] / 2.55).astype(int)) for index in used.tolist()
    )
    bands = [_band(indices[top : top + BAND]) for top in range(0, height, BAND)]
    return f'\x1bP0;1;0q"1;1;{width};{height}{registers}{"-".join(bands)}\x1b\\'


def _band(indices: NDArray[np.uint8]) -> str:
    """One band, indices (6 or fewer, W): each of its colours drawn over the whole band, from its left edge again."""
    used = np.unique(indices)
    rows = np.full((len(used), indices.shape[1] + 1), ord("?"), dtype=np.uint8)
    rows[:, -1] = ord("$")  # back to the left edge
    columns = np.arange(indices.shape[1])
    for bit, line in enumerate(np.searchsorted(used, indices)):
        rows[line, columns] += 1 << bit
    flat = rows.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=len(flat))
    runs = [
        _RUNS[character][min(length, 4)] % length if length > 3 else _RUNS[character][length]
        for character, length in zip(flat[starts].tolist(), lengths.tolist(), strict=True)
    ]
    lines = "".join(runs).split("$")
    return "$".join(f"#{index}{line}" for index, line in zip(used.tolist(), lines, strict=False))


_RUNS = [[chr(code) * n for n in range(4)] + [f"!%d{chr(code)}"] for code in range(128)]
"""Runs of a character by their length, from 4 on with a count."""
