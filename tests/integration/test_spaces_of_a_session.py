"""A session with `--encoder auto` moves from thumbnails to better latents, as images and labels decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.helpers.folders import COLOURS, colour_folder
from tests.helpers.tiny import Tiny
from tests.integration.test_preparing import TrainerClient
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders import Encoder, Latents
from tuilabel.encoders.networks.encoder import NetworkEncoder
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.errors import TuilabelError
from tuilabel.labels import Project
from tuilabel.learner.trainer.messages import (
    Failure,
    Message,
    Notice,
    PoolChanged,
    TrainerProgress,
    TrainRequest,
)
from tuilabel.learner.trainer.prepare_messages import EncoderFailed, ImagesRead, LatentsReady, PrepareSettings
from tuilabel.learner.trainer.prepare_worker import prepare
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.learner.trainer.settings import WorkerSettings
from tuilabel.learner.trainer.worker import Worker
from tuilabel.learner.trainer.workspace import TrainerWorkspace
from tuilabel.project.open_session import open_project, open_session
from tuilabel.project.options import ModelOptions, SessionOptions
from tuilabel.project.predict import predict
from tuilabel.project.recipe import Recipe

NONE = np.array([], dtype=np.int64)
BUNDLED = NetworkEncoder("efficientnet_lite2")


@dataclass(frozen=True)
class Fake(Encoder):
    """An encoder whose latents are there once it has encoded: noise, or the classes with little noise."""

    kind: str
    encoded: ClassVar[set[str]] = set()
    broken: ClassVar[dict[str, BaseException]] = {}

    @property
    def name(self) -> str:
        return self.kind

    @classmethod
    def choose(cls, _pool: ImagePool, _options: object) -> Fake:
        return cls("good")

    def available(self, pool: ImagePool) -> Latents | None:
        if self.kind not in self.encoded:
            return None
        rows = np.random.default_rng(len(self.kind)).normal(size=(len(pool), 6)).astype(np.float32)
        if self.kind.startswith("good"):
            rows = 0.3 * rows + 4 * np.eye(3, 6, dtype=np.float32)[classes_of(pool)]
        return Latents(rows, None, None)

    def encode(self, pool: ImagePool, _device: str = "auto", on_progress: Callable[..., None] = print) -> Latents:
        if self.kind in self.broken:
            raise self.broken[self.kind]
        on_progress(len(pool), len(pool))
        self.encoded.add(self.kind)
        latents = self.available(pool)
        assert latents is not None
        return latents

    def encode_others(self, others: ImagePool, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _nothing_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fake, "encoded", set())
    monkeypatch.setattr(Fake, "broken", {})


def classes_of(pool: ImagePool) -> np.ndarray:
    names = [pool.files.last_name(index).split("/")[0] for index in range(len(pool))]
    return np.array([list(COLOURS).index(name) for name in names], dtype=np.int64)


class Stages:
    """A trainer in this thread, on a folder of 60 images; what its child would prepare is prepared here."""

    def __init__(self, tmp_path: Path, *encoders: Encoder, space: str | None = None) -> None:
        folder = colour_folder(tmp_path / "shots", each=20)
        self.pool = open_pool(str(folder))
        self.messages: list[Message] = []
        settings = WorkerSettings(
            str(folder), None, encoders[0], "mlp", "cpu", tmp_path / "log", alternatives=encoders[1:], space=space
        )
        self.workspace = TrainerWorkspace(settings, self.messages.append)
        self.runner = RoundRunner(*self.workspace.start())
        self.worker = Worker(self.runner, QuestionHandler(self.runner), self.messages.append, self.workspace)
        self.serial = 0

    @property
    def spaces(self) -> list[str]:
        return [message.encoder for message in self.messages if isinstance(message, PoolChanged)]

    def ready(self, encoder: Encoder) -> None:
        encoder.encode(self.pool, "cpu", lambda *_: None)
        self.worker.turn(None, [], [LatentsReady(encoder)])
        self.work()

    def label(self, n: int) -> None:
        indices, self.serial = np.arange(n, dtype=np.int64), self.serial + 1
        labels = classes_of(self.pool)[:n]
        self.worker.turn(
            TrainRequest(self.serial, indices, labels, 3, indices % 10 == 0, NONE, NONE, "margin", 5, 1, 0), []
        )
        self.work()

    def work(self) -> None:
        while self.worker.busy:
            self.worker.turn(None, [])


def test_a_session_begins_on_thumbnails_and_takes_each_better_stage(tmp_path: Path) -> None:
    stages = Stages(tmp_path, Fake("good"), Fake("good too"), PCAEncoder())
    stages.ready(Fake("good too"))
    stages.label(10)
    stages.ready(Fake("good"))
    assert stages.spaces == ["pca", "good too", "good"]
    assert [m.reason for m in stages.messages if isinstance(m, PoolChanged)][1:] == ["they suit such images best"] * 2


def test_labels_keep_a_session_where_they_are_explained_better(tmp_path: Path) -> None:
    stages = Stages(tmp_path, Fake("random"), Fake("good"), PCAEncoder())
    stages.ready(Fake("good"))
    stages.label(30)
    stages.ready(Fake("random"))
    assert stages.spaces == ["pca", "good"]
    (notice,) = (message for message in stages.messages if isinstance(message, Notice))
    assert notice.text == "Still network features (good): your labels fit them better"


def test_labels_move_a_session_to_another_space(tmp_path: Path) -> None:
    stages = Stages(tmp_path, Fake("random"), Fake("good"))
    stages.ready(Fake("good"))
    stages.ready(Fake("random"))
    stages.label(19)
    assert stages.spaces == ["pca", "good", "random"]
    stages.label(20)
    assert stages.spaces[-1] == "good"
    assert stages.messages[-1] == PoolChanged(60, "good", "your labels fit them better")
    stages.label(60)
    assert len(stages.spaces) == 4, "and it stays there"


def test_the_space_of_the_last_session_is_used_at_once(tmp_path: Path) -> None:
    Fake.encoded.update(("good", "random"))
    assert Stages(tmp_path / "new", Fake("random"), Fake("good")).spaces == ["random"]
    again = Stages(tmp_path / "again", Fake("random"), Fake("good"), space="good")
    again.label(20)
    assert again.spaces == ["good"]
    gone = Stages(tmp_path / "gone", Fake("other"), Fake("good"), space="other")
    assert gone.spaces == ["good"]


def test_a_built_in_dataset_begins_on_its_fastest_space(tiny: Tiny, tmp_path: Path) -> None:
    better, fast = Fake("noise too"), Fake("noise")
    log, data = tmp_path / "log", tiny.data_dir
    settings = WorkerSettings("fashion-mnist", data, better, "mlp", "cpu", log, alternatives=(fast,))
    messages: list[Message] = []
    workspace = TrainerWorkspace(settings, messages.append)
    runner = RoundRunner(*workspace.start())
    assert Fake.encoded == {"noise"}, "nobody waits for the better one"
    worker = Worker(runner, QuestionHandler(runner), messages.append, workspace)
    better.encode(open_pool("fashion-mnist", data), "cpu", lambda *_: None)
    worker.turn(None, [], [LatentsReady(better)])
    assert [message for message in messages if isinstance(message, PoolChanged)] == [
        PoolChanged(300, "noise"),
        PoolChanged(300, "noise too", "they suit such images best"),
    ]
    TrainerWorkspace(replace(settings, space="noise too"), messages.append).start()
    assert messages[-1] == PoolChanged(300, "noise too"), "the next session begins there"


def test_projects_of_a_built_in_dataset_that_say_no_space_stay_where_they_were(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilabel.encoders.vae.encoder.find_checkpoint", lambda *_: tiny.checkpoint)
    pool = open_pool("fashion-mnist", tiny.data_dir)
    names = [encoder.name for encoder in Recipe("auto").candidates_for(pool, tmp_path)]
    assert names == ["vae+efficientnet_lite2", "vae"]
    assert Recipe("auto").encoder_for(pool, tmp_path, settled=True).name == "vae"
    assert Recipe("auto", space=names[0]).encoder_for(pool, tmp_path, settled=True).name == names[0]
    assert Recipe("auto").encoder_for(pool, tmp_path).name == names[0]


def prepared(folder: Path, *encoders: Encoder) -> list[object]:
    messages: list[object] = []
    prepare(PrepareSettings(str(folder), None, encoders, "cpu", 0), messages.append, lambda: False)
    return [message for message in messages if not isinstance(message, ImagesRead)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TuilabelError("the weights are damaged"), "the weights are damaged"),
        (MemoryError("no\nroom"), "MemoryError: no room"),
        (RuntimeError("CUDA out of memory"), "RuntimeError: CUDA out of memory"),
    ],
)
def test_an_encoder_that_fails_leaves_the_others(tmp_path: Path, error: BaseException, reason: str) -> None:
    folder = colour_folder(tmp_path / "shots", each=4)
    open_pool(str(folder))
    Fake.broken["bad"] = error
    messages = prepared(folder, Fake("bad"), Fake("good"))
    assert messages[0] == EncoderFailed(Fake("bad"), reason)
    assert messages[-1] == LatentsReady(Fake("good"))


def test_progress_comes_with_its_rate(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "shots", each=4)
    open_pool(str(folder))
    steps = [m for m in prepared(folder, BUNDLED) if isinstance(m, TrainerProgress) and m.stage == "encode"]
    assert (steps[0].done, steps[0].per_second, steps[0].encoder) == (0, None, "efficientnet_lite2")
    assert (steps[-1].done, steps[-1].total) == (12, 12)
    assert steps[-1].per_second is not None
    assert steps[-1].per_second > 0


@pytest.mark.usefixtures("copied_trainers")
def test_a_real_session_reaches_the_network_and_the_project_stays_there(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "live", each=10)
    client = TrainerClient(folder, tmp_path, encoder=BUNDLED, alternatives=(PCAEncoder(),))
    try:
        assert client.wait_for(PoolChanged).encoder == "pca"
        client.ask(1, 6)
        while (change := client.wait_for(PoolChanged)).encoder == "pca":
            pass
        assert (change.encoder, change.reason) == ("efficientnet_lite2", "they suit such images best")
        assert client.ask(2, 12).n_labels == 12
    finally:
        client.trainer.close()
    again = TrainerClient(folder, tmp_path, encoder=BUNDLED, alternatives=(PCAEncoder(),), space="efficientnet_lite2")
    try:
        assert again.wait_for(PoolChanged).encoder == "efficientnet_lite2", "the next time it is there at once"
    finally:
        again.trainer.close()
    colour_folder(folder, each=4, first=70)
    open_pool(str(folder))
    grown = TrainerClient(folder, tmp_path, encoder=BUNDLED, alternatives=(PCAEncoder(),), space="efficientnet_lite2")
    try:
        while grown.wait_for(PoolChanged) != PoolChanged(42, "efficientnet_lite2", "they suit such images best"):
            pass
    finally:
        grown.trainer.close()


@pytest.mark.usefixtures("copied_trainers")
def test_damaged_weights_are_one_line_and_the_session_goes_on(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "damaged", each=8)
    open_pool(str(folder))
    client = TrainerClient(
        folder, tmp_path, encoder=NetworkEncoder("timm:no_such_network"), alternatives=(PCAEncoder(),)
    )
    try:
        failure = client.wait_for(Failure)
        assert failure.background
        assert not failure.fatal
        assert failure.message.startswith("no network features (timm:no_such_network): ")
        assert "\n" not in failure.message
        assert client.ask(1, 12).n_labels == 12
    finally:
        client.trainer.close()


def test_python_sessions_and_predictions_use_one_space(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "shots", each=10)
    options = SessionOptions(
        str(folder), tmp_path / "p", classes=tuple(COLOURS), learner="mlp", device="cpu", batch_size=12
    )
    with open_session(options) as session:
        assert session.batch is not None
        for item in session.batch.items:
            colour = session.pool.files.last_name(item.index).split("/")[0]
            session.label(item.index, list(COLOURS).index(colour))
    assert options.project is not None
    project = Project.read(options.project)
    assert (project.model["encoder"], project.space) == ("auto", "efficientnet_lite2")
    model = ModelOptions(str(folder), options.project, device="cpu")
    assert predict(model).encoder == "efficientnet_lite2"
    project.remember_space("pca")
    assert predict(model).encoder == "pca", "what the last session used"
    with open_project(options) as opened:
        assert [encoder.name for encoder in opened.encoders] == ["efficientnet_lite2", "pca"]
    assert predict(replace(model, encoder="efficientnet_lite2")).encoder == "efficientnet_lite2"
