"""Reduces colours to the 256-colour palette without washing images out.

Rich does that too, but it decides by saturation alone, which turns bright colours into greys, and never compares the
grey ramp with the colour cube. This module chooses the nearest entry and returns a colour that Rich maps to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CUBE = np.array([0, 95, 135, 175, 215, 255])
_NEAREST = np.abs(np.arange(256)[:, None] - CUBE).argmin(1)
_GREYS = 24


def to_palette(colours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Replace each colour, int64 (…, 3) in 0…255, by one that Rich reduces to the nearest palette entry."""
    cube = _NEAREST[colours]  # (…, 3)
    in_cube = CUBE[cube]
    grey = np.clip(np.rint((colours.mean(-1, keepdims=True) - 8) / 10), 0, _GREYS - 1).astype(np.int64)  # (…, 1)
    error = np.square(in_cube - colours).sum(-1, keepdims=True)
    grey_error = np.square(8 + 10 * grey - colours).sum(-1, keepdims=True)
    # Rich maps equal channels to its grey ramp: black, 24 greys and white, in 25 equal steps of lightness.
    neutral = (cube == cube[..., :1]).all(-1, keepdims=True) & (cube > 0).all(-1, keepdims=True)
    neutral &= (cube < 5).all(-1, keepdims=True)
    chosen: NDArray[np.int64] = np.where((grey_error < error) | neutral, np.rint(10.2 * (grey + 1)), in_cube).astype(
        np.int64
    )
    return chosen
