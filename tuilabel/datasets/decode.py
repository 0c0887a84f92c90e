"""Decodes image files to small arrays: upright, without transparency, and in bounded memory for any input."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import sys
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    ExifTags,
    Image,
    ImageChops,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
    _imaging,
    features,
)
from PIL.JpegImagePlugin import JpegImageFile

from tuilabel.datasets.pixels import PixelRange
from tuilabel.extras import how_to_install

MAX_PIXELS = 100_000_000
"""Maximum number of decoded pixels; a JPEG may be decoded at a half, a quarter or an eighth of its size."""
MAX_JPEG_PIXELS = 256_000_000
"""Maximum number of pixels of a JPEG file: libjpeg holds all coefficients of a progressive image in memory."""

_FORMATS = (
    "PNG",
    WebPImagePlugin.WebPImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
    "BMP",
    "DIB",
    "GIF",
    "PPM",
    *(("AVIF",) if features.check("avif") else ()),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_END_OF_JPEG = b"\xff\xd9"
_PROBE = 2**14  # pixels per side at which every pixel of a JPEG tells whether it is complete
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TRANSPOSE[orientation] for orientation in (5, 6, 7, 8)}
# Difference between two channels of a pixel: lossy formats give grey one of up to 4.
_IS_HUE = [difference > 4 for difference in range(256)]
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")

# Output on stderr would land on the screen. Silenced globally: `catch_warnings` would change the filters of all
# threads each time, and libtiff, which Pillow is linked with, bypasses Python.
warnings.filterwarnings("ignore", module=r"PIL\b")
logging.getLogger("PIL").addHandler(logging.NullHandler())
with contextlib.suppress(OSError, AttributeError):  # a Pillow without libtiff
    _pillow = ctypes.CDLL(str(_imaging.__file__))
    _pillow.TIFFSetErrorHandler(None)
    _pillow.TIFFSetWarningHandler(None)


class DecodeError(Exception):
    """The bytes cannot be decoded as an image; the message is a short printable reason."""


@dataclass(frozen=True)
class Decoded:
    """A decoded image, reduced in size.

    Attributes
    ----------
    image : uint8 (h, w, C), C 1 if it has no colour, else 3.
    width, height : size of the upright original in pixels.
    grey : whether it has no colour, whatever the mode of the file.
    """

    image: NDArray[np.uint8]
    width: int
    height: int
    grey: bool


def decode(data: bytes, longest: int) -> Decoded:
    """Decode an image, upright according to its EXIF data, in its proportions, at most `longest` pixels per side.

    JPEG, PNG, WebP, BMP, TIFF, GIF, PNM and, where a package is there for it, AVIF and HEIC; the first of several
    frames or pages. A JPEG may lack its end marker, but nothing before it. Transparency is drawn over white.
    Values of more than 8 bits are made pixels by `PixelRange`.

    Raises
    ------
    DecodeError : if the bytes are truncated, damaged, in another format, or more than 100 megapixels.
    """
    try:
        small, turn, width, height = _decode(data, longest)
    except DecodeError:
        raise
    except Exception as error:  # damaged files make Pillow raise almost anything
        completed = _completed(data)
        if completed is None:
            raise DecodeError(_reason(error, data)) from error
        small, turn, width, height = _decode(completed, longest)
    if turn is not None:
        small = small.transpose(turn)
    if turn in _SIDEWAYS:
        width, height = height, width
    if _has_colour(small):
        return Decoded(np.asarray(small), width, height, grey=False)
    return Decoded(np.asarray(small.convert("L"))[..., None], width, height, grey=True)


def resize_to(image: NDArray[np.uint8], height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """An image (h, w, 1 or 3) resized by area averaging to (height, width, channels), whatever its proportions.

    Colours become grey by the luma of ITU-R 601.
    """
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BOX)
    return np.asarray(picture.convert("L" if channels == 1 else "RGB")).reshape(height, width, channels)


def over_white(image: Image.Image) -> Image.Image:
    """An image of any mode with transparency, in RGB, drawn over white."""
    coloured = image.convert("RGBA")
    white = Image.new("RGBA", coloured.size, "white")
    white.alpha_composite(coloured)
    return white.convert("RGB")


def _decode(data: bytes, longest: int) -> tuple[Image.Image, Image.Transpose | None, int, int]:
    """The image in mode L or RGB, what turns it upright, and its width and height; raises whatever Pillow raises."""
    with _opened(data) as image:
        width, height = image.size
        if isinstance(image, JpegImageFile):
            image.draft(None, _fit(width, height, longest))
        if image.width * image.height > MAX_PIXELS:
            raise DecodeError(f"{width:,} × {height:,} pixels are too many")
        deep_grey = any("LA;16B" in _texts(tile.args) for tile in _tiles(image))
        low_bytes = _swapped_bytes(image) if image.mode in ("RGB", "RGBA") and not deep_grey else []
        white = _white_of_pnm(image)
        image.load()
        if not isinstance(image, JpegImageFile):
            width, height = image.size  # Pillow has turned a TIFF upright by now
        turn = _transpose_for(image)
        if deep_grey:
            image = _grey_with_all_bits(data)
        whole = _with_all_bits(image, data, low_bytes) if low_bytes else image
        return _to_grey_or_rgb(whole, _fit(width, height, longest), white), turn, width, height


def _completed(data: bytes) -> bytes | None:
    """A JPEG with the end marker that it lacks; None if it is not a JPEG, or lacks more.

    After the last pixel, whatever comes before an end marker is ignored; before it, it would change the picture.
    """
    if data[:3] != b"\xff\xd8\xff" or _END_OF_JPEG in data[-2:]:
        return None
    begun = data.removesuffix(b"\xff")  # half of the marker
    try:
        first, second = (
            np.asarray(_decode(begun + more + _END_OF_JPEG, _PROBE)[0]) for more in (b"", b"\x5a\xa5\x3c\xc3" * 64)
        )
    except Exception:  # it lacks more than that
        return None
    return begun + _END_OF_JPEG if np.array_equal(first, second) else None


def _opened(data: bytes) -> Image.Image:
    if data[:3] == b"\xff\xd8\xff":
        # Not with `Image.open`, which refuses an image by its full size even if it is decoded at an eighth of it.
        image = JpegImageFile(io.BytesIO(data))
        scans_at_once = MAX_PIXELS if image.info.get("progressive") else MAX_JPEG_PIXELS
        if image.width * image.height > scans_at_once:
            raise DecodeError(f"{image.width:,} × {image.height:,} pixels are too many")
        return image
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return _opened_heic(data)
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _opened_heic(data: bytes) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise DecodeError(f"HEIC, which needs a package: {how_to_install('pillow_heif')}") from error
    opened: Image.Image = HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]
    return opened


def _fit(width: int, height: int, longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _transpose_for(image: Image.Image) -> Image.Transpose | None:
    """The operation that turns the image upright; None if it is, or if its EXIF data are damaged."""
    try:
        return _TRANSPOSE.get(int(image.getexif().get(ExifTags.Base.Orientation, 1)))
    except Exception:  # the image itself is fine
        return None


def _to_grey_or_rgb(image: Image.Image, size: tuple[int, int], white: int | None = None) -> Image.Image:
    """The image in that size, in mode L or RGB; `white` is the value of white if the file says it."""
    if image.mode in _DEEP:
        return _to_8_bits(image, size, white)
    if image.mode not in _ALPHA and image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.mode == "PA" else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    # Resized first: alpha acts as a weight, and everything after it is cheap.
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


def _to_8_bits(image: Image.Image, size: tuple[int, int], white: int | None = None) -> Image.Image:
    """An image of 16 or 32 bits in that size, with 8 bits."""
    values = np.asarray(image)
    if image.mode == "F":
        finite = np.isfinite(values)
        values = values if finite.all() else np.where(finite, values, np.float32(0))
    whole = values.dtype.kind in "iu"
    known = PixelRange(0, white) if white else None
    pixels = known or PixelRange.of(float(values.min()), float(values.max()), whole=whole)
    image = Image.fromarray(values.astype(np.float32))
    if image.size != size:
        image = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    return Image.fromarray(pixels.to_uint8(np.asarray(image)))


def _swapped_bytes(image: Image.Image) -> list[Any]:
    """How to read the low instead of the high byte of an image's 16-bit channels: by the other order of bytes.

    Pillow keeps the high byte only. Empty if the image has 8 bits.
    """
    tiles = _tiles(image)
    native, foreign = ("L", "B") if sys.byteorder == "little" else ("B", "L")
    other = {f";16{native}": f";16{foreign}", f";16{foreign}": f";16{native}", ";16N": f";16{foreign}"}

    def swapped(argument: object) -> object:
        if isinstance(argument, str) and argument[-4:] in other:
            return argument[:-4] + other[argument[-4:]]
        return argument

    changed = [
        tile._replace(args=tuple(map(swapped, tile.args)) if isinstance(tile.args, tuple) else swapped(tile.args))
        for tile in tiles
    ]
    return changed if changed != tiles else []


def _tiles(image: Image.Image) -> list[Any]:
    return list(getattr(image, "tile", ()))


def _texts(argument: object) -> tuple[object, ...]:
    return argument if isinstance(argument, tuple) else (argument,)


def _white_of_pnm(image: Image.Image) -> int | None:
    """White in a PGM of more than 8 bits that says how many it uses: Pillow scales that to 16 bits."""
    if image.format != "PPM" or image.mode != "I":
        return None
    maxima = [value for tile in _tiles(image) for value in _texts(tile.args) if isinstance(value, int)]
    return 65535 if maxima and maxima[-1] < 65535 else None


def _grey_with_all_bits(data: bytes) -> Image.Image:
    """A PNG of grey and transparency in 16 bits, brought to 8: Pillow keeps the high bytes only, and no black is lost.

    Its pixels are read as if they had four channels of 8 bits.
    """
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.tile = [tile._replace(args="RGBA") for tile in _tiles(image)]
        parts = np.asarray(image).astype(np.uint16)
    grey, alpha = (
        PixelRange.of(0, int(part.max()), whole=True).to_uint8(part)
        for part in (parts[..., 0] << 8 | parts[..., 1], parts[..., 2] << 8 | parts[..., 3])
    )
    return Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))


def _with_all_bits(image: Image.Image, data: bytes, low_bytes: list[Any]) -> Image.Image:
    """An image of the high bytes of 16-bit channels; if it is dark, because fewer bits are used, brought to 8 bits."""
    high = np.asarray(image)
    if high[..., :3].max() >= 128:
        return image
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as again:
            again.tile = low_bytes
            values = high.astype(np.uint16) << 8 | np.asarray(again)
    except (OSError, ValueError, SyntaxError):  # no such order of bytes for this image
        return image
    parts = [part for part in (values[..., :3], values[..., 3:]) if part.size]
    scaled = [PixelRange.of(0, int(part.max()), whole=True).to_uint8(part) for part in parts]
    return Image.fromarray(np.concatenate(scaled, axis=2))


def _reason(error: Exception, data: bytes) -> str:
    if not data:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels"
    if isinstance(error, MemoryError):
        return "not enough memory"
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
    if "truncated" in text:
        return "truncated"
    return f"damaged: {text}"[:60] if text else "damaged"
