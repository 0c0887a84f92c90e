"""Which URLs may be read: none with `--no-remote`, and of those that a table names only some.

A table of images may come from anybody, and what it names is fetched without being asked: so it must not reach services
of this machine or of its cloud, nor other programs' protocols. A URL that the user typed is what the user wants.
"""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from tuilabel.errors import TuilabelError

NO_REMOTE = "TUILABEL_NO_REMOTE"
"""The environment variable that forbids all URLs, for child processes too."""
LOCAL_URLS = "TUILABEL_LOCAL_URLS"
"""The environment variable that allows tables to name this machine and its link."""
SCHEMES = ("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory")
"""What a table of images may name; a table that is remote itself also its own scheme."""


def check_remote(url: str) -> None:
    """Raise `TuilabelError` if no URL may be read."""
    if os.environ.get(NO_REMOTE):
        raise TuilabelError(
            f"{url} is elsewhere, and nothing remote is read: to allow it, start without {NO_REMOTE} and the option of "
            "that name"
        )


def check_named(url: str, table: str) -> None:
    """Raise `TuilabelError` if a table may not name this URL.

    Parameters
    ----------
    table : the location of the table itself.
    """
    scheme, own = (text.partition("://")[0].lower() for text in (url, table))
    if scheme not in SCHEMES and not ("://" in table and scheme == own):
        raise TuilabelError(f"a table may not name {scheme}:// files: name them on the command line")
    if scheme in ("http", "https") and not os.environ.get(LOCAL_URLS):
        try:
            host, its_own = urlsplit(url).hostname or "", urlsplit(table).hostname
        except ValueError as error:
            raise TuilabelError("it is not a valid URL") from error
        if host != its_own and is_local(host):
            raise TuilabelError(
                f"a table may not name {host}, which is this machine or its link: {LOCAL_URLS}=1 allows it"
            )


@lru_cache(1 << 10)
def is_local(host: str) -> bool:
    """Whether a host is this machine or on its link, such as the metadata service of a cloud; False if unknown."""
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False  # nothing can be read from it either
    known = [ip_address(str(address).partition("%")[0]) for address in addresses]
    known += [mapped for one in known if (mapped := getattr(one, "ipv4_mapped", None)) is not None]
    return any(one.is_loopback or one.is_link_local or one.is_unspecified for one in known)
