"""From a dataset name to a running labelling screen, and back in order."""

from __future__ import annotations

import getpass
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from tuilabel.cli.class_names import ask_classes, class_names
from tuilabel.datasets import DatasetRef, ImagePool, announcer, open_pool
from tuilabel.encoders.choose import Encoder, choose_encoder, vae_of
from tuilabel.encoders.device_check import check_device_name
from tuilabel.errors import TuilabelError, UsageError, pluralize
from tuilabel.estimate import StoppingAdvice
from tuilabel.labels import BackgroundWriter, LabelStore, Project
from tuilabel.learner.base import DEFAULT_LEARNER, check_learner, needs_encoder
from tuilabel.learner.trainer.process import ProcessTrainer
from tuilabel.learner.trainer.settings import WorkerSettings
from tuilabel.render import picture_source
from tuilabel.session import LabellingSession
from tuilabel.strategies import get_strategy
from tuilabel.terminal import Probe, check_choices, colour_notice, detect
from tuilabel.tui.keys import class_keys, with_user_class_keys
from tuilabel.tui.mailbox import Mailbox, Saved, SaveFailed

MAX_BATCH = 1000  # images a person would ever look at as one batch


@dataclass(frozen=True)
class LabelOptions:
    """What `tuilabel label` was asked for, as it was typed."""

    dataset: DatasetRef
    strategy: str
    batch_size: int
    classes: str | None = None
    annotator: str | None = None
    project: Path | None = None
    encoder: str = "vae"
    checkpoint: Path | None = None
    latents: Path | None = None
    data_dir: Path | None = None
    device: str = "auto"
    seed: int = 0
    learner: str = DEFAULT_LEARNER
    images: str = "auto"
    colour: str = "auto"
    target: float | None = None
    theme: str | None = None
    review: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a sitting ended."""

    project: Path
    labelled: int
    test_accuracy: float | None
    advice: StoppingAdvice
    unsaved: int
    failure: str | None
    exit_code: int
    problems: int = 0
    """Files of user images that cannot be used."""

    def lines(self) -> list[str]:
        """What to tell the person after the screen has closed."""
        accuracy = "" if self.test_accuracy is None else f", test accuracy {self.test_accuracy:.1%}"
        lines = [] if self.failure is None else [f"tuilabel: {self.failure}"]
        if self.unsaved:
            what = "1 answer" if self.unsaved == 1 else f"{self.unsaved} answers"
            lines.append(f"tuilabel: {what} could not be written and must be given again: make room on the disk first")
        labels = "label" if self.labelled == 1 else "labels"
        lines = [*lines, f"{self.labelled:,} {labels} in {self.project}{accuracy}"]
        if self.problems:
            listed = f"`tuilabel stats --project {quote(str(self.project))} --problems` lists them"
            lines.append(f"{pluralize(self.problems, 'file')} cannot be used: {listed}")
        return lines if self.advice.agreement is None else [*lines, self.advice.reason]


def run(options: LabelOptions, note: Callable[[str], None]) -> Outcome:
    """Open everything, start the trainer, run the screen until it is quit, and leave every answer on disk.

    `note` prints a line before there is a screen.

    Raises
    ------
    TuilabelError : where there is no terminal, no data, no fitting checkpoint, or no writable project.
    UsageError : where an option names something unknown.
    """
    title = options.dataset.title()
    get_strategy(options.strategy)
    check_learner(options.learner)
    if not 1 <= options.batch_size <= MAX_BATCH:
        raise UsageError(f"a batch of {options.batch_size} images cannot be shown: give --batch 1 to {MAX_BATCH}")
    check_device_name(options.device)
    forced = check_choices(options.images, options.colour)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise TuilabelError(
            "`tuilabel label` needs a terminal for its screen and keys: run it without a pipe (`ssh -t`)"
        )
    if os.environ.get("TERM") == "dumb":
        raise TuilabelError(
            "TERM is dumb, which has no screen: say what the terminal is (`TERM=xterm-256color tuilabel …`)"
        )
    directory = options.project or Path(f"{title}.tuilabel")
    named = None if options.classes is None else class_names(options.classes)
    pool = open_pool(options.dataset, options.data_dir, announcer(note), reading="first")
    encoder = None
    if needs_encoder(options.learner):
        encoder = choose_encoder(
            options.encoder, pool, checkpoint=options.checkpoint, latents=options.latents, project=directory
        )
    if named is None and not pool.classes and not (directory / "settings.toml").exists():
        named = ask_classes(note)
    source = options.dataset.absolute()
    moved = pool.can_grow and options.project is not None and _have_moved(directory)
    with Project.open(directory, pool.name, pool.fingerprint, pool.classes, named, source, moved=moved) as project:
        _check_own_keys(project)
        _log_to(project.logs / "screen.log")
        store = LabelStore.open(project.store)
        try:
            pool.read_until_found({event.item for event in store.events()}, announcer(note))
            with Probe(ask="auto" in forced) as probe:
                return _run(options, pool, encoder, project, store, probe)
        finally:
            store.close()


def _have_moved(project: Path) -> bool:
    """Whether the images that the project knew are not there any more."""
    if not (project / "settings.toml").exists():
        return False
    known = Project.read(project)
    try:
        if known.source.location != known.dataset:
            known.source.open_source()
    except UsageError:
        return True
    return False


def _check_own_keys(project: Project) -> None:
    """Say at once what is wrong with a person's own keys; a newcomer, who has none, does not wait for it."""
    own = _table(project.settings, "keys")
    if own:
        from tuilabel.tui.actions import with_user_keys

        with_user_keys(own)
    with_user_class_keys(class_keys(project.classes), project.classes, _table(project.settings, "class-keys"))


