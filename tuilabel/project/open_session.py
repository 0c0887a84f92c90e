"""Open a project for labelling: with the trainer in this thread or in its own process."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders import Encoder
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.errors import TuilabelError, UsageError, pluralize, unknown_name
from tuilabel.labels import (
    BackgroundWriter,
    Changes,
    ClassBook,
    ClassChange,
    Event,
    InlineWriter,
    LabelStore,
    Project,
    Seat,
    Writer,
)
from tuilabel.labels.follower import Follower, InlineFollower, News
from tuilabel.labels.keeper import StoreKeeper
from tuilabel.labels.lock import user_name
from tuilabel.labels.project import server_of
from tuilabel.labels.store import NoLabels
from tuilabel.labels.store.address import EXAMPLE
from tuilabel.labels.store.roles import ROLES
from tuilabel.labels.store.team import read_team
from tuilabel.learner.base import needs_encoder
from tuilabel.learner.trainer.child import Child
from tuilabel.learner.trainer.messages import Message, PoolChanged
from tuilabel.learner.trainer.process import ProcessTrainer
from tuilabel.learner.trainer.protocol import Trainer
from tuilabel.learner.trainer.settings import WorkerSettings
from tuilabel.project.locate import check_dataset, locate_project, missing_line, n_present, project_images
from tuilabel.project.options import SessionOptions
from tuilabel.project.progress import Note, OnProgress, ignore
from tuilabel.project.recipe import Recipe, check_options, choose_recipe
from tuilabel.project.remembered import ModelFile
from tuilabel.session import LabellingSession
from tuilabel.session.drawing import Drawer
from tuilabel.session.overlap import Overlap

log = logging.getLogger("tuilabel.project")


@dataclass(frozen=True)
class OpenProject:
    """A project that is open for labelling, and locked against other processes.

    Attributes
    ----------
    recipe : how its model is made, as the options or the project have it.
    encoders : those between which a session chooses as it goes, best first; the first may still need training. None for
        a learner that needs none.
    """

    options: SessionOptions
    project: Project
    recipe: Recipe
    pool: ImagePool
    encoders: tuple[Encoder, ...]
    store: LabelStore

    def remember_space(self, encoder: str) -> None:
        """Note in the project which encoder the latents come from; raises `TuilabelError` if that fails."""
        used = next((candidate for candidate in self.encoders if candidate.name == encoder), None)
        if self.encoders and self.recipe.latents is None:
            file = None if used is None else used.path
            self.project.remember_space(encoder, None if file is None else ModelFile.now(file).digest)


@dataclass
class BackgroundSession:
    """A session whose trainer and writer work in the background.

    Attributes
    ----------
    unsaved : after closing, answers that could not be written to disk.
    rescue : after closing, the file that has them, and everything else if the store is lost; None if there is none.
    """

    session: LabellingSession
    unsaved: Sequence[Event | ClassChange] = field(default=())
    rescue: Path | None = None


@contextmanager
def open_session(options: SessionOptions, *, on_progress: OnProgress = ignore) -> Iterator[LabellingSession]:
    """Open or create a project to label it from Python.

    The model is retrained after each batch, in this thread. A call that records an answer returns once the answer is on
    disk. Later sessions, including `tuilabel label`, continue from there. The project remembers encoder, learner,
    strategy and seed for them, and for predictions.

    Raises
    ------
    TuilabelError : if the images cannot be read, there is no suitable checkpoint, or the project is in use or cannot be
        written.
    UsageError : if an option names something unknown.
    """
    from tuilabel.learner.open import open_learner, open_test_set
    from tuilabel.learner.trainer.inline import InlineTrainer
    from tuilabel.learner.trainer.questions import QuestionHandler
    from tuilabel.learner.trainer.round import RoundRunner

    with open_project(options, reading="all", on_progress=on_progress) as opened:
        encoder = _settled(opened)
        learner, test_features = open_learner(
            opened.recipe.learner,
            opened.pool,
            encoder,
            device=options.device,
            on_progress=lambda done, total: on_progress("encoding", done, total),
        )
        if encoder is not None:
            opened.remember_space(encoder.name)
        runner = RoundRunner(learner, open_test_set(opened.pool, test_features))
        trainer = InlineTrainer(runner.run, QuestionHandler(runner).answer)
        known = opened.store.since()
        seat = _seat(opened)
        follower = InlineFollower(opened.store, seat, known.cursor)
        session = _session(opened, trainer, InlineWriter(opened.store), known, seat, follower, retrain="batch")
        try:
            session.meet(seat.enter(session.asked))
            follower.start(session.handle)
            trainer.start(session.handle)
            session.start()
            yield session
        finally:
            follower.close()
            opened.project.save_classes(session.classes)


@contextmanager
def open_project(
    options: SessionOptions,
    *,
    reading: Literal["all", "first"] = "first",
    on_progress: OnProgress = ignore,
    note: Note = ignore,
) -> Iterator[OpenProject]:
    """Open or create a project and its label store; it remembers how its model is made.

    Parameters
    ----------
    reading : see `open_pool`; with "first" the trainer process reads the rest.
    note : called with the encoder's notes, and with a line if the model is made in another way than the project
        remembers.

    Raises
    ------
    TuilabelError, UsageError : as `open_session`.
    """
    check_session_options(options)
    located = locate_project(options.dataset, options.project, note=note, on_progress=on_progress)
    for line in located.lines:
        note(line)
    directory, dataset = located.directory, located.images
    options = replace(options, dataset=dataset, project=directory)
    if located.project is not None:
        project_images(located.project.at(dataset))
        settled: dict[str, Any] = dict.fromkeys(options.only_new)
        options = replace(options, **settled)
    recipe = choose_recipe(options, located.project, note)
    pool = open_pool(dataset, options.data_dir, on_progress, reading=reading)
    encoders = recipe.candidates_for(pool, directory) if needs_encoder(recipe.learner) else ()
    for line in (*pool.remarks(), *(line for encoder in encoders for line in encoder.notes(pool))):
        note(line)
    if located.project is None:
        _check_images_of_server(directory, options.store, pool, on_progress)
    with Project.open(
        directory,
        pool.name,
        pool.fingerprint,
        pool.classes,
        options.classes,
        dataset,
        moved=located.moved,
        model=recipe.settings(),
        store=options.store,
        allow_unlocked=options.allow_unlocked,
        take_over=options.take_over,
    ) as project:
        if project.lock is not None and not project.lock.is_sure:
            note(f"the file system of {directory} has no locks: make sure that nobody else is in")
        store = project.open_store()
        try:
            items = {event.item for event in store.events()}
            pool.read_until_found(items, on_progress)
            missing = missing_line(directory, dataset.location, pool, items)
            if missing:
                note(missing)
            yield OpenProject(options, project, recipe, pool, encoders, store)
        finally:
            store.close()


@contextmanager
def background_session(
    opened: OpenProject,
    deliver: Callable[[Message | News], object],
    *,
    on_saved: Callable[[Sequence[Event]], object],
    on_failed: Callable[[str, int], object],
    worker: Child | None = None,
) -> Iterator[BackgroundSession]:
    """A session with the trainer in a process and the writer in a thread, so that keys never wait for either.

    Parameters
    ----------
    deliver : called in other threads with each message of the trainer and of the `Follower`, to be passed to
        `LabellingSession.handle` in the thread that owns the session.
    on_saved, on_failed : see `BackgroundWriter`; also called, without events, when a batch cannot be drawn, and once it
        is.
    worker : the trainer's process, if it runs already.
    """
    options, project, recipe = opened.options, opened.project, opened.recipe
    trainer = ProcessTrainer(
        WorkerSettings(
            dataset=opened.project.source,
            data_dir=options.data_dir,
            encoder=next(iter(opened.encoders), None),
            alternatives=opened.encoders[1:],
            space=recipe.space,
            learner=recipe.learner,
            device=options.device,
            log=project.logs / "trainer.log",
            seed=recipe.seed,
        ),
        worker,
    )
    known = opened.store.since()
    settings = project.settings_file.read_text(encoding="utf-8")
    file = None if project.server is not None else project.store
    keeper = StoreKeeper(project.directory, file, opened.store, settings, known)
    writer = BackgroundWriter(opened.store, on_saved=on_saved, on_failed=on_failed, keeper=keeper)
    seat = _seat(opened)

    def follow(news: News) -> None:
        if isinstance(news, Changes):
            keeper.saw(news)
        deliver(news)

    follower = Follower(
        opened.store,
        seat,
        known.cursor,
        follow,
        on_failed=lambda reason: on_failed(reason, 0),
        on_recovered=lambda: on_saved(()),
    )
    unsaved: Sequence[Event | ClassChange] = ()

    def receive(message: Message) -> None:
        if isinstance(message, PoolChanged):
            try:
                opened.remember_space(message.encoder)
            except TuilabelError as error:  # a full disk is reported where answers wait for it
                log.warning("%s", error)
        deliver(message)

    try:
        session = _session(opened, trainer, writer, known, seat, follower, retrain="label")
        running = BackgroundSession(session)
        session.meet(seat.enter(session.asked))
        follower.start(session.asked)
        trainer.start(receive)
        session.start()
        yield running
    finally:
        trainer.close()
        unsaved = writer.close()
        follower.close()
    running.unsaved, running.rescue = unsaved, keeper.close(unsaved)
    try:
        project.save_classes(running.session.classes)
    except TuilabelError as error:  # the store has them as well
        log.warning("%s", error)


def check_session_options(options: SessionOptions) -> None:
    """Check all options that can be checked without opening the images.

    Raises
    ------
    UsageError : if an option names something unknown.
    """
    Overlap(1 if options.overlap is None else options.overlap, options.overlap_share or 0.0)
    if options.role not in ROLES:
        raise unknown_name("role", options.role, ROLES)
    check_dataset(options.dataset)
    check_options(options)


def _check_images_of_server(directory: Path, store: str | None, pool: ImagePool, on_progress: OnProgress) -> None:
    """Raises `TuilabelError` if a new project would share a store with labels of other images."""
    server = server_of(directory, store)
    if server is None:
        return
    try:
        labels = LabelStore.connect(server, create=False)
    except NoLabels:
        return
    try:
        items = {event.item for event in labels.events()}
    finally:
        labels.close()
    pool.read_until_found(items, on_progress)
    if items and not n_present(pool, items):
        labelled = pluralize(len(items), "labelled image")
        raise TuilabelError(
            f"none of the {labelled} of {server} is in {pool.name}: name another schema, as in {EXAMPLE}"
        )


def _settled(opened: OpenProject) -> Encoder | None:
    """The encoder of a session that does not change it: that of the last session, else the best one that is trained.

    Principal components if there is none.
    """
    trained = [encoder for encoder in opened.encoders if not encoder.needs_training(opened.pool)]
    last = [encoder for encoder in trained if encoder.name == opened.recipe.space]
    return next(iter(last or trained), PCAEncoder()) if opened.encoders else None


def _overlap(opened: OpenProject) -> Overlap:
    """The images that several people are asked, as the options or the project have it; the project remembers it."""
    options, remembered = opened.options, opened.project.team
    people = options.overlap if options.overlap is not None else remembered.get("overlap", 1)
    share = options.overlap_share if options.overlap_share is not None else remembered.get("overlap-share", 0.0)
    if not isinstance(people, int) or not isinstance(share, int | float):
        raise TuilabelError(
            f"{opened.project.settings_file}: overlap in [team] must be a number of people, and overlap-share a share; "
            f"got {people!r} and {share!r}"
        )
    overlap = Overlap(people, share, opened.recipe.seed)
    if (options.overlap, options.overlap_share) != (None, None):
        opened.project.remember_team({"overlap": people, "overlap-share": share})
    return overlap


def _seat(opened: OpenProject) -> Seat:
    """A place at the store; raises `UsageError` for a labeller where only an owner can go on."""
    annotator = opened.options.annotator or user_name()
    role = read_team(opened.store).role_of(annotator)
    book = ClassBook(opened.store.class_changes())
    new = [name for name in opened.project.classes if book.first_id(name) is None]
    if "labeller" in (role, opened.options.role) and (new or not book.names):
        what = f"add the class {new[0]}" if new and book.names else "begin a project"
        raise UsageError(f"a labeller cannot {what}: an owner has to start first", parameter="role")
    return Seat(opened.store, uuid.uuid4().hex, annotator, lease=opened.project.lease)


def _session(
    opened: OpenProject,
    trainer: Trainer,
    writer: Writer,
    known: Changes,
    seat: Seat,
    drawer: Drawer,
    *,
    retrain: Literal["label", "batch"],
) -> LabellingSession:
    options = opened.options
    return LabellingSession(
        opened.pool,
        log=known.events,
        rounds=known.rounds,
        class_changes=known.class_changes,
        writer=writer,
        trainer=trainer,
        classes=opened.project.classes,
        strategy=opened.recipe.strategy,
        batch_size=options.batch_size,
        annotator=seat.annotator,
        seed=opened.recipe.seed,
        retrain=retrain,
        target=options.target,
        session_id=seat.session,
        overlap=_overlap(opened),
        role="labeller" if options.role == "labeller" else "owner",
        drawer=drawer,
    )
