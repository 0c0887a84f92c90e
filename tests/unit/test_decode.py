"""Image files are decoded upright and in their colours, and damaged or hostile files do no harm."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import sys
import time
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from tuilabel.datasets.decode import DecodeError, decode, resize_to

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\b")  # as in `decode`; pytest sets its own filters

RED, BLUE = (200, 10, 10), (0, 0, 255)


def halves(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Blue on the left, red on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (0, 0, size[0] // 2, size[1]))
    return image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[274] = orientation
    return data


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        ("GIF", {}),
        ("PPM", {}),
    ],
)
def test_each_format(kind: str, options: dict[str, Any]) -> None:
    decoded = decode(saved(halves(), kind, **options), 100)
    assert (decoded.width, decoded.height, decoded.grey) == (40, 20, False)
    assert decoded.image.shape == (20, 40, 3)
    assert np.abs(decoded.image[10, 5].astype(int) - BLUE).max() <= 4
    assert np.abs(decoded.image[10, 35].astype(int) - RED).max() <= 4


UPRIGHT = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}


@pytest.mark.parametrize(("orientation", "blue"), UPRIGHT.items())
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_images_are_upright(kind: str, orientation: int, blue: str) -> None:
    decoded = decode(saved(halves((80, 40)), kind, exif=exif(orientation)), 40)
    sideways = blue in ("top", "bottom")
    assert (decoded.width, decoded.height) == ((40, 80) if sideways else (80, 40))
    assert decoded.image.shape == ((40, 20, 3) if sideways else (20, 40, 3))
    positions = {"left": (10, 4), "right": (10, 35), "top": (4, 10), "bottom": (35, 10)}
    assert np.abs(decoded.image[positions[blue]].astype(int) - BLUE).max() <= 12


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_invalid_orientation_is_ignored(orientation: int) -> None:
    assert decode(saved(halves(), "JPEG", exif=exif(orientation)), 40).image.shape == (20, 40, 3)


def test_damaged_exif_data_is_ignored() -> None:
    data = saved(halves(), "JPEG", exif=exif(6))
    offset = data.index(b"Exif\0\0") + 6
    broken = data[:offset] + b"XX" + data[offset + 2 :]
    assert decode(broken, 40).image.shape == (20, 40, 3)


def grey_ramp(maximum: int, dtype: str) -> np.ndarray:
    return np.repeat(np.linspace(0, maximum, 256), 2).reshape(1, 512).repeat(4, 0).astype(dtype)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (grey_ramp(255, "u1"), "PNG"),
        (grey_ramp(65535, "u2"), "PNG"),
        (grey_ramp(65535, "u2"), "TIFF"),
        (grey_ramp(65535, "u2"), "PPM"),
        (grey_ramp(4095, "u2"), "TIFF"),  # a 12-bit camera
        (grey_ramp(2**31 - 1, "i4"), "TIFF"),
        (grey_ramp(255, "i4") - 128, "TIFF"),
        (grey_ramp(1, "f4"), "TIFF"),
        (grey_ramp(255, "f4"), "TIFF"),
        (grey_ramp(2, "f4") - 1, "TIFF"),
        (grey_ramp(9000, "f4") - 500, "TIFF"),
    ],
)
def test_grey_values_of_any_depth_keep_their_range(values: np.ndarray, kind: str) -> None:
    decoded = decode(saved(Image.fromarray(values), kind), 512)
    assert decoded.grey
    assert np.abs(decoded.image[1, :, 0].astype(int) - grey_ramp(255, "u1")[1]).max() <= 1


def deep_png(values: np.ndarray) -> bytes:
    """A PNG of 16 bits per channel, which Pillow cannot write; values uint16 (h, w, 1 to 4)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep_tiff(values: np.ndarray, compression: int = 1) -> bytes:
    """A TIFF of 16 bits per channel in one strip, plain or deflated (8); values uint16 (h, w, 3)."""
    height, width, channels = values.shape
    data = values.astype("<u2").tobytes()
    data = zlib.compress(data) if compression == 8 else data
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 8 + len(data)), (259, 3, 1, compression)]
    entries += [(262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, channels), (278, 4, 1, height)]
    entries += [(279, 4, 1, len(data)), (284, 3, 1, 1)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    bits = struct.pack("<HHH", 16, 16, 16)
    return struct.pack("<2sHI", b"II", 42, 14 + len(data)) + data + bits + directory + bytes(4)


@pytest.mark.parametrize("top", [4095, 16383, 65535, 200])
@pytest.mark.parametrize("kind", ["png", "tiff", "deflated tiff"])
def test_colours_of_16_bits_keep_their_range(kind: str, top: int) -> None:
    values = np.zeros((20, 40, 3), np.uint16)
    values[:, :20, 0], values[:, 20:, 2], values[..., 1] = top, top, top // 4
    data = deep_png(values) if kind == "png" else deep_tiff(values, 8 if kind == "deflated tiff" else 1)
    expected = 255 if top > 255 else top
    for size in (40, 20):
        image = decode(data, size).image.astype(int)
        assert np.abs(image[size // 4, 2] - [expected, expected // 4, 0]).max() <= 1
        assert np.abs(image[size // 4, -2] - [0, expected // 4, expected]).max() <= 1


@pytest.mark.parametrize("top", [4095, 65535, 200])
def test_grey_of_16_bits_with_transparency_keeps_its_range(top: int) -> None:
    values = np.full((20, 40, 2), 65535, np.uint16)
    values[..., 0] = np.linspace(0, top, 40)
    shown = decode(deep_png(values), 40)
    assert shown.grey
    assert (shown.image[..., 0] == decode(deep_png(values[..., :1]), 40).image[..., 0]).all()
    values[..., 1] = 0
    assert decode(deep_png(values), 40).image.min() == 255


def test_the_white_of_a_grey_map_is_what_it_says() -> None:
    def mean(header: str, values: list[int]) -> float:
        return float(decode(header.encode() + np.array(values, ">u2").tobytes(), 2).image.mean())

    assert mean("P5 2 1 4095\n", [0, 1000]) == pytest.approx(1000 / 4095 * 255 / 2, abs=1)
    assert mean("P5 2 1 1000\n", [0, 1000]) == pytest.approx(255 / 2, abs=1)
    assert mean("P5 2 1 65535\n", [0, 4095]) == pytest.approx(255 / 2, abs=1)  # 12 bits in a file of 16
    assert decode(b"P2 2 1 1023\n0 500", 2).image.mean() == pytest.approx(500 / 1023 * 255 / 2, abs=1)


def test_transparency_of_16_bits() -> None:
    values = np.zeros((10, 20, 4), np.uint16)
    values[..., 0], values[:, :10, 3] = 4095, 65535
    image = decode(deep_png(values), 20).image
    assert image[5, 2].tolist() == [255, 0, 0]
    assert image[5, -2].tolist() == [255, 255, 255]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "restart_marker_rows": 1}])
def test_a_jpeg_that_only_lacks_its_end_marker_is_shown(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (50, 70, 3), np.uint8))
    data = saved(noise, "JPEG", quality=90, **options)
    assert data.endswith(b"\xff\xd9")
    whole = decode(data, 70).image
    for cut in (1, 2):
        assert np.array_equal(decode(data[:-cut], 70).image, whole)
    for cut in (20, len(data) // 3):
        with pytest.raises(DecodeError, match="truncated"):
            decode(data[:-cut], 70)


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_avif() -> None:
    decoded = decode(saved(halves(), "AVIF", quality=90), 40)
    assert decoded.image.shape == (20, 40, 3)
    assert np.abs(decoded.image[5, 35].astype(int) - RED).max() <= 8


def test_heic_of_phones() -> None:
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    heif.from_pillow(halves((64, 32))).save(file, quality=90)
    decoded = decode(file.getvalue(), 64)
    assert (decoded.width, decoded.height) == (64, 32)
    assert np.abs(decoded.image[5, 60].astype(int) - RED).max() <= 12
    with pytest.raises(DecodeError):
        decode(file.getvalue()[:-100], 64)


def test_heic_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DecodeError, match=r"pip install 'tuilabel\[heic\]'"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", 64)


def test_nan_and_infinity() -> None:
    values = np.full((4, 4), 0.5, np.float32)
    values[0, 0], values[0, 1] = np.nan, np.inf
    decoded = decode(saved(Image.fromarray(values), "TIFF"), 4)
    assert decoded.image[..., 0].tolist() == [[0, 0, 128, 128], *[[128] * 4] * 3]


def test_one_bit_images_and_palettes() -> None:
    bits = Image.new("1", (8, 8), 1)
    bits.paste(0, (0, 0, 4, 8))
    for kind in ("PNG", "TIFF", "BMP", "GIF", "PPM"):
        decoded = decode(saved(bits, kind), 8)
        assert decoded.grey
        assert decoded.image[3, [0, 7], 0].tolist() == [0, 255]
    palette = halves().quantize(4)
    assert np.abs(decode(saved(palette, "PNG"), 40).image[5, 5].astype(int) - BLUE).max() <= 8
    transparent = saved(palette, "PNG", transparency=palette.getpixel((5, 5)))
    assert decode(transparent, 40).image[5, 5].tolist() == [255, 255, 255]
    assert decode(saved(palette, "GIF", transparency=palette.getpixel((5, 5))), 40).image[5, 5].tolist() == [255] * 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_drawn_over_white(kind: str) -> None:
    image = halves().convert("RGBA")
    image.putalpha(128)
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode(saved(image, kind, **options), 20)
    assert np.abs(decoded.image[5, 15].astype(int) - [227, 132, 132]).max() <= 2
    grey = Image.merge("LA", [Image.new("L", (4, 4), 100), Image.new("L", (4, 4), 0)])
    assert decode(saved(grey, kind, **options), 4).image.tolist() == [[[255]] * 4] * 4


def test_transparent_pixels_do_not_bleed_into_their_neighbours() -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 32, 64))
    decoded = decode(saved(image, "PNG"), 3)
    assert decoded.grey  # no red bleeds over the edge


