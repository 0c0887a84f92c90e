"""Who may come in to `tuilabel serve`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilabel.errors import TuilabelError, UsageError
from tuilabel.web.access import Access, is_loopback, is_visitors_name, read_token

TOKEN = "0123456789abcdef"


def test_only_who_knows_the_token_comes_in() -> None:
    access = Access(TOKEN)
    assert access.knows(TOKEN)
    assert not any(access.knows(wrong) for wrong in ("", TOKEN[:-1], TOKEN + "0", "ß" * 16))
    assert access.admits(access.cookie)
    assert not any(access.admits(wrong) for wrong in (None, "", TOKEN, Access(TOKEN).cookie))


def test_without_a_token_everybody_on_this_machine_comes_in_but_no_foreign_page() -> None:
    access = Access(None)
    assert access.admits(None)
    assert not access.knows("")
    assert all(access.believes(host) for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000", "127.9.9.9"))
    assert not any(access.believes(host) for host in (None, "", "evil.example:8000", "localhost.evil.example", "[:"))


def test_a_websocket_is_opened_by_the_servers_own_pages_only() -> None:
    access = Access(TOKEN)
    assert access.same_origin("http://box:8000", "box:8000")
    for origin in (None, "null", "http://evil.example", "http://box:8001", "http://box", "box:8000"):
        assert not access.same_origin(origin, "box:8000")
    assert not access.same_origin(None, None)


def test_behind_a_proxy_the_public_name_is_believed() -> None:
    access = Access(TOKEN, "https://label.example.org")
    assert access.same_origin("https://label.example.org", "127.0.0.1:8000")
    assert not access.same_origin("http://label.example.org", "127.0.0.1:8000")
    assert not access.same_origin("https://label.example.org.evil.example", "127.0.0.1:8000")


def test_secrets_are_not_in_what_is_logged() -> None:
    access = Access(TOKEN)
    assert TOKEN not in repr(access)
    assert access.cookie not in repr(access)


@pytest.mark.parametrize("name", ["ann", "Zoë", "J. R. O'Neil", "a@b.org", "王", "a-b", "x" * 40])
def test_names_of_people(name: str) -> None:
    assert is_visitors_name(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "--role=owner", "../x", "a/b", "<b>", "a&b", "x" * 41, "a\x1b[2J", "a\nb", "a ", "ann+bob", "\u202ex"],
)  # fmt: skip
def test_what_is_no_name(name: str) -> None:
    assert not is_visitors_name(name)


def test_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "")))


def test_the_token_is_in_a_file_that_nobody_else_can_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o640)
    with pytest.raises(UsageError, match="can be read by others: `chmod 600` it"):
        read_token(file, {})
    file.chmod(0o600)
    assert read_token(file, {"TUILABEL_SERVE_TOKEN": "x" * 20}) == TOKEN
    assert read_token(None, {"TUILABEL_SERVE_TOKEN": "x" * 20}) == "x" * 20
    assert read_token(None, {}) is None
    with pytest.raises(UsageError, match="TUILABEL_SERVE_TOKEN must have at least 16 characters"):
        read_token(None, {"TUILABEL_SERVE_TOKEN": "guessed"})
    with pytest.raises(TuilabelError, match="cannot read the token"):
        read_token(tmp_path / "none", {})
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TuilabelError, match="it is not text"):
        read_token(file, {})
