"""`tuilabel serve`: labelling in a browser, and who is kept out."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.helpers.needed import needed
from tests.helpers.program import Runner, tiny_command
from tests.helpers.serving import Served, Visitor, chromium, serving
from tests.helpers.terminal import TUILABEL
from tests.helpers.tiny import Tiny
from tuilabel.labels import Event, LabelStore

TOKEN = "correct-horse-battery"


def label_options(tiny: Tiny) -> list[str]:
    """DATASET and the options of `label` for the tiny dataset."""
    dataset, *options = tiny_command(tiny)[len(TUILABEL) + 1 :]
    return [dataset, "--", *options]


def events(directory: Path) -> list[Event]:
    store = LabelStore.open(directory / "fashion-mnist.tuilabel/labels.db")
    try:
        return store.events()
    finally:
        store.close()


def wait_until_gone(pid: int, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < end, "the program of a browser that is gone does not end"
        time.sleep(0.1)


def test_a_browser_labels(tiny: Tiny, tmp_path: Path) -> None:
    with chromium(needed("chromium", "a browser")) as browser, serving(tmp_path, *label_options(tiny)) as served:
        zoe = Visitor(browser, served.url, "Zoë")
        zoe.wait_for_images()
        # The page draws the images itself, in its own pixels.
        layers = zoe.page.evaluate("Array.from(document.querySelectorAll('#terminal canvas'), c => c.className)")
        assert any("image" in name for name in layers)
        zoe.page.keyboard.press("3")
        zoe.wait_for("1 of 300 labelled")
        zoe.page.keyboard.press("4")
        zoe.wait_for("2 of 300 labelled")
        rows = zoe.page.evaluate("terminal.rows")
        zoe.page.set_viewport_size({"width": 900, "height": 500})
        zoe.page.wait_for_function("before => terminal.rows < before - 8", arg=rows)
        zoe.wait_for(r"\? help")  # the last line of the smaller screen
        assert [(event.class_name, event.annotator) for event in events(tmp_path)] == [
            ("Pullover", "Zoë"),
            ("Dress", "Zoë"),
        ]
        (program,) = served.children()
        assert b"--annotator=Zo" in Path(f"/proc/{program}/cmdline").read_bytes()
        zoe.page.click("text=Leave")
        zoe.page.wait_for_selector("text=The session has ended")
        wait_until_gone(program)
        assert not zoe.problems
        assert served.stop() == 0
    assert "Zo" not in "".join(served.said)


def test_a_closed_tab_ends_its_session_and_the_next_one_goes_on(tiny: Tiny, tmp_path: Path) -> None:
    path = needed("chromium", "a browser")
    with chromium(path) as browser, serving(tmp_path, "--max-sessions", "1", *label_options(tiny)) as served:
        first = Visitor(browser, served.url, "ann")
        first.wait_for_images()
        first.page.keyboard.press("1")
        first.wait_for("1 of 300 labelled")
        (program,) = served.children()
        second = Visitor(browser, served.url, "bob")
        second.page.wait_for_selector("text=1 people label already")
        first.page.close()
        wait_until_gone(program)
        second.page.click("text=Label on")
        second.wait_for_images()
        second.wait_for("1 of 300 labelled")
        (program,) = served.children()
        served.process.kill()  # the server is gone without a word: its programs end themselves
        wait_until_gone(program)
    assert [event.annotator for event in events(tmp_path)] == ["ann"]


def test_two_browsers_are_given_different_images(tiny: Tiny, tmp_path: Path) -> None:
    with chromium(needed("chromium", "a browser")) as browser, serving(tmp_path, *label_options(tiny)) as served:
        ann, bob = (Visitor(browser, served.url, name) for name in ("ann", "bob"))
        for visitor in (ann, bob):
            visitor.wait_for_images()
        for n in range(1, 5):
            ann.page.keyboard.press("1")
            ann.wait_for(rf"\b{2 * n - 1} of 300 labelled")
            bob.wait_for(rf"\b{2 * n - 1} of 300 labelled")  # follows what ann does
            bob.page.keyboard.press("2")
            bob.wait_for(rf"\b{2 * n} of 300 labelled")
        assert served.stop() == 0  # ends both
        assert ann.problems + bob.problems == []
    answers = events(tmp_path)
    assert {event.annotator for event in answers} == {"ann", "bob"}
    assert len({event.item for event in answers}) == len(answers) == 8


def test_a_program_that_dies_is_said_on_the_page(tiny: Tiny, tmp_path: Path) -> None:
    with chromium(needed("chromium", "a browser")) as browser, serving(tmp_path, *label_options(tiny)) as served:
        visitor = Visitor(browser, served.url, "ann")
        visitor.wait_for_images()
        (program,) = served.children()
        os.kill(program, signal.SIGKILL)
        visitor.page.wait_for_selector("text=The session has ended")
        assert served.stop() == 0


def test_what_cannot_start_is_said_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/<b>.txt").write_text("no image")
    with chromium(needed("chromium", "a browser")) as browser, serving(tmp_path, "photos") as served:
        visitor = Visitor(browser, served.url, "ann")
        visitor.page.wait_for_selector("dialog[open] >> text=tuilabel: ", timeout=60_000)


@pytest.fixture
def guarded(tmp_path: Path) -> Served:  # type: ignore[misc]
    """A server with a token; nobody labels."""
    with serving(
        tmp_path, "--token", "--role", "owner", "mnist", environment={"TUILABEL_SERVE_TOKEN": TOKEN}
    ) as served:
        yield served


def test_nobody_comes_in_without_the_token(guarded: Served) -> None:
    host = f"localhost:{guarded.port}"
    own = {"Host": host, "Origin": f"http://{host}"}
    assert TOKEN not in guarded.url
    asked = guarded.get("/")
    assert asked.status == 401
    assert 'type="password"' in asked.text
    assert guarded.get("/?token=wrong&annotator=ann").status == 403
    assert guarded.handshake("ann", own) == 401
    assert guarded.handshake("ann", {**own, "Cookie": f"tuilabel-{guarded.port}={TOKEN}"}) == 401

    entered = guarded.get(f"/?token={TOKEN}&annotator=Zo%C3%AB")
    assert (entered.status, entered.headers["Location"]) == (303, "/?annotator=Zo%C3%AB")  # the token is not kept there
    cookie = entered.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert TOKEN not in cookie
    knows = {"Cookie": cookie.split(";")[0]}
    assert guarded.get("/?annotator=ann", knows).status == 200
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert guarded.get("/", form, body="token=wrong").status == 403
    assert guarded.get("/", form, body=f"token={TOKEN}").status == 303

    for origin in ("http://evil.example", f"http://localhost:{guarded.port + 1}", "null"):
        assert guarded.handshake("ann", {**own, **knows, "Origin": origin}) == 403
    assert guarded.handshake("ann", {**knows, "Host": host}) == 403
    for name in ("..%2F..%2Fx", "--role%3Downer", "%3Cscript%3E", "%1B%5B2J"):
        assert guarded.handshake(name, {**own, **knows}) == 400
    guarded.process.terminate()
    assert guarded.process.wait(60) == 0
    assert TOKEN not in "".join(guarded.said)
    assert "wrong token from 127.0.0.1" in "".join(guarded.said)


def test_the_token_is_not_in_the_process_list(guarded: Served) -> None:
    assert TOKEN.encode() not in Path(f"/proc/{guarded.process.pid}/cmdline").read_bytes()


def test_the_pages_load_nothing_from_elsewhere_and_show_names_as_text(tmp_path: Path) -> None:
    with serving(tmp_path, "mnist") as served:
        page = served.get("/?annotator=%3Cb%3Eann")
        assert page.status == 400
        assert "<b>" not in page.text
        assert "&lt;b&gt;ann" in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["Referrer-Policy"] == "no-referrer"
        screen = served.get("/?annotator=ann")
        assert "https://" not in screen.text
        assert served.get("/", {"Host": "evil.example"}).status == 421  # another name that leads to 127.0.0.1
        assert served.get("/static/").status == 403
        assert served.get("/static/../server.py").status == 404
        assert served.get("/static/xterm.js").status == 200


def test_mistakes_are_said_before_anybody_comes(run: Runner) -> None:
    def fails(*arguments: str) -> str:
        done = run("serve", *arguments)
        assert done.returncode == 2, done.stderr
        return done.stderr

    assert "unknown dataset" in fails("no-such-folder")
    assert "each visitor says a name" in fails("mnist", "--", "--annotator", "ann")
    assert "No such option" in fails("mnist", "--", "--bach", "3")
    assert "--max-sessions must be at least 1" in fails("mnist", "--max-sessions", "0")
    assert "--public-url must be like" in fails("mnist", "--public-url", "label.example.org")
    assert "Labellers cannot begin a project" in run("serve", "mnist", "--token").stderr
    assert "at least 16 characters" in run("serve", "mnist", environment={"TUILABEL_SERVE_TOKEN": "short"}).stderr
