"""How a model is made: by the options, by what the project remembers, by default."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.projects import open_project
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import Project
from tuilabel.project.options import ModelOptions, SessionOptions
from tuilabel.project.recipe import Recipe, choose_recipe
from tuilabel.project.remembered import Remembered

SESSION, MODEL = SessionOptions("mnist"), ModelOptions("mnist")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.npy"
    path.write_text("as it was")
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.npy"
    path.write_text("another one")
    return path


def given(options: ModelOptions, **changes: Any) -> ModelOptions:
    return replace(options, **changes)


def labelled(directory: Path, **options: Any) -> Project:
    """The project after a session with these options."""
    existing = Project.read(directory) if (directory / "settings.toml").exists() else None
    recipe = choose_recipe(given(SESSION, **options), existing)
    Project.open(directory, "mnist", "f" * 32, ("a", "b"), model=recipe.settings()).close()
    return Project.read(directory)


def edited(directory: Path, *lines: str) -> Project:
    """A project whose user has written the table [model]."""
    open_project(directory).close()
    with (directory / "settings.toml").open("a") as file:
        file.write("\n".join(["[model]", *lines, ""]))
    return Project.read(directory)


def notes_on(project: Project, options: ModelOptions) -> list[str]:
    notes: list[str] = []
    choose_recipe(options, project, notes.append)
    return notes


def test_a_new_project_has_the_defaults() -> None:
    recipe = choose_recipe(SESSION, None)
    assert (recipe.encoder, recipe.learner, recipe.strategy, recipe.seed) == ("auto", "latent", "auto", 0)
    assert recipe.space is recipe.checkpoint is recipe.latents is None


def test_a_project_of_before_goes_on_as_it_was(tmp_path: Path) -> None:
    with open_project(tmp_path) as project:
        assert "model" not in project.settings
        assert choose_recipe(SESSION, project) == Recipe("vae", learner="latent", strategy="auto", seed=0)
        assert notes_on(project, given(SESSION, learner="mlp", encoder="pca")) == [], "what it used is not known"


def test_choices_are_remembered(tmp_path: Path) -> None:
    project = labelled(tmp_path, encoder="pca", learner="mlp", strategy="margin", seed=7)
    recipe = choose_recipe(SESSION, project)
    assert (recipe.encoder, recipe.learner, recipe.strategy, recipe.seed) == ("pca", "mlp", "margin", 7)
    assert notes_on(project, SESSION) == []
    assert notes_on(project, given(SESSION, encoder="pca", learner="mlp", strategy="margin", seed=7)) == []
    assert choose_recipe(MODEL, project) == recipe


def test_another_choice_is_reported_and_leaves_the_others(tmp_path: Path) -> None:
    project = labelled(tmp_path, encoder="pca", learner="mlp", seed=7)
    assert notes_on(project, given(SESSION, encoder="vae", seed=0)) == [
        "the project used encoder pca, seed 7; now encoder vae, seed 0"
    ]
    assert notes_on(project, given(MODEL, learner="latent")) == [
        "the project uses learner mlp; this run uses learner latent"
    ]
    project = labelled(tmp_path, encoder="vae", seed=0)
    recipe = choose_recipe(SESSION, project)
    assert (recipe.encoder, recipe.learner, recipe.seed) == ("vae", "mlp", 0)


def test_own_latents_are_remembered_by_their_content(tmp_path: Path, table: Path, other: Path) -> None:
    project = labelled(tmp_path / "p", latents=table)
    assert choose_recipe(MODEL, project).latents == choose_recipe(given(MODEL, latents=table), project).latents
    assert notes_on(project, MODEL) == notes_on(project, given(MODEL, latents=table)) == []
    moved = table.rename(tmp_path / "moved.npy")
    assert notes_on(project, given(MODEL, latents=moved)) == [], "the same table in another place"
    assert notes_on(project, given(MODEL, latents=other)) == [
        f"the project uses latents {table}; this run uses latents {other}"
    ]
    assert notes_on(project, given(SESSION, encoder="pca")) == [f"the project used latents {table}; now encoder pca"]
    project = labelled(tmp_path / "p", encoder="pca")
    assert choose_recipe(SESSION, project).latents is None, "another encoder replaces them"
    assert "latents" not in (project.directory / "settings.toml").read_text()


def test_an_encoder_gives_way_to_own_latents(tmp_path: Path, table: Path) -> None:
    edited(tmp_path / "p", 'encoder = "pca"')
    project = labelled(tmp_path / "p", latents=table)
    assert "encoder" not in project.model
    assert project.model["latents"] == str(table)


@pytest.mark.parametrize("what", ["latents", "checkpoint"])
def test_a_model_does_not_change_with_its_files(tmp_path: Path, table: Path, other: Path, what: str) -> None:
    project = labelled(tmp_path / "p", **{what: table})
    table.write_text("something else")
    for options in (SESSION, MODEL, given(MODEL, learner="mlp")):
        with pytest.raises(TuilabelError, match=rf"table\.npy has changed since .*p used it: pass `{what}=.*`encoder="):
            choose_recipe(options, project)
    assert notes_on(project, given(MODEL, **{what: table}))[0].endswith("table.npy, which has changed")
    table.unlink()
    with pytest.raises(TuilabelError, match=rf"uses the {what} in .*table\.npy, which is missing: pass `{what}=FILE`"):
        choose_recipe(MODEL, project)
    assert choose_recipe(given(MODEL, encoder="pca"), project).encoder == "pca"
    assert choose_recipe(given(MODEL, **{what: other}), project).images.endswith("other.npy")


def test_a_checkpoint_means_a_vae(tmp_path: Path, table: Path) -> None:
    project = labelled(tmp_path / "p", encoder="pca")
    assert notes_on(project, given(SESSION, checkpoint=table)) == [
        f"the project used encoder pca; now encoder vae from {table}"
    ]
    project = labelled(tmp_path / "p", checkpoint=table)
    assert notes_on(project, given(SESSION, encoder="vae")) == [
        f"the project used encoder vae from {table}; now encoder vae"
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('encoder = "vea"', r"unknown encoder 'vea'; did you mean vae\? There are auto, vae, pca"),
        ("encoder = 3", "encoder must be one of auto, vae, pca, .*; got 3"),
        ("learner = ['mlp']", r"learner must be one of latent, mlp, cnn, in quotes; got \['mlp'\]"),
        ('learner = "cnm"', r"unknown learner 'cnm'; did you mean cnn\?"),
        ('strategy = "entrpy"', "unknown strategy 'entrpy'; did you mean entropy"),
        ("strategy = true", "strategy must be one of .*entropy.*; got True"),
        ('seed = "1"', "seed must be a whole number from 0 .*got '1'"),
        ("seed = true", "seed must be a whole number"),
        ("seed = -1", "seed must be a whole number .*got -1"),
        ("latents = 1", "latents must be the path of a file, in quotes; got 1"),
        ('checkpoint = "x"\ncheckpoint-digest = 1', "checkpoint-digest must be text"),
    ],
)
def test_a_wrong_value_is_one_line_with_file_key_and_values(tmp_path: Path, line: str, words: str) -> None:
    project = edited(tmp_path, line)
    with pytest.raises(TuilabelError, match=rf"settings\.toml: {words}") as error:
        choose_recipe(SESSION, project)
    assert "\n" not in str(error.value)
    key = line.partition(" ")[0]
    if key in ("encoder", "learner", "strategy") and "unknown" in words:
        valid = {"encoder": "pca", "learner": "mlp", "strategy": "margin"}[key]
        choose_recipe(given(SESSION, **{key: valid}), project)  # an option takes its place


def test_a_table_that_is_none_is_reported(tmp_path: Path) -> None:
    open_project(tmp_path).close()
    settings = tmp_path / "settings.toml"
    settings.write_text('model = "pca"\n' + settings.read_text())
    with pytest.raises(TuilabelError, match=r"settings\.toml: model must be a table: write \[model\]"):
        choose_recipe(SESSION, Project.read(tmp_path))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder": "pac"}, "unknown encoder 'pac'; did you mean pca"),
        ({"learner": "nlp"}, "unknown learner"),
        ({"strategy": "marign"}, "unknown strategy"),
        ({"seed": -1}, "seed must be a whole number"),
    ],
)
def test_a_wrong_option_is_a_usage_error(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with open_project(tmp_path) as project, pytest.raises(UsageError, match=words):
        choose_recipe(given(SESSION, **options), project)


def test_a_strategy_that_is_gone_does_not_keep_a_model_from_predicting(tmp_path: Path) -> None:
    project = edited(tmp_path, 'strategy = "no.such.module:function"')
    assert choose_recipe(MODEL, project).learner == "latent"
    with pytest.raises(TuilabelError, match=r"settings\.toml: .*no\.such\.module"):
        choose_recipe(SESSION, project)


def test_choices_made_by_hand_count(tmp_path: Path) -> None:
    project = edited(tmp_path / "p", 'encoder = "pca" # small images', "seed = 4")
    recipe = choose_recipe(SESSION, project)
    assert (recipe.encoder, recipe.seed, recipe.learner) == ("pca", 4, "latent")
    labelled(tmp_path / "p")
    text = (tmp_path / "p" / "settings.toml").read_text()
    assert 'encoder = "pca" # small images\nseed = 4\n' in text
    assert 'learner = "latent"\n' in text


def test_latents_entered_by_hand_are_found_next_to_the_project(tmp_path: Path, table: Path) -> None:
    project = edited(tmp_path / "p", 'latents = "../table.npy"')
    recipe = choose_recipe(MODEL, project)
    assert recipe.latents is not None
    assert recipe.latents.path.resolve() == table
    project = labelled(tmp_path / "p")
    table.write_text("something else")
    with pytest.raises(TuilabelError, match="has changed"):
        choose_recipe(MODEL, project)


COMMENTED = """\
# Ask Ada before you change the classes.
dataset = "mnist"
fingerprint = "ffffffffffffffffffffffffffffffff"
classes = ["a", "b"]

