"""The model of user images: predictions in any format, on other folders, exported."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.folders import COLOURS, colour_folder
from tests.helpers.sessions import Clock
from tuilabel.datasets import as_ref, open_pool
from tuilabel.encoders.base import EncoderOptions
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import default_checkpoint, project_checkpoint, read_header
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import InlineWriter, LabelStore, Project
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.project.export_model import export_model
from tuilabel.project.options import ModelOptions
from tuilabel.project.predict import PredictOptions, predict
from tuilabel.project.train_vae import plan_training, train_planned
from tuilabel.session import LabellingSession


@pytest.fixture
def labelled(tmp_path: Path) -> ModelOptions:
    """A project of colours with 20 labels, and no VAE yet."""
    folder = colour_folder(tmp_path / "shots", each=20)
    pool = open_pool(str(folder))
    directory = tmp_path / "shots.tuilabel"
    with Project.open(
        directory, pool.name, pool.fingerprint, tuple(COLOURS), source=as_ref(str(folder)).absolute()
    ) as project:
        store = LabelStore.open(project.store)
        trainer = InlineTrainer(RoundRunner(MLPLearner(PCAEncoder().encode(pool).pool)).run)
        session = LabellingSession(
            pool, log=[], rounds=[], writer=InlineWriter(store), trainer=trainer, classes=tuple(COLOURS),
            annotator="ann", retrain="batch", budget=20, clock=Clock(),
        )  # fmt: skip
        trainer.start(session.handle)
        session.start()
        while (batch := session.batch) is not None:
            for item in batch.items:
                colour = pool.files.last_name(item.index).split("/")[0]
                session.label(item.index, list(COLOURS).index(colour))
        store.close()
    return ModelOptions(str(folder), directory, learner="mlp", device="cpu")


def test_every_file_is_predicted_by_its_name(labelled: ModelOptions, tmp_path: Path) -> None:
    summary = predict(labelled, PredictOptions(out=tmp_path / "p.csv"))
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert summary.written == len(rows) == 60
    right = [row["path"].split("/")[0] == row["label"] for row in rows]
    assert np.mean(right) > 0.9, "thumbnails are enough to distinguish colours"


def test_predictions_are_written_in_any_label_format(labelled: ModelOptions, tmp_path: Path) -> None:
    summary = predict(
        labelled, PredictOptions(out=tmp_path / "sorted", file_format="imagefolder", unlabelled_only=True)
    )
    assert summary.written == 40
    files = list((tmp_path / "sorted").rglob("*.jpg"))
    assert len(files) == 40
    assert {path.relative_to(tmp_path / "sorted").parts[0] for path in files} <= set(COLOURS)
    predict(
        labelled,
        PredictOptions(out=tmp_path / "ls", file_format="label-studio", min_confidence=0.5, probabilities=True),
    )
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    assert all("predictions" in task for task in tasks)
    with pytest.raises(UsageError, match="pass `out`"):
        predict(labelled, PredictOptions(file_format="imagefolder"))
    with pytest.raises(UsageError, match="cleanlab"):
        predict(labelled, PredictOptions(out=tmp_path / "c", file_format="cleanlab"))
    with pytest.raises(TuilabelError, match="force=True"):
        predict(labelled, PredictOptions(out=tmp_path / "sorted", file_format="imagefolder"))


def test_another_folder_of_other_sizes_is_predicted(labelled: ModelOptions, tmp_path: Path) -> None:
    other = colour_folder(tmp_path / "other", each=4, first=500, size=lambda k: (90 + k % 7, 120))
    predict(labelled, PredictOptions(on=str(other), out=tmp_path / "other.csv"))
    rows = list(csv.DictReader((tmp_path / "other.csv").read_text().splitlines()))
    assert len(rows) == 12
    assert np.mean([row["path"].split("/")[0] == row["label"] for row in rows]) > 0.8


def test_a_model_on_thumbnails_is_exported_and_then_one_on_a_vae(labelled: ModelOptions, tmp_path: Path) -> None:
    from tuilabel.encoders.vae.settings import TrainSettings
    from tuilabel.encoders.vae.training import train_vae

    thumbnails = export_model(labelled, "torch", tmp_path / "model.pt2")
    assert thumbnails.images == thumbnails.same_class == thumbnails.same_as_predict == 60
    assert thumbnails.input["shape"][3] == 3
    assert labelled.dataset is not None
    assert labelled.project is not None
    pool = open_pool(labelled.dataset)
    settings = TrainSettings.for_pool(len(pool), "photos", epochs=1, latent_dim=8)
    train_vae(
        pool.images, settings, project_checkpoint(labelled.project), dataset=pool.name, fingerprint=pool.fingerprint
    )
    result = export_model(labelled, "onnx", tmp_path / "model.onnx")
    assert result.classes == tuple(COLOURS)
    assert result.same_class
    assert predict(replace(labelled, encoder="vae")).items == 60, "it is the project's own VAE that is used"


def test_a_project_finds_its_images_by_itself(
    labelled: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = predict(replace(labelled, dataset=None))
    assert summary.dataset == "shots"
    Image.new("RGB", (48, 36), (250, 10, 10)).save(tmp_path / "shots" / "new.png")
    assert predict(replace(labelled, dataset="shots", project=None)).items == 61, "new files are read first"


def test_a_checkpoint_belongs_to_its_images_and_not_to_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for k, name in enumerate("abc"):
        colour_folder(tmp_path / name / "images", each=3, first=10 * k)

    def train(folder: str) -> Path:
        plan = plan_training(folder, epochs=1, latent_dim=4, batch_size=8)
        return train_planned(plan, device="cpu").checkpoint

    def chosen(folder: str) -> Path:
        return VAEEncoder.choose(open_pool(folder), EncoderOptions("vae", project=tmp_path / "p")).checkpoint

    first = train("a/images")
    assert first == default_checkpoint("images")
    assert (chosen("a/images"), chosen("b/images")) == (first, tmp_path / "p/vae.safetensors")
    content = first.read_bytes()
    second = train("b/images")
    assert second == default_checkpoint("b-images")
    assert first.read_bytes() == content
    assert (chosen("a/images"), chosen("b/images")) == (first, second)
    (tmp_path / "a").rename(tmp_path / "moved")  # the same images
    assert (chosen("moved/images"), train("moved/images")) == (first, first)
    colour_folder(tmp_path / "b/images", each=1, first=50)  # more of them
    assert (chosen("b/images"), train("b/images")) == (second, second)
    # A checkpoint of an earlier version says nothing of a place: it is used, and stays.
    old = default_checkpoint("images")
    old.write_bytes(old.read_bytes().replace(b'"place":"', b'"other":"', 1))
    assert read_header(old).place == ""
    assert chosen("c/images") == old
    assert train("c/images") == default_checkpoint("c-images")
    assert chosen("c/images") == default_checkpoint("c-images")
