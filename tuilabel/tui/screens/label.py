"""The labelling screen: the batch as a grid, the figures beside it, one key an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from tuilabel.learner.messages import Failure, Progress
from tuilabel.learner.messages import Message as TrainerMessage
from tuilabel.render import PictureSource
from tuilabel.session import Batch, LabellingSession, QueryItem
from tuilabel.tui.keys import class_keys
from tuilabel.tui.layout import panel_width
from tuilabel.tui.screens.help import HelpScreen
from tuilabel.tui.widgets.grid import NOT_SEEN, GridCell, ImageGrid
from tuilabel.tui.widgets.lines import TextLine
from tuilabel.tui.widgets.panel import StatisticsPanel


class LabelScreen(Screen[None]):
    """Shows the session's batch and passes answers to it.

    A key answers only what was on the screen when it was typed: each key carries the moment it arrived, and one
    that came before its images went to the terminal is dropped with a word.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "skip", "skip", show=False),
        Binding("backspace", "undo", "take back", show=False),
        Binding("enter", "confirm", "accept", show=False),
        Binding("exclamation_mark", "flag", "flag", show=False),
        Binding("left", "move(-1)", "left", show=False),
        Binding("right", "move(1)", "right", show=False),
        Binding("up", "move_row(-1)", "up", show=False),
        Binding("down", "move_row(1)", "down", show=False),
        Binding("question_mark", "help", "help", show=False),
    ]

    def __init__(
        self, session: LabellingSession, pictures: PictureSource | None = None, notice: str | None = None
    ) -> None:
        super().__init__()
        self._notice = notice
        self.session = session
        self._keys = class_keys(session.classes)
        self._class_of_key = {key: position for position, key in enumerate(self._keys)}
        self._batch: Batch | None = None
        self._focused = 0
        self._predictions_seen_at = NOT_SEEN
        self._asked_at = 0.0
        self._unsaved: set[str] = set()
        self._save_failure: str | None = None
        self._early_keys = 0
        self._key_time = 0.0
        self._to_draw: list[int] = []
        self._head = TextLine(id="head")
        self._grid = ImageGrid(lambda index: session.pool.images[index], pictures, id="grid")
        self._panel = StatisticsPanel(session.classes, self._keys, id="panel")
        self._status = TextLine(id="status")
        self._key_line = TextLine(id="keys")

    def compose(self) -> ComposeResult:
        yield self._head
        with Horizontal(id="middle"):
            yield self._grid
            yield self._panel
        yield self._status
        yield self._key_line

    def on_mount(self) -> None:
        self._fit_panel(self.app.size.width)
        self._show_keys()
        self.refresh_view()
        if self._notice is not None:
            self.tell(self._notice)

    def on_resize(self, event: events.Resize) -> None:
        self._fit_panel(event.size.width)

    def _fit_panel(self, width: int) -> None:
        columns = panel_width(width)
        self._panel.display = columns > 0
        if columns:
            self._panel.styles.width = columns

    # -- keys ---------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A class key labels the focused cell; other letters and digits get a word, never an action."""
        self._key_time = event.time
        character = event.character
        if character is None or not character.isalnum():
            return
        event.stop()
        event.prevent_default()
        position = self._class_of_key.get(character, self._class_of_key.get(character.lower()))
        if position is None:
            self._say(f"{character} is no class key", "warn")
        elif self._may_answer():
            self._answered(lambda spent: self.session.label(self._focused, position, spent))

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text labels nothing: whoever pastes has not looked at the images."""
        event.stop()
        self._say(f"{len(event.text)} pasted characters were not taken as labels", "warn")

    def action_skip(self) -> None:
        """Pass over the focused cell."""
        if self._may_answer():
            self._answered(lambda spent: self.session.skip(self._focused, spent))

    def action_flag(self) -> None:
        """Set the focused cell aside."""
        if self._may_answer():
            self._answered(lambda spent: self.session.flag(self._focused, spent))

    def action_confirm(self) -> None:
        """Take the model's prediction as the answer."""
        if not self._may_answer():
            return
        if self._batch is None or self._batch.items[self._focused].predicted is None:
            self._say("no prediction to accept yet: a model needs labels of two classes", "warn")
            return
        if self._key_time < self._predictions_seen_at:
            self._say("the prediction has just changed: look, and press Enter again", "warn")
            return
        self._answered(lambda spent: self.session.confirm(self._focused, spent))

    def action_undo(self) -> None:
        """Take back the last answer and put the focus on its cell."""
        if self._refuse_while_unsaved():
            return
        if not self.session.can_undo:
            self._say("nothing to take back", "dim")
            return
        item = self.session.undo()
        self._say("took back the last answer", "dim")
        self.refresh_view(item)

    def action_move(self, step: int) -> None:
        """Move the focus along the batch."""
        if self._batch is not None:
            self._focused = max(0, min(len(self._batch.items) - 1, self._focused + step))
            self._show_grid()

    def action_move_row(self, step: int) -> None:
        """Move the focus up or down a row."""
        layout = self._grid.layout_now
        if layout is not None and self._batch is not None:
            position = self._focused + step * layout.columns
            if 0 <= position < len(self._batch.items):
                self._focused = position
                self._show_grid()

    def action_help(self) -> None:
        """Show what the keys do."""
        self.app.push_screen(HelpScreen(self.session.classes, self._keys))

    @on(ImageGrid.Clicked)
    def _focus_clicked(self, message: ImageGrid.Clicked) -> None:
        self._focused = message.position
        self._show_grid()

    def _may_answer(self) -> bool:
        """Whether the key now handled was typed at the batch on the screen, and answers can be saved."""
        if self._refuse_while_unsaved():
            return False
        if self._batch is None or self._key_time < self._grid.seen_at:
            if self._batch is not None and not self._grid.has_room:
                self._say("too small to show images: enlarge the terminal", "warn")
                return False
            self._early_keys += 1
            plural = "key" if self._early_keys == 1 else "keys"
            self._say(f"{self._early_keys} {plural} came too early, before the images: not taken as labels", "warn")
            return False
        return True

    def _refuse_while_unsaved(self) -> bool:
        if self._save_failure is not None:
            self._say(self._save_failure, "error")
        return self._save_failure is not None

    def _answered(self, answer: Callable[[int], object]) -> None:
        """Carry out `answer` with the milliseconds it took, and move on."""
        assert self._batch is not None
        item = self._batch.items[self._focused]
        spent = min(3_600_000, round(1000 * max(0.0, self._key_time - self._asked_at)))
        self._asked_at = self._key_time
        answer(spent)
        event = self.session.answer_to(item)
        if event is not None:
            self._unsaved.add(event.key)
        if not self._early_keys:
            self._say_trouble()
        self._early_keys = 0 if self.session.batch is self._batch else self._early_keys
        self._advance()
        self.refresh_view()

    def _advance(self) -> None:
        """To the next unanswered cell, from here on and round to the start."""
        if self._batch is None:
            return
        n = len(self._batch.items)
        order = [*range(self._focused + 1, n), *range(self._focused)]
        self._focused = next((p for p in order if self.session.answer_to(self._batch.items[p]) is None), self._focused)

    # -- what others say ----------------------------------------------------------------------------------------

    def take_in(self, message: TrainerMessage) -> None:
        """A message of the trainer has come."""
        self.session.handle(message)
        if isinstance(message, Failure):
            self._say_trouble()
        if isinstance(message, Progress) and self._batch is not None:
            self._show_panel()
            return
        self.refresh_view()
        self._draw_ahead()

    def mark_saved(self, keys: Sequence[str]) -> None:
        """The answers with these keys are on disk."""
        self._unsaved.difference_update(keys)
        if self._save_failure is not None:
            self._save_failure = None
            self._say("saved: go on", "dim")
        self._show_grid()

    def tell(self, text: str) -> None:
        """Show a word in the status line, until the next answer."""
        self._say(text, "text")

    def warn_unsaved(self, reason: str, waiting: int) -> None:
        """The store cannot be written: no answer is taken until it can."""
        answers = "answer waits" if waiting == 1 else "answers wait"
        self._save_failure = f"{reason} · {waiting} {answers} to be saved; trying again"
        self._say(self._save_failure, "error")

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh_view(self, focus: QueryItem | None = None) -> None:
        """Bring everything on the screen up to the session's state."""
        batch = self.session.batch
        if batch is not self._batch:
            before, self._batch = self._batch, batch
            self._predictions_seen_at = NOT_SEEN
            if before is None or batch is None or batch.round != before.round:
                items = [] if batch is None else batch.items
                self._focused = next((p for p, item in enumerate(items) if self.session.answer_to(item) is None), 0)
        if focus is not None and batch is not None and focus in batch.items:
            self._focused = batch.items.index(focus)
        self._show_grid()
        self._show_panel()
        self._show_head()

    def displayed(self, at: float) -> None:
        """The screen has been written to the terminal at `at`, a monotonic time in seconds."""
        unseen = self._grid.seen_at == NOT_SEEN
        self._grid.displayed(at)
        if self._grid.seen_at == NOT_SEEN:
            return
        if not self._grid.pending:
            self._predictions_seen_at = min(self._predictions_seen_at, at)
        if unseen:
            self._asked_at, self._early_keys = at, 0

    def _show_grid(self) -> None:
        if self._batch is None:
            self._grid.say(self._waiting_text())
        else:
            self._grid.show([self._cell(item) for item in self._batch.items], self._focused)

    def _cell(self, item: QueryItem) -> GridCell:
        event = self.session.answer_to(item)
        names = self.session.classes
        if event is None:
            if item.predicted is None or item.confidence is None:
                return GridCell(item.index, "·", "prediction")
            return GridCell(item.index, f"{names[item.predicted]}? {100 * item.confidence:.0f}%", "prediction")
        look = "saving" if event.key in self._unsaved else "saved"
        if event.kind == "label":
            return GridCell(item.index, f"✓ {event.class_name}", look)
        return GridCell(item.index, "skipped" if event.kind == "skip" else "⚑ flagged", "aside")

    def _waiting_text(self) -> str:
        statistics = self.session.statistics()
        trainer = statistics.trainer
        if self.session.finished:
            return f"Every image is answered.\n\n{statistics.labelled:,} labels are on disk.  Ctrl+Q ends."
        if trainer.failure is not None and trainer.doing == "stopped":
            return f"{trainer.failure}\n\nEvery label is on disk.  Ctrl+Q ends."
        if trainer.doing == "encode":
            share = trainer.done / trainer.total if trainer.total else 0
            return f"Encoding {trainer.total:,} images with the VAE, once: {share:.0%}\n\nThe first batch follows."
        return "Picking the next images…"

    def _show_panel(self) -> None:
        if self._panel.display:
            self._panel.show(self.session.statistics())

    @on(ImageGrid.Arranged)
    def _show_head(self) -> None:
        pieces = [("tuilabel", "strong"), (f"  {self.session.pool.name}", "text")]
        if self._batch is not None:
            origin = "no model yet" if self._batch.model is None else f"model of {self._batch.model} labels"
            pieces.append((f"  ·  round {self._batch.round} by {self._batch.strategy}, {origin}", "dim"))
            page, pages = self._grid.page
            short = len(self._batch.items) < self.session.batch_size
            if pages > 1:
                pieces.append((f"  ·  page {page} of {pages}", "text"))
            if short and self.session.last_batch:
                pieces.append((f"  ·  the last {len(self._batch.items)} images", "text"))
        self._head.say(*pieces)

    def _show_keys(self) -> None:
        keys = [("0–9", "digits"), ("Space", "skip"), ("⌫", "undo"), ("⏎", "accept"), ("!", "flag")]
        first, last = self._keys[0], self._keys[-1]
        keys[0] = (f"{first}–{last}" if len(self._keys) > 2 else f"{first} {last}", "label")
        pieces = []
        for key, meaning in [*keys, ("←↑↓→", "move"), ("?", "help"), ("^Q", "quit")]:
            pieces += [(key, "key"), (f" {meaning}  ", "dim")]
        self._key_line.say(*pieces)

    def _say(self, text: str, look: str) -> None:
        self._status.say((text, look))

    def _say_trouble(self) -> None:
        """Say what is wrong with the trainer; nothing where it is well."""
        failure = self.session.statistics().trainer.failure
        if failure is not None:
            self._say(f"{failure}; labels are safe", "warn")
        elif self._status.text:
            self._say("", "dim")

    def _draw_ahead(self) -> None:
        """Draw the likely next images while the person looks at these, one between any two keys."""
        result = self.session.result
        if result is not None:
            waiting = bool(self._to_draw)
            ahead = [*result.audit.indices[:4].tolist(), *result.picks.indices[: self.session.batch_size].tolist()]
            self._to_draw = [index for index in ahead if not self._grid.is_drawn(index)]
            if not waiting:
                self.call_later(self._draw_one)

    def _draw_one(self) -> None:
        if self._to_draw:
            self._grid.draw(self._to_draw.pop())
            self.call_later(self._draw_one)
