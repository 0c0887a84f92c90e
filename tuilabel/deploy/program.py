"""Encoder and classifier as one network: pixels in, probabilities and latents out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tuilabel.learner.linear import LinearEnsemble
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

    def __init__(self, encoder: nn.Module, ensemble: MLPEnsemble | LinearEnsemble, temperature: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = _Perceptrons(ensemble) if isinstance(ensemble, MLPEnsemble) else _Linear(ensemble)
        self.temperature = temperature
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (N, C) and latents (N, D), float32, of images uint8 (N, H, W, channels)."""
        latents = self.encoder(images)
        log_probs = self.classifier(latents).clamp_min(FLOOR).log()
        return (log_probs / self.temperature).softmax(1), latents


class _Perceptrons(nn.Module):
    """`MLPEnsemble.predict_proba`."""

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor

    def __init__(self, ensemble: MLPEnsemble) -> None:
        super().__init__()
        for name, weight in zip(("w1", "b1", "w2", "b2"), ensemble.weights, strict=True):
            self.register_buffer(name, weight.clone().contiguous())

    def forward(self, latents: Tensor) -> Tensor:
        """Probabilities (N, C) of latents (N, D)."""
        hidden = torch.relu(latents @ self.w1 + self.b1)  # (K, N, H)
        return (hidden @ self.w2 + self.b2).softmax(2).mean(0)


class _Linear(nn.Module):
    """`LinearEnsemble.predict_proba`."""

    weights: Tensor
    bias: Tensor

    def __init__(self, ensemble: LinearEnsemble) -> None:
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(ensemble.weights.copy()))
        self.register_buffer("bias", torch.from_numpy(ensemble.bias.copy()))

    def forward(self, latents: Tensor) -> Tensor:
        """Probabilities (N, C) of latents (N, D)."""
        return (latents @ self.weights + self.bias).softmax(1)
