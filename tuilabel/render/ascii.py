"""Pictures of ASCII characters, for terminals without colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style

from tuilabel.render.base import Drawing, resize

RAMP = np.array(list(" .:-=+*#%@"))
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Dense characters only look bright on a dark background, so black is set even if the terminal's background is white.
_STYLE = Style(color="rgb(255,255,255)", bgcolor="rgb(0,0,0)")


class AsciiRenderer:
    """One character per cell, denser if brighter; the contrast of each image is stretched to the whole ramp."""

    cell_pixels = (1, 1)

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells."""
        pixels = resize(image, columns, rows).astype(np.float32)
        luma = pixels[..., 0] if pixels.shape[-1] == 1 else pixels @ LUMA
        low, high = luma.min(), luma.max()
        level = (luma - low) / max(high - low, 1.0) if high - low > 1 else luma / 255
        lines = RAMP[np.rint(level * (len(RAMP) - 1)).astype(np.int64)]
        return Drawing(tuple((Segment("".join(line), _STYLE),) for line in lines))
