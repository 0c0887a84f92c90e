"""Train and calibrate the model of a project, to predict with it or to export it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders import DOWNLOADING, Encoder
from tuilabel.encoders.cache import digest_of
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.errors import TuilabelError
from tuilabel.labels import Project
from tuilabel.learner.base import Learner, needs_encoder
from tuilabel.learner.calibrated import CalibratedModel, fit_calibrated
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.project.locate import find_project, missing_line, project_images
from tuilabel.project.options import ModelOptions
from tuilabel.project.progress import Note, OnProgress, ignore
from tuilabel.project.recipe import Recipe, check_options, choose_recipe
from tuilabel.project.resume import resume_session
from tuilabel.session import LabellingSession


@dataclass(frozen=True)
class ProjectModel:
    """A project, its pool and its model.

    Attributes
    ----------
    recipe : how the model is made, as the options or the project have it.
    encoder : None for a learner that needs none.
    session : the session as the labelling screen would resume it.
    request : the training request that the session would send first.
    learner : holds the features of the pool.
    test_features : features of the test split, float32 (M, D); None without one.
    final : the trained and calibrated model.
    """

    project: Project
    recipe: Recipe
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
    note : called with the encoder's notes, and with a line if the model is made in another way than the project
        remembers, or if there is no VAE yet and it uses thumbnails instead.

    Raises
    ------
    TuilabelError : if there is no project, no suitable checkpoint, or fewer than two classes have labels; if what the
        project remembers of its model is missing or has changed.
    UsageError : if an option names something unknown.
    """
    from tuilabel.learner.open import open_learner

    check_options(options)
    project = find_project(options.dataset, options.project, note=note, on_progress=on_progress)
    recipe = choose_recipe(options, project, note)
    store = project.read_store()
    try:
        pool = open_pool(project_images(project), options.data_dir, on_progress)
        session, request = resume_session(pool, store, project.classes, seed=recipe.seed)
        items = {event.item for event in store.events()}
    finally:
        store.close()
    missing = missing_line(project.directory, project.source.location, pool, items)
    if missing:
        note(missing)
    if len(np.unique(request.labels)) < 2:  # before anything is encoded
        raise TuilabelError(
            f"{project.directory} has labels of fewer than two classes, too few for a model: "
            "label more with `tuilabel label`"
        )
    encoder = _encoder(recipe, pool, project, note) if needs_encoder(recipe.learner) else None
    if encoder is not None:
        encoder.fetch(partial(on_progress, DOWNLOADING))
    learner, test_features = open_learner(
        recipe.learner,
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
    return ProjectModel(project, recipe, pool, encoder, session, request, learner, test_features, final)


def _encoder(recipe: Recipe, pool: ImagePool, project: Project, note: Note) -> Encoder:
    """The encoder that the labelling screen would use: thumbnails while the VAE is not trained yet."""
    chosen = recipe.encoder_for(pool, project.directory, settled=True)
    if not chosen.needs_training(pool):
        if _has_changed(recipe, chosen):
            note(f"{chosen.path} is not the {chosen.name} that the last session used: the model differs from its model")
        for line in chosen.notes(pool):
            note(line)
        return chosen
    if recipe.space == chosen.name:
        raise TuilabelError(
            f"{project.directory} was last labelled with a VAE that is no longer there: train one with `tuilabel "
            "train-vae`, let `tuilabel label` train one, or pass `encoder='pca'`"
        )
    note(f"no VAE for {pool.name} yet: images are represented by their thumbnails (pca)")
    return PCAEncoder()


def _has_changed(recipe: Recipe, encoder: Encoder) -> bool:
    """Whether the encoder is that of the last session, but loaded from a file with other content."""
    before = recipe.space_digest if recipe.space == encoder.name else None
    return before is not None and encoder.path is not None and digest_of(encoder.path) != before
