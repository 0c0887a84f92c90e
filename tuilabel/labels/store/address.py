"""Where a store is on a server: the address of a PostgreSQL database, as people write it and as settings keep it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

import sqlalchemy as sa

from tuilabel.errors import UsageError

VARIABLE = "TUILABEL_STORE"
EXAMPLE = "postgresql://HOST/DATABASE?schema=PROJECT"
PREFIXES = ("postgresql://", "postgres://")
MAX_SCHEMA = 63  # characters of a name in PostgreSQL

_PARAMETERS = (
    "host", "port", "service", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout",
    "channel_binding", "gssencmode", "target_session_attrs",
)  # fmt: skip
"""What libpq may be told after the question mark: nothing that is a secret."""


@dataclass(frozen=True)
class ServerAddress:
    """A PostgreSQL database, and the schema in it that holds the labels of one project.

    Attributes
    ----------
    url : without password and schema.
    password : if the environment has one; otherwise libpq looks for PGPASSWORD and into ~/.pgpass.
    """

    url: sa.URL
    schema: str
    password: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str, project: str, *, named: str = "store", may_have_password: bool = False) -> ServerAddress:
        """The address in a text such as `postgresql://ada@db.example.org/labels?schema=photos`.

        Parameters
        ----------
        project : the project's name, which names the schema if the text does not.
        named : what the text is called in errors.
        may_have_password : whether a password in it has been seen by nobody else.

        Raises
        ------
        UsageError : if it is not an address, or has a password where others can read it; it is not repeated.
        """
        parameter = named if named.isidentifier() and named.islower() else None
        try:
            if not text.startswith(PREFIXES):
                raise ValueError
            url = sa.make_url(text)
            url = url.set(drivername="postgresql", port=url.port)
        except (sa.exc.ArgumentError, ValueError) as error:
            raise UsageError(f"{named} must be an address such as {EXAMPLE}", parameter=parameter) from error
        query = {key: value if isinstance(value, str) else value[-1] for key, value in url.query.items()}
        schema = query.pop("schema", None)
        password = query.pop("password", url.password)
        if password is not None and not may_have_password:
            raise UsageError(
                f"{named} must not hold a password, which others could read: leave it out and put it into the variable "
                "PGPASSWORD or the file ~/.pgpass (mode 600)",
                parameter=parameter,
            )
        unknown = next((key for key in query if key not in _PARAMETERS), None)
        if unknown is not None:
            known = ", ".join(("schema", *_PARAMETERS))
            raise UsageError(f"{named} has an unknown parameter {unknown!r}: there are {known}", parameter=parameter)
        if schema is not None and not re.fullmatch(rf"[a-z_][a-z0-9_]{{0,{MAX_SCHEMA - 1}}}", schema):
            raise UsageError(
                f"{named} has a schema {schema!r}: a name may have a-z, 0-9 and _, and begins with a letter",
                parameter=parameter,
            )
        url = url.set(password=None, query=query) if url.password is None else _without_password(url, query)
        return cls(url, schema or _schema_of(project), password)

    def __str__(self) -> str:
        """The address without the password, as settings keep it."""
        return self.url.update_query_dict({"schema": self.schema}).render_as_string(hide_password=False)

    def with_password_of_environment(self) -> ServerAddress:
        """The address with the password of TUILABEL_STORE, if that names the same database and user."""
        other = from_environment(self.schema)
        if other is None or other.password is None or other.url != self.url:
            return self
        return ServerAddress(self.url, self.schema, other.password)


def from_environment(project: str) -> ServerAddress | None:
    """The address in the variable TUILABEL_STORE, which may have a password; None if it is not set.

    Raises
    ------
    UsageError : if it is not an address.
    """
    text = os.environ.get(VARIABLE)
    return ServerAddress.parse(text, project, named=VARIABLE, may_have_password=True) if text else None


def _without_password(url: sa.URL, query: dict[str, str]) -> sa.URL:
    return sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, query)


def _schema_of(project: str) -> str:
    """The schema of a project by its name: what PostgreSQL takes without quotes."""
    name = re.sub(r"[^a-z0-9]+", "_", project.lower()).strip("_")
    return f"tuilabel_{name}"[:MAX_SCHEMA].rstrip("_")
