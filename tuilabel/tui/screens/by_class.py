"""By class: images that the model takes for one class; the wrong ones are marked, the rest confirmed with one key."""

from __future__ import annotations

from collections.abc import Sequence

from tuilabel.learner.trainer.messages import ClassItems
from tuilabel.learner.trainer.messages import Message as TrainerMessage
from tuilabel.tui.actions import BY_CLASS
from tuilabel.tui.screens.annotation import AnnotationScreen
from tuilabel.tui.state import AppState

ASKED = 100  # images at once, on as many pages as it takes


class ByClassScreen(AnnotationScreen):
    """Unanswered items whose predicted class is the chosen one, those first of which the model is most sure."""

    NAME = BY_CLASS
    ORIGIN = "by-class"

    def __init__(self, state: AppState, class_index: int = 0) -> None:
        super().__init__(state)
        self.class_index = class_index
        self._wrong: set[int] = set()

    def on_mount(self) -> None:
        super().on_mount()
        self._ask()

    @property
    def _candidates(self) -> ClassItems | None:
        """The trainer's answer to the newest question; None while it is awaited."""
        return self.session.model_queries.class_items

    @property
    def items(self) -> Sequence[int]:
        return () if self._candidates is None else self._candidates.indices.tolist()

    def caption(self, position: int) -> tuple[str, str]:
        index = self.items[position]
        if self.session.answer_at(index) is not None:
            return super().caption(position)
        if index in self._wrong:
            return "✗ not this", "marked"
        assert self._candidates is not None
        return (
            f"{self.session.classes[self.class_index]} {100 * self._candidates.confidence[position]:.0f}%",
            "prediction",
        )

    def heading(self) -> list[tuple[str, str]]:
        name = self.session.classes[self.class_index]
        pieces = [("  by class  ", "dim"), (name, "strong")]
        if self._candidates is not None and self.items:
            here = [position for position in self._grid.on_page if not self.is_done(position)]
            pieces.append((f"  ·  Enter confirms the {len(here)} here, {len(self._wrong)} marked wrong", "text"))
        return pieces

    def empty_text(self) -> str:
        name = self.session.classes[self.class_index]
        if self.session.result is None or not self.session.result.n_labels:
            return "No model yet: label images of two classes in the grid first.\n\nEsc goes back."
        if self._candidates is None:
            return f"Looking for images of {name}…"
        return f"No unanswered image is taken for {name}.\n\n] shows the next class, Esc goes back to the grid."

    def is_done(self, position: int) -> bool:
        index = self.items[position]
        return index in self._wrong or self.session.answer_at(index) is not None

    def action_mark(self) -> None:
        """Mark the item in focus as none of this class, or take the mark away; the focus moves on."""
        if not self.may_answer():
            return
        index = self.items[self.focused_item]
        if self.session.answer_at(index) is not None:
            self.show_status("this one is answered already", "dim")
            return
        self._wrong ^= {index}
        self.focused_item = min(len(self.items) - 1, self.focused_item + 1)
        self.refresh_view()

    def action_confirm(self) -> None:
        """Label the items of this page that are neither marked nor answered, as one step: none that was not shown."""
        if not self.may_answer():
            return
        if self._large_on:
            self.show_status("Esc shows the page: only what is on the screen is confirmed", "warn")
            return
        meant = [self.items[position] for position in self._grid.on_page if not self.is_done(position)]
        name = self.session.classes[self.class_index]
        if meant:
            spent = round(1000 * max(0.0, self._key_time - self._asked_at))
            self._confirm(meant, spent)
            self.state.unsaved.update(e.key for i in meant if (e := self.session.answer_at(i)) is not None)
            plural = "image" if len(meant) == 1 else "images"
            self.show_status(f"{len(meant)} {plural} labelled {name}; Backspace takes all of them back", "text")
        if all(self.is_done(position) for position in range(len(self.items))):
            self._ask()
        else:
            self.focused_item = self._grid.on_page[-1]
            self.advance()
            self.refresh_view()

    def _confirm(self, indices: Sequence[int], milliseconds: int) -> None:
        assert self._candidates is not None
        sure = dict(zip(self._candidates.indices.tolist(), self._candidates.confidence.tolist(), strict=True))
        self.session.confirm_class(
            indices,
            self.class_index,
            milliseconds,
            predicted=[self.class_index] * len(indices),
            confidence=[sure[index] for index in indices],
        )

    def action_other_class(self, step: int) -> None:
        """Another class."""
        self.class_index = (self.class_index + step) % len(self.session.classes)
        self._ask()

    def action_view(self, step: int) -> None:
        """On to the grid of the batch, or back to its large view."""
        self.dismiss(step < 0)

    def handle(self, message: TrainerMessage) -> None:
        if isinstance(message, ClassItems):
            self.refresh_view()
            return
        super().handle(message)

    def refresh_view(self, index: int | None = None) -> None:
        self.class_index = min(self.class_index, len(self.session.classes) - 1)
        super().refresh_view(index)

    def _ask(self) -> None:
        self._wrong.clear()
        self.focused_item = 0
        self.session.model_queries.ask_class(self.class_index, ASKED)
        self.refresh_view()
