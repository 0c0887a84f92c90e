"""`tuilabel label` and `tuilabel doctor` in terminals of several kinds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.painting import PaintingTerminal
from tests.helpers.program import FIRST_START, IMAGES, Runner, tiny_command
from tests.helpers.terminal import PLAIN, TUILABEL, Terminal
from tests.helpers.tiny import Tiny
from tuilabel.render.cells import MARK

KITTY = {
    b"\x1b[>q": b"\x1bP>|kitty(0.35.2)\x1b\\",
    b"a=q": b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b[16t": b"\x1b[6;16;8t",
    b"\x1b[c": b"\x1b[?62c",
}
PAINTING = {
    "sixel": ({**PLAIN, b"\x1b[16t": b"\x1b[6;16;8t", b"\x1b[c": b"\x1b[?62;4c"}, b"\x1bP0;1;0q"),
    "iterm2": ({b"\x1b[>q": b"\x1bP>|iTerm2 3.5.0\x1b\\", **PLAIN}, b"\x1b]1337;File="),
}
"""The answers of a terminal that paints images, and how an image begins."""
OVER_SSH = {"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22", "COLORTERM": "", "TMUX": ""}
PLACEHOLDER = "\U0010eeee".encode()
DIRECT, INDEXED = rb"\x1b\[[\d;]*[34]8;2;", rb"\x1b\[[\d;]*[34]8;5;"


def on_the_screen(terminal: Terminal) -> bytes:
    """What was written after the app switched to the alternate screen."""
    return terminal.output.partition(b"\x1b[?1049h")[2]


def test_kitty_gets_images_before_their_cells_few_bytes_per_key_and_a_cleanup_at_the_end(
    tiny: Tiny, tmp_path: Path
) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path, environment=OVER_SSH, answers=KITTY, delay=0.3) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.settle()
        sent = re.findall(rb"\x1b_Ga=T,U=1,i=(\d+),", terminal.output)
        assert len(set(sent)) == len(sent) >= 20
        assert terminal.output.index(b"\x1b_Ga=T") < terminal.output.index(PLACEHOLDER)
        begin = terminal.bytes_written
        terminal.type("1")
        terminal.wait_for(r"\b1 of 300 labelled")
        terminal.settle()
        assert terminal.bytes_written - begin < 1000
        for n, key in enumerate("21212", start=2):
            terminal.type(key)
            terminal.wait_for(rf"\b{n} of 300 labelled")
        terminal.wait_for(
            r"ACCURACY (test )?\d", FIRST_START
        )  # the pictures of the next batch are drawn by now, but not sent
        terminal.settle()
        assert PLACEHOLDER not in terminal.output[begin:]
        assert terminal.output.count(b"\x1b_Ga=T") == len(sent)
        assert b"a=d" not in terminal.output
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
        removed = re.findall(rb"\x1b_Ga=d,d=I,i=(\d+),", terminal.output)
        assert set(removed) == set(re.findall(rb"\x1b_Ga=T,U=1,i=(\d+),", terminal.output))
        assert terminal.output.rindex(b"\x1b_Ga=d") < terminal.output.rindex(b"\x1b[?1049l")


@pytest.mark.parametrize("protocol", ["sixel", "iterm2"])
def test_images_are_painted_under_dialogs_and_fall_back_to_blocks(tiny: Tiny, tmp_path: Path, protocol: str) -> None:
    answers, begins = PAINTING[protocol]
    with Terminal(tiny_command(tiny), directory=tmp_path, environment=OVER_SSH, answers=answers) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.settle()
        painted = PaintingTerminal(120, 40)
        painted.feed(on_the_screen(terminal).decode())
        assert painted.images >= 20
        before = painted.canvas >= 0
        assert 0.2 < before.mean() < 0.8
        assert MARK not in terminal.text
        assert "Ctrl+G blocks" in terminal.text.splitlines()[0]
        begin = len(terminal.output)
        terminal.type("1")
        terminal.wait_for(r"\b1 of 300 labelled")
        terminal.settle()
        assert len(terminal.output) - begin < 1500
        assert begins not in terminal.output[begin:]

        terminal.type("?")
        terminal.wait_for("Undo the last step")
        terminal.settle()
        painted.feed(terminal.output[begin:].decode())
        assert (painted.canvas >= 0).mean() < before.mean()
        begin = len(terminal.output)
        terminal.key("escape")
        terminal.wait_for_gone("Undo the last step")
        terminal.settle(0.5)
        painted.feed(terminal.output[begin:].decode())
        assert ((painted.canvas >= 0) == before).all()

        begin = len(terminal.output)
        terminal.type("\x07")
        terminal.wait_for_gone("Ctrl+G blocks")
        terminal.settle()
        painted.feed(terminal.output[begin:].decode())
        assert (painted.canvas == -1).all()
        terminal.key("ctrl+q")
        terminal.wait_for_exit()
    with Terminal(tiny_command(tiny), directory=tmp_path, environment=OVER_SSH, answers=answers) as terminal:
        terminal.wait_for(r"1 of 300 labelled", FIRST_START)
        terminal.wait_for("[▌▐▚▞]")
        terminal.settle()
        assert begins not in terminal.output
        terminal.type("\x07")
        terminal.wait_for(r"Ctrl\+G blocks")
        terminal.settle()
        assert begins in terminal.output


def test_the_notice_on_dropped_colours_stays_until_it_is_dismissed(tiny: Tiny, tmp_path: Path) -> None:
    environment = {**OVER_SSH, "TUILABEL_CACHE": str(tmp_path / "cache")}
    notice = "TUILABEL_COLOR=truecolor"
    with Terminal(tiny_command(tiny), directory=tmp_path, environment=environment) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.wait_for(notice)
        terminal.type("1")
        terminal.wait_for("1 of 300 labelled")
        terminal.settle()
        assert notice in terminal.text
        assert re.search(INDEXED, on_the_screen(terminal))
        assert not re.search(DIRECT, on_the_screen(terminal))
        terminal.key("escape")
        terminal.wait_for_gone(notice)
    with Terminal(tiny_command(tiny), directory=tmp_path, environment=environment) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.settle()
        assert notice not in terminal.text
    forced = tiny_command(tiny, "--color", "truecolor", "--images", "quadrant")
    with Terminal(forced, directory=tmp_path, environment=environment, answers={}) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        assert re.search(DIRECT, on_the_screen(terminal))
        assert b"\x1b[c" not in terminal.output  # there is nothing left to query


@pytest.mark.parametrize("environment", [{"TERM": "xterm", "COLORTERM": ""}, {"TUILABEL_COLOR": "16"}])
def test_16_colours_show_images_as_characters(tiny: Tiny, tmp_path: Path, environment: dict[str, str]) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path, environment=environment) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        assert "@@@@" in terminal.text
        assert not re.search(DIRECT, on_the_screen(terminal))
        assert not re.search(INDEXED, on_the_screen(terminal))
        terminal.type("1")
        terminal.wait_for("1 of 300 labelled")


def test_no_color_shows_images_as_characters(tiny: Tiny, tmp_path: Path) -> None:
    command = ["env", "NO_COLOR=1", *tiny_command(tiny)]
    with Terminal(command, directory=tmp_path) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        assert "@@@@" in terminal.text


def test_a_dumb_terminal_is_a_one_line_error(tiny: Tiny, tmp_path: Path) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path, environment={"TERM": "dumb"}) as terminal:
        assert terminal.wait_for_exit() == 1
        assert "TERM is dumb" in " ".join(terminal.text.split())
    assert not (tmp_path / "fashion-mnist.tuilabel").exists()


def test_inside_tmux_images_are_blocks_and_no_reply_is_a_label(
    tiny: Tiny, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        assert os.environ.get("CI") != "true", "tmux is missing: .ci/run installs it"
        pytest.skip("tmux is not installed: what happens inside it was not tried")
    server = [tmux, "-f", "/dev/null", "-S", str(tmp_path / "socket")]
    request.addfinalizer(lambda: subprocess.run([*server, "kill-server"], capture_output=True, check=False))
    with Terminal(
        [*server, "new-session", *tiny_command(tiny)], directory=tmp_path, answers=KITTY, delay=0.3
    ) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.settle(0.5)
        assert "▀" in terminal.text or "▛" in terminal.text
        assert PLACEHOLDER not in terminal.output
        assert "0 of 300 labelled" in terminal.text
        terminal.type("1")
        terminal.wait_for("1 of 300 labelled")
        terminal.key("ctrl+q")
        terminal.wait_for_exit()


# -- doctor -----------------------------------------------------------------------------------------------------


def test_doctor_in_a_pipe_sends_no_queries_and_says_so(run: Runner, tmp_path: Path) -> None:
    done = run("doctor", "--json", "--project", tmp_path / "p")
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert document["ok"]
    assert document["terminal"]["probe"].startswith("not asked")
    marks = {finding["name"]: finding["mark"] for finding in document["findings"]}
    assert {"terminal", "multiplexer", "colours", "images", "latency", "device", "data", "cache", "project"} <= set(
        marks
    )
    assert set(marks.values()) <= {"ok", "note"}
    text = run("doctor").stdout
    assert "not asked" in text
    assert "\x1b" not in text
    assert not (tmp_path / "mnist.tuilabel").exists()
    assert "\x1b[38;2;" in run("doctor", "--color", "truecolor").stdout


def test_doctor_reports_what_prevents_labelling(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("doctor", "--json", "--project", "file/p")
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"] == ["project"]
    assert "cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert run("doctor", "--images", "photo").returncode == 2


def test_doctor_queries_the_terminal_and_shows_the_test_card(tmp_path: Path) -> None:
    with Terminal([*TUILABEL, "doctor"], rows=60, directory=tmp_path, environment=OVER_SSH, answers=KITTY) as terminal:
        assert terminal.wait_for_exit() == 0
        assert "kitty 0.35.2" in terminal.text
        assert re.search(r"latency +ok +\d+ ms", terminal.text)
        assert "a cell of 8 × 16 pixels" in terminal.text
        assert re.search(r"halfblock +quadrant +sextant +ascii +kitty", terminal.text)
        assert b"\x1b_Ga=T" in terminal.output
        assert "[?62" not in terminal.text
