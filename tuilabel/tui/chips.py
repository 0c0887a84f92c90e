"""Chips: the states of a session as words at the right end of the first line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tuilabel.encoders.titles import title_of
from tuilabel.session import LabellingSession, TrainerState

LEFT = 32  # columns of the first line that chips leave to its text
GIVE_WAY = 4  # the weight of chips that are left out where the text has no room otherwise


@dataclass(frozen=True)
class Chip:
    """A state in a word or two.

    Attributes
    ----------
    style : one of `TextLine.STYLES`.
    weight : where there is no room for all chips, those of least weight are left out.
    """

    text: str
    style: str = "chip"
    weight: int = 5

    @property
    def width(self) -> int:
        """Columns, with the blank before the chip."""
        return cell_len(self.text) + 3


_DOING = {"starting": "starting", "load": "loading ", "encode": "encoding", "train": "training", "review": "checking"}
"""What the trainer is doing, in words of the same length: the chip changes with every label."""

_BACKGROUND = {"read": "reading", "download": "downloading", "vae": "training VAE", "encode": "extracting"}


def session_chips(session: LabellingSession, *, unsaved: int, failed: bool) -> list[Chip]:
    """The states of a session. What seldom changes stands on the right, so that it keeps its place.

    Parameters
    ----------
    unsaved : number of answers that are not on disk yet.
    failed : whether they cannot be saved.
    """
    chips = [Chip("blind", "chip-on", 8)] if session.blind else []
    chips += _trainer_chips(session.trainer_state)
    saved = Chip("not saved", "chip-error", 10) if failed else Chip("saving" if unsaved else "saved ", weight=4)
    return [*chips, saved]


def _trainer_chips(trainer: TrainerState) -> list[Chip]:
    chips = []
    if trainer.background is not None:
        chips.append(Chip(_BACKGROUND.get(trainer.background, "comparing"), "chip-on", 3))
    if trainer.encoder is not None:
        chips.append(Chip(title_of(trainer.encoder).partition(" (")[0], weight=1))
    if trainer.doing in ("stopped", "overdue"):
        return [*chips, Chip(trainer.doing, "chip-error", 9)]
    doing = _DOING.get(trainer.doing)
    return [*chips, Chip("  idle  ", weight=2) if doing is None else Chip(doing, "chip-on", 2)]


def fitting(chips: Sequence[Chip], width: int, text: int) -> list[Chip]:
    """The chips that there is room for in a line, in their order.

    Parameters
    ----------
    width : columns of the line.
    text : columns of the text on the left. It gives way to chips of more than `GIVE_WAY`, down to `LEFT`.
    """
    shown = list(chips)
    while shown:
        least = min(shown, key=lambda chip: chip.weight)
        left = text if least.weight <= GIVE_WAY else min(text, LEFT)
        if sum(chip.width for chip in shown) <= width - left:
            break
        shown.remove(least)
    return shown
