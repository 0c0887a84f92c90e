"""Small pools with a classifier that needs no training."""

from __future__ import annotations

import numpy as np

from tuilabel.strategies import QueryContext


class FakeModel:
    """An ensemble of random perceptrons, reproducible by seed."""

    def __init__(self, dim: int, n_classes: int = 3, members: int = 3, seed: int = 0, sharpness: float = 2.0) -> None:
        rng = np.random.default_rng(seed)
        self.w1 = rng.normal(size=(members, dim, 6)).astype(np.float32)
        self.w2 = (sharpness * rng.normal(size=(members, 6, n_classes))).astype(np.float32)

    def member_probabilities(self, X: np.ndarray) -> np.ndarray:
        logits = np.maximum(X @ self.w1, 0) @ self.w2
        raw = np.exp(logits - logits.max(axis=2, keepdims=True))
        return (raw / raw.sum(axis=2, keepdims=True)).astype(np.float32)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.member_probabilities(X).mean(axis=0)

    def embed(self, X: np.ndarray) -> np.ndarray:
        return np.maximum(X @ self.w1[0], 0).astype(np.float32)


def make_context(
    latents: np.ndarray,
    labelled: tuple[int, ...] = (),
    *,
    model: FakeModel | None = None,
    probabilities: np.ndarray | None = None,
    labels: tuple[int, ...] | None = None,
    seed: int = 0,
) -> QueryContext:
    """A context with the unlabelled rows as candidates, and the model's probabilities unless others are given."""
    latents = latents.astype(np.float32)
    candidates = np.setdiff1d(np.arange(len(latents)), labelled)
    if probabilities is None and model is not None:
        probabilities = model.predict_proba(latents[candidates])
    return QueryContext(
        latents,
        candidates,
        np.array(labelled, dtype=np.int64),
        probabilities,
        np.random.default_rng(seed),
        np.array(labels if labels is not None else [0] * len(labelled), dtype=np.int64),
        model,
    )


def random_context(n: int = 60, labelled: int = 5, seed: int = 0, **options: object) -> QueryContext:
    """n candidates and some labelled items, normally distributed, with a model."""
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(n + labelled, 4))
    chosen = tuple(rng.choice(n + labelled, labelled, replace=False).tolist())
    model = FakeModel(4, seed=seed, **options)  # type: ignore[arg-type]
    return make_context(latents, chosen, model=model, labels=tuple(rng.integers(3, size=labelled).tolist()), seed=seed)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances (n, m), straight from the definition."""
    return np.sqrt(((a[:, None].astype(np.float64) - b[None].astype(np.float64)) ** 2).sum(-1))
