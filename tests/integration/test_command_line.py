"""What all commands have in common: completion, a configuration file, --json, --quiet, and nothing overwritten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tests.helpers.folders import COLOURS, colour_folder
from tuilabel.cli import app
from tuilabel.errors import TuilabelError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder of six images and labels for two of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUILABEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUILABEL_CONFIG", str(tmp_path / "config.toml"))
    colour_folder(tmp_path / "shots", each=2)
    (tmp_path / "labels.csv").write_text("path,label\nred/0.jpg,red\nblue/0.jpg,blue\n")
    return tmp_path


def run(*arguments: str) -> tuple[str, str]:
    """What a command prints on stdout and on stderr."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout, done.stderr


def completed(words: str) -> list[str]:
    typed = {"_TUILABEL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return CliRunner().invoke(app, [], prog_name="tuilabel", env=typed).stdout.split()


def test_the_shell_completes_commands_options_and_values(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))  # there may be none above pytest
    assert completed("tuilabel st") == ["stats", "strategies"]
    assert completed("tuilabel label --blin") == ["--blind"]
    assert completed("tuilabel label --strategy ent") == ["entropy"]
    assert completed("tuilabel simulate --strategy margin,ent") == ["margin,entropy"]
    assert completed("tuilabel stats m") == ["mnist"]
    assert completed("tuilabel stats sh") == ["shots/"]
    assert completed("tuilabel export --format hug") == ["huggingface"]
    assert "complete" in CliRunner().invoke(app, ["--show-completion", "bash"], prog_name="tuilabel").stdout


def test_the_configuration_file_has_defaults_for_one_command_or_all(folder: Path) -> None:
    (folder / "config.toml").write_text(
        '[all]\nencoder = "pca"\nannotator = "ada"\n'
        '[import]\napply = true\nannotator = "import"\n'
        "[encode]\nquiet = true\n"
    )
    assert "2 labels written (import 2)" in run("import", "labels.csv", "shots")[0]
    assert "annotators  import 2" in run("stats", "shots")[0]
    assert json.loads(run("encode", "shots", "--json")[0])["encoder"] == "pca"
    assert run("encode", "shots")[1] == ""
    assert "2 matched" in run("import", "labels.csv", "shots", "--annotator", "ben")[0]


@pytest.mark.parametrize("command", [["simulate", "mnist"], ["simulate"], ["thesis"]])
def test_a_file_after_json_is_said_to_belong_to_out(folder: Path, command: list[str]) -> None:
    with pytest.raises(TuilabelError, match=r"to write one, pass `--out runs\.json`"):
        run(*command, "--json", "runs.json")
    (folder / "labels.json").write_text('[{"path": "red/0.jpg", "label": "red"}]')
    assert json.loads(run("import", "--json", "labels.json", "shots")[0])["matched"] == 1


def test_an_import_says_which_files_of_the_images_were_not_read(folder: Path) -> None:
    (folder / "shots/red/3.jp2").write_bytes(b"x")
    (folder / "shots/red/4.jpg").write_bytes(b"x")
    errors = run("import", "labels.csv", "shots")[1]
    assert "1 file is not read, by suffix: 1 .jp2" in errors
    assert "1 file cannot be used: `tuilabel stats shots --problems` lists them" in errors


def test_a_default_of_what_a_project_remembers_is_for_new_projects(folder: Path) -> None:
    run("import", "labels.csv", "shots", "--apply")
    (folder / "config.toml").write_text('[all]\nencoder = "pca"\nseed = 7\n')
    assert json.loads(run("predict", "shots", "--json", "--encoder", "pca")[0])["encoder"] == "pca"
    assert "encoder auto" in run("stats", "shots")[0]
    errors = run("predict", "shots", "--encoder", "pca")[1]
    assert "seed" not in errors, "the project's own seed counts"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[label]\nbacth = 3\n", ["unknown option in [label]: 'bacth'", "did you mean batch"]),
        ("[lable]\nbatch = 3\n", ["unknown section 'lable'", "did you mean label"]),
        ("[all]\nproblem = true\n", ["unknown option in [all]: 'problem'", "did you mean problems"]),
        ("batch = 3\n", ["batch"]),
        ("[stats]\nproject = {}\n", ["project must be text"]),
        ("[label]\ntheme = ['a']\n", ["theme must be text"]),
        ("[encode]\ndata-dir = 1\n", ["data-dir: "]),
        ("[stats\n", ["not valid TOML"]),
        ("[encode]\nforce = 'perhaps'\n", ["force: ", "boolean"]),
    ],
)
def test_a_mistake_in_the_configuration_file_is_named(folder: Path, text: str, words: list[str]) -> None:
    (folder / "config.toml").write_text(text)
    with pytest.raises(TuilabelError) as failed:
        run("encode", "shots", "--encoder", "pca")
    assert str(folder / "config.toml") in str(failed.value)
    assert all(word in str(failed.value) for word in words), failed.value


