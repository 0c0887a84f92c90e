"""PostgreSQL as the database of a store: for people on several hosts. Each project has a schema of its own."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from tuilabel.errors import TuilabelError
from tuilabel.extras import how_to_install
from tuilabel.labels.store.address import ServerAddress
from tuilabel.labels.store.database import Database, begin_with
from tuilabel.labels.store.schema import APPEND_ONLY, MOVED

if TYPE_CHECKING:
    import psycopg

LOCK = 0x7475696C  # "tuil": the first half of the key of the writers' lock
CONNECT_TIMEOUT = 5  # seconds
LOCK_TIMEOUT = 30  # seconds that a writer waits for others
IDLE_TIMEOUT = 30  # seconds after which the server gives up a transaction whose program was frozen
SILENCE = 40.0  # seconds after which a server that answers nothing is given up: frozen, its kernel still confirms bytes

_SETTINGS = {
    "client_encoding": "UTF8",
    "lock_timeout": f"{LOCK_TIMEOUT}s",
    "idle_in_transaction_session_timeout": f"{IDLE_TIMEOUT}s",
}
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
"""Of the network, so that a server that is gone is noticed: 15 s after the last byte that it confirmed."""


def connect(address: ServerAddress) -> Database:
    """The database at an address; it is connected to when it is used.

    Raises
    ------
    TuilabelError : if the driver is not installed.
    """
    try:
        patient = _patient_connection()
    except ImportError as error:
        raise TuilabelError(f"a store in PostgreSQL needs the package psycopg: {how_to_install('psycopg')}") from error
    url = address.url
    arguments: dict[str, Any] = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "dbname": url.database,
        "password": address.password,
        "application_name": "tuilabel",
        "connect_timeout": CONNECT_TIMEOUT,
        **_KEEPALIVES,
        **url.query,
    }

    def open_connection() -> psycopg.Connection[Any]:
        """Connect without SQLAlchemy's help, which so never knows the password."""
        connection = patient.connect(**{key: value for key, value in arguments.items() if value is not None})
        encoding = connection.info.parameter_status("server_encoding")
        try:
            if encoding != "UTF8":
                raise TuilabelError(
                    f"cannot open {address}: its encoding is {encoding}, which has no room for every name; create a "
                    "database with `createdb -E UTF8 -T template0`"
                )
            for name, value in {**_SETTINGS, "search_path": address.schema}.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            # A green tick means that the label is on the server's disk, whatever the database does for others.
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') = 'off'"
            )
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection

    engine = sa.create_engine("postgresql+psycopg://", creator=open_connection, pool_pre_ping=True)
    return Database(
        engine,
        str(address),
        reading=begin_with("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
        writing=begin_with(
            # Each statement sees what was committed before it, so what follows the lock sees all earlier writers.
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
            # Serial numbers are given when a row is inserted and seen when it is committed: without the lock a reader
            # could see number 8 before 7 and never come back for it. An advisory lock needs no right on a table.
            f"SELECT pg_advisory_xact_lock({LOCK}, hashtext('{address.schema}'))",
        ),
        creating=(f"CREATE SCHEMA IF NOT EXISTS {address.schema}",),
        append_only=_append_only(),
        close=(
            _function("moved", MOVED),
            *(
                f"CREATE OR REPLACE TRIGGER {table}_moved BEFORE INSERT ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION moved()"
                for table in APPEND_ONLY
            ),
        ),
        reopen=tuple(f"DROP TRIGGER IF EXISTS {table}_moved ON {table}" for table in APPEND_ONLY),
        insert=insert,
        advice=advice,
    )


def _patient_connection() -> type[psycopg.Connection[Any]]:
    """A connection that is closed when the server answers nothing for `SILENCE` seconds."""
    import psycopg

    class PatientConnection(psycopg.Connection[Any]):  # type: ignore[misc]
        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:
            return super().wait(self._limited(gen), *args, **options)

        def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
            """The same protocol messages; psycopg tells the generator each tenth of a second that there is nothing."""
            try:
                waiting_for = next(gen)
                until = time.monotonic() + SILENCE
                while True:
                    ready = yield waiting_for
                    if ready:
                        until = time.monotonic() + SILENCE
                    elif time.monotonic() > until:
                        self.close()
                        raise psycopg.OperationalError(f"the server has not answered for {SILENCE:.0f} s")
                    waiting_for = gen.send(ready)
            except StopIteration as done:
                return done.value

    return PatientConnection


def _append_only() -> tuple[str, ...]:
    """Statements that make PostgreSQL refuse to change, delete or truncate."""
    return (
        _function("never_changed", "labels are never changed, only added to"),
        *(
            f"CREATE OR REPLACE TRIGGER {table}_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION never_changed()"
            for table in APPEND_ONLY
        ),
    )


def _function(name: str, message: str) -> str:
    """A statement that makes a function for triggers, which refuses what is done."""
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )


def advice(reason: str) -> str:
    """What to do about an error of PostgreSQL, by its words."""
    advice_for = {
        "password": "put the right password into the variable PGPASSWORD or the file ~/.pgpass (mode 600)",
        "pg_hba.conf": "ask the owner of the server to let you in",
        "not answered": "it is tried again",
        "lock timeout": "another program has been writing for long; it is tried again",
        "permission denied": "ask the owner of the database for that right, see docs/stores.md",
        "read-only": "use the server that takes changes",
        "No space left": "make room on the disk of the server",
        "too many": "raise max_connections of the server, or quit other programs that use it",
        MOVED: "quit, and open the project again",
        "does not exist": "create it, see docs/stores.md",
        "syntax error at or near": "use PostgreSQL 14 or newer",
        "service": "look into ~/.pg_service.conf",
    }
    return next((text for words, text in advice_for.items() if words in reason), "check that the server can be reached")
