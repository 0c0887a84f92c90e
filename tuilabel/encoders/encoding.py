"""Encode images with one call, for notebooks and scripts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.base import Encoder
from tuilabel.encoders.cache import OnProgress, no_progress
from tuilabel.encoders.registry import choose_encoder
from tuilabel.errors import TuilabelError


def encode(
    images: ImagePool | NDArray[np.uint8],
    encoder: str | Encoder = "vae",
    *,
    checkpoint: str | Path | None = None,
    reference: ImagePool | None = None,
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> NDArray[np.float32]:
    """Latents of images; cached by the content of images and encoder.

    Parameters
    ----------
    images : a pool, or an array uint8 (N, H, W, C) with 1 or 3 channels, or (N, H, W).
    encoder : "vae", "pca", a pretrained network ("efficientnet_lite2", "timm:NAME", …), "package.module:function",
        "vae-on:NETWORK", "vae+NETWORK", "auto", or an `Encoder`.
    checkpoint : of the VAE, written by `train_vae`; by default the one for the dataset.
    reference : encode into the latent space of this pool, with its VAE or its principal components, so that the latents
        can be compared with those of `encode(reference, encoder)`. `images` may then have another size.
    device : "auto", "cpu", "cuda", "cuda:0", "mps".
    on_progress : called with (images done, images in total).

    Returns
    -------
    float32 (N, D), read-only; memory-mapped if it comes from the cache.

    Raises
    ------
    UsageError : if the encoder is unknown or the device is not available.
    TuilabelError : if there is no VAE for these images, a file is missing or damaged, or the weights of a network
        cannot be downloaded.
    ValueError : if an array does not hold images.
    """
    pool = images if isinstance(images, ImagePool) else ImagePool.from_arrays(images, (), name="array")
    target = pool if reference is None else reference
    if isinstance(encoder, str):
        encoder = choose_encoder(encoder, target, checkpoint=None if checkpoint is None else Path(checkpoint))
        if encoder.needs_training(target):
            raise TuilabelError(
                "there is no VAE for these images yet: pass `checkpoint`, a file written by `train_vae`, or another "
                "encoder, such as `encoder='pca'`"
            )
    if reference is None:
        return encoder.encode(pool, device, on_progress).pool
    return encoder.encode_others(pool, reference, device, on_progress)
