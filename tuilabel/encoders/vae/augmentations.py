"""Random views of images: changes that leave their class alone, the whole batch at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tuilabel.errors import unknown_name

FIELD_POINTS = 5  # control points of a random field, along each axis
BLACK = 1e-4  # 0 has no logarithm


@dataclass(frozen=True)
class ViewFamily:
    """How far a view may be from its image: each figure is the most, drawn uniformly below it.

    Lengths are in units of half an image. `elastic` is the standard deviation of a smooth random field, bicubic
    between a few control points, in the manner of Simard et al. 2003. `zoom` cuts out a part, `mirror` turns every
    second image around. `light` makes greys and the whole image lighter or darker, `shade` is the standard deviation of
    such a field in how strong (a logarithm) parts of the image are; both leave black as it is. `colour` changes the
    brightness of colour images and each channel's strength.
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


_GLYPHS = ViewFamily(math.radians(15), 0.10, 0.15, 2 / 14, 0.10, colour=0.4)  # a mirrored digit is another or none
FAMILIES = {
    "glyphs": _GLYPHS,
    "signs": _GLYPHS,  # glyphs before a background; only the recipe differs, see `tuilabel.encoders.vae.settings`
    "objects": ViewFamily(math.radians(7.5), 0.05, 0.075, 1 / 14, 0.05, light=0.5, shade=0.3, colour=0.4),
    "photos": ViewFamily(math.radians(10), 0.10, 0.05, 1 / 14, 0.03, zoom=0.4, colour=0.4, mirror=True),
}


def view_family(name: str) -> ViewFamily:
    """The family called `name`; raises `UsageError` where there is none."""
    if name not in FAMILIES:
        raise unknown_name("family of views", name, FAMILIES)
    return FAMILIES[name]


def random_views(images: Tensor, generator: torch.Generator, family: ViewFamily = FAMILIES["glyphs"]) -> Tensor:
    """One random view of each image: turned, scaled, sheared, moved, bent a little, in another light.

    Parameters
    ----------
    images : (B, C, H, W) float in [0, 1].
    generator : on the CPU; the same state gives the same views on every device.

    Returns
    -------
    Views (B, C, H, W) of the same dtype and range.
    """
    batch, channels, height, width = images.shape
    rows = _affine(batch, height / width, family, generator)  # (B, 2, 3)
    grid = F.affine_grid(rows.to(images.device), [batch, 1, height, width], align_corners=False)  # (B, H, W, 2)
    grid = grid + family.elastic * _smooth_fields(images, 2, generator).permute(0, 2, 3, 1)
    padding = "zeros" if channels == 1 else "reflection"
    views = F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return _relit(views, generator, family)


def _relit(views: Tensor, generator: torch.Generator, family: ViewFamily) -> Tensor:
    """The views (B, C, H, W) in another light: all of it, parts of it, each channel."""
    batch, channels = views.shape[:2]

    def most(extent: float, *shape: int) -> Tensor:
        return extent * _uniform(generator, *shape, 1, 1).to(views)

    if family.light:
        views = views.clamp(BLACK, 1) ** most(family.light, batch, 1).exp() * (1 + most(family.light / 2, batch, 1))
    if family.shade:
        views = views * (family.shade * _smooth_fields(views, 1, generator)).exp()
    if family.colour and channels > 1:
        views = views * (1 + most(family.colour, batch, channels)) + most(family.colour / 2, batch, 1)
    return views.clamp(0, 1)


def _affine(batch: int, ratio: float, family: ViewFamily, generator: torch.Generator) -> Tensor:
    """Random matrices (B, 2, 3); `ratio` of height to width, as rotations must not squeeze an oblong image."""
    most = [family.rotation, family.scale, family.scale, family.shear, family.shift, family.shift]
    angle, sx, sy, shear, dx, dy = (_uniform(generator, batch, 6) * torch.tensor(most)).unbind(1)
    cos, sin = angle.cos(), angle.sin()
    along = torch.stack([(1 + sx) * cos, (shear - sin) * ratio, dx], 1)
    across = torch.stack([(1 + sy) * sin / ratio, (1 + sy) * cos, dy], 1)
    rows = torch.stack([along, across], dim=1)
    if family.zoom:
        part = 1 - family.zoom * torch.rand(batch, 1, 1, generator=generator)
        rows = rows * part
        rows[:, :, 2] += (1 - part[:, :, 0]) * _uniform(generator, batch, 2)
    if family.mirror:
        rows[:, 0] *= 1 - 2 * torch.randint(2, (batch, 1), generator=generator)
    return rows


def _smooth_fields(images: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """`n` random fields (B, n, H, W) for each image, of standard deviation 1 at their control points."""
    points = torch.randn(len(images), n, FIELD_POINTS, FIELD_POINTS, generator=generator).to(images)
    return F.interpolate(points, images.shape[2:], mode="bicubic", align_corners=False)


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Between -1 and 1."""
    return torch.rand(shape, generator=generator) * 2 - 1
