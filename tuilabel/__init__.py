"""tuilabel: label images in the terminal, in the latent space of a VAE."""

from __future__ import annotations

__version__ = "0.1.0"
