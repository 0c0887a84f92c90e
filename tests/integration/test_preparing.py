"""From a folder to latents in the background: reading, training, encoding, and switching the session over."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from tests.helpers.folders import colour_folder, jpeg, picture
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders import Encoder, choose_encoder
from tuilabel.encoders.networks import NetworkEncoder
from tuilabel.encoders.networks.feature_file import FeatureFile
from tuilabel.encoders.networks.names import BUNDLED
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.encoders.tables.encoder import table_of
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import project_checkpoint, read_header
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.errors import TuilabelError
from tuilabel.files import cache_dir
from tuilabel.learner.trainer.child import Child
from tuilabel.learner.trainer.messages import (
    Failure,
    Inspection,
    InspectItem,
    Message,
    PoolChanged,
    RoundResult,
    TrainerProgress,
    TrainRequest,
)
from tuilabel.learner.trainer.prepare_messages import (
    ImagesRead,
    LatentsReady,
    PrepareFailed,
    PrepareMessage,
    PrepareSettings,
)
from tuilabel.learner.trainer.prepare_process import PrepareProcess
from tuilabel.learner.trainer.prepare_worker import prepare
from tuilabel.learner.trainer.process import ProcessTrainer
from tuilabel.learner.trainer.settings import WorkerSettings

PATIENCE = 120.0
M = TypeVar("M")
NONE = np.array([], dtype=np.int64)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.encoders.vae.settings.MIN_EPOCHS", 1)
    monkeypatch.setattr("tuilabel.encoders.vae.settings.MAX_EPOCHS", 2)
    monkeypatch.setattr("tuilabel.datasets.open.FIRST_ITEMS", 24)
    monkeypatch.setattr("tuilabel.datasets.open.FIRST_SECONDS", PATIENCE)  # the machine may be busy


def settings_for(folder: Path, vae: Path, encoder: Encoder | None = None) -> PrepareSettings:
    return PrepareSettings(str(folder), None, (encoder or VAEEncoder(vae),), device="cpu", seed=0)


def test_it_reads_the_rest_trains_and_encodes(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "shots", each=12)
    first = open_pool(str(folder), reading="first")
    assert 24 <= len(first) < 36
    messages: list[PrepareMessage] = []
    prepare(settings_for(folder, tmp_path / "vae.safetensors"), messages.append, lambda: False)
    assert ImagesRead(complete=True) in messages
    last = messages[-1]
    assert isinstance(last, LatentsReady)
    assert first.refresh()
    latents = last.encoder.available(first)
    assert latents is not None
    assert latents.pool.shape == (36, 64)
    assert read_header(tmp_path / "vae.safetensors").dataset == "shots"


def test_stopped_training_resumes(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "again", each=8)
    open_pool(str(folder))
    vae = tmp_path / "vae.safetensors"
    stops = iter([False, False, True] + [True] * 100)
    with pytest.raises(Exception, match="stopped"):
        prepare(settings_for(folder, vae), lambda _: None, lambda: next(stops))
    assert vae.with_name("vae.safetensors.partial").exists()
    messages: list[PrepareMessage] = []
    prepare(settings_for(folder, vae), messages.append, lambda: False)
    assert isinstance(messages[-1], LatentsReady)
    assert not vae.with_name("vae.safetensors.partial").exists()


def test_an_unfinished_training_of_other_images_starts_over(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "grown", each=8)
    open_pool(str(folder))
    vae = tmp_path / "vae.safetensors"
    stops = iter([False, False, True] + [True] * 100)
    with pytest.raises(Exception, match="stopped"):
        prepare(settings_for(folder, vae), lambda _: None, lambda: next(stops))
    colour_folder(folder, each=2, first=90)
    open_pool(str(folder))
    messages: list[PrepareMessage] = []
    prepare(settings_for(folder, vae), messages.append, lambda: False)
    assert isinstance(messages[-1], LatentsReady)


def test_only_new_images_are_encoded(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "few", each=8)
    pool = open_pool(str(folder))
    prepare(settings_for(folder, tmp_path / "vae.safetensors"), lambda _: None, lambda: False)
    encoder = VAEEncoder(tmp_path / "vae.safetensors")
    before = np.array(encoder.encode(pool).pool)
    colour_folder(folder, each=2, first=70)
    open_pool(str(folder))
    pool.refresh()
    steps: list[tuple[int, int]] = []
    after = encoder.encode(pool, on_progress=lambda done, total: steps.append((done, total))).pool
    assert steps[0] == (24, 30), "24 are in the cache"
    assert steps[-1] == (30, 30)
    assert np.array_equal(after[:24], before)
    assert len(after) == 30


def test_few_images_get_more_epochs() -> None:
    small, large = (TrainSettings.for_pool(n, "photos") for n in (2_000, 200_000))
    assert small.epochs >= large.epochs
    assert TrainSettings.for_pool(100, "photos", epochs=7).epochs == 7


def test_user_latents_and_pca(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "mine", each=6)
    (folder / "broken.jpg").write_text("no")
    pool = open_pool(str(folder))
    pca = PCAEncoder().encode(pool)
    assert pca.pool.shape == (18, 32)
    table = table_of(pool, pca)
    assert table.shape == (19, 32)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    assert np.isnan(table[files.index("broken.jpg")]).all()
    np.save(tmp_path / "mine.npy", table)
    own = choose_encoder("vae", pool, latents=tmp_path / "mine.npy")
    assert own is not None
    assert np.array_equal(own.encode(pool).pool, pca.pool)
    np.save(tmp_path / "short.npy", table[:5])
    with pytest.raises(Exception, match=r"5 rows.*19 files"):
        choose_encoder("vae", pool, latents=tmp_path / "short.npy")


def test_a_vae_for_images_of_another_size_is_retrained(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "grown", each=4, size=lambda _: (16, 16))
    project = tmp_path / "grown.tuilabel"
    project.mkdir()
    pool = open_pool(str(folder))
    vae = project_checkpoint(project)
    prepare(settings_for(folder, vae), lambda _: None, lambda: False)
    assert choose_encoder("vae", pool, project=project) == VAEEncoder(vae)
    (folder / "large.jpg").write_bytes(jpeg(picture("red", 0, 300, 200)))
    shutil.rmtree(pool.library.folder)  # type: ignore[attr-defined]
    pool = open_pool(str(folder))
    assert pool.images.shape[1:] == (64, 64, 3)
    assert choose_encoder("vae", pool, project=project).needs_training(pool)
    with pytest.raises(Exception, match="16×16"):
        choose_encoder("vae", pool, project=project, checkpoint=vae)  # a checkpoint that was named must fit
    prepare(settings_for(folder, vae), lambda _: None, lambda: False)
    assert choose_encoder("vae", pool, project=project) == VAEEncoder(vae)


class TrainerClient:
    """A trainer process on a folder, and the messages it has sent."""

    def __init__(self, folder: Path, directory: Path, **changes: object) -> None:
        vae = VAEEncoder(directory / "vae.safetensors")
        settings = WorkerSettings(str(folder), None, vae, "mlp", "cpu", directory / "trainer.log")
        self.trainer = ProcessTrainer(replace(settings, **changes))  # type: ignore[arg-type]
        self.messages: queue.Queue[Message] = queue.Queue()
        self.trainer.start(self.messages.put)

    def wait_for(self, kind: type[M]) -> M:
        while not isinstance(message := self.messages.get(timeout=PATIENCE), kind):
            if isinstance(message, Failure):
                assert not message.fatal, message
        return message

    def ask(self, serial: int, n: int) -> RoundResult:
        indices = np.arange(n, dtype=np.int64)
        self.trainer.submit(TrainRequest(serial, indices, indices % 3, 3, indices < 0, NONE, NONE, "margin", 5, 1, 0))
        return self.wait_for(RoundResult)


@pytest.mark.usefixtures("copied_trainers")
def test_a_session_starts_on_pca_and_switches_to_the_vae(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "live", each=20, size=lambda _: (16, 16))
    begun = open_pool(str(folder), reading="first")
    client = TrainerClient(folder, tmp_path)
    try:
        first = client.wait_for(PoolChanged)
        assert first == PoolChanged(len(begun), "pca")
        assert client.ask(1, 0).n_labels == 0
        changes = [first]
        while changes[-1].encoder != "vae":
            changes.append(client.wait_for(PoolChanged))
        assert changes[-1] == PoolChanged(60, "vae", "they are ready")
        result = client.ask(2, 12)
        assert result.n_labels == 12
        client.trainer.ask(InspectItem(1, 3))
        inspection = client.wait_for(Inspection)
        assert isinstance(inspection, Inspection)
        assert inspection.reconstruction is not None
    finally:
        client.trainer.close()
    again = TrainerClient(folder, tmp_path, encoder=VAEEncoder(tmp_path / "vae.safetensors"))
    try:
        assert again.wait_for(PoolChanged) == PoolChanged(60, "vae"), "the next time it is available at once"
    finally:
        again.trainer.close()


@pytest.mark.usefixtures("copied_trainers")
def test_a_failure_to_prepare_is_reported_and_labelling_goes_on(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "one", each=8, size=lambda _: (16, 16))
    open_pool(str(folder))
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    client = TrainerClient(folder, tmp_path, encoder=VAEEncoder(blocked / "vae.safetensors"))
    try:
        failure = client.wait_for(Failure)
        assert isinstance(failure, Failure)
        assert not failure.fatal
        assert failure.background, "the trainer is as well as before"
        assert client.ask(1, 12).n_labels == 12
    finally:
        client.trainer.close()


def test_the_prepare_process_ends_with_its_trainer(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "end", each=4)
    open_pool(str(folder))
    messages: queue.Queue[PrepareMessage] = queue.Queue()
    done = threading.Event()

    def on_message(news: PrepareMessage) -> None:
        messages.put(news)
        if isinstance(news, LatentsReady | PrepareFailed):
            done.set()

    PrepareProcess(settings_for(folder, tmp_path / "vae.safetensors", PCAEncoder()), on_message)
    assert done.wait(PATIENCE)


def features_of(pool: ImagePool) -> int:
    """How many images the bundled network has looked at."""
    (file,) = (cache_dir() / "features").glob(f"{pool.cache_name}-{BUNDLED}-*.features")
    rows = FeatureFile(file).rows()
    return 0 if rows is None else len(rows)


def is_looking(message: PrepareMessage) -> bool:
    """Whether it says how many images the network has looked at, and some it has."""
    return isinstance(message, TrainerProgress) and message.stage == "encode" and message.done > 0


def test_features_stop_at_once_and_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.encoders.networks.encoder.BLOCK", 8)
    folder = colour_folder(tmp_path / "seen", each=8)
    pool = open_pool(str(folder))
    settings = settings_for(folder, tmp_path, NetworkEncoder(BUNDLED))
    messages: list[PrepareMessage] = []
    with pytest.raises(TuilabelError, match="stopped at 8 of 24"):
        prepare(settings, messages.append, lambda: any(map(is_looking, messages)))
    assert features_of(pool) == 8
    messages.clear()
    prepare(settings, messages.append, lambda: False)
    progress = [message for message in messages if isinstance(message, TrainerProgress) and message.stage == "encode"]
    assert (progress[0].done, progress[-1].done) == (8, 24)
    assert isinstance(messages[-1], LatentsReady)


@pytest.mark.usefixtures("copied_trainers")
def test_the_process_ends_in_the_midst_of_features_when_its_parent_does(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "midst", each=150, size=lambda _: (16, 16))
    pool = open_pool(str(folder))
    settings = settings_for(folder, tmp_path, NetworkEncoder(BUNDLED))
    child = Child("tuilabel.learner.trainer.prepare_worker", settings, environment={})
    with child.connection as connection:
        while not is_looking(connection.recv()):
            pass
    assert child.wait(PATIENCE) == 0, "it ends by itself, not because its time is over"
    assert 0 < features_of(pool) < 450


def test_a_killed_prepare_process_is_restarted_and_continues(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "killed", each=120, size=lambda _: (16, 16))
    begun = open_pool(str(folder), reading="first")
    messages: queue.Queue[PrepareMessage] = queue.Queue()
    preparer = PrepareProcess(settings_for(folder, tmp_path / "vae.safetensors", PCAEncoder()), messages.put)
    first = messages.get(timeout=PATIENCE)
    assert preparer.pid is not None
    os.kill(preparer.pid, signal.SIGKILL)
    news = [first]
    while not isinstance(news[-1], LatentsReady):
        news.append(messages.get(timeout=PATIENCE))
        assert not isinstance(news[-1], PrepareFailed)
    begun.refresh()
    assert len(begun) == 360


@pytest.mark.usefixtures("copied_trainers")
def test_renamed_files_are_found_while_labelling(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "found", each=20, size=lambda _: (16, 16))
    open_pool(str(folder))
    for path in list(folder.rglob("*.jpg")):
        path.rename(path.with_name(f"new-{path.name}"))
    pool = open_pool(str(folder), reading="first")
    assert len(pool.gone)
    client = TrainerClient(folder, tmp_path, encoder=PCAEncoder())
    try:
        client.wait_for(PoolChanged)
        client.wait_for(PoolChanged)
        assert not len(pool.gone)
    finally:
        client.trainer.close()
