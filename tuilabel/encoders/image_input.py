"""How images become the input of an exported encoder: with Pillow and numpy alone, as `docs/predict.md` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps


@dataclass(frozen=True)
class ImageInput:
    """The images that an exported encoder takes, and how they are made from files.

    Attributes
    ----------
    height, width, channels : of the input; channels 1 for grey, 3 for RGB.
    longest : files are first shrunk in their proportions, to at most this many pixels per side.
    shrink, enlarge : the filters of Pillow that then squeeze images to height × width, whatever their proportions:
        `enlarge` if both sides are shorter than the longer side of the input.
    """

    height: int
    width: int
    channels: int
    longest: int
    shrink: str = "BOX"
    enlarge: str = "BOX"

    @property
    def mode(self) -> str:
        """Pillow's name for the kind of image."""
        return "L" if self.channels == 1 else "RGB"

    def read(self, file: Path | IO[bytes]) -> NDArray[np.uint8]:
        """An image file as input, uint8 (height, width, channels): upright, and transparency drawn over white.

        Raises
        ------
        OSError, ValueError : and other errors of Pillow, if it cannot be decoded.
        """
        image: Image.Image = Image.open(file)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        elif image.mode in ("1", "P"):
            image = image.convert("RGB")
        image.thumbnail((self.longest, self.longest))
        image = ImageOps.exif_transpose(image).convert(self.mode)
        smaller = max(image.size) < max(self.width, self.height)
        filter_name = self.enlarge if smaller else self.shrink
        image = image.resize((self.width, self.height), Image.Resampling[filter_name])
        return np.asarray(image, dtype=np.uint8).reshape(self.height, self.width, self.channels)