[model]  # tried on Monday
learner = "mlp"  # the other one is slower
note = "mine"

# my own keys
[keys]
undo = "backspace"
"""


def test_comments_and_other_keys_stay(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(COMMENTED)
    project = labelled(tmp_path, encoder="pca", learner="latent")
    project.remember_space("pca")
    text = settings.read_text()
    assert [line for line in COMMENTED.splitlines() if "mlp" not in line] == [
        line for line in text.splitlines() if line in COMMENTED.splitlines()
    ]
    assert 'learner = "latent"  # the other one is slower' in text
    assert text.endswith('\n# my own keys\n[keys]\nundo = "backspace"\n')
    assert project.settings["keys"] == {"undo": "backspace"}
    assert project.model["note"] == "mine"


def test_the_table_comes_last_in_settings_that_have_none(tmp_path: Path) -> None:
    before = re.sub(r"\[model\].*?\n\n", "", COMMENTED, flags=re.DOTALL)
    (tmp_path / "settings.toml").write_text(before)
    labelled(tmp_path)
    text = (tmp_path / "settings.toml").read_text()
    assert text.startswith(before)
    assert text[len(before) :].strip().startswith("[model]")


def test_nothing_is_written_when_nothing_changes(tmp_path: Path) -> None:
    project = labelled(tmp_path)
    project.remember_space("pca")
    before = (tmp_path / "settings.toml").stat().st_mtime_ns
    labelled(tmp_path)
    project.remember_space("pca")
    assert (tmp_path / "settings.toml").stat().st_mtime_ns == before


def test_the_space_of_the_last_session_goes_with_the_encoder(tmp_path: Path) -> None:
    project = labelled(tmp_path)
    assert project.space is None
    project.remember_space("pca", "0123456789abcdef")
    assert Project.read(tmp_path).space == "pca"
    assert choose_recipe(MODEL, project).space == "pca"
    assert choose_recipe(given(SESSION, encoder="auto"), project).space == "pca", "the encoder it has already"
    assert labelled(tmp_path, learner="mlp").model["space-digest"] == "0123456789abcdef"
    assert labelled(tmp_path, encoder="pca").space is None
    assert "space-digest" not in project.model


def test_a_model_uses_the_space_that_the_session_chose(tmp_path: Path, toy: Any) -> None:
    project = labelled(tmp_path, encoder="auto")
    project.remember_space("pca")
    recipe = choose_recipe(MODEL, project)
    assert len(recipe.candidates_for(toy.pool, tmp_path)) > 1, "a session may choose again"
    assert recipe.encoder_for(toy.pool, tmp_path, settled=True).name == "pca"
    project.remember_space("gone")
    with pytest.raises(TuilabelError, match=r"settings\.toml: unknown encoder 'gone'"):
        choose_recipe(MODEL, project)
    assert choose_recipe(given(MODEL, encoder="pca"), project).encoder == "pca"


def test_what_a_project_remembers_can_be_read_whatever_became_of_its_files(tmp_path: Path, table: Path) -> None:
    project = labelled(tmp_path / "p", latents=table)
    table.unlink()
    assert Recipe.of(Remembered.of(project)).images == f"latents {table}"
