"""Which URLs may be read: none with `--no-remote`, and of those that a table names only some.

A table of images may come from anybody, and what it names is fetched without being asked: so it must not reach services
of this machine or of its cloud, nor other programs' protocols. A URL that the user typed is what the user wants, but
where its server leads from there is not.
"""

from __future__ import annotations

import errno
import os
import socket
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from tuilabel.errors import TuilabelError

NO_REMOTE = "TUILABEL_NO_REMOTE"
"""The environment variable that forbids all URLs, for child processes too."""
LOCAL_URLS = "TUILABEL_LOCAL_URLS"
"""The environment variable that allows tables to name this machine and its link."""
SCHEMES = ("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory")
"""What a table of images may name; a table that is remote itself also its own scheme."""

_METADATA = frozenset({"fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"})
"""Metadata services that are not link-local: of Amazon (IPv6), Alibaba, Azure and Oracle."""
_NAT64 = ip_network("64:ff9b::/96")


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


def connection_options(url: str) -> dict[str, Any]:
    """Options of fsspec's file system for a URL, so that no server leads from elsewhere to this machine or its link."""
    scheme, is_free = url.partition("://")[0].lower(), bool(os.environ.get(LOCAL_URLS))
    if scheme not in ("http", "https") or is_free or is_local(urlsplit(url).hostname or ""):
        return {}
    return {"get_client": careful_client}


async def careful_client(**options: Any) -> Any:
    """A client of aiohttp that looks at each address at the moment when it connects to it.

    So it does not matter where a server redirects to, nor that a name means another address than a moment ago.
    """
    import aiohttp

    def open_socket(address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = address_info
        if is_local_address(str(address[0])):
            raise PermissionError(
                errno.EACCES, f"it leads to this machine or its link ({address[0]}): see {LOCAL_URLS}"
            )
        return socket.socket(family, kind, protocol)

    try:
        connector = aiohttp.TCPConnector(socket_factory=open_socket)
    except TypeError as error:
        raise TuilabelError("aiohttp is too old to read URLs with: `pip install 'aiohttp>=3.12'`") from error
    return aiohttp.ClientSession(connector=connector, **options)


@cache  # of all, or an old answer would be forgotten for a new one
def is_local(host: str) -> bool:
    """Whether a host is this machine or on its link, such as the metadata service of a cloud; False if unknown."""
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False  # nothing can be read from it either
    return any(is_local_address(str(address)) for address in addresses)


def is_local_address(address: str) -> bool:
    """Whether an IP address is of this machine or on its link, or of the metadata service of a cloud."""
    one = ip_address(address.partition("%")[0])
    if isinstance(one, IPv6Address):
        behind = IPv4Address(int(one) & 0xFFFFFFFF) if one in _NAT64 else None
        one = one.ipv4_mapped or one.sixtofour or behind or one
    return one.is_loopback or one.is_link_local or one.is_unspecified or str(one) in _METADATA | _own_addresses()


@cache
def _own_addresses() -> frozenset[str]:
    import psutil

    interfaces = psutil.net_if_addrs().values()
    return frozenset(entry.address.partition("%")[0] for entries in interfaces for entry in entries)
