"""Random augmentations of images that do not change their class, applied to a whole batch at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from tuilabel.encoders.device import sent
from tuilabel.encoders.vae.processes import Part, all_rows
from tuilabel.errors import unknown_name

FIELD_POINTS = 5  # control points of a random field, along each axis
MIN_VALUE = 1e-4  # pixels are clamped to it before a power is taken: 0 has no logarithm


@dataclass(frozen=True)
class Augmentations:
    """How far an augmented image may be from the original: values are drawn uniformly up to each limit.

    Attributes
    ----------
    rotation : radians.
    scale : relative change of either side.
    shear : the shear factor.
    shift : in units of half an image.
    elastic : standard deviation, in units of half an image, of a smooth random displacement field, bicubic between a
        few control points, as in Simard et al. 2003.
    zoom : the largest share of either side that a crop may remove.
    light : how much lighter or darker grey tones and the whole image get; black stays black.
    shade : standard deviation of a smooth random field that is added to the logarithm of brightness; black stays black.
    colour : change of brightness of colour images and of the strength of each channel.
    mirror : flip half of the images horizontally.
    """

    rotation: float
    scale: float
    shear: float
    shift: float
    elastic: float
    zoom: float = 0.0
    light: float = 0.0
    shade: float = 0.0
    colour: float = 0.0
    mirror: bool = False


# Not mirrored: a mirrored digit is another digit, or not a digit.
_GLYPHS = Augmentations(math.radians(15), 0.10, 0.15, 2 / 14, 0.10, colour=0.4)
AUGMENTATIONS = {
    "glyphs": _GLYPHS,
    # Glyphs in front of a background; only the recipe differs, see `tuilabel.encoders.vae.settings`.
    "signs": _GLYPHS,
    "objects": Augmentations(math.radians(7.5), 0.05, 0.075, 1 / 14, 0.05, light=0.5, shade=0.3, colour=0.4),
    "photos": Augmentations(math.radians(10), 0.10, 0.05, 1 / 14, 0.03, zoom=0.4, colour=0.4, mirror=True),
}


def get_augmentations(name: str) -> Augmentations:
    """The augmentations called `name`; raises `UsageError` for an unknown name."""
    if name not in AUGMENTATIONS:
        raise unknown_name("augmentations", name, AUGMENTATIONS)
    return AUGMENTATIONS[name]


def augment(
    images: Tensor,
    generator: torch.Generator,
    augmentations: Augmentations = AUGMENTATIONS["glyphs"],
    part: Part | None = None,
) -> Tensor:
    """One random view of each image: rotated, scaled, sheared, shifted, slightly warped, in different light.

    Parameters
    ----------
    images : (B, C, H, W) float in [0, 1].
    generator : on the CPU; the same state gives the same views on every device.
    augmentations : the limits.
    part : the rows of a batch that these images are; the same row gets the same view however a batch is divided.

    Returns
    -------
    Views (B, C, H, W) of the same dtype and range.
    """
    batch, channels, height, width = images.shape
    draw = _Draw(generator, part or all_rows(batch))
    matrices = _affine(height / width, augmentations, draw)  # (B, 2, 3)
    grid = F.affine_grid(sent(matrices, images.device), [batch, 1, height, width], align_corners=False)  # (B, H, W, 2)
    grid = grid + augmentations.elastic * _smooth_fields(images, 2, draw).permute(0, 2, 3, 1)
    padding = "zeros" if channels == 1 else "reflection"
    views = F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return _relight(views, draw, augmentations)


def _relight(views: Tensor, draw: _Draw, augmentations: Augmentations) -> Tensor:
    """The views (B, C, H, W) in different light: the whole image, parts of it, each channel."""
    channels = views.shape[1]

    def up_to(limit: float, *shape: int) -> Tensor:
        return limit * sent(draw.uniform(*shape, 1, 1), views.device)

    light, shade, colour = augmentations.light, augmentations.shade, augmentations.colour
    if light:
        views = views.clamp(MIN_VALUE, 1) ** up_to(light, 1).exp() * (1 + up_to(light / 2, 1))
    if shade:
        views = views * (shade * _smooth_fields(views, 1, draw)).exp()
    if colour and channels > 1:
        views = views * (1 + up_to(colour, channels)) + up_to(colour / 2, 1)
    return views.clamp(0, 1)


def _affine(aspect: float, augmentations: Augmentations, draw: _Draw) -> Tensor:
    """Random matrices (B, 2, 3); `aspect` is height over width, so that rotations do not squeeze oblong images."""
    a = augmentations
    limits = torch.tensor([a.rotation, a.scale, a.scale, a.shear, a.shift, a.shift])
    angle, sx, sy, shear, dx, dy = (draw.uniform(6) * limits).unbind(1)
    cos, sin = angle.cos(), angle.sin()
    x_row = torch.stack([(1 + sx) * cos, (shear - sin) * aspect, dx], 1)
    y_row = torch.stack([(1 + sy) * sin / aspect, (1 + sy) * cos, dy], 1)
    matrices = torch.stack([x_row, y_row], dim=1)
    if a.zoom:
        kept = 1 - a.zoom * draw.share(1, 1)
        matrices = matrices * kept
        matrices[:, :, 2] += (1 - kept[:, :, 0]) * draw.uniform(2)
    if a.mirror:
        matrices[:, 0] *= 1 - 2 * draw.bit(1)
    return matrices


def _smooth_fields(images: Tensor, n: int, draw: _Draw) -> Tensor:
    """`n` random fields (B, n, H, W) for each image, with a standard deviation of 1 at their control points."""
    points = sent(draw.normal(n, FIELD_POINTS**2), images.device)
    height, width = images.shape[2:]
    return (points @ _bicubic(height, width, images.device)).view(-1, n, height, width)


@lru_cache(maxsize=8)
def _bicubic(height: int, width: int, device: torch.device) -> Tensor:
    """What each control point adds to a field (points, H·W): as a product, interpolation takes a tenth of the time."""
    each = torch.eye(FIELD_POINTS**2, device=device).view(-1, 1, FIELD_POINTS, FIELD_POINTS)
    return F.interpolate(each, (height, width), mode="bicubic", align_corners=False).flatten(1)


class _Draw:
    """Random numbers for each image of a part (B, …), drawn for the whole batch."""

    def __init__(self, generator: torch.Generator, part: Part) -> None:
        self._generator, self._part = generator, part

    def share(self, *shape: int) -> Tensor:
        """Uniform values between 0 and 1."""
        return self._part.of(torch.rand(self._part.whole, *shape, generator=self._generator))

    def uniform(self, *shape: int) -> Tensor:
        """Uniform values between -1 and 1."""
        return self.share(*shape) * 2 - 1

    def normal(self, *shape: int) -> Tensor:
        return self._part.of(torch.randn(self._part.whole, *shape, generator=self._generator))

    def bit(self, *shape: int) -> Tensor:
        return self._part.of(torch.randint(2, (self._part.whole, *shape), generator=self._generator))
