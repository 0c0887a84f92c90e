"""The real program in a pseudo-terminal: labelling end to end, and what may go wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.helpers.program import FIRST_START, IMAGES, Runner, tiny_command
from tests.helpers.terminal import TUILABEL, Terminal
from tests.helpers.tiny import Tiny
from tuilabel.datasets import open_pool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.labels import LabelStore, current_answers
from tuilabel.labels.store.team import read_team


def batch_truth(project: Path, pool_name: str = "mnist", data_dir: Path | None = None) -> list[str]:
    """The true classes of the unanswered items of the batch on the screen, in their order, from the store."""
    pool = open_pool(pool_name, data_dir)
    store = LabelStore.open(project / "labels.db")
    rounds, answered = store.rounds(), current_answers(store.events())
    store.close()
    unanswered = ([item.item for item in row.items if item.item not in answered] for row in rounds)
    ids = next(filter(None, unanswered))  # the next one may have been drawn ahead
    assert pool.targets is not None
    return [str(pool.targets[index]) for index in pool.indices_of(ids).tolist()]


def label(terminal: Terminal, project: Path, n: int, done: int) -> None:
    """Answer `n` images with the truth, one at a time, as the screen confirms them."""
    for key in batch_truth(project)[:n]:
        done += 1
        terminal.type(key)
        terminal.wait_for(rf"\b{done} of 60,000 labelled")


def test_forty_labels_survive_quitting_and_resuming(tmp_path: Path, run: Runner) -> None:
    project = tmp_path / "mnist.tuilabel"
    command = [*TUILABEL, "label", "--strategy", "entropy", "--batch", "20"]
    with Terminal(command, directory=tmp_path) as terminal:
        terminal.wait_for("round 1 by coverage, no model yet", FIRST_START)
        terminal.wait_for(IMAGES)
        label(terminal, project, 20, 0)
        terminal.wait_for("round 2 by")
        terminal.wait_for(r"ACCURACY (test )?\d+\.\d %", FIRST_START)
        terminal.wait_for(r"UNCERTAINTY mean 0\.\d\d")
        label(terminal, project, 19, 20)
        terminal.wait_for(r"audit \d+–\d+ %")
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    with Terminal(command, directory=tmp_path) as terminal:
        terminal.wait_for("39 of 60,000 labelled")
        terminal.wait_for("round 2 by entropy|round 2 by coverage")
        label(terminal, project, 1, 39)
        terminal.wait_for("round 3 by entropy", FIRST_START)
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0

    pool = open_pool("mnist")
    store = LabelStore.open(project / "labels.db")
    events, rounds = store.events(), store.rounds()
    store.close()
    assert [event.kind for event in events] == ["label"] * 40
    assert len({event.item for event in events}) == 40
    assert pool.targets is not None
    truth = [str(pool.targets[index]) for index in pool.indices_of([event.item for event in events]).tolist()]
    assert [event.class_name for event in events] == truth
    assert [len(asked.items) for asked in rounds] == [20, 20, 20]
    assert sum(item.audit for item in rounds[1].items) == 2

    stats = json.loads(run("stats", "--json").stdout)
    assert (stats["pool_size"], stats["labelled"], stats["rounds"]) == (60_000, 40, 3)
    assert sum(stats["classes"].values()) == 40
    assert stats["accuracy"]["test"] > 0.8
    assert "40 in 3 rounds" in run("stats").stdout
    rows = list(csv.DictReader(io.StringIO(run("export", "--format", "csv").stdout)))
    assert list(rows[0]) == ["id", "path", "label", "annotator", "labelled_at", "seconds"]
    assert [row["label"] for row in rows] == truth
    assert all(row["path"].startswith("mnist#") for row in rows)
    assert run("export", "--out", "labels.csv").returncode == 0
    assert "already" in run("export", "--out", "labels.csv").stderr
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 41


def test_keys_held_down_label_only_what_was_on_the_screen(tiny: Tiny, tmp_path: Path) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.type("1" * 60)
        terminal.wait_for(r"Ignored 40 keys")
        terminal.key("ctrl+q")
        terminal.wait_for_exit()
    store = LabelStore.open(tmp_path / "fashion-mnist.tuilabel" / "labels.db")
    events, rounds = store.events(), store.rounds()
    store.close()
    shown = {item.item for item in rounds[0].items}
    assert {event.item for event in events} == shown
    assert len(events) == 20


def test_twenty_keys_at_once_are_twenty_labels_in_order(tiny: Tiny, tmp_path: Path) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.type("12345678901234567890")
        terminal.wait_for(r"\b20 of 300 labelled")
        terminal.key("ctrl+q")
        terminal.wait_for_exit()
    store = LabelStore.open(tmp_path / "fashion-mnist.tuilabel" / "labels.db")
    events, rounds = store.events(), store.rounds()
    store.close()
    assert [event.item for event in events] == [item.item for item in rounds[0].items]
    names = open_pool("fashion-mnist", tiny.data_dir).classes
    assert [names.index(event.class_name or "") for event in events] == [(int(d) - 1) % 10 for d in "1234567890" * 2]


def test_the_views_and_the_review_of_a_session(tiny: Tiny, tmp_path: Path) -> None:
    project = tmp_path / "fashion-mnist.tuilabel"
    with Terminal(tiny_command(tiny), directory=tmp_path) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        for n, true in enumerate(batch_truth(project, "fashion-mnist", tiny.data_dir), start=1):
            terminal.type(str((int(true) + 1) % 10))
            terminal.wait_for(rf"\b{n} of 300 labelled")
        terminal.wait_for(r"model of \d+ labels")
        terminal.key("tab")
        terminal.wait_for("MODEL")
        terminal.wait_for(r"\d+%")
        terminal.wait_for("VAE")
        terminal.key("tab")
        for _ in range(10):  # a model this poor predicts some classes for no image at all
            terminal.wait_for(r"Enter confirms \d+|No unlabelled image")
            if "Enter confirms" in terminal.text:
                break
            shown = terminal.text.split("by class")[1].split()[0]
            terminal.type("]")
            terminal.wait_for(rf"by class +(?!{re.escape(shown)})")
        terminal.key("enter")
        terminal.wait_for(r"Labelled \d+ images? as \w+|Enter again")
        if "Enter again" in terminal.text:
            terminal.key("enter")
        terminal.wait_for(r"Labelled \d+ images? as \w+")
        terminal.key("escape")
        terminal.wait_for(r"round \d+ by")
        terminal.type(".")
        terminal.wait_for("review")
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    store = LabelStore.open(project / "labels.db")
    bulk = [event for event in store.events() if event.origin == "by-class"]
    store.close()
    assert len(bulk) >= 1
    assert len({event.step for event in bulk}) == 1
    command = [*TUILABEL, "review", *tiny_command(tiny)[len(TUILABEL) + 1 :]]
    with Terminal(command, directory=tmp_path) as terminal:
        terminal.wait_for("to review|Nothing to review|too weak to judge", FIRST_START)
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_every_label_survives_the_end_of_the_terminal(tiny: Tiny, tmp_path: Path, how: signal.Signals) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        for n, key in enumerate("1234567", start=1):
            terminal.type(key)
            terminal.wait_for(rf"\b{n} of 300 labelled")
        terminal.settle()
        os.kill(terminal.pid, how)
        terminal.wait_for_exit()
    with Terminal(tiny_command(tiny), directory=tmp_path) as terminal:
        terminal.wait_for("7 of 300 labelled", FIRST_START)
        terminal.wait_for("✓ T-shirt")
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
        assert "7 labels in fashion-mnist.tuilabel" in terminal.text


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM])
def test_a_session_ends_though_its_terminal_reads_nothing(tiny: Tiny, tmp_path: Path, how: signal.Signals) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.type("1")
        terminal.wait_for(r"\b1 of 300 labelled")
        terminal.type("\x14" * 60)  # Ctrl+T: far more output than the terminal keeps unread
        terminal.wait_until_stuck()
        os.kill(terminal.pid, how)
        terminal.wait_for_exit_unread()
    with Terminal(tiny_command(tiny), directory=tmp_path) as terminal:
        terminal.wait_for(r"\b1 of 300 labelled", FIRST_START)


def test_a_killed_trainer_is_restarted_and_no_label_is_lost(tiny: Tiny, tmp_path: Path) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path, cold=True) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.type("1")
        terminal.wait_for("1 of 300 labelled")
        children = Path(f"/proc/{terminal.pid}/task/{terminal.pid}/children").read_text().split()
        assert len(children) == 1
        os.kill(int(children[0]), signal.SIGKILL)
        terminal.wait_for("signal 9")
        terminal.type("2")
        terminal.wait_for("2 of 300 labelled")
        terminal.wait_for(r"ACCURACY (test )?\d", FIRST_START)
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    assert not Path(f"/proc/{children[0]}").exists()


def test_two_programs_label_one_project_and_see_each_others_labels(tiny: Tiny, tmp_path: Path) -> None:
    with (
        Terminal([*tiny_command(tiny), "--annotator", "ann"], directory=tmp_path) as ann,
        Terminal([*tiny_command(tiny), "--annotator", "bob"], directory=tmp_path) as bob,
    ):
        for terminal in (ann, bob):
            terminal.wait_for(IMAGES, FIRST_START)
        for key in "123":
            ann.type(key)
        bob.wait_for("3 of 300 labelled")
        for key in "45":
            bob.type(key)
        ann.wait_for("5 of 300 labelled")
        for terminal in (ann, bob):
            terminal.key("ctrl+q")
            assert terminal.wait_for_exit() == 0
    store = LabelStore.read(next(tmp_path.glob("*.tuilabel")) / "labels.db")
    events, rounds = store.events(), store.rounds()
    assert len({event.item for event in events}) == len(events) == 5, "nobody was asked what somebody else was"
    asked = [item.item for row in rounds for item in row.items]
    assert len(set(asked)) == len(asked)
    assert {row.annotator for row in rounds} == {"ann", "bob"}
    assert read_team(store).sessions == ()
    store.close()


def test_no_answer_is_accepted_on_a_full_disk(tiny: Tiny, tmp_path: Path) -> None:
    """A limit on file sizes simulates the full disk: the store cannot grow."""
    script = tmp_path / "limited"
    VAEEncoder(tiny.checkpoint).encode(open_pool("fashion-mnist", tiny.data_dir))
    script.write_text('#!/bin/bash\nulimit -f 80\nexec "$@"\n')
    script.chmod(0o755)
    with Terminal([str(script), *tiny_command(tiny)], directory=tmp_path) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        typed = 0
        while "cannot write" not in terminal.text and typed < 280:
            terminal.type("1234567890"[typed % 10])
            typed += 1
            terminal.settle(0.05)
        terminal.wait_for("cannot write")
        terminal.key("ctrl+q")
        is_lost = terminal.wait_for_exit() == 1  # 0 if it was the next batch that could not be written
        assert ("could not be saved" in terminal.text) == is_lost
        assert "Traceback" not in terminal.text
    with sqlite3.connect(tmp_path / "fashion-mnist.tuilabel" / "labels.db") as connection:
        (kept,) = connection.execute("SELECT count(*) FROM events").fetchone()
    assert kept > 0


def test_user_classes_have_keys_and_no_test_accuracy(tiny: Tiny, tmp_path: Path) -> None:
    with Terminal(tiny_command(tiny, "--classes", "old,new"), directory=tmp_path) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        for key in "12121":
            terminal.type(key)
            terminal.settle(0.05)
        terminal.wait_for("5 of 300 labelled")
        terminal.wait_for(r"trainer idle +\d", FIRST_START)
        assert "ACCURACY by audit –" in terminal.text
        assert "1 o old" in terminal.text
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    with Terminal(tiny_command(tiny, "--classes", "new,old"), directory=tmp_path) as terminal:
        assert terminal.wait_for_exit() == 2
        assert "has the classes old,new" in terminal.text


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--checkpoint", "cut"], 1, "truncated"),
        (["--checkpoint", "nowhere"], 1, "nowhere: use a file written by"),
        (["--project", "file/p"], 1, "cannot create the project"),
        (["--classes", "a,a"], 2, "a different name"),
    ],
)
def test_a_dataset_that_cannot_be_opened_is_a_one_line_error(
    tiny: Tiny, tmp_path: Path, more: list[str], code: int, words: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "cut").write_bytes(tiny.checkpoint.read_bytes()[:3000])
    with Terminal(tiny_command(tiny, *more), directory=tmp_path) as terminal:
        assert terminal.wait_for_exit() == code
        assert words in " ".join(terminal.text.split())
        assert "Traceback" not in terminal.text


def test_a_missing_device_is_a_one_line_error(tiny: Tiny, tmp_path: Path) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": ""}
    with Terminal(tiny_command(tiny, "--device", "cuda"), directory=tmp_path, environment=environment) as terminal:
        assert terminal.wait_for_exit() == 2
        assert "no device 'cuda'" in " ".join(terminal.text.split())


def test_the_checkpoint_of_mnist_is_found_silently() -> None:
    assert find_checkpoint("mnist").name == "mnist.safetensors"
