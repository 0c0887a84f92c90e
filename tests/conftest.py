"""Fixtures of all tests: a cache of their own, a toy pool, sessions on it, and a tiny dataset on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# One thread: threads of torch spin while they wait for each other, which takes minutes where a test takes seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.helpers.postgresql import Server, require_installed, running_server
from tests.helpers.preloaded import ADDRESS, Preloaded, children_from
from tests.helpers.sessions import Clock, SessionMaker
from tests.helpers.stores import FilePlace, ServerPlace, StorePlace
from tests.helpers.tiny import Tiny, write_dataset
from tests.helpers.toy import Toy, make_toy
from tuilabel.labels import InlineWriter, LabelStore
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.session import LabellingSession

TESTS = Path(__file__).parent
MOST_WORKERS = 4  # each holds torch and a model or two in memory


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Folders are tested by several processes; test files that are named run in this one, where a debugger works."""
    named = [Path(argument.split("::")[0]) for argument in config.args]
    return 0 if all(path.is_file() for path in named) else min(MOST_WORKERS, os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that all processes end together."""
    first = ("program", "integration")
    items.sort(key=lambda item: [*first, folder := item.path.relative_to(TESTS).parts[0]].index(folder))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the whole run, away from the user's, and no configuration file."""
    before = {name: os.environ.pop(name, None) for name in ("TUILABEL_CACHE", "TUILABEL_DATA", "TUILABEL_CONFIG")}
    folder = tmp_path_factory.mktemp("cache")
    os.environ["TUILABEL_CACHE"] = str(folder)
    os.environ["TUILABEL_CONFIG"] = str(folder / "no config.toml")
    yield folder
    del os.environ["TUILABEL_CACHE"], os.environ["TUILABEL_CONFIG"]
    os.environ.update({name: value for name, value in before.items() if value is not None})


@pytest.fixture
def toy() -> Toy:
    return make_toy()


@pytest.fixture
def make_session(tmp_path: Path) -> Iterator[SessionMaker]:
    """Sessions over a store in the test's folder, with the inline trainer; made again they resume."""
    stores: list[LabelStore] = []

    def make(toy: Toy, **options: object) -> LabellingSession:
        store = LabelStore.open(tmp_path / "labels.db")
        stores.append(store)
        runner = toy.runner()
        trainer = options.pop("trainer", None) or InlineTrainer(runner.run, QuestionHandler(runner).answer)
        assert isinstance(trainer, InlineTrainer)
        arguments: dict[str, object] = {
            "log": store.events(),
            "rounds": store.rounds(),
            "class_changes": store.class_changes(),
            "writer": InlineWriter(store),
            "trainer": trainer,
            "classes": toy.pool.classes,
            "batch_size": 10,
            "annotator": "ann",
            "clock": Clock(),
            **options,
        }
        session = LabellingSession(toy.pool, **arguments)  # type: ignore[arg-type]
        trainer.start(session.handle)
        session.start()
        return session

    yield make
    for store in stores:
        store.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server of this test process's own."""
    require_installed()
    with running_server() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorePlace]:
    """Where a store is, once in a file and once on a server."""
    in_file = request.param == "sqlite"
    with FilePlace(tmp_path / "labels.db") if in_file else ServerPlace(request.getfixturevalue("server")) as opened:
        yield opened


@pytest.fixture(scope="session")
def preloaded(cache: Path) -> Iterator[Preloaded]:
    """A process that has imported the program."""
    with Preloaded() as process:
        yield process


@pytest.fixture
def copied_trainers(preloaded: Preloaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainers that this process starts, and theirs, are copies of the process that has imported the program."""
    monkeypatch.setenv(ADDRESS, preloaded.address)
    monkeypatch.setattr("tuilabel.learner.trainer.child.subprocess", children_from(preloaded.address))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Tiny:
    from tuilabel.datasets import open_pool
    from tuilabel.encoders.vae.settings import TrainSettings
    from tuilabel.encoders.vae.training import train_vae

    root = write_dataset(tmp_path_factory.mktemp("data"))
    pool = open_pool("fashion-mnist", root)
    checkpoint = tmp_path_factory.mktemp("vae") / "tiny.safetensors"
    settings = TrainSettings(latent_dim=6, epochs=2, batch_size=50)
    train_vae(pool.images, settings, checkpoint, dataset=pool.name, fingerprint=pool.fingerprint)
    return Tiny(root, checkpoint)
