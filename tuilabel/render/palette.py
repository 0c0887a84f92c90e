"""The 256-colour palette: the nearest entry of a colour, so that images do not wash out.

Rich also reduces colours to the palette, but rounds bright colours into greys by their saturation and never takes the
better of grey ramp and cube. What comes from here is a colour that Rich's own reduction turns into the wanted entry.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CUBE = np.array([0, 95, 135, 175, 215, 255])
_NEAREST = np.abs(np.arange(256)[:, None] - CUBE).argmin(1)
_GREYS = 24


def to_palette(colours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Colours, int (…, 3) in 0…255, each replaced by one that stands for the nearest palette entry."""
    cube = _NEAREST[colours]  # (…, 3)
    in_cube = CUBE[cube]
    grey = np.clip(np.rint((colours.mean(-1, keepdims=True) - 8) / 10), 0, _GREYS - 1).astype(np.int64)  # (…, 1)
    error = np.square(in_cube - colours).sum(-1, keepdims=True)
    grey_error = np.square(8 + 10 * grey - colours).sum(-1, keepdims=True)
    # A colour of equal channels goes to Rich's grey ramp: black, the 24 greys, white in 25 equal steps of lightness.
    neutral = (cube == cube[..., :1]).all(-1, keepdims=True) & (cube > 0).all(-1, keepdims=True)
    neutral &= (cube < 5).all(-1, keepdims=True)
    chosen: NDArray[np.int64] = np.where((grey_error < error) | neutral, np.rint(10.2 * (grey + 1)), in_cube).astype(
        np.int64
    )
    return chosen
