"""Which encoders suit a pool, by the look of its images: the rule of `--encoder auto`. Does not import torch.

Photographs, and whatever else has colours or a background, are represented by a pretrained network. A VAE, with the
network beside it, is the goal for glyphs alone: small grey images, such as digits and clothes, before a flat
background. On photographs it explains the background, and is hardly ever worth the minutes that its training takes.
What was measured is in docs/research.md.
Once there are labels, they decide between the candidates that are ready: see `tuilabel.learner.spaces`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.base import Encoder, EncoderOptions
from tuilabel.encoders.joint import JointEncoder
from tuilabel.encoders.networks.encoder import NetworkEncoder
from tuilabel.encoders.networks.names import BUNDLED
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.errors import TuilabelError

AUTO = "auto"
"""The name, in place of an encoder's, that leaves the choice to this rule."""

COLOURED = ("photos", "signs")
"""Augmentations of built-in datasets that a VAE of the pixels does not suit."""
SHADED = "objects"
"""Augmentations of built-in datasets that a VAE suits, and features of a network beside it do better."""

SAMPLE = 500  # images whose borders are looked at
NEAR = 16  # grey levels from the border's median that still count as background
FLAT = 0.7  # median share of such pixels: digits 1.0, clothes 0.88; photographs below 0.45, digits of meters 0.58


def candidates(pool: ImagePool, options: EncoderOptions) -> tuple[Encoder, ...]:
    """The encoders worth trying for a pool, best first; in the opposite order they get ready sooner.

    Only glyphs may have to wait for the training of a VAE. A given checkpoint leaves the VAE alone. A built-in dataset
    has its VAE, for clothes with the network beside it, or the network alone for photographs, and glyphs before a
    background, without a VAE.

    Raises
    ------
    TuilabelError : if that VAE is missing, damaged or made for other images.
    """
    network, thumbnails = NetworkEncoder(BUNDLED), PCAEncoder()
    try:
        vae = VAEEncoder.choose(pool, options)
    except TuilabelError:
        if pool.is_builtin and pool.augmentations in COLOURED and options.checkpoint is None:
            return (network,)
        raise
    if options.checkpoint is not None:
        return (vae,)
    joint = JointEncoder(vae, network)
    if pool.is_builtin:
        return (joint, vae) if pool.augmentations == SHADED else (vae,)
    if are_glyphs(pool):
        return (joint, vae, network, thumbnails)
    return (network, thumbnails) if vae.needs_training(pool) else (network, vae, thumbnails)


def chosen_by_images(pool: ImagePool, options: EncoderOptions) -> Encoder:
    """The best candidate that needs no training; raises as `candidates`."""
    ranked = candidates(pool, options)
    return next((encoder for encoder in ranked if not encoder.needs_training(pool)), ranked[0])


def are_glyphs(pool: ImagePool) -> bool:
    """Whether the images are small, grey and before a flat background."""
    if pool.augmentations != "glyphs" or not len(pool):
        return False
    shares = flat_shares(pool.images[:: max(1, len(pool) // SAMPLE)])
    return float(np.median(shares)) >= FLAT


def flat_shares(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """For images (N, H, W, C) the share of pixels at the border that are close to the border's median, (N,)."""
    edges = (images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1])
    border = np.concatenate(edges, axis=1).astype(np.int16)  # (N, B, C)
    distance = np.abs(border - np.median(border, axis=1, keepdims=True)).max(axis=2)
    return np.asarray((distance <= NEAR).mean(axis=1))
