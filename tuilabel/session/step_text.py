"""What an undo or a redo did, in words."""

from __future__ import annotations

from collections.abc import Sequence

from tuilabel.datasets import ImagePool
from tuilabel.errors import pluralize
from tuilabel.labels import ClassChange, Event
from tuilabel.session.answers import Touched


def step_text(touched: Touched, pool: ImagePool) -> str:
    """What was taken back or put back, such as "took back: cat on IMG_0042.jpg" or "took back: 12 labels of dog"."""
    if touched.change is not None:
        return f"{'did again' if touched.is_back else 'took back'}: {_change_text(touched.change)}"
    done = {event.kind for event in touched.answers}
    is_back = touched.is_back != (done == {"unflag"})  # to undo that a flag was taken off is to put it back
    if len(touched.answers) == 1:
        what = _one(touched.answers[0], pool.files.last_name(touched.pool_indices[0]).rsplit("/", 1)[-1])
    else:
        what = _many(touched.answers)
    return f"{'put back' if is_back else 'took back'}: {what}"


def _one(event: Event, name: str) -> str:
    match event.kind:
        case "label":
            return f"{event.class_name} on {name}"
        case "skip":
            return f"the skip of {name}"
        case _:
            return f"the flag on {name}"


def _many(events: Sequence[Event]) -> str:
    classes = {event.class_name for event in events}
    match {event.kind for event in events}:
        case kinds if kinds == {"label"}:
            of_class = f" of {classes.pop()}" if len(classes) == 1 else ""
            return f"{pluralize(len(events), 'label')}{of_class}"
        case kinds if kinds == {"skip"}:
            return pluralize(len(events), "skip")
        case kinds if kinds <= {"flag", "unflag"}:
            return pluralize(len(events), "flag")
        case _:
            return pluralize(len(events), "answer")


def _change_text(change: ClassChange) -> str:
    match change.kind:
        case "rename":
            return f"renaming {change.name} to {change.into}"
        case "merge":
            return f"merging {change.name} into {change.into}"
        case _:
            return f"the new class {change.name}"
