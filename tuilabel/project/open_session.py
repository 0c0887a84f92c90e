"""Open a project for labelling: with the trainer in this thread or in its own process."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tuilabel.datasets import ImagePool, as_ref, open_pool
from tuilabel.encoders import Encoder, choose_encoder
from tuilabel.encoders.device_check import check_device_name
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.errors import UsageError
from tuilabel.labels import BackgroundWriter, ClassChange, Event, InlineWriter, LabelStore, Project, Writer
from tuilabel.learner.base import check_learner, needs_encoder
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import Message
from tuilabel.learner.trainer.process import ProcessTrainer
from tuilabel.learner.trainer.protocol import Trainer
from tuilabel.learner.trainer.settings import WorkerSettings
from tuilabel.project.options import SessionOptions
from tuilabel.project.progress import OnProgress, ignore
from tuilabel.session import LabellingSession
from tuilabel.strategies import get_strategy


@dataclass(frozen=True)
class OpenProject:
    """A project that is open for labelling, and locked against other processes.

    Attributes
    ----------
    encoder : None for a learner that needs none. It may still need training.
    """

    options: SessionOptions
    project: Project
    pool: ImagePool
    encoder: Encoder | None
    store: LabelStore


@dataclass
class BackgroundSession:
    """A session whose trainer and writer work in the background.

    Attributes
    ----------
    unsaved : after closing, answers that could not be written to disk.
    """

    session: LabellingSession
    unsaved: Sequence[Event | ClassChange] = field(default=())


@contextmanager
def open_session(options: SessionOptions, *, on_progress: OnProgress = ignore) -> Iterator[LabellingSession]:
    """Open or create a project to label it from Python.

    The model is retrained after each batch, in this thread. A call that records an answer returns once the answer is on
    disk. Later sessions, including `tuilabel label`, continue from there.

    Raises
    ------
    TuilabelError : if the images cannot be read, there is no suitable checkpoint, or the project is in use or cannot be
        written.
    UsageError : if an option names something unknown, or there are fewer than two classes.
    """
    from tuilabel.learner.open import open_learner, open_test_set
    from tuilabel.learner.trainer.questions import QuestionHandler
    from tuilabel.learner.trainer.round import RoundRunner

    with open_project(options, reading="all", on_progress=on_progress) as opened:
        learner, test_features = open_learner(
            options.learner,
            opened.pool,
            _trained(opened),
            device=options.device,
            on_progress=lambda done, total: on_progress("encoding", done, total),
        )
        runner = RoundRunner(learner, open_test_set(opened.pool, test_features))
        trainer = InlineTrainer(runner.run, QuestionHandler(runner).answer)
        session = _session(opened, trainer, InlineWriter(opened.store), retrain="batch")
        trainer.start(session.handle)
        session.start()
        try:
            yield session
        finally:
            opened.project.save_classes(session.classes)


@contextmanager
def open_project(
    options: SessionOptions,
    *,
    reading: Literal["all", "first"] = "first",
    ask_classes: Callable[[], tuple[str, ...]] | None = None,
    on_progress: OnProgress = ignore,
) -> Iterator[OpenProject]:
    """Open or create a project and its label store.

    Parameters
    ----------
    reading : see `open_pool`; with "first" the trainer process reads the rest.
    ask_classes : called for the classes of a new project if neither the options nor the dataset have any.

    Raises
    ------
    TuilabelError, UsageError : as `open_session`.
    """
    check_session_options(options)
    dataset = as_ref(options.dataset)
    directory = options.project or Path(f"{dataset.title()}.tuilabel")
    pool = open_pool(dataset, options.data_dir, on_progress, reading=reading)
    encoder = None
    if needs_encoder(options.learner):
        encoder = choose_encoder(
            options.encoder, pool, checkpoint=options.checkpoint, latents=options.latents, project=directory
        )
    classes, is_new = options.classes, not (directory / "settings.toml").exists()
    if classes is None and not pool.classes and is_new and ask_classes is not None:
        classes = ask_classes()
    source = dataset.absolute()
    moved = pool.can_grow and options.project is not None and not is_new and _have_moved(directory)
    with Project.open(directory, pool.name, pool.fingerprint, pool.classes, classes, source, moved=moved) as project:
        store = LabelStore.open(project.store)
        try:
            pool.read_until_found({event.item for event in store.events()}, on_progress)
            yield OpenProject(options, project, pool, encoder, store)
        finally:
            store.close()


@contextmanager
def background_session(
    opened: OpenProject,
    deliver: Callable[[Message], object],
    *,
    on_saved: Callable[[Sequence[Event]], object],
    on_failed: Callable[[str, int], object],
) -> Iterator[BackgroundSession]:
    """A session with the trainer in a process and the writer in a thread, so that keys never wait for either.

    Parameters
    ----------
    deliver : called in another thread with each message of the trainer, to be passed to `LabellingSession.handle` in
        the thread that owns the session.
    on_saved, on_failed : see `BackgroundWriter`.
    """
    options, project = opened.options, opened.project
    trainer = ProcessTrainer(
        WorkerSettings(
            dataset=as_ref(options.dataset),
            data_dir=options.data_dir,
            encoder=opened.encoder,
            learner=options.learner,
            device=options.device,
            log=project.logs / "trainer.log",
            seed=options.seed,
        )
    )
    writer = BackgroundWriter(opened.store, on_saved=on_saved, on_failed=on_failed)
    unsaved: Sequence[Event | ClassChange] = ()
    try:
        running = BackgroundSession(_session(opened, trainer, writer, retrain="label"))
        trainer.start(deliver)
        running.session.start()
        yield running
    finally:
        trainer.close()
        unsaved = writer.close()
    running.unsaved = unsaved
    project.save_classes(running.session.classes)


def check_session_options(options: SessionOptions) -> None:
    """Check all options that can be checked without opening the images.

    Raises
    ------
    UsageError : if an option names something unknown.
    """
    as_ref(options.dataset).title()
    get_strategy(options.strategy)
    check_learner(options.learner)
    check_device_name(options.device)


def _trained(opened: OpenProject) -> Encoder | None:
    """The encoder, or principal components if it has not been trained yet."""
    encoder = opened.encoder
    return PCAEncoder() if encoder is not None and encoder.needs_training(opened.pool) else encoder


def _session(
    opened: OpenProject, trainer: Trainer, writer: Writer, retrain: Literal["label", "batch"]
) -> LabellingSession:
    options, store = opened.options, opened.store
    return LabellingSession(
        opened.pool,
        log=store.events(),
        rounds=store.rounds(),
        class_changes=store.class_changes(),
        writer=writer,
        trainer=trainer,
        classes=opened.project.classes,
        strategy=options.strategy,
        batch_size=options.batch_size,
        annotator=options.annotator or getpass.getuser(),
        seed=options.seed,
        retrain=retrain,
        target=options.target,
    )


def _have_moved(directory: Path) -> bool:
    """Whether the images are no longer where the project last saw them."""
    project = Project.read(directory)
    try:
        if project.source.location != project.dataset:
            project.source.open_source()
    except UsageError:
        return True
    return False
