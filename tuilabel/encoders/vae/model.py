"""The convolutional variational autoencoder (Kingma & Welling 2014, https://arxiv.org/abs/1312.6114).

Sizes in the comments are for 28 × 28 × 1 images and 32 latent dimensions; B is the batch size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tuilabel.encoders.vae.convolutions import BiasedConvTranspose2d, SmallMapConv2d
from tuilabel.encoders.vae.objective import Autoencoder

MIN_SIZE, MAX_SIZE = 16, 128
_WIDTHS = (32, 64, 128, 128, 128, 128)
_MIN_FEATURE_MAP = 4  # stages halve height and width until they are this small


@dataclass(frozen=True)
class VAEConfig:
    """Everything the network's architecture depends on; stored in the checkpoint's header.

    Attributes
    ----------
    height, width : of the network's input, 16 to 128 pixels; images of another size are resized.
    channels : 1 or 3.
    latent_dim : D.
    hidden : units of the dense layer before the latents.
    decoder_width : channels of the decoder's first layer.
    clusters : number of clusters of each head whose mutual information is measured, from coarse to fine.
    projection : dimensions of the head for the contrastive loss; 0 for no such head.

    Raises
    ------
    ValueError : if a value is out of range.
    """

    height: int = 28
    width: int = 28
    channels: int = 1
    latent_dim: int = 32
    hidden: int = 256
    decoder_width: int = 64
    clusters: tuple[int, ...] = (16, 64, 256)
    projection: int = 64

    def __post_init__(self) -> None:
        if not (MIN_SIZE <= self.height <= MAX_SIZE and MIN_SIZE <= self.width <= MAX_SIZE):
            raise ValueError(
                f"height and width must be {MIN_SIZE} to {MAX_SIZE} pixels, got {self.height}×{self.width}"
            )
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}")
        if any(clusters < 2 for clusters in self.clusters):
            raise ValueError(f"clusters must be at least 2 for each head, got {self.clusters}")
        for name, low in (("projection", 0), ("latent_dim", 1), ("hidden", 1), ("decoder_width", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """(height, width) after each stage of the encoder: ((14, 14), (7, 7), (4, 4))."""
        sizes, height, width = [], self.height, self.width
        while height > _MIN_FEATURE_MAP or width > _MIN_FEATURE_MAP:
            height = -(-height // 2) if height > _MIN_FEATURE_MAP else height
            width = -(-width // 2) if width > _MIN_FEATURE_MAP else width
            sizes.append((height, width))
        return tuple(sizes)

    def to_json(self) -> dict[str, int | list[int]]:
        """The configuration as a JSON object; see `from_json`."""
        return {**asdict(self), "clusters": list(self.clusters)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> VAEConfig:
        """The configuration in a checkpoint's header; raises ValueError or TypeError if it is not valid."""
        heads = document.get("clusters", 0)
        if isinstance(heads, int):  # checkpoints of format 1 and 2 have one head or none
            heads = [heads] if heads else []
        rest = {name: int(value) for name, value in document.items() if name != "clusters"}
        return cls(**{"projection": 0, **rest}, clusters=tuple(int(clusters) for clusters in heads))


class VAE(Autoencoder):
    """The VAE of images: decodes latents (B, D) to Bernoulli logits (B, C, H, W) of the pixels.

    A pixel value is treated as the probability of white: its negative log-likelihood is the binary cross-entropy,
    summed over the pixels of an image, in nats.
    """

    smoothing: Tensor

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        sizes = ((config.height, config.width), *config.stages)
        widths = (config.channels, *_WIDTHS[: len(config.stages)])
        strides = [(_stride(a, c), _stride(b, d)) for (a, b), (c, d) in pairwise(sizes)]
        last = len(strides) - 1
        stages = [
            _stage(widths[i], widths[i + 1], stride, SmallMapConv2d if i == last else nn.Conv2d)
            for i, stride in enumerate(strides)
        ]
        height, width = sizes[-1]
        self.encoder = nn.Sequential(
            *stages,  # (B, 1, 28, 28) → (B, 32, 14, 14) → (B, 64, 7, 7) → (B, 128, 4, 4)
            _Flatten(),  # (B, 2048)
            nn.Linear(widths[-1] * height * width, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, 2 * config.latent_dim),  # (B, 64): means and log variances
        )
        self.decoder = _Decoder(config)
        self.register_buffer("smoothing", torch.zeros(()))  # see `latents`; measured when training has finished
        self.add_heads(config)

    def latents(self, x: Tensor) -> Tensor:
        """Latents of images (B, C, H, W) in [0, 1]: the posterior means (B, D), float32.

        The images are first blurred as much as the views that the encoder was trained on; see
        `tuilabel.encoders.vae.smoothing`.
        """
        mean, _ = self.encode(smoothed(x, float(self.smoothing)))
        return mean

    def reconstruction(self, z: Tensor, clean: Tensor) -> Tensor:
        """See `Autoencoder.reconstruction`; the originals are images (B, C, H, W) in [0, 1]."""
        return F.binary_cross_entropy_with_logits(self.decode(z), clean, reduction="sum") / len(clean)


def smoothed(x: Tensor, share: float) -> Tensor:
    """Images (B, C, H, W) blurred by the kernel [share, 1 - 2 share, share] along both axes."""
    if not share:
        return x
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = (1 - 2 * share) * x[..., 1:-1, :] + share * (x[..., :-2, :] + x[..., 2:, :])
    return (1 - 2 * share) * x[..., 1:-1] + share * (x[..., :-2] + x[..., 2:])


class _Decoder(nn.Module):
    """A small decoder: details that it cannot draw need not be encoded in the latents."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.size = (config.height, config.width)
        self.start = (-(-config.height // 4), -(-config.width // 4))  # (7, 7)
        wide, narrow = config.decoder_width, config.decoder_width // 2 or 1
        self.project = nn.Linear(config.latent_dim, wide * self.start[0] * self.start[1])
        self.upsample = nn.Sequential(
            nn.SiLU(),
            BiasedConvTranspose2d(wide, narrow, 4, stride=2, padding=1),  # (B, 32, 14, 14)
            nn.SiLU(),
            BiasedConvTranspose2d(narrow, config.channels, 4, stride=2, padding=1),  # (B, 1, 28, 28)
        )

    def forward(self, z: Tensor) -> Tensor:
        x = self.project(z).unflatten(1, (-1, *self.start))  # (B, 64, 7, 7)
        logits: Tensor = self.upsample(x.contiguous(memory_format=torch.channels_last))
        return logits[..., : self.size[0], : self.size[1]]


class _Flatten(nn.Flatten):
    """Flattens images (B, C, H, W), and gives their gradients back with channels last.

    Those of `nn.Flatten` come with channels first, and with the two layouts mixed, backward passes of normalisation and
    activations take up to eight times as long.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training:  # by way of (B, H·W·C), whose gradient has to be written out in that order
            x = x.movedim(1, -1).flatten(1).view(len(x), -1, x.shape[1]).transpose(1, 2)
        return x.flatten(1)


def _stride(before: int, after: int) -> int:
    return 1 if before == after else 2


def _stage(channels_in: int, channels_out: int, stride: tuple[int, int], convolution: type[nn.Conv2d]) -> nn.Sequential:
    return nn.Sequential(
        convolution(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.SiLU(),
        convolution(channels_out, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.SiLU(),
    )
