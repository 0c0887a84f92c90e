"""By class: images predicted to be of one class; the user marks the wrong ones and confirms the rest with one key."""

from __future__ import annotations

from collections.abc import Sequence

from tuilabel.errors import pluralize
from tuilabel.estimate import BULK_PRECISION, confidence_text
from tuilabel.learner.trainer.messages import ClassItems
from tuilabel.learner.trainer.messages import Message as TrainerMessage
from tuilabel.session import Belief
from tuilabel.tui.actions import BY_CLASS
from tuilabel.tui.screens.annotation import AnnotationScreen
from tuilabel.tui.state import NO_MODEL, AppState

N_IMAGES = 100  # requested at once, shown on as many pages as needed
FLOORS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""The lowest confidence of the images listed, in steps."""


class ByClassScreen(AnnotationScreen):
    """Unlabelled items predicted to be of the chosen class, most confident first."""

    NAME = BY_CLASS
    TITLE_OF_PAGE = "By class"
    HELP = (
        "Unlabelled images predicted to be of one class, the surest first. "
        "Mark the wrong ones, or give them their class; then one key labels the rest."
    )
    ORIGIN = "by-class"
    ONE_AT_A_TIME = False  # Enter confirms what is on the screen

    def __init__(self, state: AppState, class_pos: int = 0) -> None:
        super().__init__(state)
        self.class_pos = class_pos
        self._wrong: set[int] = set()
        self._floor = 0
        """Position in `FLOORS`."""
        self._doubted: list[int] = []
        """What the last Enter would have confirmed, had it not been doubtful."""

    def on_mount(self) -> None:
        super().on_mount()
        self._request_images()

    @property
    def _candidates(self) -> ClassItems | None:
        """The trainer's reply to the newest query; None until it arrives."""
        return self.session.model_queries.class_items

    @property
    def items(self) -> Sequence[int]:
        """The candidates, the surest first, down to the floor."""
        if self._candidates is None:
            return ()
        n = int((self._candidates.confidence >= FLOORS[self._floor]).sum())
        indices: list[int] = self._candidates.indices[:n].tolist()
        return indices

    def caption(self, position: int) -> tuple[str, str]:
        index = self.items[position]
        if self.session.answer_at(index) is not None:
            return super().caption(position)
        if index in self._wrong:
            return "✗ wrong", "marked"
        assert self._candidates is not None
        sure = confidence_text(self._candidates.confidence[position])
        return f"{self.named(self.session.classes[self.class_pos])} {sure}", "prediction"

    def belief(self, position: int) -> Belief | None:
        if self._candidates is None or self.session.answer_at(self.items[position]) is not None:
            return None
        return Belief(self.class_pos, float(self._candidates.confidence[position]))

    def heading(self) -> list[tuple[str, str]]:
        name = self._class_name
        if not name:
            return [("  by class", "dim")]
        pieces = [("  by class  ", "dim"), (name, "strong")]
        if self._candidates is not None and self.items:
            pieces.append((f"  ·  Enter confirms {len(self._unmarked())}, {len(self._wrong)} wrong", "text"))
        measured = self.session.measured_precision(self.class_pos, FLOORS[self._floor])
        if self._floor:
            pieces.append((f"  ·  from {100 * FLOORS[self._floor]:.0f} %", "text"))
        checked = f"{measured.right} of {measured.n} checked right" if measured.n else "none checked yet"
        return [*pieces, (f"  ·  {checked}", "dim")]

    @property
    def _class_name(self) -> str:
        """The name of the class; empty while the project has none."""
        return self.session.classes[self.class_pos] if self.session.classes else ""

    def _unmarked(self) -> list[int]:
        """Positions on the page that Enter confirms: those selected, or else all that are not marked as wrong."""
        left = [position for position in self._grid.on_page if not self.is_done(position)]
        return [position for position in left if self.items[position] in self.selection] if self.selection else left

    def empty_text(self) -> str:
        if not self.session.classes:
            return "No classes yet: type a name in the grid to make one.\n\nPress Esc to go back."
        name = self._class_name
        if self.session.result is None or not self.session.result.n_labels:
            if self.session.model_status == "none":
                return "No model yet. Label images of two classes in the grid first.\n\nPress Esc to go back."
            return f"Just a moment: {NO_MODEL[self.session.model_status]}.\n\nPress Esc to go back."
        if self._candidates is None:
            return f"Finding images of {name}…"
        if self._floor and len(self._candidates.indices):
            floor = f"{100 * FLOORS[self._floor]:.0f} %"
            return (
                f"No unlabelled image is predicted to be {name} with {floor} or more.\n\n"
                f"Press < for less sure ones, ] for the next class, or Esc to go back."
            )
        return f"No unlabelled image is predicted to be {name}.\n\nPress ] for the next class, or Esc to go back."

    def is_done(self, position: int) -> bool:
        index = self.items[position]
        return index in self._wrong or self.session.answer_at(index) is not None

    def action_mark(self) -> None:
        """Mark the focused item, or the selected ones, as not of this class, or unmark them, and move the focus on."""
        if not self.may_answer():
            return
        left = {index for index in self.targets if self.session.answer_at(index) is None}
        if not left:
            self.show_status("This image already has an answer", "dim")
            return
        self._wrong = self._wrong - left if left <= self._wrong else self._wrong | left
        self._forget_selection([])
        self.focused_item = min(len(self.items) - 1, self.focused_item + 1)
        self.refresh_view()

    def action_confirm(self) -> None:
        """Label the unmarked, unanswered items of this page as one step; other pages have not been shown."""
        if not self.may_answer():
            return
        if self._large_on:
            self.show_status("Press Esc to show the page first: only images on the screen are confirmed", "warn")
            return
        confirmed = [self.items[position] for position in self._unmarked()]
        name = self.session.classes[self.class_pos]
        if confirmed and self._is_doubtful(confirmed):
            return
        if confirmed:
            spent = round(1000 * max(0.0, self._key_time - self._answer_started))
            self._confirm(confirmed, spent)
            self._forget_selection(confirmed)
            self.state.unsaved.update(e.key for i in confirmed if (e := self.session.answer_at(i)) is not None)
            self.show_status(f"Labelled {pluralize(len(confirmed), 'image')} as {name}; Backspace undoes it", "text")
        if all(self.is_done(position) for position in range(len(self.items))):
            self._request_images()
        else:
            self.focused_item = self._grid.on_page[-1]
            self.advance()
            self.refresh_view()

    def _is_doubtful(self, confirmed: list[int]) -> bool:
        """Whether too many of these may be wrong to confirm them with one Enter; the next one confirms the same."""
        assert self._candidates is not None
        doubted, self._doubted = self._doubted, []
        sure = dict(zip(self._candidates.indices.tolist(), self._candidates.confidence.tolist(), strict=True))
        expected = self.session.expected_precision(self.class_pos, [sure[index] for index in confirmed])
        if expected >= BULK_PRECISION or doubted == confirmed:
            return False
        self._doubted = confirmed
        self.show_status(
            f"Only {100 * expected:.0f} % may be right: mark the wrong ones (> lists surer ones), or Enter again",
            "warn",
        )
        return True

    def action_floor(self, step: int) -> None:
        """List only images that the model is surer of, or less sure ones as well."""
        self._floor = max(0, min(len(FLOORS) - 1, self._floor + step))
        self.show_status(
            f"Images of {100 * FLOORS[self._floor]:.0f} % and more" if self._floor else "All images of the class", "dim"
        )
        self.refresh_view()

    def _confirm(self, indices: Sequence[int], milliseconds: int) -> None:
        assert self._candidates is not None
        sure = dict(zip(self._candidates.indices.tolist(), self._candidates.confidence.tolist(), strict=True))
        self.session.confirm_class(
            indices,
            self.class_pos,
            milliseconds,
            predicted=[self.class_pos] * len(indices),
            confidence=[sure[index] for index in indices],
        )

    def action_other_class(self, step: int) -> None:
        """Show another class."""
        self.class_pos = (self.class_pos + step) % max(1, len(self.session.classes))
        self._request_images()

    def action_view(self, step: int) -> None:
        """Go on to the grid of the batch, or back to its large view."""
        self.dismiss(step < 0)

    def handle(self, message: TrainerMessage) -> None:
        if isinstance(message, ClassItems):
            self.refresh_view()
            return
        super().handle(message)

    def refresh_view(self, index: int | None = None) -> None:
        self.class_pos = max(0, min(self.class_pos, len(self.session.classes) - 1))
        super().refresh_view(index)

    def _request_images(self) -> None:
        self._wrong.clear()
        self.focused_item = 0
        self.session.model_queries.ask_class(self.class_pos, N_IMAGES)
        self.refresh_view()
