"""How a VAE is trained, and the best settings found for each kind of image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuilabel.encoders.vae.augmentations import get_augmentations
from tuilabel.errors import UsageError

IMAGES_SEEN = 600_000  # training images that are enough for a VAE, counting repeats
MIN_EPOCHS, MAX_EPOCHS = 6, 100
STEPS, MAX_FEATURE_EPOCHS = 500, 150  # of a VAE on features
COPIES_IN_ALL = 16_000  # augmented images whose features are computed, within these limits for each image
MIN_COPIES, MAX_COPIES = 2, 4


@dataclass(frozen=True)
class TrainSettings:
    """How a VAE is trained; stored in the checkpoint's header.

    Attributes
    ----------
    latent_dim : dimensions of the latent space.
    epochs : passes over the images; at most with `stop_early`.
    stop_early : end sooner if the neighbours of held-out images no longer improve; needs two views, see
        `tuilabel.encoders.vae.plateau`.
    beta : weight of the KL term (Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl).
    batch_size : images per step.
    lr : peak learning rate of the one-cycle schedule.
    augment : encode an augmented image and reconstruct the original.
    augmentations : which augmentations; see `tuilabel.encoders.vae.augmentations.AUGMENTATIONS`.
    mi_weight : weight of the mutual information between the clusters of two views; needs `augment`.
    contrastive_weight : weight of the contrastive loss of two views; needs `augment`.
    seed : seeds everything that is random.

    Raises
    ------
    UsageError : if a value is out of range.
    """

    latent_dim: int = 32
    epochs: int = 20
    beta: float = 1.0
    batch_size: int = 256
    lr: float = 3e-3
    augment: bool = True
    augmentations: str = "glyphs"
    mi_weight: float = 20.0
    contrastive_weight: float = 0.0
    seed: int = 0
    stop_early: bool = False

    @classmethod
    def for_augmentations(cls, augmentations: str, **overrides: Any) -> TrainSettings:
        """The best settings found for images with these augmentations; overrides that are None are ignored."""
        get_augmentations(augmentations)
        return cls(augmentations=augmentations, **{**RECIPES[augmentations], **_given(overrides)})

    @classmethod
    def for_pool(cls, n_images: int, augmentations: str, **overrides: Any) -> TrainSettings:
        """Like `for_augmentations`, for a pool without tuned settings: the fewer images, the more epochs."""
        epochs = max(MIN_EPOCHS, min(MAX_EPOCHS, -(-IMAGES_SEEN // max(1, n_images))))
        batch_size = 256 if n_images >= 20_000 else 128
        settings = {"epochs": epochs, "batch_size": batch_size, **_given(overrides)}
        return cls.for_augmentations(augmentations, **settings)

    def __post_init__(self) -> None:
        for name, low in (("latent_dim", 1), ("epochs", 1), ("batch_size", 2), ("seed", 0)):
            if getattr(self, name) < low:
                raise UsageError(f"{name} must be at least {low}, got {getattr(self, name)}", parameter=name)
        if not self.lr > 0:
            raise UsageError(f"lr must be greater than 0, got {self.lr}", parameter="lr")
        for name in ("beta", "mi_weight", "contrastive_weight"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} must not be negative, got {getattr(self, name)}", parameter=name)
        get_augmentations(self.augmentations)

    @property
    def two_views(self) -> bool:
        """Whether each image is augmented twice, for the terms that compare two views of an image."""
        return self.augment and (self.mi_weight > 0 or self.contrastive_weight > 0)


@dataclass(frozen=True)
class FeatureSettings(TrainSettings):
    """How a VAE on the features of a network is trained.

    Attributes
    ----------
    copies : augmented copies of each image whose features are computed before training; 0 without `augment`.
    """

    latent_dim: int = 64
    beta: float = 0.1
    augmentations: str = "photos"
    mi_weight: float = 5.0
    contrastive_weight: float = 10.0
    copies: int = 4

    @classmethod
    def for_features(cls, n_images: int, augmentations: str, **overrides: Any) -> FeatureSettings:
        """The settings for a pool; overrides that are None are ignored.

        Longer training only learns the copies by heart, and a large pool varies enough with fewer copies.
        """
        given = _given(overrides)
        batch_size = given.setdefault("batch_size", 256)
        epochs = max(1, min(MAX_FEATURE_EPOCHS, STEPS // max(1, n_images // batch_size)))
        copies = (
            max(MIN_COPIES, min(MAX_COPIES, COPIES_IN_ALL // max(1, n_images))) if given.get("augment", True) else 0
        )
        return cls(augmentations=augmentations, **{"epochs": epochs, "copies": copies, **given})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.copies < (2 if self.augment else 0):
            raise UsageError(f"copies must be at least 2, got {self.copies}", parameter="copies")


def _given(overrides: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if value is not None}


RECIPES: dict[str, dict[str, Any]] = {
    "glyphs": {"epochs": 28},
    # In a tight code the background would take up everything.
    "signs": {"latent_dim": 64, "beta": 0.1, "mi_weight": 5.0, "contrastive_weight": 10.0},
    # Clothes and objects differ in details that a tight code leaves out: more dimensions, and a smaller price for them.
    "objects": {"epochs": 28, "latent_dim": 64, "beta": 0.1, "mi_weight": 5.0, "contrastive_weight": 10.0},
    "photos": {"latent_dim": 64, "beta": 0.1, "mi_weight": 5.0, "contrastive_weight": 10.0},
}
