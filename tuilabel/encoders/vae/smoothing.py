"""How much to blur images before they are encoded: as much as the augmented views that the encoder was trained on.

A view is resampled, and so a little softer than its image. An encoder that has only seen views finds a whole, sharp
image unusual, and maps it away from where the image's views lie: a discrepancy between training and test, like that of
resolutions in Touvron et al. 2019 (https://arxiv.org/abs/1906.06423). Smoothing the image removes it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tuilabel.encoders.device import precision
from tuilabel.encoders.vae.augmentations import Augmentations, augment
from tuilabel.encoders.vae.inputs import channels_last
from tuilabel.encoders.vae.model import VAE, smoothed

SHARES = tuple(step / 50 for step in range(11))  # of a pixel, to either neighbour; 1/4 removes stripes one pixel wide
VIEWS = 8
BATCH = 500


def best_smoothing(model: VAE, images: Tensor, augmentations: Augmentations, generator: torch.Generator) -> float:
    """The smoothing that puts the latents of images closest to the mean latents of their views.

    Parameters
    ----------
    model : in evaluation mode.
    images : (B, C, H, W) float32 in [0, 1], on the model's device; some hundreds are enough.
    augmentations : those that the model was trained with.
    generator : draws the views, on the CPU.

    Returns
    -------
    The value in `SHARES` with the least squared distance, summed over images and dimensions.
    """
    distances = torch.zeros(len(SHARES), dtype=torch.float64)
    with torch.inference_mode(), precision(images.device):
        for part in torch.split(images, BATCH):
            views = [model.encode(channels_last(augment(part, generator, augmentations)))[0] for _ in range(VIEWS)]
            wanted = torch.stack(views).mean(0)  # (B, D)
            for i, share in enumerate(SHARES):
                latents, _ = model.encode(channels_last(smoothed(part, share)))
                distances[i] += F.mse_loss(latents, wanted, reduction="sum").double().cpu()
    return SHARES[int(distances.argmin())]
