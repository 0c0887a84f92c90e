"""Images in the Sixel format: bands of six rows of pixels, for each colour in a band one row of characters.

Pillow reads and writes no Sixel, and libsixel's Python binding needs a C library that is not in any wheel.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BAND = 6  # rows of pixels
FEW_COLOURS = 64  # up to this number they are improved
BLANK, END = ord("?"), ord("$")  # no pixel of the colour, and back to the left edge
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
    return f'\x1bP0;1;0q"1;1;{width};{height}{registers}{_bands(indices)}\x1b\\'


def _bands(indices: NDArray[np.uint8]) -> str:
    """All bands of indices (H, W): each colour of a band drawn from the band's left edge again, as far as it goes.

    For the whole image at once: a picture in a large view has thousands of such lines, of a hundred thousand runs.
    """
    height, width = indices.shape
    band = np.arange(height) // BAND
    used = np.zeros((band[-1] + 1, 256), dtype=np.bool_)
    used[band[:, None], indices] = True
    line = (np.cumsum(used).reshape(used.shape) - 1)[band[:, None], indices]  # of each pixel
    rows = np.full((np.count_nonzero(used), width + 1), BLANK, dtype=np.uint8)
    rows[:, -1] = END
    columns = np.arange(width)
    for bit in range(BAND):
        rows[line[bit::BAND], columns] += 1 << bit
    lines = _runs(rows.ravel()).split(chr(END))
    bands, colours = (one.tolist() for one in np.nonzero(used))
    breaks = ["", *("-" if this != before else "$" for before, this in pairwise(bands))]
    return "".join(f"{start}#{colour}{drawn}" for start, colour, drawn in zip(breaks, colours, lines, strict=False))


def _runs(characters: NDArray[np.uint8]) -> str:
    """Characters (n,) with a count in place of each run of four or more, and without blanks before an `END`."""
    starts = np.concatenate([[0], np.flatnonzero(characters[1:] != characters[:-1]) + 1])
    lengths, codes = np.diff(starts, append=len(characters)), characters[starts]
    kept = (codes != BLANK) | (np.append(codes[1:], 0) != END)
    lengths, codes = lengths[kept], codes[kept]
    counted = lengths > 3
    digits = np.where(counted, np.floor(np.log10(lengths) + 1e-9).astype(np.int64) + 1, 0)
    sizes = np.where(counted, digits + 2, lengths)
    ends = np.cumsum(sizes)
    text = np.repeat(codes, sizes)
    text[(ends - sizes)[counted]] = ord("!")
    rest = lengths.copy()
    for place in range(int(digits.max(initial=0))):
        here = digits > place
        text[ends[here] - 2 - place] = ord("0") + rest[here] % 10
        rest //= 10
    return text.tobytes().decode("ascii")
