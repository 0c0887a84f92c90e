"""Numbers as pixels: which value is black and which is white, by one rule for files and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOO_DARK = 16  # no set of images with floats of 0…255 has a maximum like this


@dataclass(frozen=True)
class PixelRange:
    """The values that are black and white.

    Attributes
    ----------
    is_known : whether these are the limits of a known encoding, not just the values that were seen.
    """

    black: float
    white: float
    is_known: bool = True

    @classmethod
    def of(cls, low: float, high: float, *, whole: bool) -> PixelRange:
        """The range of images whose values lie between `low` and `high`.

        0…1 and −1…1 for floats, 0…255, or the power of two above integers of more than 8 bits, as 12 bits come in
        16-bit files. Whatever lies outside these is stretched from its minimum to its maximum; so are floats that are
        too small for 0…255, such as the 0…16 of scikit-learn's digits.

        Parameters
        ----------
        whole : whether they are integers.
        """
        if not whole and low >= 0 and high <= 1.001:
            return cls(0, 1)
        if low >= 0 and high <= 255.5 and (whole or high > _TOO_DARK):
            return cls(0, 255)
        if whole and low >= 0:
            return cls(0, 2 ** int(high).bit_length() - 1)
        if not whole and low >= -1.001 and high <= 1.001:
            return cls(-1, 1)
        return cls(low, high, is_known=False)

    def contains(self, values: NDArray[Any]) -> bool:
        """Whether all values lie in the range, but for rounding; never if one is not a number."""
        margin = 0.002 * (self.white - self.black)
        return bool(values.min() >= self.black - margin and values.max() <= self.white + margin)

    def to_uint8(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The values as uint8; those outside the range are clipped."""
        span = self.white - self.black
        scaled = (values.astype(np.float64) - self.black) * (255 / span if span > 0 else 0)
        return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
