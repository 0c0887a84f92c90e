"""The convolutional variational autoencoder (Kingma & Welling 2014, https://arxiv.org/abs/1312.6114).

Sizes in the comments are for 28 × 28 × 1 images and 32 latent dimensions; B is the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIN_SIZE, MAX_SIZE = 16, 128
_WIDTHS = (32, 64, 128, 128, 128, 128)
_SMALLEST = 4  # stages halve a dimension until it is this small
_LOG_VARIANCE = (-12.0, 12.0)


@dataclass(frozen=True)
class VAEConfig:
    """Everything the network's shape depends on; stands in the checkpoint's header."""

    height: int = 28
    width: int = 28
    channels: int = 1
    latent_dim: int = 32
    hidden: int = 256
    decoder_width: int = 64

    def __post_init__(self) -> None:
        if not (MIN_SIZE <= self.height <= MAX_SIZE and MIN_SIZE <= self.width <= MAX_SIZE):
            raise ValueError(
                f"the model takes images of {MIN_SIZE} to {MAX_SIZE} pixels, not {self.height}×{self.width}"
            )
        if self.channels not in (1, 3):
            raise ValueError(f"the model takes 1 or 3 channels, not {self.channels}")
        if self.latent_dim < 1 or self.hidden < 1 or self.decoder_width < 1:
            raise ValueError("latent_dim, hidden and decoder_width must be at least 1")

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """(height, width) after each stage of the encoder: ((14, 14), (7, 7), (4, 4))."""
        sizes, height, width = [], self.height, self.width
        while height > _SMALLEST or width > _SMALLEST:
            height = -(-height // 2) if height > _SMALLEST else height
            width = -(-width // 2) if width > _SMALLEST else width
            sizes.append((height, width))
        return tuple(sizes)

    def to_json(self) -> dict[str, int]:
        """A JSON object that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> VAEConfig:
        """The configuration of a header; raises ValueError or TypeError where it is none."""
        return cls(**{name: int(value) for name, value in document.items()})


class VAE(nn.Module):
    """Encoder to a diagonal Gaussian over D latents, decoder to Bernoulli logits of the pixels.

    A pixel is taken as the probability of a white one: its negative log-likelihood is the binary cross-entropy,
    summed over the pixels of an image, in nats.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        sizes = ((config.height, config.width), *config.stages)
        widths = (config.channels, *_WIDTHS[: len(config.stages)])
        stages = [
            _stage(
                widths[i], widths[i + 1], (_stride(sizes[i][0], sizes[i + 1][0]), _stride(sizes[i][1], sizes[i + 1][1]))
            )
            for i in range(len(config.stages))
        ]
        height, width = sizes[-1]
        self.encoder = nn.Sequential(
            *stages,  # (B, 1, 28, 28) → (B, 32, 14, 14) → (B, 64, 7, 7) → (B, 128, 4, 4)
            nn.Flatten(),  # (B, 2048)
            nn.Linear(widths[-1] * height * width, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, 2 * config.latent_dim),  # (B, 64): means and log variances
        )
        self.decoder = _Decoder(config)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior of images (B, C, H, W) in [0, 1]: means and log variances, both (B, D), float32."""
        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)

    def decode(self, z: Tensor) -> Tensor:
        """Pixel logits (B, C, H, W), float32, of latents (B, D)."""
        logits: Tensor = self.decoder(z)
        return logits.float()

    def forward(self, view: Tensor, clean: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Reconstruction error of `clean` from `view`, and the KL term: two scalars in nats per image.

        Parameters
        ----------
        view, clean : (B, C, H, W) in [0, 1]; without augmentation the same images.
        generator : of the posterior sample.
        """
        mean, log_variance = self.encode(view)  # (B, D) each
        noise = torch.randn(mean.shape, device=mean.device, generator=generator)
        logits = self.decode(mean + (0.5 * log_variance).exp() * noise)  # (B, C, H, W)
        reconstruction = F.binary_cross_entropy_with_logits(logits, clean, reduction="sum") / len(clean)
        return reconstruction, kl_divergence(mean, log_variance)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) ‖ N(0, 1)) summed over (B, D) and divided by B: nats per image."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / len(mean)


class _Decoder(nn.Module):
    """A small decoder: what it cannot draw the latents need not hold."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.size = (config.height, config.width)
        self.start = (-(-config.height // 4), -(-config.width // 4))  # (7, 7)
        wide, narrow = config.decoder_width, config.decoder_width // 2 or 1
        self.project = nn.Linear(config.latent_dim, wide * self.start[0] * self.start[1])
        self.upsample = nn.Sequential(
            nn.SiLU(),
            nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1),  # (B, 32, 14, 14)
            nn.SiLU(),
            nn.ConvTranspose2d(narrow, config.channels, 4, stride=2, padding=1),  # (B, 1, 28, 28)
        )

    def forward(self, z: Tensor) -> Tensor:
        x = self.project(z).unflatten(1, (-1, *self.start))  # (B, 64, 7, 7)
        logits: Tensor = self.upsample(x)
        return logits[..., : self.size[0], : self.size[1]]


def _stride(before: int, after: int) -> int:
    return 1 if before == after else 2


def _stage(channels_in: int, channels_out: int, stride: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.SiLU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.SiLU(),
    )
