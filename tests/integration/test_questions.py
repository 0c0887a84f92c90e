"""Questions to the trainer besides training: one item, the items of a class, a cross-validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.sessions import RecordingTrainer, SessionMaker, answer_all, item_at, train_request
from tests.helpers.tiny import Tiny
from tests.helpers.toy import Toy
from tuilabel.datasets import open_pool
from tuilabel.encoders import encode
from tuilabel.encoders.vae.decode import LatentDecoder, reconstruct
from tuilabel.learner.base import LabelSet
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.trainer.messages import (
    ClassItems,
    CrossValidate,
    FoundItems,
    Inspection,
    InspectItem,
    ItemsOfClass,
    OutOfFoldPredictions,
    Reply,
    RoundResult,
    SearchText,
    SimilarItems,
    TrainerProgress,
)
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.learner.trainer.worker import Worker

NONE = np.array([], dtype=np.int64)


def validate(toy: Toy, n: int, serial: int = 1) -> CrossValidate:
    return CrossValidate(serial, np.arange(n), np.array([toy.truth(i) for i in range(n)]), 3, 5)


def test_an_item_is_inspected_without_a_model_and_with_one(toy: Toy) -> None:
    runner = toy.runner()
    answerer = QuestionHandler(runner)
    before = answerer.answer(InspectItem(1, 5))
    assert isinstance(before, Inspection)
    assert before.probabilities is None
    assert before.reconstruction is None
    assert {toy.truth(i) for i in before.neighbours.tolist()} == {toy.truth(5)}
    runner.run(train_request(toy, list(range(30))))
    after = answerer.answer(InspectItem(2, 5, neighbours=3))
    assert isinstance(after, Inspection)
    assert after.probabilities is not None
    assert after.probabilities.argmax() == toy.truth(5)
    assert after.neighbours.shape == after.distances.shape == (3,)
    runner.run(train_request(toy, [0], labels=np.array([0])))  # only one label is left: there is no model any more
    again = answerer.answer(InspectItem(3, 5))
    assert isinstance(again, Inspection)
    assert again.probabilities is None


@pytest.mark.parametrize("order", ["sure", "unsure"])
def test_items_of_a_class_come_in_order_without_excluded_ones(toy: Toy, order: str) -> None:
    runner = toy.runner()
    answerer = QuestionHandler(runner)
    nothing = answerer.answer(ItemsOfClass(1, 1, 10, NONE))
    assert isinstance(nothing, ClassItems)
    assert len(nothing.indices) == 0
    runner.run(train_request(toy, list(range(30))))
    found = answerer.answer(ItemsOfClass(2, 1, 10, np.arange(40), order))  # type: ignore[arg-type]
    assert isinstance(found, ClassItems)
    assert len(found.indices) == 10
    assert found.indices.min() >= 40
    assert np.mean([toy.truth(i) == 1 for i in found.indices.tolist()]) >= 0.9
    steps = np.diff(found.confidence)
    assert (steps <= 0).all() if order == "sure" else (steps >= 0).all()


def test_similar_items_come_nearest_first_without_a_model(toy: Toy) -> None:
    answerer = QuestionHandler(toy.runner())
    reply = answerer.answer(SimilarItems(1, np.array([5, 7]), 10, np.arange(40)))
    assert isinstance(reply, FoundItems)
    assert len(reply.indices) == 10
    assert reply.indices.min() >= 40
    distances = np.linalg.norm(toy.latents[:, None] - toy.latents[None, [5, 7]], axis=2).min(axis=1)
    assert (np.diff(distances[reply.indices]) >= -1e-5).all()
    of_one = answerer.answer(SimilarItems(2, np.array([5]), 20, NONE))
    assert isinstance(of_one, FoundItems)
    assert 5 not in of_one.indices
    assert np.mean([toy.truth(i) == toy.truth(5) for i in of_one.indices.tolist()]) >= 0.9
    n = len(toy.latents)
    unread = answerer.answer(SimilarItems(3, np.array([n + 3]), 5, np.array([n + 1])))
    assert isinstance(unread, FoundItems)
    assert "no latents yet" in str(unread.error)
    assert answerer.answer(SimilarItems(4, np.array([0, n + 3]), 5, np.array([n + 1]))).error is None


def test_a_text_finds_the_items_nearest_to_it(toy: Toy) -> None:
    answerer = QuestionHandler(toy.runner())
    refused = answerer.answer(SearchText(1, "cat", 5, NONE))
    assert isinstance(refused, FoundItems)
    assert "open_clip" in str(refused.error)
    answerer.text_search = lambda text: np.arange(len(toy.latents), dtype=np.float32) * len(text)
    found = answerer.answer(SearchText(2, "cat", 5, np.array([len(toy.latents) - 1, 10_000])))
    assert isinstance(found, FoundItems)
    assert found.indices.tolist() == list(range(len(toy.latents) - 2, len(toy.latents) - 7, -1))
    few = answerer.answer(SearchText(3, "cat", 500, np.arange(3)))
    assert isinstance(few, FoundItems)
    assert len(few.indices) == len(toy.latents) - 3


def test_out_of_fold_models_are_trained_without_the_labels_they_check(toy: Toy) -> None:
    question = validate(toy, 40)
    labels = question.labels.copy()
    labels[8] = (labels[8] + 1) % 3
    found = QuestionHandler(toy.runner()).answer(CrossValidate(1, question.indices, labels, 3, 5))
    assert isinstance(found, OutOfFoldPredictions)
    assert found.indices.tolist() == list(range(40))
    assert np.allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert found.probabilities[8].argmax() == toy.truth(8)


def test_the_only_item_of_a_class_is_left_out(toy: Toy) -> None:
    of_two = [i for i in range(60) if toy.truth(i) != 2][:12]
    lonely = next(i for i in range(60) if toy.truth(i) == 2)
    indices = np.array([*of_two, lonely])
    answerer = QuestionHandler(toy.runner())
    found = answerer.answer(CrossValidate(1, indices, np.array([toy.truth(i) for i in indices]), 3, 5))
    assert isinstance(found, OutOfFoldPredictions)
    assert found.indices.tolist() == of_two
    empty = answerer.answer(CrossValidate(2, indices, np.zeros(13, dtype=np.int64), 3, 5))
    assert isinstance(empty, OutOfFoldPredictions)
    assert empty.probabilities.shape == (0, 3)


def test_near_duplicates_are_marked_among_the_neighbours(toy: Toy) -> None:
    latents = toy.latents.copy()
    latents[7] = latents[5] + 0.001
    runner = RoundRunner(MLPLearner(latents))
    found = QuestionHandler(runner).answer(InspectItem(1, 5))
    assert isinstance(found, Inspection)
    assert found.neighbours[0] == 7
    assert found.near_duplicates.tolist() == [True, *[False] * 7]


def test_an_error_is_part_of_the_reply(toy: Toy) -> None:
    def broken(_: np.ndarray) -> np.ndarray:
        raise RuntimeError("no picture")

    for question in (InspectItem(4, 5), InspectItem(5, 10_000)):
        answer = QuestionHandler(toy.runner(), broken).answer(question)
        assert isinstance(answer, Inspection)
        assert (answer.serial, answer.index, len(answer.neighbours)) == (question.serial, question.index, 0)
        assert answer.error is not None

    class Broken:
        features = toy.latents

        def prepare(self) -> None: ...

        def fit(self, labelled: LabelSet, seed: int) -> None:
            raise MemoryError("too much")

    runner = toy.runner()
    runner.learner = Broken()  # type: ignore[assignment]
    answer = QuestionHandler(runner).answer(validate(toy, 20))
    assert isinstance(answer, OutOfFoldPredictions)
    assert answer.error == "MemoryError: too much"


def test_a_round_waits_for_one_fold_at_most(toy: Toy) -> None:
    runner = toy.runner()
    messages: list[object] = []
    worker = Worker(runner, QuestionHandler(runner), messages.append)
    train = train_request(toy, list(range(20)))
    worker.turn(train, [validate(toy, 30), InspectItem(2, 3)])
    while worker.busy:
        worker.turn(train, [])
    kinds = [type(m) for m in messages if not isinstance(m, TrainerProgress) and isinstance(m, Reply | RoundResult)]
    assert kinds == [Inspection, *[RoundResult] * 5, OutOfFoldPredictions]
    assert [m.done for m in messages if isinstance(m, TrainerProgress) and m.stage == "review"] == [0, 1, 2, 3, 4]
    worker.turn(None, [validate(toy, 30, 3)])
    worker.turn(None, [validate(toy, 30, 4)])  # the newest wins
    while worker.busy:
        worker.turn(None, [])
    assert [m.serial for m in messages if isinstance(m, OutOfFoldPredictions)] == [1, 4]


def test_a_latent_is_decoded_to_the_reconstruction_of_its_image(tiny: Tiny) -> None:
    from tuilabel.encoders.vae.checkpoint import load_checkpoint

    images = np.asarray(open_pool("fashion-mnist", tiny.data_dir).images[:3])
    drawn = LatentDecoder(tiny.checkpoint)(encode(images, checkpoint=tiny.checkpoint))
    assert drawn.shape == images.shape
    expected = reconstruct(load_checkpoint(tiny.checkpoint)[0], images)
    assert np.abs(drawn.astype(int) - expected.astype(int)).max() <= 2


def test_a_session_asks_and_keeps_the_newest_answers(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    queries = session.model_queries
    queries.ask_class(1, 5)
    assert queries.class_items is not None
    assert len(queries.class_items.indices) == 0
    answer_all(session, toy, 3)
    queries.inspect(7)
    assert queries.inspection is not None
    assert queries.inspection.index == 7
    old = queries.inspection
    queries.inspect(8)
    session.handle(old)
    assert queries.inspection.index == 8
    queries.ask_class(1, 200)
    assert session.batch is not None
    indices = set(queries.class_items.indices.tolist())
    assert indices
    assert not indices & {item.index for item in session.batch.items}
    assert not indices & set(session.labels()[0].tolist())
    assert queries.review() is None
    queries.ask_review()
    assert queries.review() is not None


def test_replies_of_a_slow_trainer_are_awaited(toy: Toy, make_session: SessionMaker) -> None:
    trainer = RecordingTrainer(toy)
    session = make_session(toy, trainer=trainer)
    answer_all(session, toy, 2)
    trainer.paused = True
    session.model_queries.inspect(7)
    assert session.model_queries.inspection is None
    session.model_queries.inspect(9)
    for question in trainer.questions:
        session.handle(trainer.handler.answer(question))
    assert session.model_queries.inspection is not None
    assert session.model_queries.inspection.index == 9


def test_a_wrong_label_is_found_in_review(toy: Toy, make_session: SessionMaker, tmp_path: Path) -> None:
    session = make_session(toy)
    answer_all(session, toy, 3)
    assert session.batch is not None
    item = session.batch.items[0]
    session.label(item_at(session, 0), (toy.truth(item.index) + 1) % 3)
    session.model_queries.ask_review()
    found = session.model_queries.review()
    assert found
    first = found[0]
    assert (first.index, first.reason, first.suggested) == (item.index, "likely wrong", toy.truth(item.index))
    session.undo()
    assert item.index not in {one.index for one in session.model_queries.review() or []}


def test_questions_wait_for_a_model_of_the_classes_they_are_about(toy: Toy) -> None:
    runner = toy.runner()
    messages: list[object] = []
    worker = Worker(runner, QuestionHandler(runner), messages.append)
    worker.turn(train_request(toy, list(range(20)), serial=3), [InspectItem(1, 5, since=2)])
    assert [type(m) for m in messages if isinstance(m, Reply | RoundResult)] == [RoundResult, Inspection]
    messages.clear()
    worker.turn(None, [InspectItem(2, 5, since=4), ItemsOfClass(3, 0, 5, NONE)])
    assert [m.serial for m in messages if isinstance(m, Reply)] == [3]
    worker.turn(train_request(toy, list(range(20)), serial=4), [])
    answer = messages[-1]
    assert isinstance(answer, Inspection)
    assert (answer.serial, answer.probabilities is None) == (2, False)


def test_merging_classes_drops_replies_about_the_old_ones(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 3)
    queries = session.model_queries
    queries.inspect(7)
    queries.ask_class(2, 5)
    queries.ask_review()
    session.merge_classes(0, 2)  # b and c remain
    assert queries.class_items is None
    assert queries.inspection is not None
    assert queries.inspection.probabilities is not None
    assert queries.inspection.probabilities.argmax() == (0 if toy.truth(7) == 1 else 1)
    assert queries.out_of_fold is not None
    assert queries.out_of_fold.probabilities.shape[1] == 2
    session.add_class("new")
    kept = queries.out_of_fold
    session.answer(int(kept.indices[0]), "label", 2)
    assert queries.out_of_fold is kept  # an added class leaves the replies valid
    assert int(kept.indices[0]) not in {item.index for item in queries.review() or [] if item.reason == "likely wrong"}
