"""Pictures of plain characters: no colour needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style

from tuilabel.render.base import Drawing, resize

RAMP = np.array(list(" .:-=+*#%@"))
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Brighter characters must stand on dark ground, also where the terminal's own ground is white.
_STYLE = Style(color="rgb(255,255,255)", bgcolor="rgb(0,0,0)")


class AsciiRenderer:
    """A character a cell, the denser the brighter; each image stretched over the whole ramp."""

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells."""
        pixels = resize(image, columns, rows).astype(np.float32)
        light = pixels[..., 0] if pixels.shape[-1] == 1 else pixels @ LUMA
        low, high = light.min(), light.max()
        level = (light - low) / max(high - low, 1.0) if high - low > 1 else light / 255
        lines = RAMP[np.rint(level * (len(RAMP) - 1)).astype(np.int64)]
        return Drawing(tuple((Segment("".join(line), _STYLE),) for line in lines))
