"""Augmented copies of images, for what is learned from how a network's features change under augmentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VERSION = 1  # part of the name of cached features: raise it with every change of what a network gets to see


@dataclass(frozen=True)
class View:
    """One of several augmented copies of every image; the same copy of an image is the same each time.

    Attributes
    ----------
    augmentations : a key of `tuilabel.encoders.vae.augmentations.AUGMENTATIONS`.
    number : of the copy.
    """

    augmentations: str
    number: int

    @property
    def name(self) -> str:
        """The part of a file's name that stands for this copy."""
        return f"{self.augmentations}{self.number}v{VERSION}"

    def of_batches(self, batches: Iterable[NDArray[np.uint8]], start: int) -> Iterator[NDArray[np.uint8]]:
        """The copies of images in batches; see `of`."""
        for images in batches:
            yield self.of(images, start)
            start += len(images)

    def of(self, images: NDArray[np.uint8], start: int) -> NDArray[np.uint8]:
        """The copies of images (B, S, S, 3) that have the indices `start`… in their pool, in the same shape."""
        import torch

        from tuilabel.encoders.vae.augmentations import augment, get_augmentations

        augmentations = get_augmentations(self.augmentations)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
        views = []
        for index, image in enumerate(pixels, start):
            # Each image by a generator of its own: so it does not matter how images are divided into batches.
            seed = np.random.SeedSequence([self.number, index]).generate_state(1, np.uint64)[0] >> np.uint64(1)
            generator = torch.Generator().manual_seed(int(seed))
            views.append(augment(image[None].float() / 255, generator, augmentations))
        copies: NDArray[np.uint8] = (torch.cat(views) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
        return copies
