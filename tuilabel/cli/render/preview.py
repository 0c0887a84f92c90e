"""Images above their reconstructions by a VAE, drawn in the terminal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Group, RenderableType
from rich.text import Text
from rich_pixels import Pixels


def preview(images: NDArray[np.uint8], reconstructions: NDArray[np.uint8], columns: int) -> Group:
    """A picture of as many pairs as fit side by side in `columns` characters."""
    height, width = reconstructions.shape[1:3]
    wide = min(width, max(8, columns // min(10, len(images)) - 1))
    tall = max(2, round(height * wide / width / 2) * 2)
    pairs = max(1, min(len(images), columns // (wide + 1)))

    def strip(row: NDArray[np.uint8]) -> RenderableType:
        canvas = Image.new("RGB", (pairs * (wide + 1), tall))
        for k, image in enumerate(row[:pairs]):
            picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
            canvas.paste(picture.resize((wide, tall), Image.Resampling.BOX), (k * (wide + 1), 0))
        pixels: RenderableType = Pixels.from_image(canvas)
        return pixels

    return Group(
        Text("originals", style="dim"), strip(images), Text("reconstructions", style="dim"), strip(reconstructions)
    )
