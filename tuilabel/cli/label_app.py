"""Run the labelling screen from command-line options, and shut it down cleanly."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from tuilabel.datasets import announcer
from tuilabel.errors import TuilabelError, UsageError, pluralize
from tuilabel.estimate import MeasuredAccuracy, StoppingAdvice, accuracy_text
from tuilabel.files import create_file
from tuilabel.labels import ClassBook, Event, Project
from tuilabel.learner.trainer.child import Child
from tuilabel.project.guideline import read_guideline
from tuilabel.project.locate import SUFFIX
from tuilabel.project.open_session import (
    OpenProject,
    background_session,
    check_session_options,
    open_project,
)
from tuilabel.project.options import SessionOptions
from tuilabel.render import CHARACTERS, PictureSource, Renderer, get_renderer
from tuilabel.terminal import GRAPHICS, Probe, TerminalInfo, check_choices, colour_notice, detect, dismiss_colour_notice
from tuilabel.tui.keys import ClassKeys, check_class_keys
from tuilabel.tui.layout import SIZES, size_of
from tuilabel.tui.mailbox import Mailbox, Saved, SaveFailed

log = logging.getLogger(__name__)

MAX_BATCH = 1000  # images; a larger batch is surely a typing error


@dataclass(frozen=True)
class ScreenOptions:
    """How the screen looks, and whether it starts with the review."""

    images: str = "auto"
    colour: str = "auto"
    theme: str | None = None
    review: bool = False
    blind: bool | None = None
    """Whether all predictions are hidden; None: as in the last session."""
    guideline: Path | None = None
    """A Markdown file that says what belongs to which class; None: as in the project."""


@dataclass(frozen=True)
class Outcome:
    """How a session ended."""

    project: Path
    labelled: int
    accuracy: MeasuredAccuracy | None
    advice: StoppingAdvice
    unsaved: int
    failure: str | None
    exit_code: int
    problems: int = 0
    """Files of user images that cannot be used."""
    remarks: Sequence[str] = ()
    """What else there is to say about the files, see `ImagePool.remarks`."""
    has_model: bool = False
    """Whether there are labels of two classes, which a model needs."""
    terminal_gone: bool = False
    """Whether the terminal has hung up or reads nothing: printing would wait for it for ever."""
    rescue: Path | None = None
    """The file that has the answers if the store is lost, or they could not be saved."""
    data_dir: Path | None = None
    """Where the images of a built-in dataset are, if that was given."""

    def lines(self) -> list[str]:
        """What to print after the screen has closed."""
        if self.terminal_gone:
            return []
        accuracy = "" if self.accuracy is None else f", {self.accuracy.source} accuracy {accuracy_text(self.accuracy)}"
        lines = [] if self.failure is None else [f"tuilabel: {self.failure}"]
        if self.rescue is not None:
            name = quote(str(self.project))
            lines.append(
                f"tuilabel: the store of {name} was lost or cannot be written: all answers are in {self.rescue}"
            )
            lines.append(f"tuilabel: `tuilabel repair {name}` puts them back")
        elif self.unsaved:
            lines.append(
                f"tuilabel: {pluralize(self.unsaved, 'answer')} could not be saved: free some disk space, then please "
                "re-enter them"
            )
        lines.append(f"{pluralize(self.labelled, 'label')} in {self.project}{accuracy}")
        if self.problems:
            command = f"tuilabel stats --project {quote(str(self.project))} --problems"
            lines.append(f"{pluralize(self.problems, 'file')} cannot be used: `{command}` lists them")
        lines += self.remarks
        if self.advice.agreement is not None:
            lines.append(self.advice.reason)
        return [*lines, *self._next_commands()]

    def _next_commands(self) -> list[str]:
        """What to type next, as it is for this project."""
        if not self.labelled or self.rescue is not None:
            return []
        where = f"--project {quote(str(self.project))}"
        if self.project.suffix == SUFFIX:
            where = quote(str(self.project))
        if self.data_dir is not None:
            where += f" --data-dir {quote(str(self.data_dir))}"
        commands = [
            *([(f"predict {where} --out predictions.csv", "predict every image")] if self.has_model else []),
            (f"export {where} --out labels.csv", "write the labels"),
            (f"stats {where}", "figures by class and annotator"),
        ]
        width = max(len(command) for command, _ in commands)
        return ["next:", *(f"  tuilabel {command:<{width}}  {what}" for command, what in commands)]


def run(
    options: SessionOptions, screen: ScreenOptions, note: Callable[[str], None], worker: Child | None = None
) -> Outcome:
    """Open the project, start the trainer, run the screen until the user quits, and leave every answer on disk.

    Parameters
    ----------
    note : prints a line before the screen opens.
    worker : the trainer's process, if it runs already.

    Raises
    ------
    TuilabelError : if there is no terminal, no data, no suitable checkpoint, no guideline where one is named, or no
        writable project.
    UsageError : if an option names something unknown.
    """
    check_session_options(options)
    if not 1 <= options.batch_size <= MAX_BATCH:
        raise UsageError(
            f"batch_size must be between 1 and {MAX_BATCH}, got {options.batch_size}", parameter="batch_size"
        )
    undecided = check_choices(screen.images, screen.colour)
    if screen.guideline is not None:
        read_guideline(screen.guideline.expanduser())
    _check_terminal()
    with open_project(options, on_progress=announcer(note), note=note) as opened:
        _check_user_keys(opened.project)
        class_keys = _class_keys(opened)
        chosen = _screen_settings(opened.project, screen)
        if undecided[0] != "auto" and "images" in chosen:
            chosen["images"] = None  # the newest choice stands
        _log_to(opened.project.logs / "screen.log")
        with Probe(ask="auto" in undecided or undecided[0] in GRAPHICS) as probe:
            outcome = _run(opened, screen, chosen, class_keys, probe, worker)
        try:
            opened.project.remember_screen(chosen)
        except TuilabelError as error:  # the labels matter more
            log.warning("%s", error)
        return outcome


def _check_terminal() -> None:
    if os.environ.get("TEXTUAL_DRIVER"):  # the screen goes elsewhere, as to a browser (`tuilabel serve`)
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise TuilabelError(
            "`tuilabel label` needs a terminal for its screen and keys: run it without a pipe (`ssh -t`)"
        )
    if os.environ.get("TERM") == "dumb":
        raise TuilabelError(
            "TERM is dumb, which has no screen: set it to your terminal (`TERM=xterm-256color tuilabel …`)"
        )


def _check_user_keys(project: Project) -> None:
    """Report invalid user keys before the screen opens; Textual is loaded only if there are any."""
    user_keys = _table(project.settings, "keys")
    if user_keys:
        from tuilabel.tui.actions import with_user_keys

        with_user_keys(user_keys)


def _class_keys(opened: OpenProject) -> dict[str, str]:
    """The keys that the project's settings give to classes, by their current names.

    After an interrupted session the settings may have older names.
    """
    changes = opened.store.class_changes()
    book, ever = ClassBook(changes), dict.fromkeys(opened.project.classes)
    ever |= dict.fromkeys(name for change in changes for name in (change.name, change.into) if name)
    keys: dict[str, str] = {}
    for name, key in check_class_keys(_table(opened.project.settings, "class-keys"), ever).items():
        keys.setdefault(book.name(book.first_id(name)) or name, key)
    return keys


def _guideline(project: Project, named: Path | None) -> Path | None:
    """The guideline that is named, and remembered from then on, else the remembered one."""
    if named is not None:
        project.remember_guideline(named.expanduser().absolute())
    return project.guideline


def _guideline_problem(path: Path | None) -> str | None:
    """Why a remembered guideline cannot be shown, in one line; that is no reason not to label."""
    try:
        if path is not None:
            read_guideline(path)
    except TuilabelError as error:
        return str(error)
    return None


def _save_class_keys(project: Project, keys: Mapping[str, str]) -> None:
    try:
        project.remember_class_keys(keys)
    except TuilabelError as error:  # the labels matter more
        log.warning("%s", error)


def _screen_settings(project: Project, screen: ScreenOptions) -> dict[str, Any]:
    """What the options and the project choose for the screen; the screen changes it, and it is remembered."""
    chosen = project.screen if screen.blind is None else {**project.screen, "blind": screen.blind}
    if not isinstance(chosen.get("blind", False), bool):
        raise TuilabelError(
            f"{project.settings_file}: blind in [screen] must be true or false, got {chosen['blind']!r}"
        )
    if chosen.get("images") not in (None, *CHARACTERS):
        choices = ", ".join(CHARACTERS)
        raise TuilabelError(
            f"{project.settings_file}: images in [screen] must be one of {choices}, got {chosen['images']!r}"
        )
    for key, value in chosen.items():
        if key.endswith("-size") and size_of(value) is None:
            choices = ", ".join(map(str, SIZES))
            raise TuilabelError(f'{project.settings_file}: {key} in [screen] must be {choices} or "one", got {value!r}')
    return chosen


def _table(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = settings.get(name, {})
    if not isinstance(table, Mapping):
        raise UsageError(f"{name} in settings.toml is not a table: write [{name}] and a line for each key")
    return table


def _log_to(path: Path) -> None:
    """Send log messages to a file: nothing may print over the screen."""
    with suppress(OSError):
        create_file(path)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    logging.getLogger().handlers = [handler]
    logging.raiseExceptions = False  # nor may it when that file cannot be written


def _renderer(terminal: TerminalInfo, images: str) -> Renderer:
    return get_renderer(
        terminal.blocks if images == "blocks" else images,
        colours=terminal.colours,
        cell=terminal.cell_pixels,
        registers=terminal.registers,
        passthrough=terminal.passthrough,
    )


def _run(
    opened: OpenProject,
    screen: ScreenOptions,
    chosen: dict[str, Any],
    class_keys: dict[str, str],
    probe: Probe,
    worker: Child | None,
) -> Outcome:
    mailbox = Mailbox()
    with background_session(
        opened,
        mailbox.put,
        on_saved=lambda events: mailbox.put(Saved(tuple(event.key for event in events))),
        on_failed=lambda reason, waiting: mailbox.put(SaveFailed(reason, waiting)),
        worker=worker,
    ) as running:
        session = running.session
        session.blind = chosen.get("blind", False)
        from tuilabel.tui.actions import with_user_keys
        from tuilabel.tui.app import LabelApp  # only now: the trainer starts while Textual loads
        from tuilabel.tui.driver import quiet_driver, use_colours
        from tuilabel.tui.state import ASCII_TICKS, AUTO, TICKS, AppState

        terminal = detect(screen.images, screen.colour, probe.replies)
        use_colours(terminal)
        renderer_of = partial(_renderer, terminal)
        pictures = PictureSource(renderer_of(terminal.images))
        settings, ids = opened.project.settings, dict(zip(session.classes, session.class_ids, strict=True))
        state = AppState(
            session,
            with_user_keys(_table(settings, "keys")),
            pictures,
            ClassKeys({ids[name]: key for name, key in class_keys.items() if name in ids}, used=bool(session.standing)),
            guideline=_guideline(opened.project, screen.guideline),
            ticks=TICKS if terminal.utf8 else ASCII_TICKS,
            settings=chosen,
            save_class_keys=partial(_save_class_keys, opened.project),
            detected=terminal.images,
            renderer_of=renderer_of,
        )
        if state.images_mode != AUTO:
            state.choose_images(state.images_mode)
        problem = _guideline_problem(state.guideline)
        app = LabelApp(
            state,
            mailbox,
            review=screen.review,
            theme=screen.theme or chosen.get("theme") or settings.get("theme"),
            notice=problem or colour_notice(terminal),
            on_notice_dismissed=(lambda: None) if problem else dismiss_colour_notice,
        )
        app.driver_class = quiet_driver(app.driver_class, probe.reader, pictures, app.shown)
        app.run()
        state.remember_class_keys()
        if session.role == "labeller":
            chosen.pop("blind", None)  # the others' predictions are not a labeller's to show
    statistics, unsaved = session.statistics(), running.unsaved
    unsaved_labels = sum(isinstance(event, Event) and event.kind == "label" for event in unsaved)
    return Outcome(
        project=opened.project.directory,
        labelled=statistics.labelled - unsaved_labels,
        accuracy=statistics.accuracy,
        advice=statistics.advice,
        unsaved=len(unsaved),
        failure=app.failure,
        rescue=running.rescue,
        exit_code=1 if unsaved or running.rescue else app.return_code or 0,
        problems=opened.pool.n_problems,
        remarks=opened.pool.remarks(),
        terminal_gone=app.writer is not None and app.writer.gone,
        has_model=sum(n > 0 for n in statistics.class_counts) >= 2,
        data_dir=opened.options.data_dir,
    )
