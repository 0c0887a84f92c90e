"""Predictions, exports and later sessions make the model as the last session made it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tuilabel
from tests.helpers.folders import COLOURS, colour_folder
from tuilabel.encoders.vae.header import project_checkpoint
from tuilabel.errors import TuilabelError
from tuilabel.labels import Project
from tuilabel.labels.exchange import ExportOptions
from tuilabel.learner.trainer.messages import PoolChanged
from tuilabel.project.exchange import export_labels, import_labels
from tuilabel.project.export_model import export_model
from tuilabel.project.open_session import background_session, open_project, open_session
from tuilabel.project.options import ModelOptions, SessionOptions
from tuilabel.project.predict import PredictOptions, predict, predict_pool
from tuilabel.project.statistics import project_statistics


@pytest.fixture
def shots(tmp_path: Path) -> ModelOptions:
    folder = colour_folder(tmp_path / "shots", each=10)
    return ModelOptions(str(folder), tmp_path / "p.tuilabel", device="cpu")


@pytest.fixture
def table(shots: ModelOptions, tmp_path: Path) -> Path:
    """Latents that say nothing about the colours: a model on them differs from one on the pixels."""
    path = tmp_path / "table.npy"
    np.save(path, np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32))
    return path


def label(shots: ModelOptions, n: int = 12, **options: object) -> None:
    """A session of `n` labels more."""
    session_options = SessionOptions(
        shots.dataset, shots.project, device="cpu", classes=tuple(COLOURS), batch_size=6, annotator="ada"
    )
    with open_session(replace(session_options, **options)) as session:  # type: ignore[arg-type]
        for _ in range(n):
            assert session.batch is not None
            index = next(item.index for item in session.batch.items if item.index not in session.standing)
            session.label(index, list(COLOURS).index(session.pool.files.last_name(index).split("/")[0]))


def settings_of(shots: ModelOptions) -> str:
    assert shots.project is not None
    return (shots.project / "settings.toml").read_text()


def test_a_prediction_uses_the_latents_of_the_session(shots: ModelOptions, table: Path, tmp_path: Path) -> None:
    label(shots, latents=table, learner="mlp", seed=3)
    notes: list[str] = []
    plain = predict_pool(shots, note=notes.append)
    asked_for = predict_pool(replace(shots, latents=table, learner="mlp", seed=3), note=notes.append)
    np.testing.assert_array_equal(plain.probabilities, asked_for.probabilities)
    assert not any("project" in note for note in notes)
    before = settings_of(shots)
    pixels = predict_pool(replace(shots, encoder="pca"), note=notes.append)
    assert not np.allclose(plain.probabilities, pixels.probabilities, atol=0.05)
    assert notes[-1] == f"the project uses latents {table}; this run uses encoder pca"
    assert settings_of(shots) == before, "only sessions change what the project remembers"
    np.save(table, np.ones((30, 4), dtype=np.float32))
    for use in (predict, lambda options: export_model(options, "onnx", tmp_path / "m.onnx")):
        with pytest.raises(TuilabelError, match=r"table\.npy has changed since .*`latents=.*`encoder=NAME`"):
            use(shots)
    with pytest.raises(TuilabelError, match=r"table\.npy has changed"):
        label(shots, 1)
    assert predict(replace(shots, encoder="pca")).encoder == "pca"


def test_the_next_session_and_the_python_functions_go_on_with_it(shots: ModelOptions) -> None:
    label(shots, encoder="pca", learner="mlp", strategy="random", seed=5)
    with open_project(SessionOptions(shots.dataset, shots.project)) as opened:
        assert (opened.recipe.encoder, opened.recipe.learner, opened.recipe.strategy) == ("pca", "mlp", "random")
        assert opened.recipe.seed == 5
    plain = tuilabel.predict(shots.dataset, project=shots.project)
    same = tuilabel.predict(shots.dataset, project=shots.project, encoder="pca", learner="mlp", seed=5)
    np.testing.assert_array_equal(plain.probabilities, same.probabilities)
    model = tuilabel.statistics(shots.dataset, project=shots.project).to_json()["model"]
    assert {name: value for name, value in model.items() if value is not None} == {
        "encoder": "pca", "space": "pca", "learner": "mlp", "strategy": "random", "seed": 5,
    }  # fmt: skip
    label(shots, 1, learner="latent")
    assert project_statistics(str(shots.dataset), shots.project).model.learner == "latent"


def test_a_model_of_pixels_needs_no_encoder_later_either(shots: ModelOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.learner.cnn.EPOCHS", 1)
    label(shots, learner="cnn")
    summary = predict(shots)
    assert (summary.encoder, summary.selected) == (None, 30)
    with pytest.raises(TuilabelError, match="learner must be latent or mlp to export a model, got cnn"):
        export_model(shots, "onnx")


def test_thumbnails_do_not_take_the_place_of_a_vae_that_is_gone(shots: ModelOptions) -> None:
    label(shots, encoder="vae")
    assert shots.project is not None
    project = Project.read(shots.project)
    assert project.space == "pca", "what the session used while there was no VAE"
    notes: list[str] = []
    assert predict(shots, note=notes.append).encoder == "pca"
    assert notes == ["no VAE for shots yet: images are represented by their thumbnails (pca)"]
    project.remember_space("vae")
    with pytest.raises(TuilabelError, match=r"last labelled with a VAE that is no longer there.*`encoder='pca'`"):
        predict(shots)
    assert not project_checkpoint(shots.project).exists()
    assert predict(replace(shots, encoder="pca")).encoder == "pca"


def test_a_vae_that_was_trained_again_is_reported(shots: ModelOptions) -> None:
    from tuilabel.encoders.vae.settings import TrainSettings
    from tuilabel.encoders.vae.training import train_vae

    assert shots.project is not None
    pool = tuilabel.open_pool(str(shots.dataset))

    def train(seed: int) -> None:
        assert shots.project is not None
        settings = TrainSettings.for_pool(len(pool), "photos", epochs=1, latent_dim=4, seed=seed)
        train_vae(
            pool.images, settings, project_checkpoint(shots.project), dataset=pool.name, fingerprint=pool.fingerprint
        )

    train(0)
    label(shots, learner="mlp", encoder="vae")
    notes: list[str] = []
    assert predict(shots, note=notes.append).encoder == "vae"
    assert notes == []
    train(1)
    assert predict(shots, note=notes.append).encoder == "vae"
    assert [note.partition(" is not ")[2] for note in notes] == [
        "the vae that the last session used: the model differs from its model"
    ]
    label(shots, 1)
    predict(shots, note=notes.append)
    assert len(notes) == 1, "the session has used the new one"


def test_a_session_notes_each_space_that_it_moves_to(shots: ModelOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    spaces: list[str | None] = []

    class Trainer:
        def __init__(self, *_: object) -> None:
            pass

        def start(self, deliver: object) -> None:
            for encoder in ("pca", "vae"):
                deliver(PoolChanged(30, encoder))  # type: ignore[operator]

        def __getattr__(self, _name: str) -> object:
            return lambda *_: None

    def deliver(message: object) -> None:
        if isinstance(message, PoolChanged):
            spaces.append(opened.project.space)

    monkeypatch.setattr("tuilabel.project.open_session.ProcessTrainer", Trainer)
    options = SessionOptions(shots.dataset, shots.project, classes=tuple(COLOURS))
    callbacks: dict[str, Any] = {"on_saved": lambda _: None, "on_failed": lambda *_: None}
    with open_project(options) as opened, background_session(opened, deliver, **callbacks):
        assert spaces == ["pca", "vae"]
    with open_project(replace(options, learner="cnn")) as opened, background_session(opened, deliver, **callbacks):
        assert opened.project.space == "vae", "pixels are not a space"


def test_the_cross_validation_of_an_export_uses_the_model(shots: ModelOptions, table: Path, tmp_path: Path) -> None:
    label(shots, latents=table, learner="mlp")
    notes: list[str] = []
    export_labels(
        str(shots.dataset), tmp_path / "plain", file_format="cleanlab", project=shots.project, device="cpu",
        options=ExportOptions(),
    )  # fmt: skip
    export_labels(
        str(shots.dataset), tmp_path / "pca", file_format="cleanlab", project=shots.project, device="cpu",
        encoder="pca", note=notes.append,
    )  # fmt: skip
    assert notes[0] == f"the project uses latents {table}; this run uses encoder pca"
    plain, pca = (np.load(tmp_path / name / "pred_probs.npy") for name in ("plain", "pca"))
    assert plain.shape == pca.shape
    assert not np.allclose(plain, pca, atol=0.05)


def test_an_imported_project_notes_its_encoder(shots: ModelOptions, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\nred/0.jpg,red\nblue/0.jpg,blue\n")
    import_labels(tmp_path / "labels.csv", str(shots.dataset), project=shots.project, apply=True)
    assert shots.project is not None
    assert Project.read(shots.project).model == {"encoder": "auto"}


def test_a_prediction_of_other_images_uses_the_encoder_of_the_session(shots: ModelOptions, tmp_path: Path) -> None:
    label(shots, encoder="pca", learner="mlp")
    other = colour_folder(tmp_path / "other", each=3, first=500)
    assert predict(shots, PredictOptions(on=str(other))).selected == 9
