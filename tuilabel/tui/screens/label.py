"""The labelling screen: the batch as a grid, the figures beside it, one key an answer."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal

from tuilabel.learner.trainer.messages import Message as TrainerMessage
from tuilabel.learner.trainer.messages import TrainerProgress
from tuilabel.session import Batch
from tuilabel.tui.actions import LABEL
from tuilabel.tui.layout import panel_width
from tuilabel.tui.screens.annotation import AnnotationScreen
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import NOT_SEEN
from tuilabel.tui.widgets.panel import StatisticsPanel

HINTED = 3  # answers after which a newcomer knows how it goes


class LabelScreen(AnnotationScreen):
    """Shows the session's batch."""

    NAME = LABEL

    def __init__(self, state: AppState, notice: str | None = None) -> None:
        super().__init__(state)
        self._batch: Batch | None = None
        self._predictions_seen_at = NOT_SEEN
        self._to_draw: list[int] = []
        self._notice = notice
        self._panel = StatisticsPanel(state, id="panel")

    def compose(self) -> ComposeResult:
        yield self._head
        with Horizontal(id="middle"):
            yield self._grid
            yield self._large
            yield self._panel
        yield self._status
        yield self._key_line

    def on_mount(self) -> None:
        self._fit_panel(self.app.size.width)
        super().on_mount()
        self.show_trouble()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self._fit_panel(event.size.width)

    def _fit_panel(self, width: int) -> None:
        columns = panel_width(width)
        self._panel.display = columns > 0 and not self._large_on
        if columns:
            self._panel.styles.width = columns

    # -- what there is to see ------------------------------------------------------------------------------------

    @property
    def items(self) -> Sequence[int]:
        return () if self._batch is None else [item.index for item in self._batch.items]

    def caption(self, position: int) -> tuple[str, str]:
        assert self._batch is not None
        item = self._batch.items[position]
        if self.session.answer_at(item.index) is not None:
            return super().caption(position)
        if item.predicted is None or item.confidence is None:
            return "·", "prediction"
        return f"{self.session.classes[item.predicted]}? {100 * item.confidence:.0f}%", "prediction"

    def heading(self) -> list[tuple[str, str]]:
        pieces = [(f"  {self.session.pool.name}", "text")]
        batch = self._batch
        if batch is not None:
            origin = "no model yet" if batch.trained_on is None else f"model of {batch.trained_on} labels"
            pieces.append((f"  ·  round {batch.round} by {batch.strategy}, {origin}", "dim"))
            if len(batch.items) < self.session.batch_size and self.session.last_batch:
                last = "the last image" if len(batch.items) == 1 else f"the last {len(batch.items)} images"
                pieces.append((f"  ·  {last}", "text"))
        return pieces

    def empty_text(self) -> str:
        statistics = self.session.statistics()
        trainer = statistics.trainer
        if self.session.finished and trainer.behind == "read":
            return "Every image read so far is answered.\n\nMore are being read."
        if self.session.finished:
            return f"Every image is answered.\n\n{statistics.labelled:,} labels are on disk.  Ctrl+Q ends."
        if trainer.failure is not None and trainer.doing == "stopped":
            return f"{trainer.failure}\n\nEvery label is on disk.  Ctrl+Q ends."
        if trainer.doing == "encode":
            share = trainer.done / trainer.total if trainer.total else 0
            return f"Encoding {trainer.total:,} images with the VAE, once: {share:.0%}\n\nThe first batch follows."
        return "Picking the next images…"

    # -- commands ------------------------------------------------------------------------------------------------

    def action_accept(self) -> None:
        """Take the model's prediction as the answer."""
        if not self.may_answer():
            return
        if self._batch is None or self._batch.items[self.focused_item].predicted is None:
            self.show_status("no prediction to accept yet: a model needs labels of two classes", "warn")
            return
        if self._key_time < self._predictions_seen_at:
            self.show_status("the prediction has just changed: look, and press Enter again", "warn")
            return
        self.answered(lambda spent: self.session.confirm(self.items[self.focused_item], spent))

    def action_view(self, step: int) -> None:
        """The next view: grid, one large image, by class."""
        if self._large_on == (step > 0):
            self.show_large(False)
            self._by_class()
        else:
            self.show_large(step > 0)

    def _by_class(self) -> None:
        from tuilabel.tui.screens.by_class import ByClassScreen

        believed = None if self._batch is None else self._batch.items[self.focused_item].predicted
        self.app.push_screen(ByClassScreen(self.state, believed or 0), lambda large: self.show_large(bool(large)))

    def action_figures(self) -> None:
        """Plots and figures, large."""
        from tuilabel.tui.screens.figures import FiguresScreen

        self.app.push_screen(FiguresScreen(self.state))

    def action_history(self) -> None:
        """Every answer, newest first."""
        from tuilabel.tui.screens.history import HistoryScreen

        self.app.push_screen(HistoryScreen(self.state))

    def action_review(self) -> None:
        """Answers most likely wrong, first."""
        from tuilabel.tui.screens.review import ReviewScreen

        self.app.push_screen(ReviewScreen(self.state))

    # -- showing -------------------------------------------------------------------------------------------------

    def show_large(self, on: bool) -> None:
        super().show_large(on)
        self._fit_panel(self.app.size.width)

    def handle(self, message: TrainerMessage) -> None:
        if isinstance(message, TrainerProgress) and self._batch is not None:
            self._show_panel()
            return
        super().handle(message)

    def refresh_view(self, index: int | None = None) -> None:
        batch = self.session.batch
        if batch is not self._batch:
            before, self._batch = self._batch, batch
            self._predictions_seen_at = NOT_SEEN
            if before is None or batch is None or batch.round != before.round:
                self._shown_items = ()
        super().refresh_view(index)
        self._show_panel()

    def displayed(self, at: float) -> None:
        super().displayed(at)
        if self.seen_at != NOT_SEEN and not self._grid.pending:
            self._predictions_seen_at = min(self._predictions_seen_at, at)

    def show_trouble(self) -> None:
        """What is wrong; else, to a newcomer, how it goes."""
        super().show_trouble()
        if self.session.trouble is None:
            if self._notice is not None:
                self.show_status(self._notice, "warn")
                self._notice = None
            elif len(self.session.standing) < HINTED:
                self.show_status("Press the key of the class you see in the marked image; ? shows all keys", "dim")

    def _show_panel(self) -> None:
        if self._panel.display:
            self._panel.show(self.session.statistics())

    def draw_ahead(self) -> None:
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
