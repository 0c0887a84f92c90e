"""The contract that every strategy keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.query_contexts import FakeModel, make_context, random_context
from tuilabel.strategies import QueryContext, get_strategy, strategy_names


@st.composite
def contexts(draw: st.DrawFn) -> tuple[QueryContext, QueryContext, int]:
    """Two equal contexts, and k from 0 to above n: few items, many alike, any probabilities, with or without labels."""
    n, kinds, dim = draw(st.integers(1, 25)), draw(st.integers(1, 25)), draw(st.integers(1, 4))
    n_classes, seed = draw(st.integers(2, 5)), draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    latents = draw(st.sampled_from([0.0, 1.0, 100.0])) * rng.normal(size=(kinds, dim))[rng.integers(kinds, size=n)]
    labelled = tuple(rng.permutation(n)[: draw(st.integers(0, n - 1))].tolist())
    p = rng.dirichlet(np.full(n_classes, draw(st.sampled_from([0.05, 1.0]))), n - len(labelled)).astype(np.float32)
    p /= p.sum(axis=1, keepdims=True)
    if draw(st.booleans()):
        p = np.eye(n_classes, dtype=np.float32)[p.argmax(axis=1)]
    known = tuple(rng.integers(draw(st.integers(1, n_classes)), size=len(labelled)).tolist())
    model = FakeModel(dim, n_classes, draw(st.integers(1, 4)), seed, draw(st.sampled_from([0.0, 1.0, 1000.0])))

    def question() -> QueryContext:
        return make_context(latents, labelled, model=model, probabilities=p, labels=known, seed=seed)

    return question(), question(), draw(st.integers(0, n + 3))


@pytest.mark.parametrize("name", strategy_names())
@given(question=contexts())
@settings(max_examples=60, deadline=None)
def test_min_k_n_distinct_candidates_the_same_for_the_same_seed(
    name: str, question: tuple[QueryContext, QueryContext, int]
) -> None:
    one, other, k = question
    selection = get_strategy(name).pick(one, k)
    positions = selection.positions
    assert positions.dtype == np.int64
    assert positions.shape == (min(k, len(one.candidates)),)
    assert len(set(positions.tolist())) == len(positions)
    assert set(positions.tolist()) <= set(range(len(one.candidates)))
    assert get_strategy(name).pick(other, k).positions.tolist() == positions.tolist()
    if selection.query_probability is not None:
        assert selection.query_probability.shape == positions.shape
        assert ((selection.query_probability > 0) & (selection.query_probability <= 1)).all()


@pytest.mark.parametrize("name", strategy_names())
def test_an_empty_pool_gives_an_empty_batch(name: str) -> None:
    context = make_context(np.ones((3, 2)), (0, 1, 2), model=FakeModel(2))
    for k in (0, 5):
        assert get_strategy(name).pick(context, k).positions.shape == (0,)


@pytest.mark.parametrize("name", strategy_names())
def test_a_pool_larger_than_the_samples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, limit in (
        ("support", "SAMPLE"), ("support", "LARGE"), ("coverage", "SAMPLE"), ("coverage", "PER_CLUSTER"),
        ("kcenter", "SAMPLE"), ("kcenter", "DISTANCES"), ("badge", "LARGE"), ("clustered", "SAMPLE"),
        ("clustered", "LARGE"), ("probcover", "GRAPH"), ("herding", "CANDIDATES"), ("herding", "TARGETS"),
        ("herding", "LABELLED"), ("herding", "LAZY"), ("batchbald", "PREFILTER"), ("batchbald", "MAX_JOINT"),
        ("batchbald", "CONFIGURATIONS"), ("ensemble", "ROWS"), ("density", "ROWS"), ("geometry", "ROWS"),
    ):  # fmt: skip
        monkeypatch.setattr(f"tuilabel.strategies.{module}.{limit}", 12)
    for k in (1, 9, 20, 100, 200):
        context = random_context(n=150, labelled=30)
        positions = get_strategy(name).pick(context, k).positions.tolist()
        assert len(set(positions)) == len(positions) == min(k, 150)


@pytest.mark.parametrize("name", strategy_names())
def test_without_a_model_it_raises_or_picks(name: str) -> None:
    context = make_context(np.random.default_rng(0).normal(size=(30, 3)), (2, 3))
    strategy = get_strategy(name)
    if strategy.needs_model:
        with pytest.raises(ValueError, match="needs"):
            strategy.pick(context, 4)
    else:
        assert len(strategy.pick(context, 4).positions) == 4


@pytest.mark.parametrize("name", strategy_names())
def test_every_strategy_is_described(name: str) -> None:
    strategy = get_strategy(name)
    assert strategy.name == name
    assert all((strategy.summary, strategy.when, strategy.paper, strategy.cost, strategy.sees))
    assert len(strategy.summary) <= 60
