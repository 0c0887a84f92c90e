"""The states in the first line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tuilabel.session import TrainerState
from tuilabel.tui.chips import LEFT, Chip, fitting, session_chips


def texts(*, unsaved: int = 0, failed: bool = False, blind: bool = False, **trainer: Any) -> list[str]:
    session: Any = SimpleNamespace(blind=blind, trainer_state=TrainerState(**trainer))
    return [chip.text.strip() for chip in session_chips(session, unsaved=unsaved, failed=failed)]


def test_saved_is_said_only_when_everything_is() -> None:
    assert texts()[-1] == "saved"
    assert texts(unsaved=1)[-1] == "saving"
    assert texts(unsaved=1, failed=True)[-1] == "not saved"


def test_what_the_trainer_does_has_the_same_width_at_any_time() -> None:
    session: Any = SimpleNamespace(blind=False)
    widths = set()
    for doing in ("starting", "load", "encode", "train", "idle", "review"):
        session.trainer_state = TrainerState(doing=doing)
        widths.add(sum(chip.width for chip in session_chips(session, unsaved=0, failed=False)))
    assert len(widths) == 1


@pytest.mark.parametrize(
    ("background", "word"),
    [("read", "reading"), ("vae", "training VAE"), ("encode", "extracting"), ("compare", "comparing")],
)
def test_the_space_and_what_is_prepared_are_named(background: str, word: str) -> None:
    shown = texts(encoder="efficientnet_lite2", background=background, blind=True, doing="idle")
    assert shown == ["blind", word, "network features", "idle", "saved"]


def test_the_least_important_chips_are_left_out_where_there_is_no_room() -> None:
    chips = [Chip("filter: cat", weight=9), Chip("network features", weight=1), Chip("saved", weight=4)]
    assert fitting(chips, 200, 100) == chips
    assert fitting(chips, 65, 40) == [chips[0], chips[2]]
    assert fitting(chips, 65, 50) == [chips[0]], "rather the text than that all is saved"
    assert fitting(chips, 65, 200) == [chips[0]], "the text gives way to a filter"
    assert fitting(chips, LEFT, 200) == []
