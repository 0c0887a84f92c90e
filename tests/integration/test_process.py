"""The trainer process answers, survives crashes, and ends with the screen."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from tests.helpers.tiny import Tiny
from tuilabel.datasets import open_pool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.learner.trainer import process
from tuilabel.learner.trainer.child import Child
from tuilabel.learner.trainer.early import early_worker
from tuilabel.learner.trainer.messages import (
    ClassItems,
    CrossValidate,
    Failure,
    Inspection,
    InspectItem,
    ItemsOfClass,
    Message,
    OutOfFoldPredictions,
    Ready,
    RoundResult,
    TrainerProgress,
    TrainRequest,
)
from tuilabel.learner.trainer.process import ProcessTrainer
from tuilabel.learner.trainer.settings import WorkerSettings
from tuilabel.learner.trainer.worker import _reason

PATIENCE = 60.0
M = TypeVar("M")
NONE = np.array([], dtype=np.int64)


class Client:
    """A trainer process, and the messages it has sent."""

    def __init__(self, tiny: Tiny, log: Path, early: Child | None = None, **changes: object) -> None:
        arguments = {
            "dataset": "fashion-mnist",
            "data_dir": tiny.data_dir,
            "encoder": VAEEncoder(tiny.checkpoint),
            "learner": "mlp",
            "device": "cpu",
            "log": log,
            **changes,
        }
        self.trainer = ProcessTrainer(WorkerSettings(**arguments), early)  # type: ignore[arg-type]
        self.messages: queue.Queue[Message] = queue.Queue()
        self.trainer.start(self.messages.put)

    def wait_for(self, kind: type[M]) -> M:
        while not isinstance(message := self.messages.get(timeout=PATIENCE), kind):
            if isinstance(message, Failure):
                assert not message.fatal, message
        return message

    def ask(self, serial: int, n: int, strategy: str = "margin") -> None:
        indices = np.arange(n, dtype=np.int64)
        self.trainer.submit(
            TrainRequest(serial, indices, indices % 10, 10, indices < 0, NONE, NONE, strategy, 20, 2, 0)
        )

    def result(self, serial: int) -> RoundResult:
        while True:
            message = self.wait_for(RoundResult)
            assert isinstance(message, RoundResult)
            if message.serial == serial and not message.is_first_part:
                return message


@pytest.fixture
def client(copied_trainers: None, tiny: Tiny, tmp_path: Path) -> Iterator[Client]:
    client = Client(tiny, tmp_path / "trainer.log")
    yield client
    client.trainer.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("started", ["from nothing", "copied"])
def test_it_encodes_with_progress_and_replies(
    tiny: Tiny, tmp_path: Path, request: pytest.FixtureRequest, started: str
) -> None:
    if started == "copied":
        client: Client = request.getfixturevalue("client")
    else:
        client = Client(tiny, tmp_path / "trainer.log")
        request.addfinalizer(client.trainer.close)
    client.ask(1, 0)
    assert client.wait_for(TrainerProgress) == TrainerProgress("load")
    client.wait_for(Ready)
    part = client.wait_for(RoundResult)
    assert part.is_first_part  # the screen need not wait for the second batch
    first = client.result(1)
    assert first.picks.indices[:20].tolist() == part.picks.indices.tolist()
    assert (first.n_labels, len(first.picks.indices)) == (0, 40)
    client.ask(2, 50)
    second = client.result(2)
    assert second.n_labels == 50
    assert second.test_accuracy is not None


def test_the_newest_request_wins(client: Client) -> None:
    client.ask(1, 0)
    client.result(1)
    for serial in range(2, 40):
        client.ask(serial, 20 + serial)
    serials: list[int] = []
    while not serials or serials[-1] != 39:
        message = client.wait_for(RoundResult)
        assert isinstance(message, RoundResult)
        serials.append(message.serial)
    assert serials == sorted(serials)
    assert len(serials) < 38  # some were overtaken


def test_it_is_restarted_when_it_dies(client: Client) -> None:
    client.ask(1, 0)
    client.result(1)
    before = client.trainer.pid
    assert before is not None
    client.ask(2, 30)
    client.result(2)
    os.kill(before, signal.SIGKILL)
    failure = client.wait_for(Failure)
    assert isinstance(failure, Failure)
    assert not failure.fatal
    assert "signal 9" in failure.message
    assert client.result(2).n_labels == 30  # the last request is sent again
    assert client.trainer.pid != before


def test_it_gives_up_when_it_keeps_dying(client: Client) -> None:
    client.wait_for(Ready)  # idle: no message resets the count of crashes
    client.trainer._deaths = 2
    pid = client.trainer.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    failure = client.messages.get(timeout=PATIENCE)
    assert isinstance(failure, Failure)
    assert failure.fatal
    assert "trainer.log" in failure.message


def test_a_trainer_that_has_given_up_is_restarted_on_demand(client: Client) -> None:
    client.ask(1, 30)
    client.result(1)
    client.trainer._deaths = 2
    pid = client.trainer.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while not isinstance(message := client.messages.get(timeout=PATIENCE), Failure):
        pass
    assert message.fatal
    assert message.crashed
    client.ask(2, 40)  # what has been asked for meanwhile is done by the next one
    client.trainer.restart()
    assert client.result(2).n_labels == 40
    assert client.trainer.pid != pid


def test_a_trainer_that_works_is_restarted_on_demand_without_a_failure(client: Client) -> None:
    client.ask(1, 30)
    client.result(1)
    pid = client.trainer.pid
    client.trainer.restart()
    while not isinstance(message := client.messages.get(timeout=PATIENCE), RoundResult):
        assert not isinstance(message, Failure)
    assert client.trainer.pid != pid


def test_a_trainer_that_hangs_is_replaced_and_one_that_owes_nothing_is_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.ask(1, 30)
    client.result(1)
    client.wait_for(Ready)
    pid = client.trainer.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # as still as one that waits for a lock for ever
    checked, owes = threading.Semaphore(0), client.trainer._owes_reply

    def counted() -> bool:
        checked.release()
        return owes()

    monkeypatch.setattr(client.trainer, "_owes_reply", counted)
    monkeypatch.setattr(process, "WATCH_EVERY", 0.05)
    for _ in range(2 * process.IDLE_CHECKS):
        assert checked.acquire(timeout=PATIENCE)
    assert client.messages.empty()
    client.ask(2, 40)
    failure = client.wait_for(Failure)
    monkeypatch.undo()
    assert isinstance(failure, Failure)
    assert "did nothing for" in failure.message
    assert client.result(2).n_labels == 40
    assert client.trainer.pid != pid


@pytest.mark.usefixtures("copied_trainers")
def test_a_round_that_does_not_end_is_reported_once_and_left_alone(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "endless.py").write_text(
        "from pathlib import Path\n"
        "def pick(context, k):\n"
        "    while Path('loop').exists():\n"
        "        pass\n"
        "    return list(range(k))\n"
    )
    monkeypatch.chdir(tmp_path)
    client = Client(tiny, tmp_path / "trainer.log")
    try:
        client.ask(1, 30, "endless:pick")
        client.result(1)
        client.wait_for(Ready)
        monkeypatch.setattr(process, "OVERDUE_FACTOR", 0)
        monkeypatch.setattr(process, "OVERDUE", 0.5)
        monkeypatch.setattr(process, "WATCH_EVERY", 0.05)
        monkeypatch.setattr(process, "IDLE", -1.0)  # on a machine so busy that it gets no time
        (tmp_path / "loop").touch()
        client.ask(2, 40, "endless:pick")
        failure = client.wait_for(Failure)
        assert isinstance(failure, Failure)
        assert (failure.overdue, failure.fatal) == (True, False)
        assert "has said nothing for" in failure.message
        assert "s at most so far" in failure.message
        (tmp_path / "loop").unlink()
        while not isinstance(message := client.messages.get(timeout=PATIENCE), RoundResult):
            assert not isinstance(message, Failure), "it is said once"
        assert message.n_labels == 40
    finally:
        client.trainer.close()


def test_a_first_round_may_take_longer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "OVERDUE", 0.0)
    monkeypatch.setattr(process, "OVERDUE_FACTOR", 0)
    monkeypatch.setattr(process, "WATCH_EVERY", 0.01)
    monkeypatch.setattr(process, "IDLE", -1.0)
    client.ask(1, 30)
    while not isinstance(message := client.messages.get(timeout=PATIENCE), RoundResult):
        assert not isinstance(message, Failure)


def test_closing_ends_the_process_at_once(client: Client) -> None:
    client.wait_for(TrainerProgress)
    pid = client.trainer.pid
    assert pid is not None
    client.trainer.close()
    assert not alive(pid)


def test_a_process_that_was_started_early_is_used(tiny: Tiny, tmp_path: Path) -> None:
    with early_worker() as worker:
        assert worker is not None
        client = Client(tiny, tmp_path / "trainer.log", worker)
        client.ask(1, 0)
        assert client.result(1).n_labels == 0
        assert client.trainer.pid == worker.pid
        client.trainer.close()
    assert not alive(worker.pid)
    assert (tmp_path / "trainer.log").exists()


def test_an_early_process_that_is_not_needed_ends(tiny: Tiny) -> None:
    with early_worker() as worker:
        assert worker is not None
    assert not alive(worker.pid)


def test_an_early_process_that_has_died_is_replaced(tiny: Tiny, tmp_path: Path) -> None:
    with early_worker() as worker:
        assert worker is not None
        worker.kill()
        worker.wait()
        client = Client(tiny, tmp_path / "trainer.log", worker)
        client.ask(1, 0)
        assert client.result(1).n_labels == 0
        assert client.trainer.pid != worker.pid
        client.trainer.close()


def test_its_output_goes_to_the_log_and_a_broken_checkpoint_is_reported(tiny: Tiny, tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(tiny.checkpoint.read_bytes()[:-10])
    client = Client(tiny, tmp_path / "logs" / "trainer.log", encoder=VAEEncoder(broken))
    while not isinstance(message := client.messages.get(timeout=PATIENCE), Failure):
        pass
    client.trainer.close()
    assert message.fatal
    assert "truncated" in message.message
    assert (tmp_path / "logs" / "trainer.log").exists()


@pytest.mark.usefixtures("copied_trainers")
def test_other_classes_than_the_datasets_have_no_test_accuracy(tiny: Tiny, tmp_path: Path) -> None:
    client = Client(tiny, tmp_path / "trainer.log")
    try:
        client.trainer.submit(
            TrainRequest(
                1, np.arange(20), np.arange(20) % 2, 2, np.zeros(20, dtype=bool), NONE, NONE, "margin", 20, 2, 0,
                target_of=np.array([0, 1, *[-1] * 8]),
            )
        )  # fmt: skip
        result = client.result(1)
    finally:
        client.trainer.close()
    assert result.n_labels == 20
    assert result.test_accuracy is None


def test_it_reports_when_it_loads_torch_after_the_first_batch(tiny: Tiny, tmp_path: Path) -> None:
    VAEEncoder(tiny.checkpoint).encode(open_pool("fashion-mnist", tiny.data_dir))  # else encoding has loaded it before
    client = Client(tiny, tmp_path / "trainer.log")
    try:
        client.ask(1, 0)
        client.result(1)
        assert client.wait_for(TrainerProgress) == TrainerProgress("load")
        client.wait_for(Ready)
    finally:
        client.trainer.close()


def test_questions_are_answered_by_the_process(client: Client) -> None:
    for question in (InspectItem(1, 4), ItemsOfClass(2, 3, 5, NONE)):
        client.trainer.ask(question)
    before = client.wait_for(Inspection)
    assert isinstance(before, Inspection)
    assert before.probabilities is None
    assert before.reconstruction is not None
    assert before.reconstruction.shape == (28, 28, 1)
    assert before.neighbours.shape == (8,)
    client.ask(1, 50)
    client.result(1)
    indices = np.arange(50, dtype=np.int64)
    client.trainer.ask(InspectItem(3, 4))
    client.trainer.ask(ItemsOfClass(4, 3, 5, indices))
    client.trainer.ask(CrossValidate(5, indices, indices % 10, 10))
    inspected, listed, validated = (client.wait_for(kind) for kind in (Inspection, ClassItems, OutOfFoldPredictions))
    assert isinstance(inspected, Inspection)
    assert inspected.probabilities is not None
    assert inspected.probabilities.shape == (10,)
    assert isinstance(listed, ClassItems)
    assert not set(listed.indices.tolist()) & set(indices.tolist())
    assert isinstance(validated, OutOfFoldPredictions)
    assert validated.probabilities.shape == (50, 10)
    assert inspected.error is listed.error is validated.error is None


def test_a_question_is_repeated_when_it_kills_the_process(client: Client) -> None:
    client.ask(1, 50)
    client.result(1)
    indices = np.arange(300, dtype=np.int64)
    client.trainer.ask(CrossValidate(1, indices, indices % 10, 10, folds=20))
    while client.wait_for(TrainerProgress) != TrainerProgress("review", 1, 20):
        pass
    pid = client.trainer.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    answer = client.wait_for(OutOfFoldPredictions)
    assert isinstance(answer, OutOfFoldPredictions)
    assert (answer.serial, answer.error, len(answer.indices)) == (1, None, 300)
    assert client.trainer.pid != pid


def test_a_stopped_trainer_replies_to_questions_with_an_error(client: Client) -> None:
    client.wait_for(Ready)
    client.trainer._deaths = 2
    pid = client.trainer.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    client.trainer.ask(InspectItem(1, 4))
    os.kill(pid, signal.SIGKILL)
    answer = wait_past_failures(client, Inspection)
    assert answer.error == "the trainer has stopped"
    client.trainer.ask(InspectItem(2, 4))
    assert wait_past_failures(client, Inspection).serial == 2


def wait_past_failures(client: Client, kind: type) -> Inspection:
    while not isinstance(message := client.messages.get(timeout=PATIENCE), kind):
        pass
    assert isinstance(message, Inspection)
    return message


def test_a_question_that_kills_the_process_twice_is_dropped(client: Client) -> None:
    client.ask(1, 50)
    client.result(1)
    indices = np.arange(300, dtype=np.int64)
    client.trainer.ask(CrossValidate(1, indices, indices % 10, 10, folds=200))
    for _ in range(2):
        while client.wait_for(TrainerProgress) != TrainerProgress("review", 0, 200):
            pass
        pid = client.trainer.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    answer = client.wait_for(OutOfFoldPredictions)
    assert isinstance(answer, OutOfFoldPredictions)
    assert answer.error is not None
    assert "twice" in answer.error
    assert client.result(1).n_labels == 50  # and the trainer goes on


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 1.19 GiB for an array"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 128 bytes"),
        ImportError("libtorch_python.so: failed to map segment from shared object"),
    ],
)
def test_a_lack_of_memory_is_named(error: Exception) -> None:
    assert _reason(error).startswith("ran out of memory: close other programs")
    assert _reason(ValueError("no")) == "failed: ValueError: no"
