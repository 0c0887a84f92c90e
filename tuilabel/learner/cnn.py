"""A convolutional network on pixels, trained from scratch in every round: the baseline of Tonnaer 2017."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tuilabel.learner.base import LabelSet

EPOCHS, BATCH, LR = 50, 32, 1e-3
SAMPLES = 3  # dropout masks that serve as members of an ensemble (Gal & Ghahramani 2016)
CHUNK = 1000


class CNNLearner:
    """Trains a small CNN on the pixels of the labelled images.

    Parameters
    ----------
    images : uint8 (N, H, W, C), H and W at least 8; may be memory-mapped. Strategies receive them as rows of
        pixels in [0, 1].
    """

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.shape = images.shape[1:]
        self._images = images
        self._features: NDArray[np.float32] | None = None

    @property
    def features(self) -> NDArray[np.float32]:
        """Pixels in [0, 1], float32 (N, H·W·C)."""
        if self._features is None:
            self._features = pixel_rows(self._images)
        return self._features

    @property
    def compact(self) -> NDArray[np.float32]:
        """The rows of pixels as well."""
        return self.features

    def prepare(self) -> None:
        """Convert the images to rows of pixels."""
        _ = self.features

    def fit(self, labelled: LabelSet, seed: int) -> CNN:
        """Train a fresh network: 50 epochs of Adam with dropout."""
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        height, width, channels = self.shape
        network = _Network(height, width, channels, labelled.n_classes)
        x = _as_images(self.features[labelled.indices], self.shape)
        t = torch.from_numpy(labelled.labels)
        optimizer = torch.optim.Adam(network.parameters(), LR)
        network.train()
        for _ in range(EPOCHS):
            order = torch.randperm(len(x), generator=generator)
            for start in range(0, len(x), BATCH):
                chosen = order[start : start + BATCH]
                loss = F.cross_entropy(network(x[chosen]), t[chosen])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return CNN(network.eval(), self.shape, labelled.n_classes, seed)


@dataclass(frozen=True)
class CNN:
    """A trained network; X are rows of pixels in [0, 1], float32 (n, H·W·C)."""

    network: _Network
    shape: tuple[int, ...]
    n_classes: int
    seed: int

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities without dropout, float32 (n, C)."""
        return self._batched(X, lambda h: self.network.head(h).softmax(1), self.n_classes)

    def member_probabilities(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities under `SAMPLES` dropout masks, float32 (K, n, C); a mask is the same for all rows."""
        generator = torch.Generator().manual_seed(self.seed)
        masks = (torch.rand(SAMPLES, _Network.EMBEDDING, generator=generator) >= _Network.DROPOUT).float()
        masks /= 1 - _Network.DROPOUT
        return np.stack([self._batched(X, partial(self._masked, mask), self.n_classes) for mask in masks])

    def embed(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """The input of the last layer, float32 (n, 128)."""
        return self._batched(X, lambda h: h, _Network.EMBEDDING)

    def _masked(self, mask: Tensor, hidden: Tensor) -> Tensor:
        probabilities: Tensor = self.network.head(hidden * mask).softmax(1)
        return probabilities

    def _batched(self, X: NDArray[np.float32], last: Callable[[Tensor], Tensor], width: int) -> NDArray[np.float32]:
        result = np.empty((len(X), width), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(X), CHUNK):
                rows = slice(start, start + CHUNK)
                result[rows] = last(self.network.body(_as_images(X[rows], self.shape))).numpy()
        return result


class _Network(nn.Module):
    """Two convolutions with pooling, a hidden layer, dropout: 0.4 million weights for 28 × 28."""

    EMBEDDING, DROPOUT = 128, 0.5

    def __init__(self, height: int, width: int, channels: int, n_classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),  # (B, 64, H/4, W/4)
            nn.Flatten(),
            nn.Linear(64 * (height // 4) * (width // 4), self.EMBEDDING),
            nn.ReLU(),
        )
        self.head = nn.Linear(self.EMBEDDING, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(F.dropout(self.body(x), self.DROPOUT, self.training))
        return logits


def pixel_rows(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images (N, H, W, C) as rows of pixels in [0, 1], float32 (N, H·W·C)."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows /= 255
    return rows


def _as_images(rows: NDArray[np.float32], shape: tuple[int, ...]) -> Tensor:
    images = torch.from_numpy(np.array(rows, dtype=np.float32)).view(-1, *shape)
    return images.permute(0, 3, 1, 2)  # (B, C, H, W), channels last in memory
