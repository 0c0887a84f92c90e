"""The labelling screen: the batch as a grid with statistics next to it, one key per answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal

from tuilabel.errors import pluralize, printable
from tuilabel.estimate import confidence_text
from tuilabel.learner.trainer.messages import Message as TrainerMessage
from tuilabel.learner.trainer.messages import TrainerProgress
from tuilabel.session import Batch, Belief
from tuilabel.tui.actions import LABEL
from tuilabel.tui.layout import panel_width
from tuilabel.tui.names import longest
from tuilabel.tui.screens.annotation import AnnotationScreen
from tuilabel.tui.state import NO_MODEL, AppState
from tuilabel.tui.widgets.grid import NOT_SEEN
from tuilabel.tui.widgets.panel import StatisticsPanel

NO_IMAGES_YET = "The first images are being chosen: wait a moment"
HINT_ANSWERS = 3  # answers after which the hint for newcomers is no longer shown


class LabelScreen(AnnotationScreen):
    """Shows the session's batch."""

    NAME = LABEL
    TITLE_OF_PAGE = "The batch"

    def __init__(
        self, state: AppState, notice: str | None = None, on_notice_dismissed: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(state)
        self._batch: Batch | None = None
        self._predictions_seen_at = NOT_SEEN
        self._notice, self._on_notice_dismissed = notice, on_notice_dismissed
        batch = self.session.batch  # before the trainer has started, one of an earlier session
        other = batch is not None and len(batch.items) != self.session.batch_size and not self.session.is_last_batch
        self._earlier_size = len(batch.items) if batch is not None and other else 0
        self._panel = StatisticsPanel(state, id="panel")

    def compose(self) -> ComposeResult:
        yield self._head
        with Horizontal(id="middle"):
            yield from self.compose_images()
            yield self._panel
        yield self._status
        yield self._key_line

    def on_mount(self) -> None:
        self._fit_panel(self.app.size.width)
        super().on_mount()
        self.show_status("")
        self.show_trouble()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self._fit_panel(event.size.width)

    def _fit_panel(self, width: int) -> None:
        columns = self._panel_width(width)
        self._panel.display = columns > 0 and not self._large_on
        if columns:
            self._panel.styles.width = columns

    @property
    def room(self) -> tuple[int, int]:
        width, height = super().room
        return width - self._panel_width(width), height

    def _panel_width(self, width: int) -> int:
        return panel_width(width, longest(self.session.classes))

    def items_after(self) -> Sequence[int]:
        return self.session.next_items()[:4]

    def next_page(self) -> Sequence[int]:
        result = self.session.result
        if result is None:
            return ()
        return [*result.audit.indices[:4].tolist(), *result.picks.indices[: self.session.batch_size].tolist()]

    # -- display -------------------------------------------------------------------------------------------------

    @property
    def items(self) -> Sequence[int]:
        return () if self._batch is None else [item.index for item in self._batch.items]

    def caption(self, position: int) -> tuple[str, str]:
        assert self._batch is not None
        item = self._batch.items[position]
        answer = self.session.answer_at(item.index)
        if answer is not None:
            text, style = super().caption(position)
            return (
                (text, style) if answer.annotator == self.session.annotator else (f"{text} {answer.annotator}", style)
            )
        if self.session.hides(item.index):
            return "?", "prediction"
        if item.predicted is None or item.confidence is None:
            return "·", "prediction"
        return f"{self.named(self.session.classes[item.predicted])}? {confidence_text(item.confidence)}", "prediction"

    def belief(self, position: int) -> Belief | None:
        index = self.items[position]
        return None if self.session.answer_at(index) is not None else self.session.belief(index)

    def enter_class(self, position: int) -> int | None:
        belief = self._shown_belief(position)
        return None if belief is None else belief.predicted

    def _shown_belief(self, position: int) -> Belief | None:
        return None if self.session.hides(self.items[position]) else self.belief(position)

    def enter_hint(self, position: int) -> str:
        class_pos = self.enter_class(position)
        if class_pos is None:
            return "press its class" if self.session.hides(self.items[position]) else ""
        return f"Enter writes {self.named(self.session.classes[class_pos])}"

    def heading(self) -> list[tuple[str, str]]:
        pieces = [(f"  {self.session.pool.name}", "text")]
        batch = self._batch
        if batch is not None:
            no_model = NO_MODEL[self.session.model_status] if batch.trained_on is None else ""
            origin = no_model or ("" if batch.trained_on is None else f"model of {batch.trained_on} labels")
            by = f"round {batch.round} by {batch.strategy}"
            pieces.append((f"  ·  {by}, {origin}" if origin else f"  ·  {by}", "dim"))
            if len(batch.items) < self.session.batch_size and self.session.is_last_batch:
                last = "the last image" if len(batch.items) == 1 else f"the last {len(batch.items)} images"
                pieces.append((f"  ·  {last}", "text"))
        return pieces

    def empty_text(self) -> str:
        statistics = self.session.statistics()
        trainer = statistics.trainer
        if self.session.finished and trainer.background == "read":
            return "Every image read so far has an answer.\n\nMore images are being read."
        if self.session.finished:
            return (
                f"Every image has an answer.\n\n{pluralize(statistics.labelled, 'label')} saved. Press Ctrl+Q to quit."
            )
        if trainer.failure is not None and trainer.doing == "stopped":
            return f"{trainer.failure}\n\nAll labels are saved. Press Ctrl+Q to quit."
        if trainer.doing == "encode":
            share = trainer.done / trainer.total if trainer.total else 0
            return f"Encoding {trainer.total:,} images, only this once: {share:.0%}\n\nThe first batch follows."
        others = sorted({p.annotator for p in self.session.team.sessions if p.session != self.session.id})
        if self.session.are_left_to_others and others:
            who = printable(", ".join(others))
            return f"The images that are left are being labelled by {who}.\n\nWhat they leave comes here."
        return "Choosing the next images…"

    # -- commands ------------------------------------------------------------------------------------------------

    def action_accept(self) -> None:
        """Accept the model's prediction as the label; of selected images, the prediction of each."""
        if not self.may_answer():
            return
        targets = self.targets
        predicted = [index for index in targets if self.session.belief(index) is not None]
        accepted = [index for index in predicted if not self.session.hides(index)]
        if not predicted:
            why = {"none": "a model needs labels of two classes", "loading": "the model is loading"}
            reason = why.get(self.session.model_status, "the model is being trained")
            self.show_status(f"No prediction to accept yet: {reason}", "warn")
            return
        if not accepted:
            whose = "this image is" if len(targets) == 1 else "these images is"
            self.show_status(f"The prediction of {whose} hidden, to check the model: press its class", "warn")
            return
        if self._key_time < self._predictions_seen_at:
            self.show_status("The prediction has just changed: check it and press Enter again", "warn")
            return
        self.answered(self.session.confirm_many, accepted)
        left = [index for index in targets if index not in accepted and index in self.items]
        if left:
            self.selection.add(left)
            self.show_selection()
            self.show_status(
                f"Accepted {len(accepted)}; {pluralize(len(left), 'image')} without a prediction to accept: "
                "press the class",
                "warn",
            )

    def action_blind(self) -> None:
        """Hide the predictions of all images until they are answered, or show them again."""
        self.state.hide_predictions(not self.session.blind)
        if self.session.blind:
            self.show_status("All predictions are hidden until you answer; the same key shows them", "dim")
        else:
            self.show_status("Predictions are shown, except where ? checks the model", "dim")
        self._predictions_seen_at = NOT_SEEN
        self.refresh_view()

    def action_view(self, step: int) -> None:
        """Switch to the next view: grid, large image, by class."""
        if self._large_on == (step > 0):
            self.show_large(False)
            self._by_class()
        else:
            self.show_large(step > 0)

    def _by_class(self) -> None:
        from tuilabel.tui.screens.by_class import ByClassScreen

        item = None if self._batch is None else self._batch.items[self.focused_item]
        shown = None if item is None or self.session.hides(item.index) else item.predicted
        self.app.push_screen(ByClassScreen(self.state, shown or 0), lambda large: self.show_large(bool(large)))

    def action_figures(self) -> None:
        """Show charts and statistics on the whole screen."""
        from tuilabel.tui.screens.figures import FiguresScreen

        self.app.push_screen(FiguresScreen(self.state))

    def action_history(self) -> None:
        """Show all answers, newest first."""
        from tuilabel.tui.screens.history import HistoryScreen

        self.app.push_screen(HistoryScreen(self.state))

    def action_review(self) -> None:
        """Review answers, those most likely to be wrong first."""
        from tuilabel.tui.screens.review import ReviewScreen

        self.app.push_screen(ReviewScreen(self.state))

    # -- updates -------------------------------------------------------------------------------------------------

    def show_large(self, on: bool) -> None:
        super().show_large(on)
        self._fit_panel(self.app.size.width)

    def handle(self, message: TrainerMessage) -> None:
        if isinstance(message, TrainerProgress) and self._batch is not None:
            self._show_panel()
            self._show_head()
            return
        super().handle(message)

    def refresh_view(self, index: int | None = None) -> None:
        batch = self.session.batch
        begins = batch is not None and self._status.text.startswith(NO_IMAGES_YET)
        if batch is not self._batch:
            before, self._batch = self._batch, batch
            self._predictions_seen_at = NOT_SEEN
            if before is None or batch is None or batch.round != before.round:
                self._shown_items = ()
        self._fit_panel(self.app.size.width)  # a class with a long name may be new
        super().refresh_view(index)
        if begins:
            self.show_trouble()
        if not self._picture.display:  # else that has shown it
            self._show_panel()

    def displayed(self, at: float) -> None:
        super().displayed(at)
        if self.seen_at != NOT_SEEN and not self._judged.pending:
            self._predictions_seen_at = min(self._predictions_seen_at, at)

    def show_trouble(self) -> None:
        """Show what is wrong with the trainer, or else a hint for newcomers."""
        super().show_trouble()
        if self.session.trainer_failure is None:
            if self._earlier_size:
                self.show_status(
                    f"The last session's batch of {self._earlier_size} comes first; then {self.session.batch_size} "
                    "at a time",
                    "dim",
                )
                self._earlier_size = 0
            elif self._notice is None and len(self.session.standing) < HINT_ANSWERS:
                first = "Press the key of the class shown in the highlighted image"
                if not self.items:
                    first = NO_IMAGES_YET
                elif not self.session.classes:
                    first = "Type the name of what the highlighted image shows: that makes the first class"
                self.show_status(f"{first}, or ? for help", "dim")

    def show_status(self, text: str, style: str = "text") -> None:
        if not text and self._notice is not None:
            text, style = self._notice, "warn"
        super().show_status(text, style)

    def action_back(self) -> None:
        if self._notice is not None and not (self._large_on or self.selection or self.has_class("alone")):
            self._notice = None
            self._on_notice_dismissed()
            self.show_status("")
        else:
            super().action_back()

    def _show_panel(self) -> None:
        if not self._panel.display:
            return
        enlarged = self._picture.display and bool(self._shown_items)
        belief = self._shown_belief(self.focused_item) if enlarged else None
        self._panel.show(self.session.statistics(), belief, with_belief=enlarged)

    def _show_focused(self) -> None:
        super()._show_focused()
        if self._picture.display:
            self._show_panel()  # it says what the model believes of this image