def test_a_png_with_a_transparent_colour() -> None:
    decoded = decode(saved(halves(), "PNG", transparency=BLUE), 40)
    assert decoded.image[5, 5].tolist() == [255, 255, 255]
    assert decoded.image[5, 35].tolist() == list(RED)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted(kind: str) -> None:
    decoded = decode(saved(halves().convert("CMYK"), kind, **({"quality": 95} if kind == "JPEG" else {})), 40)
    assert np.abs(decoded.image[10, 5].astype(int) - BLUE).max() <= 6
    assert np.abs(decoded.image[10, 35].astype(int) - RED).max() <= 6


def test_the_first_frame_is_decoded() -> None:
    second = Image.new("RGB", (40, 20), (0, 255, 0))
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})):
        data = saved(halves(), kind, save_all=True, append_images=[second], **options)
        assert np.abs(decode(data, 40).image[10, 35].astype(int) - RED).max() <= 4


def test_grey_in_a_colour_file_is_grey() -> None:
    image = Image.effect_noise((64, 64), 50).convert("RGB")
    for kind in ("JPEG", "PNG", "WEBP"):
        decoded = decode(saved(image, kind), 64)
        assert decoded.grey
        assert decoded.image.shape == (64, 64, 1)
    assert not decode(saved(Image.new("RGB", (8, 8), (90, 100, 90)), "PNG"), 8).grey


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (1, 1), (3, 7), (5000, 4)])
def test_absurd_proportions(size: tuple[int, int]) -> None:
    decoded = decode(saved(Image.new("RGB", size, RED), "PNG"), 64)
    assert (decoded.width, decoded.height) == size
    assert max(decoded.image.shape[:2]) == min(64, max(size))
    assert decoded.image[0, 0].tolist() == list(RED)


