"""`tuilabel predict`: files of predictions, and the page."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from tests.helpers.projects import label_tiny
from tests.helpers.sessions import Clock
from tests.helpers.tiny import Tiny
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.project.model import open_model
from tuilabel.project.options import ModelOptions
from tuilabel.project.predict import PredictOptions, predict, predicted_rows
from tuilabel.report import ClassRow, Page, Pair, Tile, render
from tuilabel.session import CurvePoint


def test_every_item_comes_once_with_its_class_and_confidence(tiny_project: ModelOptions, tiny: Tiny) -> None:
    table = io.StringIO()
    summary = predict(tiny_project, PredictOptions(probabilities=True), table=table)
    rows = list(csv.DictReader(io.StringIO(table.getvalue())))
    pool = open_pool("fashion-mnist", tiny.data_dir)
    assert [row["id"] for row in rows] == [item.decode() for item in pool.ids]
    assert rows[7]["path"] == "fashion-mnist#7"
    for row in rows:
        probabilities = {name: float(row[f"p_{name}"]) for name in pool.classes}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert max(probabilities, key=lambda name: probabilities[name]) == row["label"]
        assert float(row["confidence"]) == max(probabilities.values())
    assert (summary.items, summary.written, summary.labels) == (300, 300, 100)
    assert sum(summary.classes.values()) == 300
    assert summary.expected_accuracy is not None
    assert 0.7 < summary.expected_accuracy <= 1
    right = np.mean([row["label"] == pool.classes[t] for row, t in zip(rows, pool.targets, strict=True)])  # type: ignore[arg-type]
    assert right > 0.9


def test_predictions_for_a_spreadsheet_have_no_formulas(
    tiny_project: ModelOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of files are anybody's."""
    monkeypatch.setattr("tuilabel.datasets.item_files.ArrayFiles.last_name", lambda _self, index: f"=cmd|{index}.png")
    for spreadsheet, first in ((False, "=cmd|0.png"), (True, "'=cmd|0.png")):
        table = io.StringIO()
        predict(tiny_project, PredictOptions(spreadsheet=spreadsheet), table=table)
        assert next(csv.DictReader(io.StringIO(table.getvalue())))["path"] == first


def test_formats_agree(tiny_project: ModelOptions, tmp_path: Path) -> None:
    for name in ("p.csv", "p.jsonl", "p.parquet"):
        predict(tiny_project, PredictOptions(out=tmp_path / name, probabilities=True))
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    table = parquet.read_table(tmp_path / "p.parquet").to_pylist()
    assert len(rows) == len(lines) == len(table) == 300
    for row, line, cells in zip(rows, lines, table, strict=True):
        assert list(row) == list(line) == list(cells)
        assert (row["id"], row["path"], row["label"]) == tuple(line.values())[:3] == tuple(cells.values())[:3]
        for column in list(row)[3:]:
            assert float(row[column]) == pytest.approx(line[column], abs=1e-9) == pytest.approx(cells[column], abs=1e-6)
    assert list(rows[0])[:5] == ["id", "path", "label", "confidence", "p_T-shirt/top"]


