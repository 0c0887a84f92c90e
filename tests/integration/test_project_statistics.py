"""The statistics of a project and their table."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.helpers.sessions import Clock
from tests.helpers.tiny import Tiny
from tuilabel.cli.render.project_tables import model_text, statistics_table
from tuilabel.datasets import open_pool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.estimate import ClassFigure
from tuilabel.labels import InlineWriter, LabelStore, Project
from tuilabel.learner import open as opening
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.project.recipe import Recipe
from tuilabel.project.remembered import ModelFile
from tuilabel.project.statistics import ProjectStatistics, project_statistics
from tuilabel.session import LabellingSession


def text_of(statistics: ProjectStatistics, columns: int = 80) -> str:
    console = Console(width=columns)
    with console.capture() as captured:
        console.print(statistics_table(statistics))
    return captured.get()


@pytest.fixture(scope="module", params=[True, False], ids=["with a test split", "without one"])
def labelled(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A project of 120 labels drawn at random, a third of them audited, one in fifteen wrong."""
    pool = open_pool("fashion-mnist", tiny.data_dir)
    learner, features = opening.open_learner("mlp", pool, VAEEncoder(tiny.checkpoint), device="cpu")
    directory = tmp_path_factory.mktemp("stats") / "p.tuilabel"
    with Project.open(directory, pool.name, pool.fingerprint, pool.classes, None) as project:
        store = LabelStore.open(project.store)
        test = opening.open_test_set(pool, features) if request.param else None
        trainer = InlineTrainer(RoundRunner(learner, test).run)
        session = LabellingSession(
            pool, log=[], rounds=[], writer=InlineWriter(store), trainer=trainer, classes=pool.classes,
            strategy="random", annotator="ann", retrain="batch", budget=120, audit_share=0.35, clock=Clock(),
            cross_validate=False,
        )  # fmt: skip
        trainer.start(session.handle)
        session.start()
        assert pool.targets is not None
        while (batch := session.batch) is not None:
            for item in batch.items:
                session.label(item.index, int(pool.targets[item.index] + (item.index % 15 == 0)) % 10)
        store.close()
    return directory


def test_the_statistics_of_a_project(labelled: Path, tiny: Tiny, request: pytest.FixtureRequest) -> None:
    figures = json.loads(json.dumps(project_statistics("fashion-mnist", labelled, tiny.data_dir).to_json()))
    assert (figures["labelled"], figures["rounds"], sum(figures["classes"].values())) == (120, 6, 120)
    audit, lure = figures["accuracy"]["audit"], figures["lure"]
    assert audit["n"] == 35
    assert lure["n"] == 100  # the first batch was drawn before there was a model
    assert lure["low"] < lure["value"] < lure["high"]
    assert sum(recall["n"] for recall in figures["class_accuracy"].values()) == 35
    assert figures["confusions"]
    best = max(confusion["n"] for confusion in figures["confusions"])
    assert figures["confusions"][0]["n"] == best
    assert (figures["accuracy"]["test"] is None) == ("without" in request.node.name)
    assert "the next 100 labels should bring" in figures["advice"]["text"]


def test_the_statistics_say_how_the_model_is_made() -> None:
    auto = Recipe("auto", space="pca", learner="mlp", strategy="margin", seed=3)
    assert model_text(auto) == ("encoder auto (latents pca in the last session), learner mlp, strategy margin, seed 3")
    assert model_text(Recipe("vae", space="vae", checkpoint=ModelFile(Path("/v")))).startswith("encoder vae from /v, ")
    assert model_text(Recipe("vae", latents=ModelFile(Path("/a\x1b[2J.npy")))).startswith(r"latents /a\x1b[2J.npy, ")


def test_the_statistics_fit_in_eighty_columns(labelled: Path, tiny: Tiny) -> None:
    statistics = replace(project_statistics("fashion-mnist", labelled, tiny.data_dir), project=Path("p.tuilabel"))
    lines = text_of(statistics).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(re.match(r"audit +\d+ % \(\d+–\d+\), 35 checked", line) for line in lines)
    assert any(line.startswith("to beat     always answering ") for line in lines)
    assert any(line.startswith("advice      the next 100 labels should bring ") for line in lines)
    assert any(line.startswith("model       encoder vae, learner latent, strategy auto, seed 0") for line in lines)
    assert any(re.match(r"Ankle boot +\d+ +\d of \d$", line) for line in lines), "few audit images are counted"
    log = replace(
        statistics.log,
        classes=tuple(f"class {k}" for k in range(47)),
        class_counts=tuple(range(47)),
        class_figures=(ClassFigure(0, None, 0),) * 47,
        confusions=(),
    )
    wide = text_of(replace(statistics, log=log)).splitlines()
    assert max(map(len, wide)) <= 80
    assert len(wide) < 40  # two classes in a row
    assert any("class 46" in line for line in wide)
    none = replace(statistics.log, classes=(), class_counts=(), class_figures=(), confusions=(), baseline=None)
    assert "class" in text_of(replace(statistics, log=none)), "a project may have no classes yet"
