"""Encoders: images to latents, by a VAE, principal components, a pretrained network or a table of your own.

`base` defines the interface, `registry` lists the encoders, and each kind has a module: `vae`, `pca`, `networks`,
`tables`. Importing this package does not import torch.
"""

from tuilabel.encoders.automatic import AUTO
from tuilabel.encoders.base import Encoder
from tuilabel.encoders.cache import DOWNLOADING, Latents
from tuilabel.encoders.encoding import encode
from tuilabel.encoders.registry import (
    DEFAULT_ENCODER,
    ENCODERS,
    NAMES,
    candidate_encoders,
    check_encoder,
    choose_encoder,
)

__all__ = [
    "AUTO",
    "DEFAULT_ENCODER",
    "DOWNLOADING",
    "ENCODERS",
    "NAMES",
    "Encoder",
    "Latents",
    "candidate_encoders",
    "check_encoder",
    "choose_encoder",
    "encode",
]