def test_only_confident_and_unlabelled_items(tiny_project: ModelOptions, tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    predict(tiny_project, PredictOptions(out=out))
    middle = float(np.median(parquet.read_table(out)["confidence"].to_numpy()))
    summary = predict(tiny_project, PredictOptions(out=out, min_confidence=middle, unlabelled_only=True, force=True))
    table = parquet.read_table(out)
    assert table.column_names == ["id", "path", "label", "confidence"]
    assert 0 < len(table) == summary.written < 200
    assert min(table["confidence"].to_pylist()) >= middle
    assert summary.mean_confidence == pytest.approx(np.mean(table["confidence"].to_pylist()), abs=1e-5)
    none_left = predict(tiny_project, PredictOptions(out=out, min_confidence=1.0, unlabelled_only=True, force=True))
    assert parquet.read_table(out).num_rows == none_left.written


def test_predictions_as_rows_of_labels(tiny_project: ModelOptions) -> None:
    opened = open_model(tiny_project)
    options = PredictOptions(unlabelled_only=True, probabilities=True)
    rows = list(predicted_rows(opened, opened.pool, opened.learner.features, options))
    assert len(rows) == 200
    assert {row.annotator for row in rows} == {"model"}
    assert rows[0].labelled_at is rows[0].seconds is None
    assert rows[0].probabilities is not None
    assert max(rows[0].probabilities) == rows[0].confidence
    assert not {row.index for row in rows} & set(opened.final.labelled.indices.tolist())


def test_other_images_are_resized_and_predicted(
    tiny_project: ModelOptions, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = open_pool("fashion-mnist", tiny.data_dir)
    assert pool.targets is not None
    same = np.asarray(pool.images[:40])
    pools = {"same": same, "twice": same.repeat(2, axis=1).repeat(2, axis=2), "colour": same.repeat(3, axis=3)}

    def open_images(name: str, *_: object) -> ImagePool:
        return ImagePool.from_arrays(pools[name], pool.classes, name="other")

    monkeypatch.setattr("tuilabel.project.predict.open_pool", open_images)
    rows_of = {}
    for name in ("same", "twice"):
        predict(tiny_project, PredictOptions(on=name, out=tmp_path / f"{name}.jsonl"))
        rows_of[name] = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows_of["same"]] == [row["label"] for row in rows_of["twice"]]
    assert [row["id"] for row in rows_of["same"]] == [item.decode() for item in pool.ids[:40]]
    unlabelled = predict(tiny_project, PredictOptions(on="same", unlabelled_only=True))
    assert 0 < unlabelled.selected < 40  # images are recognised by their content
    with pytest.raises(TuilabelError, match=r"1 channel .*other have 3 channels"):
        predict(tiny_project, PredictOptions(on="colour"))
    with pytest.raises(UsageError, match="leave out `on`"):
        predict(tiny_project, PredictOptions(on="same", html=tmp_path / "r.html"))
    monkeypatch.setattr("tuilabel.learner.calibrated.MIN_AUDIT_ITEMS", 1000)
    monkeypatch.setattr("tuilabel.learner.cnn.EPOCHS", 1)
    cnn = replace(tiny_project, learner="cnn", checkpoint=None)
    assert predict(cnn, PredictOptions(on="same")).selected == 40
    with pytest.raises(TuilabelError, match="of the same size"):
        predict(cnn, PredictOptions(on="twice"))


def test_invalid_requests_are_refused_and_harm_nothing(tiny_project: ModelOptions, tiny: Tiny, tmp_path: Path) -> None:
    existing = tmp_path / "existing.csv"
    existing.write_text("mine")
    for options, error, words in (
        (PredictOptions(out=existing), TuilabelError, "pass `force=True`"),
        (PredictOptions(out=tmp_path), UsageError, r"must end in \.csv, \.jsonl, \.parquet"),
        (PredictOptions(out=tmp_path / "p.xlsx"), UsageError, "must end in"),
        (PredictOptions(html=tmp_path / "p.csv"), UsageError, r"must end in \.html"),
        (PredictOptions(min_confidence=95), UsageError, "must be between 0 and 1, got 95"),
        (PredictOptions(out=tmp_path / "p.jsonl", spreadsheet=True), UsageError, "spreadsheet guards csv alone"),
    ):
        with pytest.raises(error, match=words):
            predict(tiny_project, options)
    assert existing.read_text() == "mine"
    with pytest.raises(TuilabelError, match="no project at"):
        predict(replace(tiny_project, project=tmp_path / "none"))
    with pytest.raises(UsageError, match="unknown learner"):
        predict(replace(tiny_project, learner="latnt"))
    empty = label_tiny(tiny, tmp_path / "empty", budget=1)
    with pytest.raises(TuilabelError, match="fewer than two classes"):
        predict(empty)


def test_an_interrupted_run_leaves_the_old_file(
    tiny_project: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "p.csv"
    out.write_text("old")

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tuilabel.project.prediction_files.CsvFile.write", broken)
    with pytest.raises(KeyboardInterrupt):
        predict(tiny_project, PredictOptions(out=out, force=True))
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]
    assert out.read_text() == "old"


# -- the page ---------------------------------------------------------------------------------------------------------

VOID = {"meta", "img", "br", "line", "polygon", "polyline", "circle", "hr", "link"}


class Checked(HTMLParser):
    """Checks that every element is closed in order, and that nothing is fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        assert not any(name.startswith("on") for name in values)
        for name in ("src", "href", "action", "srcset"):
            assert (values.get(name) or "data:").startswith("data:")
        if tag == "img":
            self.images.append(values)
        if "id" in values:
            self.ids.append(values["id"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.fixture(params=[True, False], ids=["with a test split", "without one"])
def report(
    request: pytest.FixtureRequest,
    tiny_project: ModelOptions,
    separable_tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    options = tiny_project
    if not request.param:
        options = label_tiny(separable_tiny, tmp_path / "p", with_test=False)
        whole = open_pool("fashion-mnist", separable_tiny.data_dir)
        pool = ImagePool.from_arrays(whole.images, whole.classes, whole.targets, name=whole.name)
        monkeypatch.setattr("tuilabel.project.model.open_pool", lambda *_: pool)
    predict(options, PredictOptions(html=tmp_path / "r.html"))
    return (tmp_path / "r.html").read_text()


def test_the_report_is_one_self_contained_page(report: str, request: pytest.FixtureRequest) -> None:
    page = Checked(report)
    assert not {"script", "iframe", "link"} & set(page.tags)
    assert not re.findall(r"https?:|url\(|@import", report)
    assert len(page.ids) == len(set(page.ids))
    assert page.images
    assert all(image["alt"] for image in page.images)
    on = "audit images drawn at random" if "without one" in request.node.name else "60 test images"
    for words in (
        "95 % interval",
        on,
        "Learning curve",
        "Confusions",
        "Least confident",
        "likely wrong",
        "Sneaker",
        "ann",
    ):
        assert words in page.text, words
    assert "polyline" in page.tags
    assert len(report) < 500_000


def page_of(name: str, n: int = 3) -> Page:
    tile = Tile("data:image/png;base64,AAAA", name, name, name)
    classes = [ClassRow(f"{name}{k}", 1, 0.5, 2, 3, [tile]) for k in range(n)]
    return Page(
        dataset=name, project=name, made=Clock().now, pool_size=9, labelled=3, skipped=0, flagged=0, rounds=1,
        annotators=[(name, 3)], accuracy=None, evaluated_on=name, expected_accuracy=None, calibration=name, advice=name,
        curve=[CurvePoint(20, 0.9, 0.8, 0.95)], confusion=np.ones((n, n), dtype=np.int64),
        pairs=[Pair(name, name, 1, [tile])], classes=classes, least_sure=[tile], doubted=[], doubted_in_all=0,
        version="1",
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["</style><script>alert(1)</script>", "\" onerror='x' <b>", "a\x1b[2J\u202eb\x00&amp;"]
)
def test_names_are_always_shown_as_text(name: str) -> None:
    page = Checked(render(page_of(name)))
    assert not {"script", "b"} & set(page.tags)
    assert not re.search("[\x00\x1b\u202e]", page.text)
    assert name.replace("\x1b", "\\x1b").replace("\u202e", "\\x202e").replace("\x00", "\\x00") in page.text
    assert all(image["src"] == "data:image/png;base64,AAAA" for image in page.images)


def test_the_page_stays_short_with_many_classes() -> None:
    text = render(page_of("class ", 1000))
    page = Checked(text)
    assert "880 more classes" in page.text
    assert len(page.images) < 150
    assert 'class="matrix"' not in text


@pytest.mark.parametrize("points", [[(20, 0.5)], [(2, 0.98), (3, 1.0)], [(20, 0.1), (30_000, 0.9999)]])
def test_the_curve_is_drawn_for_any_points(points: list[tuple[int, float]]) -> None:
    curve = [CurvePoint(n, y, max(0, y - 0.05), min(1, y + 0.05)) for n, y in points]
    text = render(replace(page_of("a"), curve=curve))
    for x, y in re.findall(r'cx="([\d.-]+)" cy="([\d.-]+)"', text):
        assert 0 <= float(x) <= 640
        assert 0 <= float(y) <= 280
    ticks = re.findall(r"<text[^>]*>([\d,.]+) %</text>", text)
    assert 2 <= len(ticks) <= 8
