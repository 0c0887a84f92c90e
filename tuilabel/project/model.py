"""Train and calibrate the model of a project, to predict with it or to export it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool, as_ref, open_pool
from tuilabel.encoders import Encoder, choose_encoder
from tuilabel.encoders.device_check import check_device_name
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.errors import TuilabelError
from tuilabel.labels import LabelStore, Project
from tuilabel.learner.base import Learner, check_learner, needs_encoder
from tuilabel.learner.calibrated import CalibratedModel, fit_calibrated
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.project.locate import project_directory, project_images
from tuilabel.project.options import ModelOptions
from tuilabel.project.progress import Note, OnProgress, ignore
from tuilabel.project.resume import resume_session
from tuilabel.session import LabellingSession


@dataclass(frozen=True)
class ProjectModel:
    """A project, its pool and its model.

    Attributes
    ----------
    encoder : None for a learner that needs none.
    session : the session as the labelling screen would resume it.
    request : the training request that the session would send first.
    learner : holds the features of the pool.
    test_features : features of the test split, float32 (M, D); None without one.
    final : the trained and calibrated model.
    """

    project: Project
    pool: ImagePool
    encoder: Encoder | None
    session: LabellingSession
    request: TrainRequest
    learner: Learner
    test_features: NDArray[np.float32] | None
    final: CalibratedModel

    @property
    def classes(self) -> tuple[str, ...]:
        """The current class names, in the order of the columns of probabilities."""
        return self.session.classes


def open_model(options: ModelOptions, *, on_progress: OnProgress = ignore, note: Note = ignore) -> ProjectModel:
    """Read a project, train its model and calibrate it.

    Parameters
    ----------
    note : called with a line if there is no VAE yet and the model uses thumbnails instead.

    Raises
    ------
    TuilabelError : if there is no project, no suitable checkpoint, or fewer than two classes have labels.
    UsageError : if an option names something unknown.
    """
    from tuilabel.learner.open import open_learner

    check_learner(options.learner)
    check_device_name(options.device)
    project = Project.read(project_directory(str(as_ref(options.dataset)), options.project))
    store = LabelStore.open(project.store, create=False)
    try:
        pool = open_pool(project_images(project), options.data_dir, on_progress)
        session, request = resume_session(pool, store, project.classes, seed=options.seed)
    finally:
        store.close()
    if len(np.unique(request.labels)) < 2:  # before anything is encoded
        raise TuilabelError(
            f"{project.directory} has labels of fewer than two classes, too few for a model: "
            "label more with `tuilabel label`"
        )
    encoder = _encoder(options, pool, project, note) if needs_encoder(options.learner) else None
    learner, test_features = open_learner(
        options.learner,
        pool,
        encoder,
        device=options.device,
        on_progress=partial(on_progress, "encoding"),
    )
    final = fit_calibrated(
        learner,
        request.labelled,
        model_seed=request.model_seed,
        seed=request.seed,
        on_progress=partial(on_progress, "training"),
    )
    return ProjectModel(project, pool, encoder, session, request, learner, test_features, final)


def _encoder(options: ModelOptions, pool: ImagePool, project: Project, note: Note) -> Encoder:
    """The encoder that the labelling screen would use: thumbnails while the VAE is not trained yet."""
    chosen = choose_encoder(
        options.encoder,
        pool,
        checkpoint=options.checkpoint,
        latents=options.latents,
        project=project.directory,
    )
    if not chosen.needs_training(pool):
        return chosen
    note(f"no VAE for {pool.name} yet: images are represented by their thumbnails (pca)")
    return PCAEncoder()
