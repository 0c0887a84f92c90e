"""Image files as small arrays: upright, without transparency, in bounded memory, whatever the bytes are."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin, _imaging
from PIL.JpegImagePlugin import JpegImageFile

MOST_PIXELS = 100_000_000
"""Pixels that are decoded at most; a JPEG is decoded at a half, a quarter or an eighth of its size."""
MOST_JPEG_PIXELS = 256_000_000
"""Pixels of a JPEG before that: libjpeg holds the coefficients of a whole progressive image."""

_FORMATS = (
    "PNG",
    WebPImagePlugin.WebPImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
    "BMP",
    "DIB",
    "GIF",
    "PPM",
)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}
# Between two channels of a pixel: lossy formats give grey a difference of up to 4.
_IS_HUE = [difference > 4 for difference in range(256)]
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")

# What is written to stderr lands on the screen. Silenced for good: `catch_warnings` would change the filters of all
# threads each time, and libtiff, which Pillow's own module is linked with, writes past Python.
warnings.filterwarnings("ignore", module=r"PIL\b")
logging.getLogger("PIL").addHandler(logging.NullHandler())
with contextlib.suppress(OSError, AttributeError):  # a Pillow without libtiff
    _pillow = ctypes.CDLL(str(_imaging.__file__))
    _pillow.TIFFSetErrorHandler(None)
    _pillow.TIFFSetWarningHandler(None)


class Undecodable(Exception):
    """The bytes are no image that can be decoded; the message is a short reason in printable words."""


@dataclass(frozen=True)
class Decoded:
    """An image made small.

    Attributes
    ----------
    image : uint8 (h, w, C), C 1 where it has no colour, else 3.
    width, height : of the original in pixels, upright.
    grey : whether it has no colour, whatever the file calls it.
    """

    image: NDArray[np.uint8]
    width: int
    height: int
    grey: bool


def decode(data: bytes, longest: int) -> Decoded:
    """Decode an image, upright as its EXIF data say, in its proportions, with at most `longest` pixels a side.

    JPEG, PNG, WebP, BMP, TIFF, GIF and PNM; of several frames or pages the first. Transparency lies over white.
    Grey values of more than 8 bits are divided by the power of two that holds the image's largest (12 bits come in
    16-bit files); such values that are negative or no integers are stretched from the least to the largest, unless
    they lie within 0…1 or 0…255.

    Raises
    ------
    Undecodable : where the bytes are cut short, damaged, of another format, or more than 100 megapixels.
    """
    try:
        with _opened(data) as image:
            width, height = image.size
            if isinstance(image, JpegImageFile):
                image.draft(None, _fitting(width, height, longest))
            if image.width * image.height > MOST_PIXELS:
                raise Undecodable(f"{width:,} × {height:,} pixels are too many")
            image.load()
            if not isinstance(image, JpegImageFile):
                width, height = image.size  # a TIFF is upright by now
            turn = _turn(image)
            small = _coloured(image, _fitting(width, height, longest))
    except Undecodable:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly everything
        raise Undecodable(_reason(error, data)) from error
    if turn is not None:
        small = small.transpose(turn)
    if turn in _SIDEWAYS:
        width, height = height, width
    if _has_colour(small):
        return Decoded(np.asarray(small), width, height, grey=False)
    return Decoded(np.asarray(small.convert("L"))[..., None], width, height, grey=True)


def squared(image: NDArray[np.uint8], height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """An image (h, w, 1 or 3) resized by area to (height, width, channels), whatever its proportions.

    Colours become grey by ITU-R 601's luma.
    """
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BOX)
    return np.asarray(picture.convert("L" if channels == 1 else "RGB")).reshape(height, width, channels)


def over_white(image: Image.Image) -> Image.Image:
    """An image of any mode with transparency, in RGB over white."""
    coloured = image.convert("RGBA")
    white = Image.new("RGBA", coloured.size, "white")
    white.alpha_composite(coloured)
    return white.convert("RGB")


def _opened(data: bytes) -> Image.Image:
    if data[:3] == b"\xff\xd8\xff":
        # Not by `Image.open`, which refuses by the full size what is only decoded at an eighth of it.
        image = JpegImageFile(io.BytesIO(data))
        scans_at_once = MOST_PIXELS if image.info.get("progressive") else MOST_JPEG_PIXELS
        if image.width * image.height > scans_at_once:
            raise Undecodable(f"{image.width:,} × {image.height:,} pixels are too many")
        return image
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _fitting(width: int, height: int, longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings the image upright; None also where its EXIF data are damaged."""
    try:
        return _TURNS.get(int(image.getexif().get(ExifTags.Base.Orientation, 1)))
    except Exception:  # whatever the data are, the image itself is well
        return None


def _coloured(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image in that size, L or RGB."""
    if image.mode in _DEEP:
        return _shallow(image, size)
    if image.mode not in _ALPHA and image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.mode == "PA" else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    # Made small first: alpha takes part as a weight, and everything after it is cheap.
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    if image.mode in _ALPHA:
        return over_white(image)
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _has_colour(image: Image.Image) -> bool:
    if image.mode == "L":
        return False
    red, green, blue = image.split()
    return any(ImageChops.difference(other, green).point(_IS_HUE).getbbox() for other in (red, blue))


def _shallow(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Values of 16 or 32 bits, in that size, as 8 bits."""
    values = np.asarray(image)
    if image.mode == "F":
        finite = np.isfinite(values)
        values = values if finite.all() else np.where(finite, values, np.float32(0))
    low, high = float(values.min()), float(values.max())
    image = Image.fromarray(values.astype(np.float32))
    if image.size != size:
        image = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    small = np.asarray(image).astype(np.float64)
    whole = values.dtype.kind in "iu"
    if low >= 0 and whole:
        small *= 255 / (2.0 ** max(8, int(high).bit_length()) - 1)
    elif low >= 0 and high <= 1:
        small *= 255
    elif low < 0 or high > 255:
        small = (small - low) * (255 / (high - low) if high > low else 0)
    return Image.fromarray(np.clip(np.rint(small), 0, 255).astype(np.uint8))


def _reason(error: Exception, data: bytes) -> str:
    if not data:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels"
    if isinstance(error, MemoryError):
        return "too large for the memory"
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
    if "truncated" in text:
        return "cut short"
    return f"damaged: {text}"[:60] if text else "damaged"
