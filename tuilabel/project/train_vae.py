"""Train the VAE of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilabel.datasets import DatasetLike, ImagePool, open_pool
from tuilabel.encoders.device_check import check_device_name
from tuilabel.encoders.vae.header import default_checkpoint
from tuilabel.encoders.vae.run import TrainProgress
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.encoders.vae.training import train_vae
from tuilabel.project.progress import OnProgress, ignore

if TYPE_CHECKING:
    from tuilabel.encoders.vae.model import VAE


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be trained.

    Attributes
    ----------
    checkpoint : the file to write.
    """

    pool: ImagePool
    settings: TrainSettings
    checkpoint: Path


@dataclass(frozen=True)
class TrainedVAE:
    """A VAE that has been trained.

    Attributes
    ----------
    image_shape : (height, width, channels) of the images.
    settings, metrics, command : as in the checkpoint's header.
    """

    checkpoint: Path
    dataset: str
    images: int
    image_shape: tuple[int, int, int]
    settings: dict[str, Any]
    metrics: dict[str, float]
    command: str
    model: VAE = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """All but the model as a JSON document."""
        return {
            "checkpoint": str(self.checkpoint),
            "dataset": self.dataset,
            "images": self.images,
            "image_shape": list(self.image_shape),
            "settings": self.settings,
            "metrics": self.metrics,
            "command": self.command,
        }


def plan_training(
    dataset: DatasetLike,
    out: Path | None = None,
    *,
    data_dir: Path | None = None,
    augmentations: str | None = None,
    on_progress: OnProgress = ignore,
    **overrides: Any,
) -> TrainingPlan:
    """Open a dataset and choose the settings that suit it.

    Parameters
    ----------
    out : the checkpoint; None for ./checkpoints/DATASET.safetensors.
    augmentations, **overrides : fields of `TrainSettings`; those that are None get the dataset's default.

    Raises
    ------
    TuilabelError, UsageError : as `open_pool` and `TrainSettings`.
    """
    TrainSettings.for_augmentations(augmentations or "glyphs", **overrides)  # wrong values are reported before reading
    pool = open_pool(dataset, data_dir, on_progress)
    settings = default_settings(pool, augmentations, **overrides)
    return TrainingPlan(pool, settings, out or default_checkpoint(pool.name))


def default_settings(pool: ImagePool, augmentations: str | None = None, **overrides: Any) -> TrainSettings:
    """The settings that suit a pool, except for the overrides that are not None."""
    augmentations = augmentations or pool.augmentations
    if pool.is_builtin:
        return TrainSettings.for_augmentations(augmentations, **overrides)
    return TrainSettings.for_pool(len(pool), augmentations, **overrides)


def train_planned(
    plan: TrainingPlan,
    *,
    device: str = "auto",
    resume: bool = False,
    command: str = "",
    on_progress: Callable[[TrainProgress], None] = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainedVAE:
    """Train a VAE as planned and write its checkpoint; parameters and errors are those of `train_vae`."""
    check_device_name(device)
    pool = plan.pool
    model, header = train_vae(
        pool.images,
        plan.settings,
        plan.checkpoint,
        dataset=pool.name,
        fingerprint=pool.fingerprint,
        command=command,
        device=device,
        resume=resume,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    height, width, channels = pool.images.shape[1:]
    return TrainedVAE(
        checkpoint=plan.checkpoint,
        dataset=pool.name,
        images=len(pool.images),
        image_shape=(height, width, channels),
        settings=header.settings,
        metrics=header.metrics,
        command=header.command,
        model=model,
    )
