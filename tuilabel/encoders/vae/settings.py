"""How a VAE is trained, and what does best for a kind of image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuilabel.encoders.vae.augmentations import view_family
from tuilabel.errors import UsageError

VIEWED = 600_000  # images, each time they are seen counted, from which a VAE learns enough
FEWEST_EPOCHS, MOST_EPOCHS = 6, 100


@dataclass(frozen=True)
class TrainSettings:
    """How a VAE is trained; stands in the checkpoint's header.

    Raises
    ------
    UsageError : where a number makes no sense.
    """

    latent_dim: int = 32
    epochs: int = 20
    beta: float = 1.0
    batch_size: int = 256
    lr: float = 3e-3
    augment: bool = True
    views: str = "glyphs"
    """Family of the views; see `tuilabel.encoders.vae.augmentations.FAMILIES`."""
    information: float = 20.0
    """Weight of the mutual information between the clusters of two views; needs `augment`."""
    contrast: float = 0.0
    """Weight of telling the views of an image from those of others; needs `augment`."""
    seed: int = 0

    @classmethod
    def for_views(cls, views: str, **given: Any) -> TrainSettings:
        """The settings that do best for a family of views, with those that are `given` (None: not given) put in."""
        view_family(views)
        return cls(views=views, **{**RECIPES[views], **{k: v for k, v in given.items() if v is not None}})

    @classmethod
    def for_pool(cls, images: int, views: str, **given: Any) -> TrainSettings:
        """The same for a pool of so many images that nobody has tuned anything for: a few get more epochs."""
        epochs = max(FEWEST_EPOCHS, min(MOST_EPOCHS, -(-VIEWED // max(1, images))))
        batch = 256 if images >= 20_000 else 128
        chosen = {"epochs": epochs, "batch_size": batch, **{k: v for k, v in given.items() if v is not None}}
        return cls.for_views(views, **chosen)

    def __post_init__(self) -> None:
        for name, low in (("latent_dim", 1), ("epochs", 1), ("batch_size", 2), ("seed", 0)):
            if getattr(self, name) < low:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name)} is too small: give {low} or more")
        if not self.lr > 0:
            raise UsageError(f"--lr {self.lr} teaches nothing: give a number above 0")
        if not self.beta >= 0:
            raise UsageError(f"--beta {self.beta} is negative: give 0 or more (Higgins et al. 2017)")
        for name in ("information", "contrast"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"--{name} {getattr(self, name)} is negative: give 0 or more")
        view_family(self.views)

    @property
    def two_views(self) -> bool:
        """Whether a second view is drawn, for what two views say of each other."""
        return self.augment and (self.information > 0 or self.contrast > 0)


RECIPES: dict[str, dict[str, Any]] = {
    "glyphs": {"epochs": 28},
    # Of a tight code the background would take everything.
    "signs": {"latent_dim": 64, "beta": 0.1, "information": 5.0, "contrast": 10.0},
    # Clothes and things differ in what a tight code leaves out: more dimensions, a smaller price for using them.
    "objects": {"epochs": 28, "latent_dim": 64, "beta": 0.1, "information": 5.0, "contrast": 10.0},
    "photos": {"latent_dim": 64, "beta": 0.1, "information": 5.0, "contrast": 10.0},
}
