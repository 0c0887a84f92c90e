"""A labelled project with a model, for tests of predictions, exports and reports."""

from __future__ import annotations

import pytest

from tests.helpers.projects import label_tiny
from tests.helpers.tiny import Tiny
from tuilabel.datasets import open_pool
from tuilabel.project.options import ModelOptions


@pytest.fixture(scope="session")
def separable_tiny(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The tiny dataset, and a VAE whose latents separate its classes."""
    from tuilabel.encoders.vae.settings import TrainSettings
    from tuilabel.encoders.vae.training import train_vae

    pool = open_pool("fashion-mnist", tiny.data_dir)
    checkpoint = tmp_path_factory.mktemp("vae") / "separable.safetensors"
    settings = TrainSettings(latent_dim=8, epochs=6, batch_size=25, beta=0.05)
    train_vae(pool.images, settings, checkpoint, dataset=pool.name, fingerprint=pool.fingerprint)
    return Tiny(tiny.data_dir, checkpoint)


@pytest.fixture(scope="session")
def tiny_project(separable_tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> ModelOptions:
    return label_tiny(separable_tiny, tmp_path_factory.mktemp("predict") / "p.tuilabel")