@pytest.mark.parametrize("value", ["'margin,random'", "['margin', 'random']"])
def test_an_option_that_can_be_repeated_has_one_default_or_several(folder: Path, value: str) -> None:
    options = "labels-from-folders = true\nencoder = 'pca'\nbudget = 4\ninitial = 2\nbatch = 2\nseeds = 1\njobs = 1\n"
    (folder / "config.toml").write_text(f"[simulate]\nstrategy = {value}\n{options}")
    colour_folder(folder / "shots", each=12)
    shown = run("simulate", "shots", "-q")[0]
    assert "\nmargin " in shown
    assert "\nrandom " in shown


def test_a_home_directory_in_the_configuration_file_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (folder / "config.toml").write_text('[all]\nproject = "~/mine"\n')
    run("import", "labels.csv", "shots", "--apply")
    assert (folder / "mine/settings.toml").is_file()


def test_json_is_one_document_with_a_schema_and_files_are_out(folder: Path) -> None:
    shots = ["shots", "--encoder", "pca"]
    simulate = ["simulate", *shots, "--labels-from-folders", "--budget", "4", "--initial", "2", "--batch", "2"]
    colour_folder(folder / "shots", each=12)
    for command in (
        ["import", "labels.csv", "shots", "--apply"],
        ["stats", "shots"],
        ["stats", "shots", "--problems"],
        ["export", "shots", "--out", "out.csv"],
        ["encode", *shots],
        ["datasets"],
        ["strategies"],
        ["doctor"],
        [*simulate, "--seeds", "1", "--jobs", "1", "--out", "results.json"],
    ):
        document, notes = run(*command, "--json")
        assert json.loads(document)["schema"] == 1, command
    assert json.loads((folder / "results.json").read_text())["runs"]
    assert notes.splitlines()[-1:] in ([], ["encoder pca"]) or "wrote" not in notes


def test_quiet_leaves_results_and_errors(folder: Path) -> None:
    for command in get_command(app).commands.values():  # type: ignore[attr-defined]
        assert any("--quiet" in param.opts for param in command.params), command.name
    shown, notes = run("import", "labels.csv", "shots", "--quiet")
    assert "2 matched" in shown
    assert notes == ""
    assert "nothing has been written yet" in run("import", "labels.csv", "shots")[1], "it is off again"
    run("import", "labels.csv", "shots", "--apply", "-q")
    shown, notes = run("predict", "shots", "--encoder", "pca", "-q")
    assert shown.startswith("id,path,label")
    assert notes == ""


def test_latents_are_never_overwritten_without_force(folder: Path) -> None:
    encode = ("encode", "shots", "--encoder", "pca", "--out", "latents.npy")
    run(*encode)
    (folder / "latents.npy").write_text("mine")
    with pytest.raises(TuilabelError, match=r"latents\.npy already exists: pass `--force`"):
        run(*encode)
    assert (folder / "latents.npy").read_text() == "mine"
    run(*encode, "--force")
    assert (folder / "latents.npy").stat().st_size > 100


@pytest.mark.parametrize("classes", [["red"], []])
def test_a_simulation_of_one_class_says_what_it_needs(folder: Path, classes: list[str]) -> None:
    for name in {*COLOURS} - {*classes}:
        shutil.move(f"shots/{name}", f"{name} elsewhere")
    if not classes:
        shutil.copytree("red elsewhere", "shots", dirs_exist_ok=True)
    with pytest.raises(TuilabelError) as failed:
        run("simulate", "shots", "--labels-from-folders", "--encoder", "pca")
    assert "a folder for each of two classes or more" in str(failed.value)


def test_the_data_sets_can_be_read_in_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("datasets")[0]
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_guideline_that_cannot_be_read_is_one_line(folder: Path) -> None:
    (folder / "latin.md").write_bytes("Möwe".encode("latin-1"))
    for name, words in {"gone.md": "No such file", "shots": "directory", "latin.md": "save it as UTF-8"}.items():
        with pytest.raises(TuilabelError, match=words) as refused:
            run("label", "shots", "--guideline", name)
        assert "\n" not in str(refused.value)
    assert not (folder / "shots.tuilabel").exists()
