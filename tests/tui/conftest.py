"""An app over a toy session, and snapshots of its screen."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from tests.helpers.app import AppMaker
from tests.helpers.sessions import SessionMaker
from tests.helpers.toy import Toy
from tuilabel.session import LabellingSession
from tuilabel.tui.app import LabelApp
from tuilabel.tui.mailbox import Mailbox
from tuilabel.tui.state import AppState


class NothingUnsaved(set[str]):
    """No answer is ever waiting for the disk."""

    def update(self, *_: object) -> None:
        pass


@pytest.fixture
def make_app(toy: Toy, make_session: SessionMaker) -> AppMaker:
    """An app over a session with the inline trainer; the session's answers are saved at once."""

    def make(session: LabellingSession | None = None, **options: object) -> LabelApp:
        return LabelApp(AppState(session or make_session(toy, **options), unsaved=NothingUnsaved()), Mailbox())

    return make


class ScreenText(SingleFileSnapshotExtension):
    """A text file for each screen, so that a diff shows it as it looks."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """The stored screen of the test; `pytest --snapshot-update` stores the new one."""
    return snapshot.use_extension(ScreenText)
