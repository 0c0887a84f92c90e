"""Answers worth reviewing: those likely to be wrong first, then flags, disagreements and audit mistakes."""

from __future__ import annotations

from collections.abc import Sequence

from tuilabel.estimate import confidence_text
from tuilabel.learner.trainer.messages import Message as TrainerMessage
from tuilabel.learner.trainer.messages import OutOfFoldPredictions
from tuilabel.session import Belief
from tuilabel.session.review import ReviewItem
from tuilabel.tui.actions import REVIEW
from tuilabel.tui.screens.filtered import FilteredScreen
from tuilabel.tui.state import AppState


class ReviewScreen(FilteredScreen):
    """Enter keeps a label and a class key changes it; both move the focus on."""

    NAME = REVIEW
    TITLE_OF_PAGE = "Review"
    HELP = "Answers worth a second look, the most doubtful first. Keep a label, or press the key of the right class."
    ORIGIN = "review"

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self._every: list[ReviewItem] | None = None
        self._list: list[ReviewItem] | None = None
        self._reviewed: set[int] = set()

    def on_mount(self) -> None:
        super().on_mount()
        self.session.model_queries.ask_review()
        self._update_list()

    def every_item(self) -> Sequence[int]:
        return [item.index for item in self._every or ()]

    def show_filtered(self) -> None:
        self._list = None if self._every is None else [item for item in self._every if self.found(item.index)]

    @property
    def items(self) -> Sequence[int]:
        return [] if self._list is None else [item.index for item in self._list]

    def caption(self, position: int) -> tuple[str, str]:
        assert self._list is not None
        item = self._list[position]
        text, style = super().caption(position)
        suggested = item.suggested
        if item.index in self._reviewed or suggested in (None, item.label) or suggested >= len(self.session.classes):
            return text, style
        return f"{text} → {self.named(self.session.classes[suggested])}?", "prediction"

    def belief(self, position: int) -> Belief | None:
        return self.session.model_queries.out_of_fold_belief(self.items[position])

    def enter_class(self, position: int) -> int | None:
        event = self.session.answer_at(self.items[position])
        return None if event is None or event.class_name is None else self.session.classes.index(event.class_name)

    def enter_hint(self, position: int) -> str:
        class_pos = self.enter_class(position)
        return "" if class_pos is None else f"Enter keeps {self.named(self.session.classes[class_pos])}"

    def heading(self) -> list[tuple[str, str]]:
        agreement = self.session.model_queries.agreement()
        weak: list[tuple[str, str]] = []
        if agreement is not None and agreement.too_weak:
            weak = [("  ·  the model is too weak to judge labels", "warn")]
        if not self._list:
            return [("  review", "dim"), *weak]
        item = self._list[self.focused_item]
        left = sum(item.index not in self._reviewed for item in self._list)
        sure = "" if item.confidence is None else f" {confidence_text(item.confidence)}"
        annotations = (
            "" if not item.by else "  " + ", ".join(f"{who}: {self.session.classes[label]}" for who, label in item.by)
        )
        return [
            ("  review  ", "dim"),
            (f"{item.reason}{sure}", "strong"),
            (f"{annotations}  ·  {left} to review", "text"),
            *weak,
        ]

    def empty_text(self) -> str:
        if self._list is None:
            trainer = self.session.trainer_state
            done = f"{trainer.done} of {trainer.total}" if trainer.doing == "review" else "waiting for the trainer"
            return f"Checking labels by models that were not trained on them: {done}\n\nPress Esc to go back."
        if self.where is not None:
            return super().empty_text()
        agreement = self.session.model_queries.agreement()
        if agreement is not None and agreement.too_weak:
            return (
                "No flags, disagreements or audit mistakes.\n\n"
                f"The model is too weak to judge labels: it predicts {100 * agreement.share:.0f} % of {agreement.n:,} "
                "itself.\n"
                "Label more images first. Press Esc to go back."
            )
        return "Nothing to review.\n\nPress Esc to go back."

    def is_done(self, position: int) -> bool:
        return self.items[position] in self._reviewed

    def give_label(self, indices: Sequence[int], class_pos: int | Sequence[int], milliseconds: int) -> None:
        self._reviewed.update(indices)
        super().give_label(indices, class_pos, milliseconds)

    def action_keep(self) -> None:
        """Keep the label, or those of the selected images: they count as new answers."""
        if not self.may_answer() or self._list is None:
            return
        answers = ((index, self.session.answer_at(index)) for index in self.targets)
        kept = {index: event.class_name for index, event in answers if event is not None and event.class_name}
        if not kept:
            self.show_status("This image has no label to keep: press the key of a class", "warn")
            return
        class_of = [self.session.classes.index(name) for name in kept.values()]
        self.answered(lambda indices, spent: self.give_label(indices, class_of, spent), [*kept])

    def handle(self, message: TrainerMessage) -> None:
        if isinstance(message, OutOfFoldPredictions):
            self._update_list()
            return
        super().handle(message)

    def _update_list(self) -> None:
        if not self._reviewed:
            review = self.session.model_queries.review()
            self._every = self._every if review is None else review
            self.show_filtered()
            self.refresh_view()

    def _show_items(self) -> None:
        super()._show_items()
        self._show_head()
