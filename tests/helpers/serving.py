"""`tuilabel serve` as its owner starts it, and a browser for its visitors."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.helpers.terminal import TUILABEL

LINES = (
    "Array.from({length: terminal.rows}, "
    "(_, y) => terminal.buffer.active.getLine(y)?.translateToString(true) ?? '')"
    ".join('\\n')"
)
"""The text on the screen of a page."""


@dataclass
class Served:
    """A running server."""

    process: subprocess.Popen[str]
    url: str
    said: list[str] = field(default_factory=list)
    """Everything that it printed so far."""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    def get(self, path: str, headers: Mapping[str, str] | None = None, body: str | None = None) -> Reply:
        """What the server answers to one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET" if body is None else "POST", path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read().decode())
        finally:
            connection.close()

    def handshake(self, annotator: str, headers: Mapping[str, str]) -> int:
        """The status of the answer to a WebSocket's first request that should be refused."""
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        return self.get(f"/ws/{annotator}", {**upgrade, **headers}).status

    def children(self) -> list[int]:
        """The processes that it has started."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str


@contextmanager
def serving(directory: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Run `tuilabel serve` on a free port until the test is done."""
    process = subprocess.Popen(
        [*TUILABEL, "serve", "--port", "0", *arguments],
        cwd=directory,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout as output:
        first = output.readline()
        served = Served(process, first.strip(), [first])
        reader = threading.Thread(target=lambda: served.said.extend(output), daemon=True)
        reader.start()
        try:
            assert first.startswith("http"), first + output.read()
            yield served
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
            reader.join(10)


@contextmanager
def chromium(path: str) -> Iterator[Any]:
    """A browser without a window, whose `new_context()` are as different people."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A person with a browser of their own."""

    def __init__(self, browser: Any, url: str, name: str) -> None:
        self.page = browser.new_context(viewport={"width": 1200, "height": 760}).new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(url)
        self.page.fill("#annotator", name)
        self.page.click("text=Label")

    @property
    def text(self) -> str:
        return str(self.page.evaluate(LINES))

    def wait_for(self, pattern: str, seconds: float = 120) -> None:
        """Wait until the screen matches a regular expression of JavaScript."""
        self.page.wait_for_function(
            f"pattern => typeof terminal === 'object' && new RegExp(pattern).test({LINES})",
            arg=pattern, timeout=1000 * seconds, polling=200,
        )  # fmt: skip

    def wait_for_images(self) -> None:
        """Wait until the page shows images, and the program knows it."""
        self.wait_for(r"\n {3,}· ")
        self.page.wait_for_timeout(300)
