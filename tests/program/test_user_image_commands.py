"""Commands on user images in the real program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.folders import colour_folder, jpeg, picture
from tests.helpers.program import Runner
from tests.helpers.terminal import TUILABEL, Terminal
from tuilabel.cli.class_names import class_names
from tuilabel.errors import UsageError

ESCAPE = "\x1b[31mred\x07.jpg"


@pytest.fixture
def shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty pictures with a copy, two broken ones, and a name with terminal escapes; the cache is empty."""
    monkeypatch.setenv("TUILABEL_CACHE", str(tmp_path / "cache"))
    folder = colour_folder(tmp_path / "shots")
    (folder / "copy.jpg").write_bytes((folder / "red/0.jpg").read_bytes())
    (folder / ESCAPE).write_bytes(jpeg(picture("red", 99)))
    (folder / f"broken {ESCAPE}").write_text("no image")
    (folder / "empty.png").touch()
    return folder


@pytest.fixture
def labelled(shots: Path, run: Runner, tmp_path: Path) -> Path:
    """The project of a dozen labels."""
    lines = [f"{colour}/{k}.jpg,{colour}" for colour in ("red", "green") for k in range(6)]
    (tmp_path / "some.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    done = run("import", "some.csv", "shots", "--apply")
    assert done.returncode == 0, done.stderr
    return tmp_path / "shots.tuilabel"


def test_problems_with_files_are_listed(shots: Path, run: Runner) -> None:
    done = run("stats", "shots", "--problems")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        r"broken \x1b[31mred\x07.jpg: not an image of a known format",
        "empty.png: an empty file",
        "2 files of shots cannot be used",
    ]
    found = json.loads(run("stats", "shots", "--problems", "--json").stdout)
    assert found["problems"][1] == {"file": "empty.png", "reason": "an empty file"}
    refused = run("stats", "mnist", "--problems")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "is a built-in dataset" in refused.stderr


def test_a_folder_of_broken_files_says_what_is_wrong(tmp_path: Path, run: Runner) -> None:
    folder = tmp_path / "old disk"
    folder.mkdir()
    (folder / "a.jpg").write_text("no image")
    done = run("encode", folder, "--encoder", "pca")
    assert done.returncode == 1
    assert f"no readable image in {folder} (a.jpg: not an image of a known format)" in done.stderr
    assert "a.jpg: not an image of a known format" in run("stats", folder, "--problems").stdout


def test_a_project_counts_its_files(labelled: Path, shots: Path, run: Runner) -> None:
    (shots / "blue" / "0.jpg").unlink()
    run("encode", "shots", "--encoder", "pca")  # lists the folder, and notices that the file is gone
    assert "1 identical to another, 1 gone, 2 unusable (--problems)" in run("stats", "shots").stdout


