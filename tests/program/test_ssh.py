"""Labelling over SSH, against OpenSSH's server: slow, cut, frozen and detached lines, and a key that may only label."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.needed import needed
from tests.helpers.openssh import SSHServer, remote_command, slow_line, ssh_server
from tests.helpers.program import FIRST_START, IMAGES, tiny_command
from tests.helpers.tiny import Tiny
from tuilabel.labels import LabelStore


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    """It gives a client up that has been silent for three seconds."""
    with ssh_server(tmp_path_factory.mktemp("sshd"), "ClientAliveInterval 1\nClientAliveCountMax 3\n") as running:
        yield running


@pytest.fixture(scope="module")
def key(server: SSHServer) -> Path:
    return server.authorize()


def answered(directory: Path) -> list[str]:
    store = LabelStore.open(directory / "fashion-mnist.tuilabel/labels.db")
    try:
        return [event.kind for event in store.events()]
    finally:
        store.close()


def wait_until_gone(pid_file: Path, seconds: float = 40) -> None:
    """Wait for the program on the other side to end."""
    process, end = Path(f"/proc/{int(pid_file.read_text())}"), time.monotonic() + seconds
    while process.exists():
        assert time.monotonic() < end, "the program has not ended"
        time.sleep(0.1)


def test_a_session_without_colorterm_and_lang(server: SSHServer, key: Path, tiny: Tiny, tmp_path: Path) -> None:
    with server.terminal(key, remote_command(tmp_path, tiny_command(tiny))) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.wait_for("SSH drops COLORTERM")
        assert "38;2;" not in terminal.output.decode(errors="replace")
        terminal.type("1")
        terminal.wait_for(r"\b1 of 300 labelled")
        terminal.wait_for("✓ T-shirt")
        terminal.resize(90, 26)
        terminal.wait_for(r"\? help")
        terminal.settle(0.5)
        terminal.type("2")
        terminal.wait_for(r"✓ Trouser")
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
        assert "2 labels in fashion-mnist.tuilabel" in terminal.text
    assert answered(tmp_path) == ["label", "label"]


def test_without_utf8_a_saved_answer_has_a_shape_of_its_own(
    server: SSHServer, key: Path, tiny: Tiny, tmp_path: Path
) -> None:
    command = remote_command(tmp_path, ["env", "PYTHONIOENCODING=ascii:replace", *tiny_command(tiny)])
    with server.terminal(key, command) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.settle()
        terminal.type("1")
        terminal.wait_for(r"\+ T-shirt")


@pytest.mark.parametrize("how", ["killed", "escaped", "frozen"])
def test_what_was_saved_survives_the_end_of_the_line(
    server: SSHServer, key: Path, tiny: Tiny, tmp_path: Path, how: str
) -> None:
    pid_file = tmp_path / "pid"
    with server.terminal(key, remote_command(tmp_path, tiny_command(tiny), pid_file)) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        for n, digit in enumerate("123", start=1):
            terminal.type(digit)
            terminal.wait_for(rf"\b{n} of 300 labelled")
        terminal.wait_for("✓ Pullover")
        if how == "escaped":
            terminal.type("\r")  # ~ is special after the start of a line
            terminal.settle()
            terminal.type("~.")
            terminal.wait_for_exit()
        else:
            os.kill(terminal.pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        wait_until_gone(pid_file)
    kinds = answered(tmp_path)
    assert kinds[:3] == ["label"] * 3
    assert len(kinds) <= 4  # Enter may have accepted a prediction


def test_a_line_that_stands_still_for_a_while(server: SSHServer, key: Path, tiny: Tiny, tmp_path: Path) -> None:
    with server.terminal(key, remote_command(tmp_path, tiny_command(tiny)), "-o", "ServerAliveInterval=1") as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.type("1")
        terminal.wait_for(r"\b1 of 300 labelled")
        os.kill(terminal.pid, signal.SIGSTOP)
        terminal.type("2")
        time.sleep(1.5)  # stands still
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.wait_for(r"\b2 of 300 labelled")


def test_detaching_and_attaching_tmux(server: SSHServer, key: Path, tiny: Tiny, tmp_path: Path) -> None:
    tmux = [needed("tmux", "tmux over SSH"), "-f", "/dev/null", "-S", str(tmp_path / "socket")]
    try:
        run = remote_command(tmp_path, [*tmux, "new-session", "-A", "-s", "team", *tiny_command(tiny)])
        with server.terminal(key, run) as terminal:
            terminal.wait_for(r"\n {3,}~ ", FIRST_START)  # tmux writes ASCII, as nothing has said that there is UTF-8
            terminal.settle()
            terminal.type("1")
            terminal.wait_for(r"\b1 of 300 labelled")
            terminal.wait_for(r"\+ T-shirt")
            terminal.type("\x02d")
            terminal.wait_for_exit()
        with server.terminal(key, run) as terminal:
            terminal.wait_for(r"\b1 of 300 labelled", FIRST_START)
            terminal.settle(0.5)
            terminal.type("2")
            terminal.wait_for(r"\b2 of 300 labelled")
            terminal.key("ctrl+q")
            terminal.wait_for_exit()
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True, check=False)
    assert answered(tmp_path) == ["label", "label"]


def test_a_delay_of_150_ms(server: SSHServer, key: Path, tiny: Tiny, tmp_path: Path) -> None:
    command = remote_command(tmp_path, tiny_command(tiny))
    with slow_line(server.port, 0.15) as port, server.terminal(key, command, port=port) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.settle(1.0)
        assert "0 of 300 labelled" in terminal.text  # no reply has become a label
        terminal.type("1234567")  # seven at once, of images that were all on the screen
        terminal.wait_for(r"\b7 of 300 labelled")
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    assert answered(tmp_path) == ["label"] * 7


# -- a key that may only label ------------------------------------------------------------------------------------


@pytest.fixture
def labeller(server: SSHServer, tiny: Tiny, tmp_path: Path) -> Path:
    """A key with the forced command of docs/ssh.md."""
    command = remote_command(tmp_path, [*tiny_command(tiny), "--annotator=ann"]).replace('"', r"\"")
    return server.authorize(f'command="{command}",restrict,pty')


def test_a_labeller_labels_whatever_is_asked_for(server: SSHServer, labeller: Path, tmp_path: Path) -> None:
    with server.terminal(labeller, "touch escaped; bash") as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.type("1")
        terminal.wait_for(r"\b1 of 300 labelled")
        for keys in ("\x1a", "\x03", "\x1c", "\x19"):  # suspend, interrupt, abort, delayed suspend
            terminal.type(keys)
            terminal.settle(0.3)
        terminal.type("2")
        terminal.wait_for(r"\b2 of 300 labelled")
        terminal.type("\x10")  # the palette: nothing there opens or writes a file
        terminal.wait_for("Search for commands|Undo")
        for word in ("screenshot", "export", "shell", "save", "open file"):
            terminal.type(word)
            terminal.settle(0.5)
            assert "Save Screenshot" not in terminal.text
            assert not any(
                line.strip().lower().startswith(("export", "open", "import")) for line in terminal.text.split("\n")
            )
            terminal.type("\x7f" * len(word))
        terminal.key("escape")
        terminal.settle(0.3)
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    assert not list(tmp_path.glob("**/escaped"))
    assert not list(Path.home().glob("escaped"))


def test_a_labeller_gets_no_shell_no_files_and_no_tunnel(server: SSHServer, labeller: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    def fails(argv: list[str], text: str = "") -> str:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        assert done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    # Without a terminal the program refuses, whatever command was given.
    assert "needs a terminal" in fails([*server.client(labeller), "id; sh"], "id\n")
    assert "uid=" not in fails([*server.client(labeller, "-T")], "id\n")
    assert "uid=" not in fails([*server.client(labeller), "-s", "sftp"])
    fails([*server.client(labeller, program="sftp")], "put file\nls\n")
    assert not list(Path.home().glob("file"))
    # No tunnels.
    said = fails([*server.client(labeller, "-N", "-W", f"127.0.0.1:{server.port}")])
    assert "SSH-2.0" not in said
    remote = server.client(labeller, "-N", "-R", "0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes")
    assert "forwarding failed" in fails(remote).lower()


def test_a_labeller_cannot_bring_an_environment(server: SSHServer, labeller: Path, tmp_path: Path) -> None:
    more = ("-o", "SetEnv=TEXTUAL_DRIVER=os:system PYTHONSTARTUP=/tmp/x TUILABEL_CONFIG=/tmp/x")
    with server.terminal(labeller, "", *more) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)


def test_without_a_role_the_key_may_what_its_name_may_and_with_it_only_answer(
    server: SSHServer, tiny: Tiny, tmp_path: Path
) -> None:
    forced = [*tiny_command(tiny), "--annotator=ann"]
    for role, says in (
        ((), "Added owl"),
        (("--role=labeller",), "only an owner of the project may change its classes"),
    ):
        command = remote_command(tmp_path, [*forced, *role]).replace('"', r"\"")
        key = server.authorize(f'command="{command}",restrict,pty')
        with server.terminal(key, "tuilabel label --role=owner") as terminal:
            terminal.wait_for(IMAGES, FIRST_START)
            terminal.settle()
            terminal.type(":")
            terminal.wait_for("Classes")
            terminal.type("+owl" if not role else "+ibex")
            terminal.key("enter")
            terminal.wait_for(says)
            terminal.key("escape")
            terminal.settle(0.3)
            terminal.key("ctrl+q")
            assert terminal.wait_for_exit() == 0
    store = LabelStore.open(tmp_path / "fashion-mnist.tuilabel/labels.db")
    assert [change.name for change in store.class_changes() if change.kind == "add"][-1] == "owl"
    store.close()