def test_a_large_jpeg_is_decoded_at_an_eighth_of_its_size() -> None:
    data = saved(Image.new("L", (12_032, 9_024), 90), "JPEG")
    begin = time.perf_counter()
    decoded = decode(data, 128)
    assert (decoded.width, decoded.height) == (12_032, 9_024)
    assert decoded.image.shape == (96, 128, 1)
    assert time.perf_counter() - begin < 10


def png_of(width: int, height: int) -> bytes:
    """A small PNG that claims to be large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_001, 10_000), (100_000, 100_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_not_decoded(size: tuple[int, int]) -> None:
    begin = time.perf_counter()
    with pytest.raises(DecodeError, match=r"too many|damaged"):
        decode(png_of(*size), 128)
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_truncated_files_are_refused(kind: str) -> None:
    data = saved(Image.effect_noise((100, 100), 90).convert("RGB"), kind)
    for length in (0, 1, 3, 10, len(data) // 2):
        with pytest.raises(DecodeError) as caught:
            decode(data[:length], 64)
        assert str(caught.value).isprintable()
        assert 0 < len(str(caught.value)) <= 60


@pytest.mark.parametrize("data", [b"%PDF-1.4\n", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>", b"\0" * 999, b"hello"])
def test_other_formats_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="not an image of a known format"):
        decode(data, 64)


def good_files() -> list[bytes]:
    noise = Image.effect_noise((48, 36), 80)
    colour = Image.merge("RGB", [noise, noise.rotate(90), halves((48, 36)).convert("L")])
    alpha = colour.copy()
    alpha.putalpha(noise)
    deep = Image.fromarray(np.asarray(noise).astype(np.uint16) * 257)
    real = Image.fromarray(np.asarray(noise).astype(np.float32))
    return [
        saved(colour, "JPEG", exif=exif(6)),
        saved(colour, "JPEG", progressive=True),
        saved(colour.convert("CMYK"), "JPEG"),
        saved(noise, "JPEG"),
        *(saved(image, "PNG") for image in (colour, alpha, noise, deep, colour.quantize(16), noise.convert("1"))),
        saved(alpha, "WEBP", lossless=True),
        saved(colour, "WEBP", save_all=True, append_images=[colour.rotate(180)]),
        *(saved(image, "BMP") for image in (colour, noise, colour.quantize(16))),
        *(saved(image, "TIFF") for image in (colour, alpha, deep, real, noise.convert("1"))),
        *(saved(colour, "TIFF", compression=how) for how in ("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")),
        saved(noise.convert("1"), "TIFF", compression="group4"),
        saved(colour, "GIF", save_all=True, append_images=[alpha]),
        *(saved(image, "PPM") for image in (colour, noise, deep, noise.convert("1"))),
    ]


def test_a_thousand_damaged_files(capfd: pytest.CaptureFixture[str]) -> None:
    """Each is decoded or refused, quickly; nothing is printed."""
    rng, files = random.Random(0), good_files()
    undecodable, slowest, reasons = 0, 0.0, set[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module=r"PIL\b")  # as in `decode`; pytest sets its own filters
        for k in range(1000):
            data = bytearray(files[k % len(files)])
            for _ in range(rng.choice([1, 3, 30])):
                position = rng.randrange(min(len(data), rng.choice([64, 300, len(data)])))
                data[position] = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
            if k % 4 == 0:
                del data[rng.randrange(len(data)) :]
            begin = time.perf_counter()
            try:
                decoded = decode(bytes(data), 32)
            except DecodeError as error:
                undecodable += 1
                reasons.add(str(error))
            else:
                assert max(decoded.image.shape[:2]) <= 32
                assert decoded.image.dtype == np.uint8
                assert decoded.image.shape[2] == (1 if decoded.grey else 3)
            slowest = max(slowest, time.perf_counter() - begin)
    assert 100 < undecodable < 1000
    assert all(reason.isprintable() and 0 < len(reason) <= 60 for reason in reasons)
    assert slowest < 5
    assert capfd.readouterr() == ("", "")


STARTS = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBPVP8 ", b"II*\0", b"GIF89a", b"BM", b"P6 "]


@given(st.sampled_from(STARTS), st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes(start: bytes, rest: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert decode(start + rest, 16).image.size <= 16 * 16 * 3


def test_resizing_averages_areas() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, 4:] = (100, 200, 50)
    assert resize_to(image, 2, 2, 3).tolist() == [[[0, 0, 0], [100, 200, 50]]] * 2
    assert resize_to(image, 1, 1, 3).tolist() == [[[50, 100, 25]]]
    assert resize_to(image, 1, 2, 1).tolist() == [[[0], [153]]]  # 0.299 R + 0.587 G + 0.114 B
    assert resize_to(image[..., :1], 2, 4, 3).shape == (2, 4, 3)
    assert resize_to(image[..., :1], 4, 8, 1).tolist() == image[..., :1].tolist()
    assert resize_to(image[:1, :1], 5, 3, 1).tolist() == [[[0]] * 3] * 5
