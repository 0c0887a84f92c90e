"""`tuilabel export` and `tuilabel import` on the command line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.exchange import answer, label_all
from tests.helpers.program import Runner
from tests.helpers.tiny import Tiny
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.labels import LabelStore, Project


@pytest.fixture
def pool(tiny: Tiny) -> ImagePool:
    return open_pool("fashion-mnist", tiny.data_dir)


@pytest.fixture
def labelled(pool: ImagePool, tmp_path: Path) -> Path:
    """A project of 100 labels, the true ones."""
    assert pool.targets is not None
    directory = tmp_path / "fashion-mnist.tuilabel"
    events = label_all(pool)[:100]
    events = [replace(e, class_name=pool.classes[pool.targets[k]]) for k, e in enumerate(events)]
    with Project.open(directory, pool.name, pool.fingerprint, pool.classes) as project:
        store = LabelStore.open(project.store)
        store.append(events)
        store.close()
    return directory


def names(pool: ImagePool) -> dict[str, str]:
    assert pool.targets is not None
    return {pool.ids[k].decode(): pool.classes[pool.targets[k]] for k in range(100)}


def test_export_to_stdout_prints_only_the_table(labelled: Path, pool: ImagePool, run: Runner, tiny: Tiny) -> None:
    done = run("export", "fashion-mnist", "--data-dir", tiny.data_dir)
    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["id"]: row["label"] for row in rows} == names(pool)
    assert rows[7]["path"] == "fashion-mnist#7"
    done = run("export", "fashion-mnist", "--data-dir", tiny.data_dir, "--format", "jsonl")
    assert {row["id"]: row["label"] for row in map(json.loads, done.stdout.splitlines())} == names(pool)


def test_export_to_a_file_reports_it_and_overwrites_nothing(
    labelled: Path, pool: ImagePool, run: Runner, tiny: Tiny, tmp_path: Path
) -> None:
    command = ["export", "fashion-mnist", "--data-dir", tiny.data_dir, "--out", "labels.jsonl"]
    done = run(*command, "--json")
    assert json.loads(done.stdout) == {
        "schema": 1,
        "project": "fashion-mnist.tuilabel",
        "dataset": "fashion-mnist",
        "format": "jsonl",  # as the file is called
        "out": "labels.jsonl",
        "labels": 100,
        "undecided": 0,
        "without_image": 0,
        "gone": 0,
        "notes": [],
    }
    assert done.stderr == "100 labels written to labels.jsonl\n"
    before = (tmp_path / "labels.jsonl").read_bytes()
    done = run(*command)
    assert (done.returncode, done.stdout) == (1, "")
    assert "labels.jsonl already exists: pass `--force` to overwrite it, or choose another `--out`" in done.stderr
    assert (tmp_path / "labels.jsonl").read_bytes() == before
    assert run(*command, "--force").returncode == 0


def test_export_for_cleanlab_trains_models_that_have_not_seen_the_label(
    labelled: Path, pool: ImagePool, run: Runner, tiny: Tiny, tmp_path: Path
) -> None:
    done = run("export", "fashion-mnist", "--data-dir", tiny.data_dir, "--checkpoint", tiny.checkpoint,
               "--format", "cleanlab", "--out", "clean", "--device", "cpu")  # fmt: skip
    assert done.returncode == 0, done.stderr
    labels, probabilities = np.load(tmp_path / "clean/labels.npy"), np.load(tmp_path / "clean/pred_probs.npy")
    assert (labels.shape, probabilities.shape) == ((100,), (100, 10))
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() < 0.9  # models learn little from the latents of the tiny VAE
    assert (tmp_path / "clean/classes.txt").read_text().splitlines() == list(pool.classes)


def test_an_export_is_imported_after_a_dry_run(
    labelled: Path, pool: ImagePool, run: Runner, tiny: Tiny, tmp_path: Path
) -> None:
    where = ["fashion-mnist", "--data-dir", tiny.data_dir]
    assert run("export", *where, "--format", "imagefolder", "--out", "out").returncode == 0
    (tmp_path / "out/odd \x1b[31m").mkdir()
    done = run("import", "out", *where, "--project", "fresh")
    assert done.returncode == 0, done.stderr
    assert "100 labels to write (imagefolder:ann 100)" in done.stdout
    assert "nothing has been written yet" in done.stderr
    assert done.stderr.rstrip().endswith("--project fresh --apply` to write it")
    assert not (tmp_path / "fresh").exists()
    done = run("import", "out", *where, "--project", "fresh", "--apply", "--json")
    figures = json.loads(done.stdout)
    assert (done.stderr, figures["applied"], figures["labels"], figures["matched"]) == ("", True, 100, 100)
    stats = json.loads(run("stats", "--project", "fresh", "--data-dir", tiny.data_dir, "--json").stdout)
    assert (stats["labelled"], stats["annotators"]) == (100, {"imagefolder:ann": 100})
    assert stats["accuracy"]["audit"] is None
    table = run("export", "--project", "fresh", "--data-dir", tiny.data_dir).stdout
    assert {row["id"]: row["label"] for row in csv.DictReader(io.StringIO(table))} == names(pool)


def test_flags_and_notes_are_counted_exported_and_filtered(
    labelled: Path, pool: ImagePool, run: Runner, tiny: Tiny, tmp_path: Path
) -> None:
    store = LabelStore.open(labelled / "labels.db")
    flags = [answer(pool, k, None, 200 + k, "bob", kind="flag") for k in (3, 7, 150)]
    store.append([*flags, answer(pool, 7, None, 300, "eve", kind="note", note="a coat, [maybe]")])
    store.close()
    where = ["fashion-mnist", "--data-dir", tiny.data_dir]
    stats = json.loads(run("stats", *where, "--json").stdout)
    assert {name: stats[name] for name in ("labelled", "flagged", "flagged_only", "notes")} == {
        "labelled": 100, "flagged": 3, "flagged_only": 1, "notes": 1,
    }  # fmt: skip
    assert (stats["flagged_by"], stats["noted_by"]) == ({"bob": 3}, {"eve": 1})
    text = run("stats", *where).stdout
    assert "3, by bob 3" in text
    assert "1, by eve 1" in text
    done = run("export", *where)
    assert done.stderr == "1 image without a label written as well, for flags and notes\n"
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 101
    assert [row["path"] for row in rows if row["flagged"] == "true"] == [f"fashion-mnist#{k}" for k in (3, 7, 150)]
    assert rows[7]["note"] == "a coat, [maybe]"
    assert rows[100]["label"] == ""
    flagged = list(csv.DictReader(io.StringIO(run("export", *where, "--flagged", "--where", "labelled").stdout)))
    assert [row["path"] for row in flagged] == ["fashion-mnist#3", "fashion-mnist#7"]
    done = run("export", *where, "--where", "by:zoe")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing matches by:zoe: choose another `--where`" in done.stderr
    done = run("export", *where, "--where", "class:Hat")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no class 'Hat'" in done.stderr
    done = run("export", *where, "--format", "imagefolder", "--out", "folders")
    assert "1 image without a label left out, with flags and notes: imagefolder has no room for them" in done.stderr
    run("import", "folders", *where, "--project", "fresh", "--apply")
    stats = json.loads(run("stats", "--project", "fresh", "--data-dir", tiny.data_dir, "--json").stdout)
    assert (stats["labelled"], stats["flagged_by"], stats["noted_by"]) == (
        100, {"imagefolder:bob": 2}, {"imagefolder:eve": 1},
    )  # fmt: skip


def test_names_from_files_are_escaped_before_they_are_printed(
    labelled: Path, run: Runner, tiny: Tiny, tmp_path: Path
) -> None:
    (tmp_path / "evil.csv").write_text(
        "path,label\n\x1b]0;gone\x07.png,Bag\n\x9b31m.png,a\x1b[31m\nfashion-mnist#0,Elk\n"
    )
    done = run("import", "evil.csv", "fashion-mnist", "--data-dir", tiny.data_dir, "--annotator", "a\x1b[7m")
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).replace("\n", "").isprintable()
    assert r"\x1b]0;gone\x07.png" in done.stdout
    assert "imported Elk" in done.stdout
    (tmp_path / "columns.csv").write_text("path,\x1b[31mred\na,b\n")
    done = run("import", "columns.csv", "fashion-mnist", "--data-dir", tiny.data_dir)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.rstrip().isprintable()


def test_labels_of_user_images_are_exported_and_imported(run: Runner, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(12):
        path = tmp_path / "photos" / f"day {k % 2}" / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(path)
    lines = [f"day {k % 2}/{k}.png,{'sun' if k % 3 else 'rain'}" for k in range(12)]
    (tmp_path / "weather.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    done = run("import", "weather.csv", "photos", "--apply")
    assert done.returncode == 0, done.stderr
    (tmp_path / "photos/day 1/3.png").unlink()
    done = run("export", "photos", "--format", "imagefolder", "--link", "hard", "--out", "sorted")
    assert done.returncode == 0, done.stderr
    found = {path.stem: path.parent.name for path in (tmp_path / "sorted").rglob("*.png")}
    assert found.items() >= {str(k): "sun" if k % 3 else "rain" for k in range(12) if k != 3}.items()
    assert run("import", "sorted", "photos", "--project", "again", "--apply").returncode == 0
    table = run("export", "photos", "--project", "again").stdout
    assert {row["path"].split("/")[-1] for row in csv.DictReader(io.StringIO(table))} >= {"0.png", "11.png"}
    assert (tmp_path / "sorted/sun/1.png").samefile(tmp_path / "photos/day 1/1.png")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("export --format image-folder", "unknown format 'image-folder'; did you mean imagefolder?"),
        ("export --format ultralytics", "pass `--out`, the path of a"),
        ("export --format ultralytics --out y --split 0,50,50", "--split must be three shares"),
        ("export --format ultralytics --out y --split most", "--split must be three whole numbers"),
        ("export --resolve newest", "unknown rule 'newest'. There are latest, majority, unanimous"),
        ("export --json", "--json describes what was written"),
        ("import rows.dat", "cannot tell the format of rows.dat from its name: pass `--format`"),
        (
            "import rows.csv --label-column y",
            "rows.csv has no column 'y' for `--label-column`: its columns are path, z",
        ),
        ("import rows.csv --on-conflict ask", "--on-conflict must be skip or replace, got 'ask'"),
    ],
)
def test_errors_name_the_options_of_the_command_line(
    labelled: Path, run: Runner, tiny: Tiny, tmp_path: Path, command: str, words: str
) -> None:
    (tmp_path / "rows.dat").touch()
    (tmp_path / "rows.csv").write_text("path,z\na,b\n")
    name, *rest = command.split()
    source = [rest.pop(0)] if name == "import" else []
    done = run(name, *source, "fashion-mnist", "--data-dir", tiny.data_dir, *rest)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
