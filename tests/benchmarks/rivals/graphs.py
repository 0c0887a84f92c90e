"""Neighbours and label propagation on the 60,000 latents of MNIST."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.learning import mnist
from tests.benchmarks.rivals.limits import memory, products
from tests.benchmarks.rivals.rounds import request_of
from tests.benchmarks.rivals.task import Contender, Limit, Task, take_turns
from tuilabel.learner.graph import NEIGHBOURS, NeighbourGraph
from tuilabel.learner.neighbours import nearest_items

ONE, NEAREST = 4_711, 100


def neighbours(_: Path) -> Iterator[Task]:
    """The graph beside an exhaustive search by faiss; and the items nearest to one."""
    import faiss

    _pool, latents, _runner = mnist()
    points = np.ascontiguousarray(latents.pool, dtype=np.float32)
    flat = faiss.IndexFlatL2(points.shape[1])
    flat.add(points)
    found: dict[str, NDArray[np.int64]] = {}
    graphs: list[NeighbourGraph] = []
    seconds = take_turns(
        {
            "tuilabel, the whole graph": lambda: graphs.append(NeighbourGraph.of(points)),
            "faiss, flat index (exhaustive)": lambda: found.update(flat=flat.search(points, NEIGHBOURS + 1)[1]),
        },
        turns=2,
        warm=0,
    )
    rows = np.random.default_rng(0).choice(len(points), 2_000, replace=False)
    linked = [np.isin(found["flat"][row, 1:], graphs[0].weights[[row]].indices).mean() for row in rows]
    n, d = points.shape
    peak = products()
    quality = (f"{100 * np.mean(linked):.1f} % found", "100 % found")
    yield Task(
        f"{NEIGHBOURS} nearest of each of 60,000 latents",
        [Contender(name, each, q) for (name, each), q in zip(seconds.items(), quality, strict=True)],
        Limit(
            2 * n * n * d / peak,
            f"all distances: {2 * n * n * d / 1e9:.0f} billion operations at {peak / 1e9:.0f} billion a second in "
            "float32 matrix products",
        ),
    )
    one = points[[ONE]]
    seconds = take_turns(
        {
            "tuilabel": lambda: nearest_items(points, ONE, NEAREST),
            "faiss, flat index": lambda: flat.search(one, NEAREST + 1),
        },
        turns=15,
    )
    rate = memory(points.nbytes)
    yield Task(
        f"{NEAREST} nearest of one of 60,000 latents",
        [Contender(name, each, "exact") for name, each in seconds.items()],
        Limit(points.nbytes / rate, f"{points.nbytes / 1e6:.1f} MB at {rate / 1e9:.1f} GB a second"),
    )


def propagation(_: Path) -> Iterator[Task]:
    """500 labels along the graph, beside scikit-learn's label spreading over as many neighbours."""
    from sklearn.semi_supervised import LabelSpreading

    pool, latents, _runner = mnist()
    targets = np.array(pool.targets)
    points = np.ascontiguousarray(latents.pool, dtype=np.float32)
    labelled = request_of(targets).labelled
    rest = np.delete(np.arange(len(targets)), labelled.indices)
    y = np.full(len(targets), -1)
    y[labelled.indices] = labelled.labels
    results: dict[str, NDArray[np.int64]] = {}
    graph = NeighbourGraph.of(points)

    def whole() -> None:
        NeighbourGraph.of(points).propagate(points, labelled)

    def again() -> None:
        results["ours"] = graph.propagate(points, labelled)[0].argmax(axis=1)

    def theirs() -> None:
        model = LabelSpreading(kernel="knn", n_neighbors=NEIGHBOURS, alpha=0.99, max_iter=100).fit(points, y)
        results["theirs"] = model.transduction_

    seconds = take_turns(
        {"tuilabel, with the graph": whole, "tuilabel, later rounds": again, "scikit-learn, LabelSpreading": theirs},
        turns=1,
        warm=0,
    )
    right = {who: f"{100 * (result[rest] == targets[rest]).mean():.1f} %" for who, result in results.items()}
    yield Task(
        "500 labels propagated to 60,000 latents",
        [
            Contender(name, each, right["theirs" if name.startswith("scikit") else "ours"])
            for name, each in seconds.items()
        ],
    )
