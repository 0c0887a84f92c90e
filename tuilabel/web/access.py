"""Who may come in: the token, its cookie, which names of the host are believed, and the visitors' names."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from ipaddress import ip_address
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import urlsplit

from tuilabel.errors import TuilabelError, UsageError

TOKEN_VARIABLE = "TUILABEL_SERVE_TOKEN"
SHORTEST_TOKEN = 16  # characters; nobody guesses one at the rate of web requests
LONGEST_NAME = 40  # characters
_NAME = re.compile(r"\w[\w .@'-]*")  # no option, path, markup, list or control character


@dataclass(frozen=True)
class Access:
    """Decides about requests.

    Parameters
    ----------
    token : what a visitor must know; None on loopback, if everybody on this machine may come in.
    public_url : how visitors reach the server through a proxy; None without one.
    """

    token: str | None = field(repr=False)
    public_url: str | None = None
    cookie: str = field(default_factory=token_urlsafe, repr=False)
    """What the browser of a visitor who knew the token keeps; not the token, and good for this run only."""

    def knows(self, token: str) -> bool:
        """Whether a visitor knows the token; takes the same time for any wrong one."""
        return self.token is not None and compare_digest(token.encode(), self.token.encode())

    def admits(self, cookie: str | None) -> bool:
        """Whether a browser may come in, by its cookie."""
        return self.token is None or compare_digest((cookie or "").encode(), self.cookie.encode())

    def believes(self, host: str | None) -> bool:
        """Whether a request may name this host.

        Without a token, a foreign page could reach the server under a name of its own that leads to 127.0.0.1.
        """
        return self.token is not None or is_loopback(_name(host or "")) or self._is_public(host)

    def same_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a WebSocket is opened by one of the server's own pages, as browsers say it."""
        return bool(origin and host) and (urlsplit(origin or "").netloc == host or self._is_public(origin))

    def _is_public(self, text: str | None) -> bool:
        public = urlsplit(self.public_url or "")
        return self.public_url is not None and text in (public.netloc, f"{public.scheme}://{public.netloc}")


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is that of this machine for itself alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The host without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_visitors_name(name: str) -> bool:
    """Whether a name can stand with every answer: letters, digits, spaces and `. @ ' -`, at most `LONGEST_NAME`."""
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None and name == name.strip()


def read_token(token_file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The token that the owner chose: in a file that nobody else can read, or in the environment; None if in neither.

    Raises
    ------
    TuilabelError : if the file cannot be read.
    UsageError : if others can read the file, or the token is too short.
    """
    token, where = environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
    if token_file is not None:
        where = "token_file"
        try:
            with token_file.expanduser().open(encoding="utf-8") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise UsageError(
                        f"token_file {token_file} can be read by others: `chmod 600` it", parameter="token_file"
                    )
                token = file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise TuilabelError(f"cannot read the token in {token_file}: {reason}") from error
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise UsageError(
            f"{where} must have at least {SHORTEST_TOKEN} characters (`openssl rand -hex 16` makes one)",
            parameter=where,
        )
    return token
