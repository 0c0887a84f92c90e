"""The classifier: an ensemble of small multilayer perceptrons on latents, computed as batched matrix products."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tuilabel.learner.base import check_labelled
from tuilabel.learner.descent import OneCycleAdamW, one_thread

CHUNK = 1024  # rows scored at once, so that the hidden layers of a chunk stay in the CPU cache
BLOCK = 16 * CHUNK  # rows copied at once: the fewer calls, the less two threads that score wait for each other
UNSEEN = -1e4  # logit of a class without labels
TEACHER_BATCH = 256  # items with soft labels in each step


@dataclass(frozen=True)
class SoftLabels:
    """A teacher's class probabilities for items."""

    X: NDArray[np.float32]
    """Latents (N, D)."""
    probabilities: NDArray[np.float32]
    """Class probabilities (A, C)."""
    weight: float
    """Weight of their loss relative to that of the labels."""
    rows: NDArray[np.int64]
    """The rows of X that the probabilities belong to (A,)."""


class MLPEnsemble:
    """Averages the probabilities of `members` perceptrons with one hidden layer (Lakshminarayanan et al. 2017).

    It always runs on the CPU, where a round takes a fraction of a second (`tests/benchmarks`).

    Members differ in their initial weights and in the noise on their inputs. Noise on the latents imitates the spread
    of the VAE's posterior and regularises (Bishop 1995). Latents are not standardised: their scale is that of the
    prior, and standardising each dimension would amplify those that the KL term has switched off.

    Parameters
    ----------
    n_classes : C, at least 2.
    members : K, the number of perceptrons.
    hidden : units of the hidden layer.
    steps : optimisation steps, each on at most `batch_size` labels; by default a tenth of the number of labels, at
        least 50 and at most 400.
    lr : peak of the one-cycle schedule of AdamW.
    noise : standard deviation of the Gaussian noise on the latents.
    seed : the same seed and labels give the same model.

    Attributes
    ----------
    n_features_in_ : D, after `fit`.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        members: int = 3,
        hidden: int = 64,
        steps: int | None = None,
        batch_size: int = 128,
        lr: float = 3e-2,
        noise: float = 0.3,
        weight_decay: float = 1e-2,
        seed: int = 0,
    ) -> None:
        if n_classes < 2:
            raise ValueError(f"n_classes must be at least 2, got {n_classes}")
        self.n_classes, self.members, self.hidden = n_classes, members, hidden
        self.steps, self.batch_size, self.lr = steps, batch_size, lr
        self.noise, self.weight_decay = noise, weight_decay
        self.seed = seed
        self._weights: list[Tensor] = []

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64], teacher: SoftLabels | None = None) -> MLPEnsemble:
        """Train from scratch on latents X (n, D) and classes y (n,) in 0…C-1, and on the soft labels of a `teacher`.

        Raises
        ------
        ValueError : see `check_labelled`.
        """
        check_labelled(X, y, self.n_classes)
        generator = torch.Generator().manual_seed(self.seed)
        self.n_features_in_ = X.shape[1]
        initial = self._initial(generator)
        latents = torch.from_numpy(np.array(X, dtype=np.float32))
        targets = F.one_hot(torch.from_numpy(np.array(y, dtype=np.int64)), self.n_classes).float()
        steps = self.steps or min(400, max(50, len(y) // 10))
        parts = [(1.0, *self._batches(latents, targets, steps, generator))]
        if teacher is not None and teacher.weight > 0:
            parts.append((teacher.weight, *self._teacher_batches(teacher, steps, generator)))
        with one_thread():
            self._weights = self._descend(initial, parts, steps)
        unseen = torch.from_numpy(np.bincount(y, minlength=self.n_classes) == 0)
        self._weights[3][..., unseen] = UNSEEN  # a class without labels is never predicted
        return self

    def widened(self, n_features: int) -> MLPEnsemble:
        """The same fitted model for inputs of `n_features` columns, of which it ignores those that it has not seen."""
        first = self._weights[0]
        self._weights[0] = F.pad(first, (0, 0, 0, n_features - first.shape[1]))
        self.n_features_in_ = n_features
        return self

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """Weights and biases of the two layers: (K, D, H), (K, 1, H), (K, H, C), (K, 1, C); empty before `fit`."""
        return tuple(self._weights)

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean class probabilities of the members, float32 (n, C), column by column in memory.

        Raises
        ------
        ValueError : if `fit` has not been called, or X is not (n, n_features_in_).
        """
        result = torch.empty(self.n_classes, len(X))  # whole vectors of items for who looks for maxima
        for rows, hidden in self._hidden(X):
            torch.sum(self._softmax(hidden), 0, out=result[:, rows])
        return np.asarray(result.mul_(1 / self.members).numpy().T)

    def member_probabilities(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities of each member, float32 (K, n, C); raises the same errors as `predict_proba`."""
        result = np.empty((self.members, len(X), self.n_classes), dtype=np.float32)
        for rows, hidden in self._hidden(X):
            result[:, rows] = self._softmax(hidden).transpose(1, 2).numpy()
        return result

    def embed(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """The hidden layer of the first member, float32 (n, H); raises the same errors as `predict_proba`."""
        result = np.empty((len(X), self.hidden), dtype=np.float32)
        for rows, hidden in self._hidden(X, members=1):
            result[rows] = hidden[0].T.numpy()
        return result

    def _hidden(self, X: NDArray[np.float32], members: int | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Yield slices of rows with their hidden layers (K, H, n).

        Items are on the last axis, so the softmax over a few classes works on long vectors of items: twice as fast. A
        column of ones adds the biases within the product. The next slice overwrites the hidden layers of the last one.
        """
        if not self._weights:
            raise ValueError("this MLPEnsemble is not fitted yet: call fit(X, y) first")
        if X.ndim != 2 or X.shape[1] != self.n_features_in_:
            raise ValueError(f"X must have shape (n, {self.n_features_in_}) as in fit, got {X.shape}")
        w1 = torch.cat([weight[:members].mT.flatten(0, 1) for weight in self._weights[:2]], dim=1)  # (K·H, D + 1)
        buffer, inputs = torch.empty(len(w1), min(CHUNK, len(X))), torch.ones(min(BLOCK, len(X)), w1.shape[1])
        start = 0
        for block in (X[first : first + BLOCK] for first in range(0, len(X), BLOCK)):
            x = inputs[: len(block)]
            x[:, :-1] = torch.from_numpy(np.require(block, requirements="W"))  # torch wants arrays it could write to
            for columns in torch.split(x.T, CHUNK, dim=1):
                n = columns.shape[1]
                hidden = torch.mm(w1, columns, out=buffer[:, :n]).relu_()
                yield slice(start, start + n), hidden.view(-1, self.hidden, n)
                start += n

    def _softmax(self, hidden: Tensor) -> Tensor:
        w2, b2 = (weight.mT for weight in self._weights[2:])
        return torch.baddbmm(b2, w2, hidden).softmax(1)  # (K, C, n)

    def _initial(self, generator: torch.Generator) -> list[Tensor]:
        k, d, h, c = self.members, self.n_features_in_, self.hidden, self.n_classes

        def normal(*shape: int, scale: float) -> Tensor:
            return torch.randn(shape, generator=generator) * scale

        return [
            normal(k, d, h, scale=math.sqrt(2 / d)),
            normal(k, 1, h, scale=0.1),
            normal(k, h, c, scale=math.sqrt(1 / h)),
            normal(k, 1, c, scale=0.0),
        ]

    def _descend(self, initial: list[Tensor], parts: list[tuple[float, Tensor, Tensor]], steps: int) -> list[Tensor]:
        """The weights that cross-entropy leads to; each part has a weight, inputs (S, K, B, D), classes (S, B, C).

        Gradients are written out: for matrices of this size, autograd and torch's optimizer take three quarters of the
        time. Items are on the last axis, see `_hidden`.
        """
        descent = OneCycleAdamW(initial, self.lr, self.weight_decay, steps)
        w1, b1, w2, b2 = descent.weights
        d_w1, d_b1, d_w2, d_b2 = descent.gradients
        share = torch.cat([torch.full((x.shape[2],), weight / x.shape[2]) for weight, x, _ in parts])  # of a row
        for step in range(steps):
            x = torch.cat([x[step] for _, x, _ in parts], dim=1) if len(parts) > 1 else parts[0][1][step]  # (K, B, D)
            targets = torch.cat([t[step] for _, _, t in parts])  # (B, C)
            hidden = torch.baddbmm(b1.mT, w1.mT, x.mT).relu_()  # (K, H, B)
            d_logits = torch.baddbmm(b2.mT, w2.mT, hidden).softmax(1).sub_(targets.T).mul_(share)  # (K, C, B)
            d_hidden = torch.ops.aten.threshold_backward(torch.bmm(w2, d_logits), hidden, 0)  # of the rectifier
            torch.bmm(x.mT, d_hidden.mT, out=d_w1)
            torch.bmm(hidden, d_logits.mT, out=d_w2)
            torch.sum(d_hidden, 2, keepdim=True, out=d_b1.mT)
            torch.sum(d_logits, 2, keepdim=True, out=d_b2.mT)
            descent.step()
        return [weight.clone() for weight in descent.weights]

    def _batches(
        self, latents: Tensor, targets: Tensor, steps: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Noisy inputs for every step S and member, (S, K, B, D), and their classes, (S, B, C), drawn all at once."""
        n = len(latents)
        if n > self.batch_size:
            chosen = torch.randint(n, (steps, self.batch_size), generator=generator)
        else:
            chosen = torch.arange(n).expand(steps, n)
        return self._noisy(latents[chosen], generator), targets[chosen]

    def _teacher_batches(self, teacher: SoftLabels, steps: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(teacher.rows), (steps, TEACHER_BATCH), generator=generator).numpy()
        x = torch.from_numpy(np.asarray(teacher.X[teacher.rows[chosen]], dtype=np.float32))
        return self._noisy(x, generator), torch.from_numpy(teacher.probabilities[chosen])

    def _noisy(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn((len(clean), self.members, *clean.shape[1:]), generator=generator)
        return noise.mul_(self.noise).add_(clean.unsqueeze(1))
