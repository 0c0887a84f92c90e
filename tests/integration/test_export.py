"""Exports are read back with the libraries they are meant for, with every label."""

from __future__ import annotations

import csv
import io
import json
import pkgutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.exchange import CLASSES, NAMES, answer, array_pool, disk_pool, label_all, library
from tuilabel.datasets import ImagePool
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.labels import LabelStore, Project
from tuilabel.labels.exchange import (
    FORMATS,
    READABLE,
    ExportOptions,
    Format,
    ImportOptions,
    LabelRow,
    WriteResult,
    format_for_path,
    formats,
    get_format,
    resolve_answers,
    rows_of,
)
from tuilabel.labels.exchange.formats.csv_table import write_csv
from tuilabel.labels.exchange.image_files import safe_name
from tuilabel.labels.exchange.tables import COLUMNS, MARKS
from tuilabel.project import exchange

DIRECTORIES = [name for name, form in FORMATS.items() if form.kind == "directory"]


@pytest.fixture(params=["files", "rows of an array"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> ImagePool:
    return disk_pool(tmp_path / "source") if request.param == "files" else array_pool()


def truth(pool: ImagePool) -> dict[str, str]:
    return {row.id: row.label for row in rows_of(label_all(pool), pool)}


def out_of_fold(indices: np.ndarray, labels: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    return indices, (0.7 * np.eye(n_classes)[labels] + 0.3 / n_classes).astype(np.float32)


def export(
    pool: ImagePool, file_format: str, out: Path, rows: list[LabelRow] | None = None, **options: object
) -> WriteResult:
    rows = rows_of(label_all(pool), pool) if rows is None else rows
    chosen = ExportOptions(**{"out_of_fold": out_of_fold, **options})  # type: ignore[arg-type]
    return get_format(file_format).write(rows, pool.classes, pool.files, out, chosen)


# -- labels ------------------------------------------------------------------------------------------------------------


def test_rows_are_the_current_labels_in_the_order_of_labelling(pool: ImagePool) -> None:
    """The order is that of the log: the clock went back after the first answer."""
    events = [answer(pool, 3, "cat", 9), answer(pool, 1, "dog", 2), answer(pool, 2, None, 3), answer(pool, 4, "owl", 4)]
    events.append(answer(pool, 4, None, 5, kind="undo", undoes=events[-1].key))
    events.append(replace(answer(pool, 0, "cat", 7), item="f" * 32))
    rows = rows_of(events, pool)
    assert [(row.index, row.label) for row in rows] == [(3, "cat"), (1, "dog"), (-1, "cat")]
    assert [row.path for row in rows] == [pool.files.last_name(3), pool.files.last_name(1), ""]
    assert (rows[1].annotator, rows[1].seconds, rows[1].labelled_at) == ("ann", 0.64, events[1].at)


def test_several_annotators_are_resolved() -> None:
    pool = array_pool(6)
    answers = {0: "cat cat cat", 1: "cat dog cat", 2: "cat dog", 3: "cat - dog", 4: "cat - cat", 5: "- -"}
    events = [
        answer(pool, index, None if word == "-" else word, 10 * index + k, "xyz"[k])
        for index, words in answers.items()
        for k, word in enumerate(words.split())
    ]

    def resolved(rule: str) -> dict[int, tuple[str, str]]:
        return {row.index: (row.label, row.annotator) for row in rows_of(events, pool, rule)}

    assert {i: label for i, (label, _) in resolved("latest").items()} == {
        0: "cat",
        1: "cat",
        2: "dog",
        3: "dog",
        4: "cat",
    }
    assert resolved("majority") == {0: ("cat", "x+y+z"), 1: ("cat", "x+z"), 4: ("cat", "x+z")}
    assert resolved("unanimous") == {0: ("cat", "x+y+z"), 4: ("cat", "x+z")}
    assert [resolve_answers(events, rule).undecided for rule in ("latest", "majority", "unanimous")] == [0, 2, 3]
    with pytest.raises(UsageError, match="unknown rule 'newest'"):
        rows_of(events, pool, "newest")


def test_an_annotator_votes_once_with_the_last_answer() -> None:
    pool = array_pool(2)
    events = [answer(pool, 0, "cat", k, "x") for k in range(3)] + [answer(pool, 0, "dog", 5, "x")]
    events += [answer(pool, 0, "dog", 6, "y"), answer(pool, 0, "cat", 7, "z")]
    assert [(row.label, row.annotator) for row in rows_of(events, pool, "majority")] == [("dog", "x+y")]
    events.append(answer(pool, 0, None, 8, "y", kind="undo", undoes=events[-2].key))
    assert rows_of(events, pool, "majority") == []


@pytest.mark.parametrize("rule", ["majority", "unanimous"])
def test_an_answer_in_review_decides_a_dispute(rule: str) -> None:
    """Whoever gives it sees what the others have said; it would otherwise be one vote against two."""
    pool = array_pool(1)
    events = [answer(pool, 0, "cat", 1, "x"), answer(pool, 0, "cat", 2, "y")]
    events.append(replace(answer(pool, 0, "dog", 3, "z"), origin="review"))
    assert [(row.label, row.annotator) for row in rows_of(events, pool, rule)] == [("dog", "z")]
    assert resolve_answers(events, rule).undecided == 0


# -- tables ------------------------------------------------------------------------------------------------------------


def test_csv_keeps_its_columns(pool: ImagePool) -> None:
    rows = rows_of([answer(pool, 1, "dog", 1), replace(answer(pool, 0, 'say "7", please', 3), item="e" * 32)], pool)
    file = io.StringIO()
    assert write_csv(rows, CLASSES, file) == 2
    assert file.getvalue().splitlines() == [
        "id,path,label,annotator,labelled_at,seconds",
        f"{rows[0].id},{rows[0].path},dog,ann,2026-03-01T12:00:01.001+00:00,0.640",
        f'{"e" * 32},,"say ""7"", please",ann,2026-03-01T12:00:03.003+00:00,0.640',
    ]
    file = io.StringIO()
    marked = replace(rows[0], note="odd, isn't it", noted_by="eve")
    write_csv([marked, replace(rows[1], flagged=True, flagged_by="bob")], CLASSES, file)
    header, *lines = file.getvalue().splitlines()
    assert header == "id,path,label,annotator,labelled_at,seconds,flagged,flagged_by,note,noted_by"
    assert lines[0].endswith("""0.640,false,,"odd, isn't it",eve""")
    assert lines[1].endswith("0.640,true,bob,,")


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_pandas_reads_the_tables(pool: ImagePool, tmp_path: Path, name: str) -> None:
    pandas = library("pandas")
    out = tmp_path / f"labels.{name}"
    assert export(pool, name, out).labels == len(pool)
    read = {"csv": pandas.read_csv, "jsonl": lambda p: pandas.read_json(p, lines=True), "parquet": pandas.read_parquet}
    table = read[name](out)
    assert list(table.columns) == ["id", "path", "label", "annotator", "labelled_at", "seconds"]
    assert dict(zip(table["id"], table["label"], strict=True)) == truth(pool)
    assert pandas.to_datetime(table["labelled_at"])[3].isoformat() == "2026-03-01T12:00:03.003000+00:00"
    assert set(table["seconds"]) == {0.64}
    rows = [replace(row, flagged=row.index == 2) for row in rows_of(label_all(pool), pool)]
    export(pool, name, out, rows, force=True)
    table = read[name](out)
    assert list(table.columns) == [*COLUMNS, *MARKS]
    assert table["flagged"].tolist() == [index == 2 for index in range(len(pool))]


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_predictions_have_confidence_and_probabilities(tmp_path: Path, name: str) -> None:
    pandas = library("pandas")
    pool = array_pool(3)
    rows = [
        LabelRow(pool.ids[k].decode(), k, f"toy#{k}", "dog", "model", None, None, 0.5, (0.25, 0.5, 0.25))
        for k in range(3)
    ]
    out = tmp_path / f"predictions.{name}"
    export(pool, name, out, rows)
    if name == "jsonl":
        first = json.loads(out.read_text().splitlines()[0])
        assert first["probabilities"] == {"cat": 0.25, "dog": 0.5, "owl": 0.25}
        return
    table = pandas.read_csv(out) if name == "csv" else pandas.read_parquet(out)
    assert list(table.columns)[6:] == ["confidence", "p_cat", "p_dog", "p_owl"]
    assert table["p_dog"].tolist() == [0.5] * 3
    assert table["labelled_at"].isna().all()


def test_an_export_of_no_labels_is_an_empty_table(tmp_path: Path) -> None:
    pandas = library("pandas")
    export(array_pool(2), "parquet", tmp_path / "a.parquet", [])
    assert len(pandas.read_parquet(tmp_path / "a.parquet")) == 0


# -- folders -----------------------------------------------------------------------------------------------------------


def pixels(pool: ImagePool, image: object) -> str:
    """The id of the item whose pixels these are."""
    array = np.asarray(image).reshape(pool.images.shape[1:])
    return next(pool.ids[k].decode() for k in range(len(pool)) if (pool.images[k] == array).all())


def test_torchvision_reads_the_imagefolder(pool: ImagePool, tmp_path: Path) -> None:
    datasets = library("torchvision.datasets")
    from PIL import Image

    export(pool, "imagefolder", tmp_path / "out")
    folder = datasets.ImageFolder(tmp_path / "out", loader=Image.open)
    assert folder.classes == list(CLASSES)
    assert {pixels(pool, image): folder.classes[target] for image, target in folder} == truth(pool)


def test_datasets_reads_the_huggingface_folder(pool: ImagePool, tmp_path: Path) -> None:
    datasets = library("datasets")
    export(pool, "huggingface", tmp_path / "out")
    read = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert list(read) == ["train"]
    assert read["train"].features["label"].names == list(CLASSES)
    assert {row["id"]: CLASSES[row["label"]] for row in read["train"]} == truth(pool)
    assert all(pixels(pool, row["image"]) == row["id"] for row in read["train"])


def test_datasets_reads_the_splits(tmp_path: Path) -> None:
    datasets = library("datasets")
    pool = array_pool(60)
    export(pool, "huggingface", tmp_path / "out", split=(50, 25, 25))
    read = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in read.items()} == {"train": 30, "validation": 15, "test": 15}
    assert {row["id"]: CLASSES[row["label"]] for part in read.values() for row in part} == truth(pool)


def test_the_split_for_ultralytics_is_stratified_and_the_same_for_a_seed(tmp_path: Path) -> None:
    pool = array_pool(90)

    def parts(out: str, seed: int) -> dict[str, list[str]]:
        export(pool, "ultralytics", tmp_path / out, split=(80, 10, 10), seed=seed)
        return {
            p: sorted(f"{f.parent.name}/{f.name}" for f in (tmp_path / out / p).rglob("*.png"))
            for p in ["train", "val", "test"]
        }

    first = parts("a", 1)
    assert {part: len(files) for part, files in first.items()} == {"train": 72, "val": 9, "test": 9}
    assert all(sum(name in file for file in first["val"]) == 3 for name in CLASSES)
    assert parts("b", 1) == first
    assert parts("c", 2) != first


def test_every_part_for_ultralytics_has_all_class_folders(tmp_path: Path) -> None:
    datasets = library("torchvision.datasets")
    pool = array_pool(8)
    rows = rows_of([*label_all(pool)[:7], answer(pool, 7, "yak", 9)], pool)  # a class of one item
    export(pool, "ultralytics", tmp_path / "out", rows)
    read = [datasets.ImageFolder(tmp_path / "out" / part, allow_empty=True) for part in ("train", "val", "test")]
    assert all(part.classes == ["cat", "dog", "owl", "yak"] for part in read)
    assert sum(map(len, read)) == 8
    assert 3 in {target for _, target in read[0].samples}


@pytest.mark.parametrize("split", [(0, 50, 50), (80, -10, 30)])
def test_a_split_without_training_is_refused(tmp_path: Path, split: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="split must be three shares"):
        export(array_pool(), "ultralytics", tmp_path / "out", split=split)
    assert list(tmp_path.iterdir()) == []


def test_fiftyone_finds_each_image_by_its_name(pool: ImagePool, tmp_path: Path) -> None:
    """As documented for FiftyOneImageClassificationDataset: names without suffixes, classes by number."""
    export(pool, "fiftyone", tmp_path / "out")
    document = json.loads((tmp_path / "out/labels.json").read_text())
    from PIL import Image

    images = {path.stem: path for path in (tmp_path / "out/data").iterdir()}
    assert set(images) == set(document["labels"])
    found = {pixels(pool, Image.open(images[k])): document["classes"][n] for k, n in document["labels"].items()}
    assert found == truth(pool)


def test_label_studio_accepts_the_tasks(pool: ImagePool, tmp_path: Path) -> None:
    interface = library("label_studio_sdk.label_interface")
    converter = library("label_studio_sdk.converter")
    export(pool, "label-studio", tmp_path / "out")
    config = (tmp_path / "out/label_config.xml").read_text()
    tasks = json.loads((tmp_path / "out/tasks.json").read_text())
    label_interface = interface.LabelInterface(config)
    for task in tasks:
        assert label_interface._validate_object({"result": task["annotations"][0]["result"]}, return_errors=True) == []
        address = task["data"]["image"]
        assert address.startswith("/data/local-files/?d=")
        assert (tmp_path / address.split("?d=")[1]).is_file()
    conversion = converter.Converter(config, None, download_resources=False)
    (tmp_path / "exported.json").write_text(json.dumps([{"id": k, **task} for k, task in enumerate(tasks)]))
    conversion.convert_to_csv(
        str(tmp_path / "exported.json"), str(tmp_path / "converted"), is_dir=False, sep=",", header=True
    )
    with next((tmp_path / "converted").glob("*.csv")).open() as file:
        assert {row["item"]: row["label"] for row in csv.DictReader(file)} == truth(pool)


def test_a_prediction_is_not_an_annotation_for_label_studio(tmp_path: Path) -> None:
    pool = array_pool(1)
    row = LabelRow(pool.ids[0].decode(), 0, "toy#0", "dog", "model", None, None, 0.9)
    export(pool, "label-studio", tmp_path / "out", [row])
    (task,) = json.loads((tmp_path / "out/tasks.json").read_text())
    assert "annotations" not in task
    assert task["predictions"][0]["score"] == 0.9


def test_prodigy_answers_name_images_that_can_be_opened(pool: ImagePool, tmp_path: Path) -> None:
    export(pool, "prodigy", tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out/annotations.jsonl").read_text().splitlines()]
    assert {line["meta"]["id"]: line["accept"][0] for line in lines} == truth(pool)
    from PIL import Image

    for line in lines:
        assert Path(line["image"]).is_absolute()
        assert pixels(pool, Image.open(line["image"])) == line["meta"]["id"]
        assert {option["id"] for option in line["options"]} == set(CLASSES)


def test_cleanlab_finds_the_wrong_label(tmp_path: Path) -> None:
    cleanlab = library("cleanlab.filter")
    pool = array_pool(60, (*CLASSES, "yak"))
    rows = [replace(row, label=CLASSES[row.index % 3]) for row in rows_of(label_all(pool), pool)]  # no yak
    true_class = {row.index: CLASSES.index(row.label) for row in rows}
    rows[5] = replace(rows[5], label="cat")

    def cross_validate(indices: np.ndarray, labels: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
        classes = np.array([true_class[index] for index in indices.tolist()])
        return indices, (0.8 * np.eye(n_classes)[classes] + 0.2 / n_classes).astype(np.float32)

    export(pool, "cleanlab", tmp_path / "out", rows, out_of_fold=cross_validate)
    labels, probabilities = np.load(tmp_path / "out/labels.npy"), np.load(tmp_path / "out/pred_probs.npy")
    assert (labels.dtype, probabilities.dtype, probabilities.shape) == (np.int64, np.float32, (60, 3))
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (tmp_path / "out/classes.txt").read_text().split() == list(CLASSES)
    (issue,) = cleanlab.find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence")
    with (tmp_path / "out/ids.csv").open() as file:
        assert list(csv.DictReader(file))[issue]["id"] == rows[5].id


def test_cleanlab_leaves_out_the_only_label_of_a_class(tmp_path: Path) -> None:
    pool = array_pool(7)
    rows = rows_of([*label_all(pool)[:6], answer(pool, 6, "owl", 9)], pool)

    def cross_validate(indices: np.ndarray, labels: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
        return out_of_fold(indices[1:], labels[1:], n_classes)

    written = export(pool, "cleanlab", tmp_path / "out", rows, out_of_fold=cross_validate)
    assert written.labels == 6
    assert "1 label left out" in written.notes[0]


# -- image files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("link", "same"), [("copy", False), ("hard", True), ("symlink", True)])
def test_images_are_copied_or_linked(tmp_path: Path, link: str, same: bool) -> None:
    pool = disk_pool(tmp_path / "source")
    written = export(pool, "imagefolder", tmp_path / "out", link=link)
    assert written.notes == ()
    files = list((tmp_path / "out").rglob("*.png"))
    assert len(files) == len(pool)
    sources = [tmp_path / "source" / name for name in NAMES]
    assert all(any(file.samefile(source) for source in sources) for file in files) == same
    assert all(file.is_symlink() == (link == "symlink") for file in files)


def test_images_are_copied_with_a_note_if_hard_links_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(_source: object, _target: object) -> None:
        raise OSError("cross-device")

    monkeypatch.setattr("os.link", no_link)
    written = export(disk_pool(tmp_path / "source"), "imagefolder", tmp_path / "out", link="hard")
    assert len(list((tmp_path / "out").rglob("*.png"))) == 20
    assert "20 images copied" in written.notes[0]


@pytest.mark.parametrize("name", [*FORMATS])
def test_a_label_without_its_image_is_left_out_only_if_the_format_needs_the_image(tmp_path: Path, name: str) -> None:
    pool = disk_pool(tmp_path / "source")
    rows = [*rows_of(label_all(pool), pool), LabelRow("f" * 32, -1, "", "dog", "ann", None, None)]
    (tmp_path / "source" / NAMES[4]).unlink()
    out = tmp_path / "out"
    written = export(pool, name, out, rows)
    without, gone = (0, 0) if FORMATS[name].kind == "file" else ((1, 0) if name == "cleanlab" else (2, 0))
    assert (written.labels + written.left_out, written.left_out) == (21, without + gone)


HOSTILE = [
    "../up.png", "a\x1b[31mb.png", "a\nb.png", "x/CON.png", "y/con.png", "same.png", "z/Same.png",
    "z/" + "é" * 80 + ".png", ".hidden.png", "no ending", "space and #% ?.png", "b\udcff.png",
]  # fmt: skip


@pytest.mark.parametrize("name", DIRECTORIES)
def test_hostile_names_become_safe_and_distinct(tmp_path: Path, name: str) -> None:
    pool = disk_pool(tmp_path / "a" / "source", HOSTILE, ("cat", "../dog", "a/b", "A_b", ".", "owl\x07"))
    before = sorted(tmp_path.iterdir())
    written = export(pool, name, tmp_path / "out")
    assert written.left_out == 0
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "out"])
    files = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*")]
    for path in files:
        assert str(path).isprintable()
        assert not any(part.startswith(".") or set(part) & set('\\:*?"<>|#%') for part in path.parts)
    if name in ("imagefolder", "ultralytics", "huggingface", "fiftyone", "label-studio"):
        manifest = json.loads((tmp_path / "out/tuilabel.json").read_text())
        assert {item["path"] for item in manifest["items"].values()} == set(HOSTILE)
    if name == "imagefolder":
        assert {manifest["classes"][path.parent.name] for path in files if path.suffix == ".png"} == set(
            pool.classes
        ) & truth_labels(pool)
        assert "class folders renamed" in written.notes[0]


def truth_labels(pool: ImagePool) -> set[str]:
    return set(truth(pool).values())


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_tables_keep_hostile_names(tmp_path: Path, name: str) -> None:
    pool = disk_pool(tmp_path / "a" / "source", HOSTILE)
    out = tmp_path / "labels"
    export(pool, name, out)
    if name == "csv":
        with out.open(newline="", errors="surrogateescape") as file:
            assert [row["path"] for row in csv.DictReader(file)] == HOSTILE
    elif name == "jsonl":
        assert [json.loads(line)["path"] for line in out.read_text().splitlines()] == HOSTILE
    else:
        paths = library("pandas").read_parquet(out)["path"].tolist()
        assert paths[:-1] == HOSTILE[:-1]


@pytest.mark.parametrize(
    ("name", "safe"),
    [("..", "_"), ("a/b", "a_b"), ("nul.txt", "_nul.txt"), (" x. ", "x"), ("\x1b[0m", "_[0m"), ("", "_")],
)
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_printable_escapes_control_characters() -> None:
    assert printable("a\x1b[31mb\n\udcffé猫") == "a\\x1b[31mb\\n\\udcffé猫"


# -- all or nothing ----------------------------------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("name", list(FORMATS))
def test_nothing_is_overwritten_without_force(tmp_path: Path, name: str) -> None:
    pool = array_pool()
    out = tmp_path / "out"
    export(pool, name, out)
    before = snapshot(tmp_path)
    with pytest.raises(TuilabelError, match="force=True"):
        export(pool, name, out, rows_of(label_all(pool)[:9], pool))
    assert snapshot(tmp_path) == before
    assert export(pool, name, out, rows_of(label_all(pool)[:9], pool), force=True).labels == 9
    assert snapshot(tmp_path) != before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", DIRECTORIES)
def test_force_does_not_replace_a_folder_that_is_not_an_export(tmp_path: Path, name: str) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/mine.jpg").write_text("mine")
    with pytest.raises(TuilabelError, match="not an export of tuilabel"):
        export(array_pool(), name, tmp_path / "photos", force=True)
    assert (tmp_path / "photos/mine.jpg").read_text() == "mine"


class FailingFiles:
    """Files that fail after a few reads."""

    def __init__(self, pool: ImagePool, times: int) -> None:
        self._files, self._left = pool.files, times
        self.names, self.last_name, self.path = pool.files.names, pool.files.last_name, pool.files.path

    def read(self, index: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("out of luck")
        return self._files.read(index)


@pytest.mark.parametrize("name", [name for name in DIRECTORIES if name != "cleanlab"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failed_export_leaves_the_previous_directory(tmp_path: Path, name: str, exists: bool) -> None:
    pool = array_pool()
    out = tmp_path / "out"
    if exists:
        export(pool, name, out)
    before = snapshot(tmp_path)
    rows = rows_of(label_all(pool)[:9], pool)
    with pytest.raises(RuntimeError, match="out of luck"):
        get_format(name).write(rows, pool.classes, FailingFiles(pool, 4), out, ExportOptions(force=True))
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_a_failed_export_leaves_the_previous_table(tmp_path: Path, name: str) -> None:
    pool = array_pool()
    rows = rows_of(label_all(pool), pool)

    def broken() -> object:
        yield from rows[:5]
        raise RuntimeError("out of luck")

    out = tmp_path / "labels"
    out.write_text("before")
    with pytest.raises(RuntimeError, match="out of luck"):
        get_format(name).write(broken(), CLASSES, pool.files, out, ExportOptions(force=True))  # type: ignore[arg-type]
    assert snapshot(tmp_path) == {"labels": b"before"}


# -- a project ---------------------------------------------------------------------------------------------------------


def test_a_project_is_exported_without_printing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pool = array_pool()
    with Project.open(tmp_path / "p", pool.name, pool.fingerprint, pool.classes) as project:
        store = LabelStore.open(project.store)
        store.append([*label_all(pool)[:6], answer(pool, 0, "owl", 9, "ben")])
        store.close()
    monkeypatch.setattr(exchange, "project_pool", lambda *_: pool)
    summary = exchange.export_labels("toy", tmp_path / "labels.jsonl", project=tmp_path / "p", resolve="unanimous")
    assert (summary.file_format, summary.labels, summary.undecided) == ("jsonl", 5, 1)
    assert json.loads(json.dumps(summary.to_json()))["out"] == str(tmp_path / "labels.jsonl")
    table = io.StringIO()
    assert exchange.export_labels("toy", table, project=tmp_path / "p").out is None
    assert len(list(csv.DictReader(io.StringIO(table.getvalue())))) == 6
    with pytest.raises(UsageError, match="pass `out`"):
        exchange.export_labels("toy", table, file_format="parquet", project=tmp_path / "p")
    assert capfd.readouterr() == ("", "")


def test_an_unknown_format_suggests_the_closest_name() -> None:
    with pytest.raises(UsageError, match=r"did you mean imagefolder\?"):
        get_format("image-folder")


def test_every_module_of_formats_is_registered() -> None:
    assert len(READABLE) == len(list(pkgutil.iter_modules(formats.__path__)))
    assert set(READABLE) == {*FORMATS, "cvat", "labelme"}


def test_a_format_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mine can be exported, but not imported"):
        Format("mine", "file").read(tmp_path, ImportOptions())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.csv", "csv"), ("a.NDJSON", "jsonl"), ("a.parquet", "parquet"), ("a.json", None), ("folder", None)],
)
def test_the_suffix_of_a_path_selects_a_file_format(name: str, expected: str | None) -> None:
    assert format_for_path(Path(name)) == expected


def test_the_help_names_every_format() -> None:
    from tuilabel.cli import exchange as command

    assert command.FORMATS.split(", ") == list(FORMATS)
    assert command.IMPORT_FORMATS.split(", ") == ["auto", *READABLE]
