"""The options of operations on a project: which project and images, and what its model depends on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuilabel.datasets import DatasetLike


@dataclass(frozen=True)
class ModelOptions:
    """A project, and everything that its model depends on.

    The project remembers encoder, checkpoint, latents, learner and seed: None means what it remembers, or the default.

    Attributes
    ----------
    dataset : a built-in dataset by name, the path or URL of user images, or a project; None for the images of
        `project`, or mnist.
    project : the project's directory; None for ./DATASET.tuilabel, see `tuilabel.project.locate`.
    data_dir : a torchvision root; None for `$TUILABEL_DATA` or the cache.
    encoder, checkpoint, latents : how images are represented, see `choose_encoder`; if one of them is given, what the
        project remembers of the others does not count.
    device : the device that encodes images: "auto", "cpu", "cuda", ….
    learner : "latent" (the default), "mlp" or "cnn".
    seed : seed of all random numbers, 0 by default. The same labels and seed give the same model.
    """

    dataset: DatasetLike | None
    project: Path | None = None
    data_dir: Path | None = None
    checkpoint: Path | None = None
    device: str = "auto"
    learner: str | None = None
    encoder: str | None = None
    latents: Path | None = None
    seed: int | None = None


@dataclass(frozen=True)
class SessionOptions(ModelOptions):
    """What to label, and how: the options of a model, and those of the session that trains it.

    Attributes
    ----------
    only_new : names of options that count for a new project only, which an existing one has settled.
    classes : class names; None for those of the project or, if it is new, of the dataset.
    annotator : the name stored with every answer; None for the login name.
    strategy : see `LabellingSession`; None for the one that the project remembers, or "auto".
    batch_size, target : see `LabellingSession`.
    overlap, overlap_share : how many people are asked a share of the images; None for what the project remembers, or
        one.
    role : "owner", or "labeller" for a session that only answers, and undoes what was its own.
    allow_unlocked, take_over : see `ProjectLock.take`.
    store : the address of a server that keeps the labels, such as `postgresql://HOST/DATABASE`, for a new project; None
        for the project's directory.
    """

    classes: tuple[str, ...] | None = None
    annotator: str | None = None
    strategy: str | None = None
    batch_size: int = 20
    target: float | None = None
    only_new: frozenset[str] = frozenset()
    role: str = "owner"
    overlap: int | None = None
    overlap_share: float | None = None
    allow_unlocked: bool = False
    take_over: bool = False
    store: str | None = None
