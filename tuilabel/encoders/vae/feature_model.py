"""The variational autoencoder of a network's features.

Sizes in the comments are those of the default configuration with the bundled network; B is the batch size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tuilabel.encoders.vae.objective import Autoencoder


@dataclass(frozen=True)
class FeatureVAEConfig:
    """Everything the architecture depends on; stored in the checkpoint's header.

    Attributes
    ----------
    features : columns of the features, of which the model sees `inputs` projections.
    inputs : see `FeatureVAE.inputs`.
    latent_dim : D.
    hidden : units of the two hidden layers of the encoder, and of the decoder's.
    clusters, projection : see `VAEConfig`.

    Raises
    ------
    ValueError : if a value is out of range.
    """

    features: int
    inputs: int
    latent_dim: int = 64
    hidden: int = 512
    clusters: tuple[int, ...] = (16, 64, 256)
    projection: int = 64

    def __post_init__(self) -> None:
        if any(clusters < 2 for clusters in self.clusters):
            raise ValueError(f"clusters must be at least 2 for each head, got {self.clusters}")
        for name, low in (("features", 1), ("inputs", 1), ("projection", 0), ("latent_dim", 1), ("hidden", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")

    def to_json(self) -> dict[str, int | list[int]]:
        """The configuration as a JSON object; see `from_json`."""
        return {**asdict(self), "clusters": list(self.clusters)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FeatureVAEConfig:
        """The configuration in a checkpoint's header; raises ValueError, TypeError or KeyError if it is not valid."""
        rest = {name: int(value) for name, value in document.items() if name != "clusters"}
        return cls(**rest, clusters=tuple(int(clusters) for clusters in document["clusters"]))


class FeatureVAE(Autoencoder):
    """The VAE of features: decodes latents to the means of Gaussians with unit variance over its inputs.

    Its inputs are fixed projections of features: those that tell images apart rather than views of an image, see
    `tuilabel.encoders.networks.invariance`.
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, config: FeatureVAEConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        self.encoder = nn.Sequential(
            *_layer(config.inputs, hidden),  # (B, 256) → (B, 512)
            *_layer(hidden, hidden),
            nn.Linear(hidden, 2 * config.latent_dim),  # (B, 128): means and log variances
        )
        self.decoder = nn.Sequential(nn.Linear(config.latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, config.inputs))
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("axes", torch.zeros(config.features, config.inputs))
        self.add_heads(config)

    def inputs(self, features: Tensor) -> Tensor:
        """What the encoder sees of features (B, F), float32: normalised to length 1, centred, projected; (B, P)."""
        return (F.normalize(features, dim=1) - self.mean) @ self.axes

    def latents(self, features: Tensor) -> Tensor:
        """Latents of features (B, F), float32: the posterior means (B, D)."""
        mean, _ = self.encode(self.inputs(features))
        return mean

    def reconstruction(self, z: Tensor, clean: Tensor) -> Tensor:
        """See `Autoencoder.reconstruction`, but for the constant; the originals are inputs (B, P)."""
        return 0.5 * F.mse_loss(self.decode(z), clean, reduction="sum") / len(clean)


def _layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.SiLU()