def _table(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = settings.get(name, {})
    if not isinstance(table, Mapping):
        raise UsageError(f"{name} in settings.toml is no table: write [{name}] and a line for each key")
    return table


def _log_to(path: Path) -> None:
    """Send what would be printed to a file: nothing may paint over the screen."""
    handler = logging.FileHandler(path, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    logging.getLogger().handlers = [handler]


def _run(
    options: LabelOptions,
    pool: ImagePool,
    encoder: Encoder | None,
    project: Project,
    store: LabelStore,
    probe: Probe,
) -> Outcome:
    mailbox = Mailbox()
    trainer = ProcessTrainer(
        WorkerSettings(
            dataset=options.dataset,
            data_dir=options.data_dir,
            encoder=encoder,
            learner=options.learner,
            device=options.device,
            log=project.logs / "trainer.log",
            vae=vae_of(project.directory),
            seed=options.seed,
        )
    )
    writer = BackgroundWriter(
        store,
        on_saved=lambda events: mailbox.put(Saved(tuple(event.key for event in events))),
        on_failed=lambda reason, waiting: mailbox.put(SaveFailed(reason, waiting)),
    )
    try:
        session = LabellingSession(
            pool,
            events=store.events(),
            rounds=store.rounds(),
            class_changes=store.class_changes(),
            writer=writer,
            trainer=trainer,
            classes=project.classes,
            strategy=options.strategy,
            batch_size=options.batch_size,
            annotator=options.annotator or getpass.getuser(),
            seed=options.seed,
            target=options.target,
        )
        trainer.start(mailbox.put)
        session.start()
        from tuilabel.tui.actions import with_user_keys
        from tuilabel.tui.app import LabelApp  # only now: the trainer starts while Textual loads
        from tuilabel.tui.driver import quiet_driver, use_colours
        from tuilabel.tui.state import AppState

        terminal = detect(options.images, options.colour, probe.replies)
        use_colours(terminal)
        pictures = picture_source(terminal.images, colours=terminal.colours)
        settings = project.settings
        state = AppState(session, with_user_keys(_table(settings, "keys")), pictures, _table(settings, "class-keys"))
        app = LabelApp(
            state,
            mailbox,
            review=options.review,
            theme=options.theme or settings.get("theme"),
            notice=colour_notice(terminal),
        )
        app.driver_class = quiet_driver(probe.reader, pictures)
        app.run()
    finally:
        trainer.close()
        unsaved = writer.close()
    project.keep_classes(session.classes)
    statistics = session.statistics()
    return Outcome(
        project=project.directory,
        labelled=statistics.labelled - sum(event.kind == "label" for event in unsaved),
        test_accuracy=statistics.test_accuracy,
        advice=statistics.advice,
        unsaved=len(unsaved),
        failure=app.failure,
        exit_code=1 if unsaved else app.return_code or 0,
        problems=pool.n_problems,
    )
