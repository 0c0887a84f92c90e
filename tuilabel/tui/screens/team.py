"""Who labels the project now: a small dialog that stays up to date."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tuilabel.errors import pluralize, printable
from tuilabel.session import LabellingSession
from tuilabel.tui.screens.dialogs import Dialog

REFRESH_INTERVAL = 1.0  # seconds


class TeamDialog(Dialog):
    """Names, what each is asked, since when, and where. Class keys do nothing here."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("at", "cancel", show=False)]

    def __init__(self, session: LabellingSession) -> None:
        super().__init__("Who is here", "Esc back")
        self._session = session
        self._table = Static(classes="team")

    def compose_box(self) -> ComposeResult:
        yield self._table

    def on_mount(self) -> None:
        self._show()
        self.set_interval(REFRESH_INTERVAL, self._show)

    def _show(self) -> None:
        self._table.update(team_table(self._session))


def team_table(session: LabellingSession) -> Table:
    """One row for each session: who, how many images it is asked, since when, and where."""
    table = Table(box=None, padding=(0, 1, 0, 1), pad_edge=False, show_header=False)
    for _ in range(5):
        table.add_column(no_wrap=True)
    answered = session.answered_by()
    for present in session.team.sessions:
        me = " (you)" if present.session == session.id else ""
        role = session.team.role_of(present.annotator)
        asked = session.asked_of(present.session)
        if present.session == session.id:
            role = session.role
        since = present.since.astimezone()
        day = "" if since.date() == datetime.now().astimezone().date() else f"{since:%d %b} "
        table.add_row(
            Text(printable(present.annotator) + me, style="bold"),
            f"asked {pluralize(asked, 'image')}",
            f"{answered.get(present.annotator, 0):,} done",
            f"since {day}{since:%H:%M}",
            Text(f"{role} on {printable(present.host)}", style="dim"),
        )
    if not session.team.sessions:
        table.add_row("Nobody else: this session does not share its store")
    return table
