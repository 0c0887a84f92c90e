"""Encoder and classifier as one network: pixels in, probabilities and latents out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tuilabel.learner.mlp import MLPEnsemble

FLOOR = 1e-12  # as in `tuilabel.estimate.apply_temperature`


class Program(nn.Module):
    """The computation of `tuilabel predict`, from images of one size to calibrated probabilities.

    Parameters
    ----------
    encoder : maps images uint8 (N, H, W, channels) to latents (N, D), float32; see `Encoder.export_module`.
    ensemble : fitted on these latents.
    temperature : see `CalibratedModel`.
    """

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor

    def __init__(self, encoder: nn.Module, ensemble: MLPEnsemble, temperature: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.temperature = temperature
        for name, weight in zip(("w1", "b1", "w2", "b2"), ensemble.weights, strict=True):
            self.register_buffer(name, weight.clone().contiguous())
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (N, C) and latents (N, D), float32, of images uint8 (N, H, W, channels)."""
        latents = self.encoder(images)
        hidden = torch.relu(latents @ self.w1 + self.b1)  # (K, N, H)
        members = (hidden @ self.w2 + self.b2).softmax(2)  # (K, N, C)
        log_probs = members.mean(0).clamp_min(FLOOR).log()
        return (log_probs / self.temperature).softmax(1), latents
