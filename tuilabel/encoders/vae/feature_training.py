"""Training a VAE on the features of a network, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuilabel.encoders.device import sent
from tuilabel.encoders.networks.invariance import COMPONENTS, invariant_axes
from tuilabel.encoders.vae.feature_model import FeatureVAE, FeatureVAEConfig
from tuilabel.encoders.vae.header import FEATURES_VERSION, CheckpointHeader, FeatureSource
from tuilabel.encoders.vae.processes import Part
from tuilabel.encoders.vae.run import RunOptions, train
from tuilabel.encoders.vae.settings import FeatureSettings
from tuilabel.errors import TuilabelError

DROPOUT = 0.1  # of the inputs of both views
FITTED = 2_000  # images to which the projection is fitted
CHUNK = 2_000


def train_feature_vae(
    features: NDArray[Any],
    copies: Sequence[NDArray[Any]],
    settings: FeatureSettings,
    out: Path,
    *,
    source: FeatureSource,
    image_shape: tuple[int, int, int],
    dataset: str,
    fingerprint: str,
    place: str = "",
    command: str = "",
    **options: Unpack[RunOptions],
) -> tuple[FeatureVAE, CheckpointHeader]:
    """Train a VAE on features and write its checkpoint to `out`; see `train_vae` for what the two have in common.

    Parameters
    ----------
    features : of the images, (N, F), any floating-point type; may be memory-mapped.
    copies : of augmented copies of each image, (N, F) each; none if `settings.augment` is False.
    source : where they come from.
    image_shape : (H, W, C) of the images.

    Raises
    ------
    TrainingStopped, TuilabelError, UsageError : see `train_vae`.
    """
    if len(features) < 3:
        raise TuilabelError(f"a VAE needs at least 3 images to train on, better hundreds, got {len(features)}")
    copies = copies if settings.augment else ()
    mean, axes = _projection(features, copies)
    config = FeatureVAEConfig(features.shape[1], axes.shape[1], settings.latent_dim)
    if not (settings.two_views and settings.mi_weight):
        config = replace(config, clusters=())
    if not (settings.two_views and settings.contrastive_weight):
        config = replace(config, projection=0)

    def model_of() -> FeatureVAE:
        model = FeatureVAE(config)
        model.mean.copy_(torch.from_numpy(mean))
        model.axes.copy_(torch.from_numpy(axes))
        return model

    header = CheckpointHeader(
        architecture=config.to_json(),
        image_shape=image_shape,
        dataset=dataset,
        fingerprint=fingerprint,
        place=place,
        settings=asdict(settings),
        metrics={},
        command=command,
        created="",
        version=FEATURES_VERSION,
        features=source,
    )
    return train(
        model_of,
        lambda on: _Features(
            *(_inputs(part, mean, axes) for part in (features, *copies)), settings=settings, device=on
        ),
        settings,
        out,
        header,
        **options,
    )


class _Features:
    """The model's inputs for all images (N, P), and for the copies of each image."""

    def __init__(self, clean: Tensor, *copies: Tensor, settings: FeatureSettings, device: torch.device) -> None:
        self._settings = settings
        self._clean = clean.to(device)
        self._copies = torch.stack(copies or (clean,)).to(device)  # (K, N, P)

    def __len__(self) -> int:
        return len(self._clean)

    def views(
        self, rows: NDArray[np.int64], generator: torch.Generator, part: Part
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """See `TrainingData.views`: two different copies of each image, with some inputs dropped."""
        indices = torch.from_numpy(rows)
        count = len(self._copies)
        one = torch.randint(count, indices.shape, generator=generator)
        other = (one + 1 + torch.randint(max(1, count - 1), indices.shape, generator=generator)) % count
        one, other, indices = part.of(one), part.of(other), part.of(indices)
        second = self._dropped(self._copies[other, indices], generator, part) if self._settings.two_views else None
        return self._dropped(self._copies[one, indices], generator, part), second, self._clean[indices]

    def _dropped(self, inputs: Tensor, generator: torch.Generator, part: Part) -> Tensor:
        if not self._settings.augment:
            return inputs
        drawn = part.of(torch.rand((part.whole, inputs.shape[1]), generator=generator))
        kept = sent(drawn, inputs.device) >= DROPOUT
        return inputs * kept / (1 - DROPOUT)


def _projection(
    features: NDArray[Any], copies: Sequence[NDArray[Any]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean (F,) and the axes (F, P) of the model's inputs, fitted to evenly spaced images."""
    rows = np.unique(np.linspace(0, len(features) - 1, FITTED).astype(np.int64))
    clean, *others = (_normalised(part[rows]) for part in (features, *(copies or (features,))))
    return invariant_axes(clean, others, COMPONENTS)


def _inputs(features: NDArray[Any], mean: NDArray[np.float32], axes: NDArray[np.float32]) -> Tensor:
    """See `FeatureVAE.inputs`."""
    parts = [(_normalised(features[start : start + CHUNK]) - mean) @ axes for start in range(0, len(features), CHUNK)]
    return torch.from_numpy(np.concatenate(parts))


def _normalised(features: NDArray[Any]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = features.astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows
