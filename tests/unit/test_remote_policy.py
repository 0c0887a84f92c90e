"""Which URLs a table of images may name."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from tuilabel.datasets.sources import remote_policy
from tuilabel.datasets.sources.base import Content
from tuilabel.datasets.sources.remote_policy import check_named, check_remote, is_local, is_local_address
from tuilabel.datasets.sources.resolve import open_source
from tuilabel.errors import TuilabelError


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8888/api", "http://localhost/x.jpg", "https://[::1]/x.jpg", "http://[::ffff:127.0.0.1]/x",
        "http://169.254.169.254/latest/meta-data/", "http://0.0.0.0/x", "http://2130706433/x", "http://[fd00:ec2::254]/x",
        "http://100.100.100.200/x", "http://[64:ff9b::a9fe:a9fe]/x", "http://[2002:7f00:1::]/x",
    ],
)  # fmt: skip
def test_a_table_does_not_reach_this_machine_or_its_cloud(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TuilabelError, match="this machine or its link: TUILABEL_LOCAL_URLS=1 allows it"):
        check_named(url, "/data/list.csv")
    with pytest.raises(TuilabelError):
        check_named(url, "https://198.51.100.7/list.csv")
    monkeypatch.setenv("TUILABEL_LOCAL_URLS", "1")
    check_named(url, "/data/list.csv")


def test_the_addresses_of_its_interfaces_are_this_machine() -> None:
    interfaces = psutil.net_if_addrs().values()
    own = [one.address for entries in interfaces for one in entries if one.family in (socket.AF_INET, socket.AF_INET6)]
    assert own
    assert all(map(is_local_address, own))
    assert not is_local_address("198.51.100.7")


def test_a_table_on_this_machine_names_its_neighbours() -> None:
    check_named("http://127.0.0.1:8000/a.jpg", "http://127.0.0.1:8000/list.csv")


@pytest.mark.parametrize("url", ["ssh://me@host/x", "ftp://host/x", "reference://x", "github://a:b@/x", "smb://host/x"])
def test_a_table_names_pictures_by_the_usual_protocols_only(url: str) -> None:
    with pytest.raises(TuilabelError, match="a table may not name"):
        check_named(url, "/data/list.csv")
    check_named(url, url + "/list.csv")


def test_public_hosts_and_unknown_ones_are_not_local() -> None:
    assert not is_local("198.51.100.7")
    assert not is_local("no such host.invalid")


def test_what_a_table_may_not_name_is_a_problem_of_its_row(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("path\nhttp://169.254.169.254/x.jpg\n")
    source = open_source(str(table))
    (entry,) = source.list()
    ((_, content),) = source.read([entry.name])
    assert "this machine or its link" in str(content)


def test_nothing_remote_is_read_where_that_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUILABEL_NO_REMOTE", "1")
    with pytest.raises(TuilabelError, match="nothing remote is read"):
        check_remote("https://example.org/x")
    with pytest.raises(TuilabelError, match="nothing remote is read"):
        open_source("https://user:secret@example.org/photos.zip")
    table = tmp_path / "t.csv"
    table.write_text("path\nhttps://example.org/x.jpg\n")
    source = open_source(str(table))
    (entry,) = source.list()
    ((_, content),) = source.read([entry.name])
    assert "nothing remote is read" in str(content)


class Server(HTTPServer):
    """On 127.0.0.1 and 127.0.0.2; redirects what is asked of it elsewhere, and keeps who was asked for what."""

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), Redirect)
        self.leads_to, self.asked = "", list[tuple[str, str]]()


class Redirect(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append((self.connection.getsockname()[0], self.path))
        redirected = bool(server.leads_to) and self.path == "/a.jpg"
        self.send_response(302 if redirected else 200)
        self.send_header("Content-Length", "0" if redirected else "5")
        if redirected:
            self.send_header("Location", server.leads_to)
        self.end_headers()
        if not redirected:
            self.wfile.write(b"bytes")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_message: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on the network at 127.0.0.1, if 127.0.0.2 is this machine."""
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(remote_policy, "is_local_address", lambda address: address == "127.0.0.2")
    is_local.cache_clear()
    running = Server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()
    is_local.cache_clear()


def read_listed(tmp_path: Path, url: str) -> Content:
    table = tmp_path / "t.csv"
    table.write_text(f"path\n{url}\n")
    source = open_source(str(table))
    ((_, content),) = source.read([entry.name for entry in source.list()])
    return content


def test_a_server_does_not_redirect_to_this_machine(server: Server, tmp_path: Path) -> None:
    port = server.server_port
    server.leads_to = f"http://127.0.0.1:{port}/b.jpg"
    assert read_listed(tmp_path, f"http://127.0.0.1:{port}/a.jpg") == b"bytes"
    for leads_to in (f"http://127.0.0.2:{port}/secret", f"//127.0.0.2:{port}/secret"):
        server.leads_to = leads_to
        content = read_listed(tmp_path, f"http://127.0.0.1:{port}/a.jpg")
        assert "it leads to this machine or its link (127.0.0.2): see TUILABEL_LOCAL_URLS" in str(content)
    assert {address for address, _ in server.asked} == {"127.0.0.1"}


def test_a_name_that_comes_to_mean_this_machine_is_not_connected_to(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup, answers = socket.getaddrinfo, ["127.0.0.1"]

    def resolve(host: str, *arguments: object, **options: object) -> object:
        name = (answers.pop() if answers else "127.0.0.2") if host == "pictures.example" else host
        return lookup(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    content = read_listed(tmp_path, f"http://pictures.example:{server.server_port}/b.jpg")
    assert "it leads to this machine or its link (127.0.0.2)" in str(content)
    assert server.asked == []


def test_a_server_that_was_typed_does_not_lead_to_this_machine_either(server: Server) -> None:
    server.leads_to = f"http://127.0.0.2:{server.server_port}/secret.zip"
    with pytest.raises(TuilabelError, match="this machine or its link"):
        open_source(f"http://127.0.0.1:{server.server_port}/a.jpg")
    assert {address for address, _ in server.asked} <= {"127.0.0.1"}
