"""Images as data: URIs, small enough for a page of hundreds."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST = 72  # pixels of the longer side
QUALITY = 80


def data_uri(image: NDArray[np.uint8]) -> str:
    """An image, uint8 (H, W, C) with C 1 or 3, as `data:image/…;base64,…`: grey ones as PNG, coloured ones as JPEG."""
    grey = image.shape[-1] == 1
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if grey else image))
    picture.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    if grey:
        picture.save(file, "PNG", optimize=True)
    else:
        picture.save(file, "JPEG", quality=QUALITY)
    kind = "png" if grey else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
