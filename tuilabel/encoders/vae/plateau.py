"""When a training has had enough: held-out images whose neighbours no longer improve. No label is needed.

Two augmentations of an image should have the same neighbours: the share that they have in common rises for as long as
training makes latents less sensitive to what augmentations change.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tuilabel.encoders.vae.objective import Autoencoder
from tuilabel.encoders.vae.processes import all_rows
from tuilabel.encoders.vae.settings import TrainSettings

HELD_OUT, SHARE = 2_000, 20  # images at most, and one of so many: no other image of a pool is worth more
MIN_HELD_OUT = 250  # of fewer images the share that is common is mostly chance
BATCH = 250
NEIGHBOURS = 15
PATIENCE = 3  # epochs in which it has to rise
GAIN = 0.02  # by so much of itself; of 2,000 images chance is a fifth of that
LAST = 3  # epochs in which the rest of the learning rate's schedule is passed


def common_neighbours(one: Tensor, other: Tensor) -> float:
    """The share of the 15 nearest neighbours of each image that two views of all images, latents (B, D), agree on."""
    sets = []
    for latents in (one, other):
        distances = torch.cdist(latents, latents).fill_diagonal_(torch.inf)
        nearest = distances.topk(min(NEIGHBOURS, len(latents) - 1), largest=False).indices
        sets.append(torch.zeros_like(distances, dtype=torch.bool).scatter_(1, nearest, True))
    return float((sets[0] & sets[1]).sum() / sets[0].sum())


class HeldOut:
    """Images that a training is judged by.

    Attributes
    ----------
    rows : theirs, ascending; none if there are too few images, or nothing to compare.
    others : the rows to train on.
    shares : what `common_neighbours` was after each epoch.
    """

    def __init__(self, count: int, settings: TrainSettings) -> None:
        """Hold out some of `count` images, always the same ones."""
        size = min(HELD_OUT, count // SHARE)
        if size < MIN_HELD_OUT or not (settings.stop_early and settings.two_views):
            size = 0
        self._seed = settings.seed
        self.rows = np.sort(np.random.default_rng([self._seed, count]).choice(count, size, replace=False))
        self.others = np.delete(np.arange(count), self.rows)
        self.shares: list[float] = []

    def __bool__(self) -> bool:
        return len(self.rows) > 0

    @torch.no_grad()
    def measure(self, model: Autoencoder, views: Callable[..., tuple[Tensor, Tensor | None, Tensor]]) -> float:
        """What `common_neighbours` is now; `views` is that of `TrainingData`, and they are always the same."""
        generator = torch.Generator().manual_seed(self._seed)
        latents: tuple[list[Tensor], list[Tensor]] = [], []
        model.eval()
        for start in range(0, len(self.rows), BATCH):
            rows = self.rows[start : start + BATCH]
            one, other, _ = views(rows, generator, all_rows(len(rows)))
            assert other is not None
            for of, view in zip(latents, (one, other), strict=True):
                of.append(model.encode(view)[0])
        model.train()
        return common_neighbours(*(torch.cat(of) for of in latents))

    @property
    def settled(self) -> bool:
        """Whether the share has not risen by what counts in the last `PATIENCE` epochs."""
        if len(self.shares) <= PATIENCE:
            return False
        return max(self.shares[-PATIENCE:]) < (1 + GAIN) * max(self.shares[:-PATIENCE])
