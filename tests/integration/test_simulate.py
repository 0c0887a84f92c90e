"""Simulations: runs, their document, and what is computed from them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.toy import Toy, make_toy
from tuilabel.cli.render.curves import curve_chart, print_results, shown_counts
from tuilabel.datasets import ImagePool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.simulation.estimates import compare_estimates
from tuilabel.simulation.experiment import COMMON, Experiment, total_rounds
from tuilabel.simulation.parallel import run_experiment
from tuilabel.simulation.plots import check_plot_file, write_plot
from tuilabel.simulation.results import Results, describe, disagreement, read_results, write_results
from tuilabel.simulation.results_file import set_aside
from tuilabel.simulation.run import Point, Run, RunSettings, rounds_of, simulate_run
from tuilabel.simulation.simulate import check_pool
from tuilabel.simulation.summary import counts_within, summarise


def run_toy(toy: Toy, **settings: object) -> Run:
    given: dict[str, object] = {"strategy": "margin", "learner": "mlp", "seed": 0, "budget": 60, **settings}
    return simulate_run(toy.pool, toy.runner(), RunSettings(**given))  # type: ignore[arg-type]


def make_run(accuracies: list[float], *, strategy: str = "margin", seed: int = 0, **figures: object) -> Run:
    """A run with these accuracies at 20, 40, … labels, on the test split and on the pool."""
    point = Point(0, 0, 0.5, 0.1, 1.0, 0.5, None, None, None, None)
    points = [
        dataclasses.replace(point, n_labels=20 * (i + 1), accuracy=y, pool_accuracy=y) for i, y in enumerate(accuracies)
    ]
    return Run(strategy, "mlp", seed, tuple(dataclasses.replace(p, **figures) for p in points))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [20, 40, 60]),
        ({"budget": 47, "initial": 5, "batch_size": 13}, [5, 18, 31, 44, 47]),
        ({"budget": 33, "initial": 30, "batch_size": 7, "strategy": "random"}, [30, 33]),
        ({"budget": 14, "initial": 1, "batch_size": 1}, list(range(1, 15))),
        ({"budget": 25, "initial": 25}, [25]),
        ({"budget": 120, "initial": 50, "batch_size": 50, "audit_share": 0.0}, [50, 100, 120]),
        ({"budget": 120, "initial": 100, "batch_size": 50, "start": "coverage"}, [100, 120]),
    ],
)
def test_every_round_has_the_requested_number_of_labels(settings: dict[str, object], expected: list[int]) -> None:
    run = run_toy(make_toy(), **settings)
    assert [point.n_labels for point in run.points] == expected
    full = RunSettings(**{"strategy": "margin", "learner": "mlp", "seed": 0, "budget": 60, **settings})  # type: ignore[arg-type]
    assert rounds_of(full) == len(expected)


def test_a_round_has_pool_accuracy_which_old_files_lack(toy: Toy) -> None:
    runner = toy.runner()
    settings = RunSettings(strategy="margin", learner="mlp", seed=0, budget=40)
    run = simulate_run(toy.pool, runner, settings)
    predicted = runner.predicted()
    assert predicted is not None
    assert toy.pool.targets is not None
    right = predicted == toy.pool.targets
    assert run.points[-1].pool_accuracy == pytest.approx(right.mean())
    first = run_toy(toy, initial=1, batch_size=1, budget=1).points[0]
    assert first.pool_accuracy in [float(np.mean(toy.pool.targets == c)) for c in range(3)], "of the only class"
    document = run.to_json()
    assert Run.from_json(document) == run
    del document["pool_accuracy"]
    assert Run.from_json(document).points[0].pool_accuracy is None


def test_a_first_batch_of_one_class_counts_as_that_class(toy: Toy) -> None:
    first = run_toy(toy, initial=1, batch_size=1, budget=3).points[0]
    shares = [float(np.mean(toy.test.targets == c)) for c in range(3)]
    assert first.accuracy in shares
    assert first.balanced_accuracy == pytest.approx(1 / 3)


def test_the_same_seed_is_the_same_run_and_another_is_not(toy: Toy) -> None:
    def figures(run: Run) -> list[tuple[float, float, object]]:
        return [(point.accuracy, point.calibration_error, point.audit) for point in run.points]

    assert figures(run_toy(toy)) == figures(run_toy(toy))
    assert figures(run_toy(toy)) != figures(run_toy(toy, seed=1))


@pytest.mark.parametrize("start", ["random", "coverage"])
def test_all_strategies_of_a_seed_start_alike(toy: Toy, start: str) -> None:
    firsts = {
        run_toy(toy, strategy=name, start=start, seed=3, budget=20).points[0].calibration_error
        for name in ("margin", "random", "entropy", "coverage")
    }
    assert len(firsts) == 1


def test_strategies_without_a_start_of_their_own_start_at_random() -> None:
    assert RunSettings("margin", "mlp", 0).first_strategy() == "random"
    assert RunSettings("coverage", "mlp", 0).first_strategy() == "coverage"
    assert RunSettings("coverage", "mlp", 0, start="random").first_strategy() == "random"


def test_cross_validation_runs_only_on_request(toy: Toy) -> None:
    assert all(point.lure is None for point in run_toy(toy, strategy="random").points)
    assert run_toy(toy, strategy="margin", cross_validate=True).points[-1].lure is not None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strategies": ("margn",)}, "did you mean margin"),
        ({"learners": ("mpl",)}, "did you mean mlp"),
        ({"start": "coverge"}, "did you mean coverage"),
        ({"strategies": ("margin", "margin")}, "strategies must be at least one name, each once"),
        ({"strategies": ()}, "got none"),
        ({"initial": 501}, "initial must be at most `budget`=500, got 501"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
    ],
)
def test_an_invalid_experiment_is_a_one_line_error(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Experiment(**{"dataset": "mnist", "data_dir": None, "encoder": None, "strategies": ("random",), **settings})  # type: ignore[arg-type]


def experiment(**settings: object) -> Experiment:
    given: dict[str, object] = {"strategies": ("margin", "random"), "learners": ("cnn",), "seeds": 2, "budget": 40}
    return Experiment(dataset="toy", data_dir=None, encoder=None, **{**given, **settings})  # type: ignore[arg-type]


def test_the_document_survives_a_round_trip(toy: Toy, tmp_path: Path) -> None:
    settings = describe(experiment(), dataset="toy", pool_size=120, test_size=60, latent_dim=None)
    results = Results(settings, (run_toy(toy), run_toy(toy, seed=1, strategy="random")))
    write_results(results, tmp_path / "r.json")
    assert read_results(tmp_path / "r.json") == results
    document = json.loads((tmp_path / "r.json").read_text())
    assert (document["dataset"], document["pool_size"]) == ("toy", 120)
    assert {"test_size", "latent_dim", "checkpoint", "runs"} <= document.keys()
    run = document["runs"][0]
    assert (run["strategy"], run["learner"], run["seed"], run["n_labels"]) == ("margin", "mlp", 0, [20, 40, 60])
    assert all(len(run[name]) == 3 for name in ("accuracy", "fit_seconds", "query_seconds"))
    write_results(Results(settings, ()), tmp_path / "none.json")
    assert read_results(tmp_path / "none.json").runs == ()
    (tmp_path / "r.json").write_text('{"runs": 3}')
    with pytest.raises(TuilabelError, match="does not contain results"):
        read_results(tmp_path / "r.json")


def test_only_runs_of_the_same_settings_are_joined(tmp_path: Path) -> None:
    def described(**settings: object) -> dict[str, object]:
        return describe(experiment(**settings), dataset="toy", pool_size=120, test_size=60, latent_dim=None)

    assert disagreement(described(), described(seeds=5, strategies=("entropy",))) is None
    others: dict[str, object] = {
        "batch_size": 7, "budget": 39, "initial": 3, "start": "random", "audit_share": 0.0, "cross_validate": True,
    }  # fmt: skip
    assert set(others) == set(COMMON)
    for name, value in others.items():
        assert str(value) in str(disagreement(described(), described(**{name: value})))
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    now = [
        describe(
            dataclasses.replace(experiment(), encoder=VAEEncoder(tmp_path / name)),
            dataset="toy",
            pool_size=120,
            test_size=60,
            latent_dim=8,
        )
        for name in "ab"
    ]
    assert "checkpoint" in str(disagreement(now[0], now[1]))
    assert disagreement(described(), now[0]) is None


def test_finished_runs_are_not_repeated() -> None:
    """No process is started: the dataset does not exist."""
    done = [make_run([0.5, 0.6], strategy=s, seed=i) for i in (0, 1) for s in ("margin", "random", "entropy")]
    compared = experiment(learners=("mlp",))
    results = run_experiment(compared, {}, done)
    assert [run.key[::2] for run in results.runs[:4]] == [("margin", 0), ("random", 0), ("margin", 1), ("random", 1)]
    assert {run.strategy for run in results.runs[4:]} == {"entropy"}
    assert total_rounds(compared, done[:3]) == (4, 8)


def test_results_that_are_not_resumed_are_set_aside(tmp_path: Path) -> None:
    file, notes = tmp_path / "r.json", list[str]()
    file.write_text("hours")
    set_aside(file, notes.append)
    assert not file.exists()
    assert (tmp_path / "r.json.bak").read_text() == "hours"
    assert "can still be resumed" in notes[0]
    set_aside(file, notes.append)
    assert len(notes) == 1


def test_a_pool_without_targets_is_a_one_line_error(toy: Toy) -> None:
    check_pool(toy.pool, 120)
    with pytest.raises(UsageError, match="budget must be at most 120, the images of toy, got 121"):
        check_pool(toy.pool, 121)
    images, classes = toy.pool.images, toy.pool.classes
    with pytest.raises(TuilabelError, match="no true labels"):
        check_pool(ImagePool.from_arrays(images, classes), 20)
    with pytest.raises(TuilabelError, match="no test split"):
        check_pool(ImagePool.from_arrays(images, classes, toy.pool.targets), 20)


def test_the_summary_matches_a_hand_calculation() -> None:
    runs = [
        make_run([0.80, 0.90, 0.96], seed=0),
        make_run([0.70, 0.90, 0.94], seed=1),
        make_run([0.80, 0.86, 0.92], seed=0, strategy="random"),
        make_run([0.70, 0.84, 0.90], seed=1, strategy="random"),
    ]
    assert counts_within(runs) == [20, 50, 60]
    margin, random = summarise(runs)
    assert margin.accuracy[50].mean == pytest.approx(0.925)  # (0.93 + 0.92) / 2
    assert margin.accuracy[20].sd == pytest.approx(0.1 / np.sqrt(2))
    assert margin.area.values == pytest.approx((0.89, 0.86))  # (0.85 + 0.93) / 2, (0.80 + 0.92) / 2
    assert margin.labels_to[0.90] == (40.0, 2)
    assert margin.labels_to[0.95] == (None, 1)
    assert random.labels_to[0.90][1] == 2
    assert random.labels_to[0.90][0] == pytest.approx((40 + 20 * 4 / 6 + 60) / 2)
    assert random.against_baseline is None
    difference = margin.against_baseline
    assert difference is not None
    assert difference.n == 2
    assert difference.mean == pytest.approx(0.035)  # 0.89 - 0.86, 0.86 - 0.82
    assert difference.standard_error == pytest.approx(0.005)
    assert difference.p_wilcoxon == pytest.approx(0.5)
    assert margin.seconds == pytest.approx(1.5)


def test_estimates_are_compared_with_the_truth() -> None:
    runs = [
        make_run([0.8, 0.9, 0.90], audit=(0.95, 0.85, 1.0), confidence=0.92),
        make_run([0.8, 0.9, 0.96], seed=1, audit=(0.90, 0.80, 0.95), confidence=0.94),
        make_run([0.8, 0.9, 0.97], seed=2),
    ]
    rows = compare_estimates(runs, counts=(60, 500))
    assert [(row.n_labels, row.runs) for row in rows] == [(60, 3)]
    row = rows[0]
    assert row.accuracy == pytest.approx((0.90 + 0.96 + 0.97) / 3)
    assert row.lure is None
    assert row.audit is not None
    assert row.confidence is not None
    assert (row.audit.runs, row.audit.coverage) == (2, 0.5)
    assert row.audit.bias == pytest.approx((0.05 - 0.06) / 2)
    assert row.audit.width == pytest.approx(0.15)
    assert row.confidence.bias == pytest.approx((0.02 - 0.02) / 2)
    harder = make_run([0.8, 0.9, 0.95], audit=(0.95, 0.85, 1.0), pool_accuracy=0.93)
    (row,) = compare_estimates([harder, make_run([0.8, 0.9, 0.95], pool_accuracy=None)], counts=(60,))
    assert (row.runs, row.accuracy) == (1, 0.93), "what they are estimates of; runs that do not tell it are left out"
    assert row.audit is not None
    assert row.audit.bias == pytest.approx(0.02)
    assert [row.n_labels for row in compare_estimates(runs)] == [40]  # the nearest to 50, of two the first
    assert [row.n_labels for row in compare_estimates(runs, counts=(100,))] == [60]  # the last, for want of a count


@pytest.mark.parametrize("name", ["c.png", "c.svg"])
def test_plots_are_written(tmp_path: Path, name: str) -> None:
    runs = [make_run([0.5, 0.7, 0.9], seed=i, strategy=f"s{s}") for i in range(2) for s in range(9)]
    runs += [dataclasses.replace(make_run([0.4 + i / 10] * 20, seed=i), learner="cnn") for i in range(2)]
    write_plot(runs, "toy", tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert data.startswith(b"\x89PNG") if name.endswith("png") else b"<svg" in data
    with pytest.raises(UsageError, match=r"plot must be a \.png, \.svg or \.pdf file, got c\.jpg"):
        check_plot_file(Path("c.jpg"))


@pytest.mark.parametrize("width", [30, 80, 120])
def test_the_curves_are_drawn_with_a_legend_within_the_width(width: int) -> None:
    runs = [make_run([0.5, 0.7, 0.9], strategy=name) for name in ("margin", "random")]
    chart = curve_chart(runs, width, coloured=False)
    assert chart is not None
    lines = chart.plain.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[-1].split("  ")[1:] == ["oo margin", "xx random"]
    assert next(line[:4] for line in lines if "┤" in line) == "90 %"
    assert not chart.spans, "no colour unless wanted"
    coloured = curve_chart(runs, width, coloured=True)
    assert coloured is not None
    assert {str(span.style) for span in coloured.spans} == {"blue", "yellow"}


def test_more_curves_than_colours_are_told_apart_by_letters() -> None:
    chart = curve_chart([make_run([0.5, 0.7], strategy=f"s{i}") for i in range(7)], 80, coloured=True)
    assert chart is not None
    assert "== s6" not in chart.plain
    assert "%% s6" in chart.plain


def test_one_round_gives_no_curve() -> None:
    assert curve_chart([make_run([0.5])], 80, coloured=False) is None


@pytest.mark.parametrize("columns", [None, 80, 60])
def test_the_tables_fit_the_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int | None
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    runs = [
        make_run([0.8, 0.9, 0.96 - i / 100], seed=i, strategy=s, confidence=0.9)
        for s in ("information-density", "random")
        for i in range(3)
    ]
    settings = describe(experiment(), dataset="toy", pool_size=120, test_size=60, latent_dim=None)
    print_results(runs, settings, estimates=True)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= (columns or 100)
    assert "…" not in text
    for words in (
        "toy: 3 seeds",
        "95.0 ± 1.0",
        "vs random",
        "+0.00 ± 0.00",
        "LURE",
        "(2/3)",
        "s/round",
        "information-density  ",
    ):
        assert words in text, text
    print_results(runs[:1], settings, estimates=False)
    assert "vs random" not in capsys.readouterr().out


def test_the_shown_counts_keep_the_last() -> None:
    assert shown_counts([1, 2, 3], 5) == [1, 2, 3]
    assert shown_counts([10, 20, 50, 100, 200, 500, 1000], 4) == [10, 50, 200, 1000]
