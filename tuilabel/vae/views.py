"""Random views of images: small affine and smooth elastic transformations, the whole batch at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

ROTATION = math.radians(15)
SCALE = 0.10
SHEAR = 0.15
SHIFT = 2 / 14  # two pixels of 28, in units of half an image
ELASTIC = 0.10
ELASTIC_GRID = 5


def random_views(images: Tensor, generator: torch.Generator) -> Tensor:
    """One random view of each image: rotated up to 15°, scaled by 10 %, sheared, moved, and bent a little.

    No flips: a mirrored digit is another digit or none. The bending is a smooth random field in the manner of
    Simard et al. 2003, bicubic between a few control points.

    Parameters
    ----------
    images : (B, C, H, W) float in [0, 1].
    generator : on the CPU; the same state gives the same views on every device.

    Returns
    -------
    Views (B, C, H, W) of the same dtype and range.
    """
    batch, _, height, width = images.shape
    uniform = torch.rand(batch, 6, generator=generator) * 2 - 1
    angle, sx, sy, shear, dx, dy = (uniform * _SPREAD).unbind(1)
    cos, sin = angle.cos(), angle.sin()
    ratio = height / width  # rotations must not squeeze an oblong image
    rows = torch.stack(
        [
            torch.stack([(1 + sx) * cos, (shear - sin) * ratio, dx], 1),
            torch.stack([(1 + sy) * sin / ratio, (1 + sy) * cos, dy], 1),
        ],
        dim=1,
    )  # (B, 2, 3)
    bend = torch.randn(batch, 2, ELASTIC_GRID, ELASTIC_GRID, generator=generator) * ELASTIC
    grid = F.affine_grid(rows.to(images.device), [batch, 1, height, width], align_corners=False)  # (B, H, W, 2)
    field = F.interpolate(bend.to(images.device), (height, width), mode="bicubic", align_corners=False)
    grid = grid + field.permute(0, 2, 3, 1)
    padding = "zeros" if images.shape[1] == 1 else "reflection"
    return F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)


_SPREAD = torch.tensor([ROTATION, SCALE, SCALE, SHEAR, SHIFT, SHIFT])
