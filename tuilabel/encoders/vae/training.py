"""Training a VAE on all images of a pool, without labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuilabel.datasets import ImagePool
from tuilabel.encoders.vae.augmentations import augment, get_augmentations
from tuilabel.encoders.vae.header import CheckpointHeader, place_of
from tuilabel.encoders.vae.inputs import channels_last, to_input
from tuilabel.encoders.vae.meter import TrainProgress
from tuilabel.encoders.vae.model import MAX_SIZE, MIN_SIZE, VAE, VAEConfig
from tuilabel.encoders.vae.processes import Part
from tuilabel.encoders.vae.run import resume_or_restart, train
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.encoders.vae.smoothing import best_smoothing
from tuilabel.errors import TuilabelError

SMOOTHING_IMAGES = 1_000  # images on which the smoothing is measured


def model_size(height: int, width: int) -> tuple[int, int]:
    """The (height, width) of the model's input for images of this size: each side clipped to 16…128."""
    return min(MAX_SIZE, max(MIN_SIZE, height)), min(MAX_SIZE, max(MIN_SIZE, width))


def train_vae(
    images: NDArray[np.uint8],
    settings: TrainSettings,
    out: Path,
    *,
    dataset: str,
    fingerprint: str,
    place: str = "",
    command: str = "",
    device: str = "auto",
    resume: bool = False,
    on_progress: Callable[[TrainProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[VAE, CheckpointHeader]:
    """Train a VAE and write its checkpoint to `out`.

    After every epoch, and when training is stopped, the whole state is written next to `out` (see `partial_path`).
    With `resume` training continues from it and ends with the same model as an uninterrupted run. Permutations,
    augmentations and posterior samples come from generators seeded with the epoch and the step, so that no random state
    has to be saved.

    Parameters
    ----------
    images : (N, H, W, C) uint8, C 1 or 3; may be memory-mapped.
    out : the checkpoint to write.
    dataset, fingerprint, place, command : for the header; see `CheckpointHeader`.
    device : "auto", "cpu", "cuda", "cuda:0", "mps".
    resume : continue from the saved state.
    on_progress : called several times a second, and at the end of each epoch.
    should_stop : called before every step.

    Returns
    -------
    The model, in evaluation mode, and the header that was written.

    Raises
    ------
    TrainingStopped : if `should_stop` returned True; the state is saved.
    TuilabelError : if there are too few images, the state to resume is missing, damaged or from another run, the loss
        becomes NaN or infinite, or a file cannot be written.
    UsageError : if the device is not available.
    """
    if len(images) < 2:
        raise TuilabelError(f"a VAE needs at least 2 images to train on, better thousands, got {len(images)}")
    height, width, channels = images.shape[1:]
    config = VAEConfig(*model_size(height, width), channels, settings.latent_dim)
    if not (settings.two_views and settings.mi_weight):
        config = replace(config, clusters=())
    if not (settings.two_views and settings.contrastive_weight):
        config = replace(config, projection=0)

    def measure_smoothing(model: VAE, generator: torch.Generator) -> None:
        """Measure how much to blur images before encoding: training has only shown the model augmented views."""
        if not settings.augment:
            return
        rows = torch.randperm(len(images), generator=generator)[:SMOOTHING_IMAGES].sort().values.numpy()
        sample = to_input(images[rows], config, next(model.parameters()).device)
        augmentations = get_augmentations(settings.augmentations)
        model.smoothing.fill_(best_smoothing(model, sample, augmentations, generator))

    header = CheckpointHeader(
        architecture=config.to_json(),
        image_shape=(height, width, channels),
        dataset=dataset,
        fingerprint=fingerprint,
        place=place,
        settings=asdict(settings),
        metrics={},
        command=command,
        created="",
    )
    return train(
        lambda: VAE(config),
        lambda on: _Images(images, config, settings, on),
        settings,
        out,
        header,
        device=device,
        resume=resume,
        on_progress=on_progress,
        should_stop=should_stop,
        finish=measure_smoothing,
    )


def train_or_resume(
    pool: ImagePool,
    out: Path,
    *,
    device: str,
    seed: int,
    on_progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> None:
    """Train a VAE on a pool with the settings that suit it; resume an unfinished run if it has the same settings.

    Parameters
    ----------
    out : the checkpoint to write.
    on_progress : called with (images seen, images in all epochs).

    Raises
    ------
    TuilabelError, UsageError : see `train_vae`.
    """
    settings = TrainSettings.for_pool(len(pool), pool.augmentations, seed=seed)

    def start(resume: bool) -> None:
        train_vae(
            pool.images,
            settings,
            out,
            dataset=pool.name,
            fingerprint=pool.fingerprint,
            place=place_of(pool),
            device=device,
            resume=resume,
            on_progress=lambda now: on_progress(
                (now.epoch - 1) * now.images_total + now.images_done, now.epochs * now.images_total
            ),
            should_stop=should_stop,
        )

    resume_or_restart(start, out, should_stop)


class _Images:
    """Images (N, H, W, C), and their augmented views."""

    def __init__(
        self, images: NDArray[np.uint8], config: VAEConfig, settings: TrainSettings, device: torch.device
    ) -> None:
        self._images, self._config, self._settings, self._device = images, config, settings, device

    def __len__(self) -> int:
        return len(self._images)

    def views(
        self, rows: NDArray[np.int64], generator: torch.Generator, part: Part
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """See `TrainingData.views`."""
        augmentations = get_augmentations(self._settings.augmentations)
        clean = to_input(self._images[rows[part.start : part.stop]], self._config, self._device)  # (B, C, H, W)
        view = augment(clean, generator, augmentations, part) if self._settings.augment else clean
        second = augment(clean, generator, augmentations, part) if self._settings.two_views else None
        return channels_last(view), None if second is None else channels_last(second), clean