def test_a_project_is_found_by_its_name_wherever_its_images_are(shots: Path, run: Runner, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    shots.rename(disk / "shots")
    (tmp_path / "one.csv").write_text("path,label\nred/0.jpg,red\nblue/0.jpg,blue\n")
    assert run("import", "one.csv", disk / "shots", "--apply").returncode == 0
    for name in (disk / "shots", "shots", "shots.tuilabel", "shots.tuilabel/"):
        done = run("stats", name)
        assert "project     shots.tuilabel (shots, 61 images)" in done.stdout, done.stderr


def test_images_that_have_moved_are_found_again(labelled: Path, shots: Path, run: Runner, tmp_path: Path) -> None:
    shots.rename(tmp_path / "holiday")
    assert "12 in" in run("stats", "shots").stdout, "the last known state is still shown"
    assert len(run("export", "shots").stdout.splitlines()) == 13, "labels outlive their images"
    for command in ("predict", "review"):
        done = run(command, "shots")
        assert done.returncode == 1
        assert "`tuilabel label` once with their new location and `--project shots.tuilabel`" in done.stderr
    again = [*TUILABEL, "label", "holiday", "--project", "shots.tuilabel", "--encoder", "pca"]
    with Terminal(again, directory=tmp_path) as terminal:
        terminal.wait_for("12 of 61 labelled")
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    assert "holiday, 61 images" in run("stats", "shots").stdout


def test_the_vae_of_a_project_encodes(shots: Path, run: Runner, tmp_path: Path) -> None:
    done = run("encode", "shots", "--encoder", "vae")
    assert "no VAE for shots yet" in done.stderr
    checkpoint = tmp_path / "shots.tuilabel" / "vae.safetensors"
    checkpoint.parent.mkdir()
    done = run("train-vae", "shots", "--epochs", "1", "--latent-dim", "4", "--out", checkpoint)
    assert done.returncode == 0, done.stderr
    assert "61 latents of 4 dimensions" in run("encode", "shots", "--encoder", "vae").stdout


def test_a_deleted_cache_loses_no_label(
    labelled: Path, shots: Path, run: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    colour_folder(shots, each=300, first=20)  # more than are read at the start
    before = run("export", "shots").stdout
    assert before.count(".jpg,") == 12
    monkeypatch.setenv("TUILABEL_CACHE", str(tmp_path / "empty"))
    assert run("export", "shots").stdout == before


def test_images_that_are_gone_are_not_predicted(labelled: Path, shots: Path, run: Runner) -> None:
    (shots / "blue" / "0.jpg").unlink()
    done = run("predict", "shots")
    assert done.returncode == 0, done.stderr
    assert "60 of 61 predictions" in done.stderr
    assert "blue/0.jpg" not in done.stdout
    assert "blue/1.jpg" in done.stdout


def test_a_session_ends_with_a_note_on_broken_files(labelled: Path, tmp_path: Path) -> None:
    with Terminal([*TUILABEL, "label", "shots", "--encoder", "pca"], directory=tmp_path) as terminal:
        terminal.wait_for("round")
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
        assert "2 files cannot be used: `tuilabel stats --project shots.tuilabel --problems` lists them" in (
            " ".join(terminal.text.split())
        )


def test_predictions_cannot_control_the_terminal(labelled: Path, tmp_path: Path) -> None:
    with Terminal([*TUILABEL, "predict", "shots"], directory=tmp_path) as terminal:
        assert terminal.wait_for_exit() == 0, terminal.text
        assert b"\x1b[31mred\x07" not in terminal.output
        assert rb"\x1b[31mred\x07.jpg" in terminal.output


def test_a_session_decides_how_the_model_is_made_from_then_on(labelled: Path, run: Runner, tmp_path: Path) -> None:
    table = tmp_path / "table.npy"
    assert run("encode", "shots", "--encoder", "pca", "--out", table).returncode == 0
    command = [*TUILABEL, "label", "shots", "--latents", "table.npy", "--learner", "mlp", "--seed", "4"]
    with Terminal(command, directory=tmp_path) as terminal:
        terminal.wait_for("12 of 61 labelled")
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
        assert f"the project used encoder auto; now latents {table}".encode() in terminal.output
    plain = run("predict", "shots", "--json")
    assert json.loads(plain.stdout)["encoder"] == "own latents"
    assert "project use" not in plain.stderr
    other = run("predict", "shots", "--encoder", "pca", "--learner", "latent", "--json")
    assert json.loads(other.stdout)["encoder"] == "pca"
    assert f"uses latents {table}, learner mlp; this run uses encoder pca, learner latent" in other.stderr
    assert f"latents {table}, learner mlp, strategy auto, seed 4" in " ".join(run("stats", "shots").stdout.split())
    table.write_bytes(table.read_bytes()[:-1] + b"?")
    for words in (["predict"], ["export", "--format", "onnx"], ["export", "--format", "cleanlab", "--out", "c"]):
        refused = run(*words[:1], "shots", *words[1:])
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr
        assert f"`--latents {table}`" in refused.stderr
        assert "`--encoder NAME`" in refused.stderr
    settings = labelled / "settings.toml"
    settings.write_text(settings.read_text().replace('learner = "mlp"', 'learner = "mlpp"'))
    refused = run("predict", "shots", "--encoder", "pca")
    assert "shots.tuilabel/settings.toml: unknown learner 'mlpp'; did you mean mlp?" in refused.stderr


def test_class_names_of_a_file_differ(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ncat\n")
    with pytest.raises(UsageError, match=r"classes\.txt: give each class a different name, one per line"):
        class_names(str(tmp_path / "classes.txt"))
