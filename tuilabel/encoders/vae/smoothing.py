"""How sharp an image may be that is encoded: as sharp as the views that the encoder was trained on.

A view is resampled, and so a little softer than its image. An encoder that has only met views takes a whole, sharp
image for an odd one, and puts it off the place where the image's views lie: a difference between training and use, as
that of resolutions in Touvron et al. 2019 (https://arxiv.org/abs/1906.06423). Smoothing the image undoes it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tuilabel.encoders.device import channels_last, precision
from tuilabel.encoders.vae.augmentations import ViewFamily, random_views
from tuilabel.encoders.vae.model import VAE, smoothed

SHARES = tuple(step / 50 for step in range(11))  # of a pixel to either neighbour; at 1/4 stripes a pixel wide are gone
VIEWS = 8
BATCH = 500


def best_smoothing(model: VAE, images: Tensor, family: ViewFamily, generator: torch.Generator) -> float:
    """The smoothing with which the latents of images lie closest to the mean latents of their views.

    Parameters
    ----------
    model : in evaluation mode.
    images : (B, C, H, W) float32 in [0, 1], on the model's device; some hundreds are enough.
    generator : of the views, on the CPU.

    Returns
    -------
    One of `SHARES`: the one of the least squared distance, summed over images and dimensions.
    """
    distances = torch.zeros(len(SHARES), dtype=torch.float64)
    with torch.inference_mode(), precision(images.device):
        for part in torch.split(images, BATCH):
            views = [model.encode(channels_last(random_views(part, generator, family)))[0] for _ in range(VIEWS)]
            wanted = torch.stack(views).mean(0)  # (B, D)
            for place, share in enumerate(SHARES):
                found, _ = model.encode(channels_last(smoothed(part, share)))
                distances[place] += F.mse_loss(found, wanted, reduction="sum").double().cpu()
    return SHARES[int(distances.argmin())]
