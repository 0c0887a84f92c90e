"""Train the VAE of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilabel.datasets import DatasetLike, ImagePool, open_pool
from tuilabel.encoders.device_check import check_device_name
from tuilabel.encoders.networks.names import parse_name
from tuilabel.encoders.vae.feature_encoder import FeatureVAEEncoder
from tuilabel.encoders.vae.header import own_checkpoint, partial_path, place_of
from tuilabel.encoders.vae.meter import TrainProgress
from tuilabel.encoders.vae.run import RunOptions
from tuilabel.encoders.vae.settings import FeatureSettings, TrainSettings
from tuilabel.encoders.vae.training import train_vae
from tuilabel.errors import UsageError
from tuilabel.project.progress import OnProgress, ignore

if TYPE_CHECKING:
    from tuilabel.encoders.vae.objective import Autoencoder


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be trained.

    Attributes
    ----------
    settings : `FeatureSettings` if there is a network.
    checkpoint : the file to write.
    network : whose features the VAE is trained on; None for pixels.
    """

    pool: ImagePool
    settings: TrainSettings
    checkpoint: Path
    network: str | None = None


@dataclass(frozen=True)
class TrainedVAE:
    """A VAE that has been trained.

    Attributes
    ----------
    image_shape : (height, width, channels) of the images.
    settings, metrics, command : as in the checkpoint's header.
    epochs : passes over the images; fewer than in the settings if it ended early.
    network : see `TrainingPlan`.
    """

    checkpoint: Path
    dataset: str
    images: int
    image_shape: tuple[int, int, int]
    settings: dict[str, Any]
    metrics: dict[str, float]
    command: str
    epochs: int
    model: Autoencoder = field(repr=False)
    network: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All but the model as a JSON document."""
        return {
            **({} if self.network is None else {"on": self.network}),
            "checkpoint": str(self.checkpoint),
            "dataset": self.dataset,
            "images": self.images,
            "image_shape": list(self.image_shape),
            "settings": self.settings,
            "epochs_done": self.epochs,
            "metrics": self.metrics,
            "command": self.command,
        }


def plan_training(
    dataset: DatasetLike,
    out: Path | None = None,
    *,
    data_dir: Path | None = None,
    augmentations: str | None = None,
    on: str | None = None,
    on_progress: OnProgress = ignore,
    **overrides: Any,
) -> TrainingPlan:
    """Open a dataset and choose the settings that suit it.

    Parameters
    ----------
    out : the checkpoint; None for ./checkpoints/DATASET.safetensors, or DATASET-on-NETWORK.safetensors, see
        `own_checkpoint`.
    on : the name of a pretrained network, to train on its features instead of pixels.
    augmentations, **overrides : fields of `TrainSettings` or `FeatureSettings`; those that are None get the dataset's
        default.

    Raises
    ------
    TuilabelError, UsageError : as `open_pool` and `TrainSettings`.
    """
    if on is not None:
        parse_name(on)
        FeatureSettings.for_features(1, augmentations or "photos", **overrides)
    else:
        if overrides.pop("copies", None) is not None:
            raise UsageError("copies are for a VAE on the features of a network: pass `on` too", parameter="copies")
        TrainSettings.for_augmentations(augmentations or "glyphs", **overrides)  # reported before images are read
    pool = open_pool(dataset, data_dir, on_progress)
    settings = default_settings(pool, augmentations, on=on, **overrides)
    return TrainingPlan(pool, settings, out or own_checkpoint(pool, on, to_write=True), on)


def default_settings(
    pool: ImagePool, augmentations: str | None = None, *, on: str | None = None, **overrides: Any
) -> TrainSettings:
    """The settings that suit a pool, except for the overrides that are not None; `on` is as in `plan_training`."""
    augmentations = augmentations or pool.augmentations
    if on is not None:
        return FeatureSettings.for_features(len(pool), augmentations, **overrides)
    if pool.is_builtin:
        return TrainSettings.for_augmentations(augmentations, **overrides)
    return TrainSettings.for_pool(len(pool), augmentations, **overrides)


def compute_features(
    plan: TrainingPlan,
    *,
    device: str = "auto",
    on_progress: OnProgress = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Compute and cache what a VAE on features is trained on; `train_planned` would do it without progress.

    Raises
    ------
    TrainingStopped : if `should_stop` returned True; the features that are finished are kept.
    TuilabelError, UsageError : see `NetworkEncoder.features`.
    """
    check_device_name(device)
    if plan.network is None:
        return
    assert isinstance(plan.settings, FeatureSettings)
    encoder = FeatureVAEEncoder(plan.network, plan.checkpoint)
    encoder.fetch(partial(on_progress, "downloading"))
    encoder.features(plan.pool, plan.settings, device, partial(on_progress, "features"), should_stop)


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
    options: RunOptions = {
        "device": device,
        "resume": resume,
        "on_progress": on_progress,
        "should_stop": should_stop,
    }
    model: Autoencoder
    if plan.network is None:
        model, header = train_vae(
            pool.images,
            plan.settings,
            plan.checkpoint,
            dataset=pool.name,
            fingerprint=pool.fingerprint,
            place=place_of(pool),
            command=command,
            **options,
        )
    else:
        assert isinstance(plan.settings, FeatureSettings)
        encoder = FeatureVAEEncoder(plan.network, plan.checkpoint)
        # Features are resumed by themselves, and a run that was stopped among them has no other state yet.
        options["resume"] = resume and partial_path(plan.checkpoint).exists()
        model, header = encoder.train_with(pool, plan.settings, command=command, **options)
    height, width, channels = pool.images.shape[1:]
    return TrainedVAE(
        checkpoint=plan.checkpoint,
        dataset=pool.name,
        images=len(pool.images),
        image_shape=(height, width, channels),
        settings=header.settings,
        metrics=header.metrics,
        command=header.command,
        epochs=header.epochs_done,
        model=model,
        network=plan.network,
    )
