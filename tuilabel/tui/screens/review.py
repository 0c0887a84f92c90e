"""Answers that deserve a second look: most likely wrong first, then flagged, disputed, and audit mistakes."""

from __future__ import annotations

from collections.abc import Sequence

from tuilabel.learner.trainer.messages import Message as TrainerMessage
from tuilabel.learner.trainer.messages import OutOfFoldPredictions
from tuilabel.session.review import ReviewItem
from tuilabel.tui.actions import REVIEW
from tuilabel.tui.screens.annotation import AnnotationScreen
from tuilabel.tui.state import AppState


class ReviewScreen(AnnotationScreen):
    """Enter keeps a label, a class key changes it; either moves on."""

    NAME = REVIEW
    ORIGIN = "review"

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self._list: list[ReviewItem] | None = None
        self._dealt_with: set[int] = set()

    def on_mount(self) -> None:
        super().on_mount()
        self.session.model_queries.ask_review()
        self._take_list()

    @property
    def items(self) -> Sequence[int]:
        return [] if self._list is None else [item.index for item in self._list]

    def caption(self, position: int) -> tuple[str, str]:
        assert self._list is not None
        item = self._list[position]
        text, style = super().caption(position)
        said = item.suggested
        if item.index in self._dealt_with or said is None or said == item.label or said >= len(self.session.classes):
            return text, style
        return f"{text} → {self.session.classes[said]}?", "prediction"

    def heading(self) -> list[tuple[str, str]]:
        if not self._list:
            return [("  review", "dim")]
        item = self._list[self.focused_item]
        left = len(self._list) - len(self._dealt_with)
        sure = "" if item.confidence is None else f" {item.confidence:.0%}"
        said = (
            "" if not item.by else "  " + ", ".join(f"{who}: {self.session.classes[label]}" for who, label in item.by)
        )
        return [("  review  ", "dim"), (f"{item.reason}{sure}", "strong"), (f"{said}  ·  {left} to look at", "text")]

    def empty_text(self) -> str:
        if self._list is None:
            return "Cross-validating the labels to find those most likely wrong…\n\nEsc goes back."
        return "Nothing looks wrong.\n\nEsc goes back to the grid."

    def is_done(self, position: int) -> bool:
        return self.items[position] in self._dealt_with

    def give_label(self, position: int, class_index: int, milliseconds: int) -> None:
        self._dealt_with.add(self.items[position])
        super().give_label(position, class_index, milliseconds)

    def action_keep(self) -> None:
        """Keep the label: it counts as answered anew."""
        if not self.may_answer() or self._list is None:
            return
        index = self.items[self.focused_item]
        event = self.session.answer_at(index)
        if event is None or event.kind != "label" or event.class_name is None:
            self.show_status("no label to keep here: a class key gives one", "warn")
            return
        class_index = self.session.classes.index(event.class_name)
        self.answered(lambda spent: self.give_label(self.focused_item, class_index, spent))

    def handle(self, message: TrainerMessage) -> None:
        if isinstance(message, OutOfFoldPredictions):
            self._take_list()
            return
        super().handle(message)

    def _take_list(self) -> None:
        if not self._dealt_with:
            found = self.session.model_queries.review()
            self._list = self._list if found is None else found
            self.refresh_view()

    def _show_items(self) -> None:
        super()._show_items()
        self._show_head()
