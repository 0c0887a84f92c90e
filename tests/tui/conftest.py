"""An app over a toy session."""

from __future__ import annotations

import pytest

from tests.helpers.app import AppMaker
from tests.helpers.sessions import SessionMaker
from tests.helpers.toy import Toy
from tuilabel.session import LabellingSession
from tuilabel.tui.app import LabelApp
from tuilabel.tui.mailbox import Mailbox
from tuilabel.tui.state import AppState


@pytest.fixture
def make_app(toy: Toy, make_session: SessionMaker) -> AppMaker:
    """An app over a session with the inline trainer; the session's answers are saved at once."""

    def make(session: LabellingSession | None = None, **options: object) -> LabelApp:
        return LabelApp(AppState(session or make_session(toy, **options)), Mailbox())

    return make
