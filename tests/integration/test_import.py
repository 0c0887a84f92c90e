"""Imports: every label that can be matched is imported once, and nothing is overwritten silently."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from unicodedata import normalize
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyarrow import parquet

from tests.helpers.exchange import CLASSES, NAMES, START, answer, array_pool, disk_pool, label_all
from tests.helpers.sessions import SessionMaker
from tests.helpers.toy import Toy, make_toy
from tuilabel.datasets import DatasetRef, ImagePool
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.estimate import audit_estimate
from tuilabel.labels import ClassBook, ClassChange, Event, LabelStore, Project, current_answers, with_current_names
from tuilabel.labels.events import Kind, current_flags, current_notes, note_text
from tuilabel.labels.exchange import (
    ExportOptions,
    ImportedLabel,
    ImportOptions,
    LabelRow,
    get_format,
    read_labels,
    rows_of,
    rows_without_label,
)
from tuilabel.labels.exchange.import_plan import ImportPlan, plan_import
from tuilabel.labels.exchange.matching import Matcher
from tuilabel.project import exchange


@pytest.fixture(params=["files", "rows of an array"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> ImagePool:
    return disk_pool(tmp_path / "source") if request.param == "files" else array_pool()


Importer = Callable[..., dict[str, Any]]


@pytest.fixture
def into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Importer:
    """Import into the project `p` of a pool."""

    def run(source: Path, pool: ImagePool, apply: bool = True, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(exchange, "open_pool", lambda *_: pool)
        monkeypatch.setattr(DatasetRef, "absolute", lambda ref: ref)  # the pool is not on disk
        return exchange.import_labels(source, pool.name, project=tmp_path / "p", apply=apply, **options).to_json()

    return run


def stored(directory: Path) -> tuple[list[Event], list[ClassChange]]:
    store = LabelStore.read(directory / "labels.db")
    try:
        return store.events(), store.class_changes()
    finally:
        store.close()


def labels_in(directory: Path) -> dict[str, str | None]:
    events, changes = stored(directory)
    return {item: event.class_name for item, event in current_answers(with_current_names(events, changes)).items()}


def csv_file(tmp_path: Path, *lines: str, name: str = "labels.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


# -- round trips -------------------------------------------------------------------------------------------------------

ROUND_TRIPS = [
    "csv",
    "jsonl",
    "parquet",
    "label-studio",
    "prodigy",
    "imagefolder",
    "ultralytics",
    "huggingface",
    "fiftyone",
]


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_exported_labels_can_be_imported(pool: ImagePool, tmp_path: Path, into: Importer, name: str) -> None:
    rows = rows_of(label_all(pool), pool)
    out = tmp_path / ("labels." + name if name in ("csv", "jsonl", "parquet") else "out")
    get_format(name).write(rows, pool.classes, pool.files, out, ExportOptions())
    figures = into(out, pool)
    assert (figures["rows"], figures["labels"], figures["unknown"]) == (20, 20, 0)
    assert labels_in(tmp_path / "p") == {row.id: row.label for row in rows}
    events, _ = stored(tmp_path / "p")
    assert {event.annotator for event in events} == {f"{name}:ann"}
    times = {event.item: event.at for event in events}
    tolerance = 1 if name == "prodigy" else 0.001  # Prodigy keeps whole seconds
    assert all(abs((times[row.id] - row.labelled_at).total_seconds()) <= tolerance for row in rows if row.labelled_at)
    assert into(out, pool)["same"] == 20
    assert stored(tmp_path / "p")[0] == events


@pytest.mark.parametrize("name", [*ROUND_TRIPS, "cleanlab"])
def test_flags_and_notes_come_home_with_their_annotators(
    pool: ImagePool, tmp_path: Path, into: Importer, name: str
) -> None:
    """Labels 0…11; of them 1 is flagged, 2 has a note, 3 both; 12 to 14 have no label and the same."""
    events = [
        *label_all(pool)[:12],
        *(answer(pool, k, None, 50 + k, "bob", kind="flag") for k in (1, 3, 12, 14)),
        *(answer(pool, k, None, 60 + k, "eve", kind="note", note=f"say “{k}”, please") for k in (2, 3, 13, 14)),
    ]
    form, out = get_format(name), tmp_path / ("labels." + name if name in ("csv", "jsonl", "parquet") else "out")
    rows = [*rows_of(events, pool), *(rows_without_label(events, pool) if form.without_label else [])]
    options = ExportOptions(out_of_fold=lambda k, labels, n: (k, np.eye(n, dtype=np.float32)[labels]))
    assert form.write(rows, pool.classes, pool.files, out, options).labels == 12
    figures = into(out, pool)
    flagged, noted = ([1, 3, 12, 14], [2, 3, 13, 14]) if form.without_label else ([1, 3], [2, 3])
    assert (figures["labels"], figures["flags"], figures["notes"]) == (12, len(flagged), len(noted))
    written, _ = stored(tmp_path / "p")
    ids = [item.decode() for item in pool.ids]
    assert {e.item: e.annotator for e in current_flags(written).values()} == {ids[k]: f"{name}:bob" for k in flagged}
    notes = {e.item: (e.note, e.annotator) for e in current_notes(written).values()}
    assert notes == {ids[k]: (f"say “{k}”, please", f"{name}:eve") for k in noted}
    assert labels_in(tmp_path / "p").items() >= {row.id: row.label for row in rows if row.label}.items()
    again = into(out, pool)
    assert (again["labels"], again["flags"], again["notes"], again["different_notes"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_unusual_class_names_survive_a_round_trip(tmp_path: Path, into: Importer, name: str) -> None:
    pool = disk_pool(tmp_path / "source", NAMES[:6], ("a/b", "a_b", "..", "ünï <&> 猫", "CON", "train"))
    rows = rows_of(label_all(pool), pool)
    out = tmp_path / ("labels." + name if name in ("csv", "jsonl", "parquet") else "out")
    get_format(name).write(rows, pool.classes, pool.files, out, ExportOptions())
    into(out, disk_pool(tmp_path / "source", NAMES[:6]))
    assert labels_in(tmp_path / "p") == {row.id: row.label for row in rows}


def test_an_image_moved_to_another_class_folder_gets_that_class(
    pool: ImagePool, tmp_path: Path, into: Importer
) -> None:
    rows = rows_of(label_all(pool), pool)
    out = tmp_path / "out"
    get_format("imagefolder").write(rows, pool.classes, pool.files, out, ExportOptions())
    moved = next((out / "cat").iterdir())
    item = json.loads((out / "tuilabel.json").read_text())["items"][moved.name]["id"]
    moved.rename(out / "owl" / moved.name)
    into(out, pool)
    assert labels_in(tmp_path / "p") == {row.id: "owl" if row.id == item else row.label for row in rows}


def test_class_folders_of_other_programs_are_matched_by_content(
    pool: ImagePool, tmp_path: Path, into: Importer
) -> None:
    for k in range(6):
        path = tmp_path / "theirs" / ("yak" if k % 2 else "dog") / f"whatever {k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pool.files.read(k))
    (tmp_path / "theirs/loose.png").write_bytes(pool.files.read(9))
    (tmp_path / "theirs/dog/other.png").write_bytes(disk_pool(tmp_path / "x", ["a"], CLASSES).files.read(0)[:50])
    figures = into(tmp_path / "theirs", pool)
    assert (figures["matched"], figures["unknown"], figures["without_label"]) == (6, 1, 1)
    assert figures["new_classes"] == ["yak"]
    assert figures["annotators"] == {"import:theirs": 6}
    assert list(labels_in(tmp_path / "p").values()).count("yak") == 3


def test_folders_are_read_as_they_are_when_they_are_the_data(tmp_path: Path, into: Importer) -> None:
    pool = disk_pool(tmp_path / "source")
    names = ["images/Train/cat/0.png", "images/Train/dog/1.png", "images/TEST/dog/2.png"]
    system = ["images/Train/.ipynb_checkpoints/0.png", "__MACOSX/cat/1.png", "images/Train/cat/@eaDir/2.png"]
    with ZipFile(tmp_path / "theirs.zip", "w") as archive:
        for name in (*names, *system):
            data = pool.files.read(int(Path(name).stem))
            (tmp_path / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "theirs" / name).write_bytes(data)
            archive.writestr(name, data)
    for source in ("theirs", "theirs.zip"):
        figures = into(tmp_path / source, pool, apply=False)
        assert (figures["matched"], figures["new_classes"], figures["conflicting"]) == (3, [], 0)
    into(tmp_path / "theirs", pool)
    assert labels_in(tmp_path / "p") == {pool.ids[k].decode(): ("cat", "dog", "dog")[k] for k in range(3)}


def test_rows_that_cannot_be_read_are_counted_and_shown(tmp_path: Path, into: Importer) -> None:
    path = csv_file(tmp_path, "path,label", "toy#1,cat", "toy#2,tench, Tinca tinca", 'toy#3,"tench, Tinca tinca"')
    figures = into(path, array_pool(), apply=False)
    assert (figures["labels"], figures["odd"], figures["new_classes"]) == (2, 1, ["tench, Tinca tinca"])
    [odd] = figures["examples"]["odd"]
    assert odd["where"] == "line 3"
    assert odd["problem"].startswith("3 cells, but 2 columns")


def test_a_class_in_another_form_of_unicode_is_the_same_class(tmp_path: Path, into: Importer) -> None:
    pool = array_pool(classes=("caf\u00e9", "the\u0301"))
    figures = into(csv_file(tmp_path, "path,label", "toy#1,cafe\u0301", "toy#2,th\u00e9"), pool, apply=False)
    assert (figures["matched"], figures["new_classes"]) == (2, [])


# -- files of other programs -------------------------------------------------------------------------------------------


def read(path: Path, file_format: str = "auto", **columns: str) -> list[ImportedLabel]:
    return read_labels(path, file_format, ImportOptions(**columns))[1]


def choice(*names: str, control: str = "label", **extra: object) -> dict[str, object]:
    return {"result": [{"from_name": control, "type": "choices", "value": {"choices": list(names)}}], **extra}


def test_exports_of_label_studio_are_read(tmp_path: Path) -> None:
    tasks = [
        {"id": 7, "data": {"image": "/data/upload/3/1a2b3c4d-cat%201.jpg"}, "annotations": [
            choice("cat", completed_by={"id": 4, "email": "alice@example.org"}, created_at="2026-03-01T12:00:00Z"),
            choice("dog", completed_by=5), choice("owl", was_cancelled=True)]},
        {"id": 8, "data": {"img": "https://example.org/a/b.jpg?x=1"}, "annotations": [choice("cat", "dog")]},
        {"id": 9, "data": {"image": "/data/local-files/?d=left%2F1.png"}, "annotations": []},
        {"id": 10, "image": "s3://bucket/left/2.png", "choice": "owl", "annotator": 1},
        {"id": 11, "data": {"image": "http://[x/1.png"}, "annotations": [{"result": [{"value": {"choices": None}}]}]},
        {"id": 12, "data": 7},
        {"id": 13, "data": {"image": "1.png"}, "completions": [choice("owl"), 4]},
    ]  # fmt: skip
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    pool = disk_pool(tmp_path / "source", [*NAMES, "cat 1.jpg", "b.jpg", "1.png"])
    rows = {(row.where, row.annotator): row for row in read(path)}
    found = {where: (pool.files.last_name(Matcher(pool, tmp_path).find(row)), row.label) for where, row in rows.items()}
    assert found == {
        ("task 7", "alice@example.org"): ("cat 1.jpg", "cat"),
        ("task 7", "5"): ("cat 1.jpg", "dog"),
        ("task 8", ""): ("b.jpg", ""),
        ("task 9", ""): ("left/1.png", ""),
        ("task 10", "1"): ("left/2.png", "owl"),
        ("task 11", ""): ("1.png", ""),
        ("task 12", ""): ("1.png", ""),
        ("task 13", ""): ("1.png", "owl"),
    }
    assert rows["task 7", "alice@example.org"].at == START
    assert rows["task 8", ""].problem == "2 classes: cat, dog"
    assert rows["task 12", ""].is_odd


def test_the_class_is_in_the_control_that_is_named(tmp_path: Path) -> None:
    two = {"result": [*choice("cat", control="animal")["result"], *choice("sharp", control="quality")["result"]]}  # type: ignore[misc]
    (tmp_path / "full.json").write_text(json.dumps([{"id": 1, "data": {"image": "1.png"}, "annotations": [two]}]))
    task = {"image": "1.png", "id": 11, "animal": "cat", "quality": "sharp", "annotator": 1, "annotation_id": 2}
    (tmp_path / "min.json").write_text(json.dumps([task]))
    columns = [*task, "created_at", "lead_time"]
    csv_file(tmp_path, ",".join(columns), "1.png,11,cat,sharp,1,2,2026-03-01T12:00:00Z,3.1", name="table.csv")
    for name in ("full.json", "min.json", "table.csv"):
        assert [row.label for row in read(tmp_path / name, label_column="quality")] == ["sharp"]
        with pytest.raises(UsageError, match=r"animal.*quality"):
            read(tmp_path / name)
        with pytest.raises(UsageError, match=r"'colour' for `label_column`.*animal.*quality"):
            read(tmp_path / name, label_column="colour")


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_table_of_label_studio_with_one_control_of_any_name(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["image", "note", "id", "animal", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"],
        ["/data/upload/1/abcdef12-a.png", "x", "11", "cat", "4", "1", "2026-03-01T12:00:00Z", "", "3.1"],
        ["/data/upload/1/abcdef12-b.png", "x", "12", "{'choices': ['dog', 'wet']}", "4", "2", "", "", "3.1"],
    ]
    path = csv_file(tmp_path, *(delimiter.join(row).replace(", 'wet'", "") for row in rows), name="export.tsv")
    found = read(path)
    assert [(row.label, row.annotator, row.at) for row in found] == [("cat", "4", START), ("dog", "4", None)]
    tasks = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    (tmp_path / "min.json").write_text(json.dumps(tasks, indent=1))
    assert [(row.label, row.problem) for row in read(tmp_path / "min.json")] == [
        ("cat", ""),
        ("", "2 classes: dog, wet"),
    ]


def test_a_file_that_label_studio_renamed_is_found(tmp_path: Path) -> None:
    pool = disk_pool(tmp_path, ["sub/my photo (1).png", "my_photo_2.png", "my photo 2.png", "b.png"])
    matcher = Matcher(pool, tmp_path / "nowhere")
    for path, index in (
        ("/data/upload/1/abcdef12-my_photo_1.png", 0),
        ("upload/7/abcdef12-b.png", 3),
        ("https://app.example.org/data/upload/1/abcdef12-my_photo_1.png", 0),
        ("/data/upload/1/abcdef12-my_photo_2.png", 1),  # a file has that very name
        ("/data/upload/1/abcdef12-no.png", -1),
        ("elsewhere/abcdef12-my_photo_1.png", -1),
    ):
        assert matcher.find(ImportedLabel("", "cat", path=path)) == index, path
    twins = disk_pool(tmp_path / "twins", ["a/x (1).png", "b/x 1.png"])
    upload = ImportedLabel("", "cat", path="/data/upload/1/abcdef12-x_1.png")
    assert Matcher(twins, tmp_path).find(upload) == -1  # it may be either


def test_lists_as_labels(tmp_path: Path, into: Importer) -> None:
    lines = [
        '{"id": 1, "filename": "toy#1", "label": ["cat"], "Comments": []}',
        '{"id": 2, "filename": "toy#2", "label": ["dog", "wet"], "Comments": []}',
        '{"id": 3, "filename": "toy#3", "label": []}',
    ]
    figures = into(csv_file(tmp_path, *lines, name="doccano.jsonl"), array_pool(), apply=False)
    assert (figures["labels"], figures["without_label"], figures["new_classes"]) == (1, 2, [])
    assert figures["examples"]["without_label"][0] == {
        "where": "line 2", "path": "toy#2", "problem": "2 classes: dog, wet",
    }  # fmt: skip


def test_options_of_prodigy_that_are_numbered_stand_for_their_texts(tmp_path: Path) -> None:
    numbered = [{"id": 0, "text": "cat"}, {"id": "1", "text": "dog"}]
    named = [{"id": "CAT", "text": "A small cat"}]
    answers = [([0], numbered), ([1], numbered), (["1"], numbered), (["CAT"], named), ([0, 1], numbered), ([[]], 3)]
    lines = [
        json.dumps({"image": "my%20photo.png", "accept": accept, "options": options, "answer": "accept"})
        for accept, options in answers
    ]
    rows = read(csv_file(tmp_path, *lines, "{broken", name="p.jsonl"))
    assert [row.label for row in rows] == ["cat", "dog", "dog", "CAT", "", "", ""]
    assert rows[4].problem == "2 classes: cat, dog"
    assert rows[-1].is_odd
    pool = disk_pool(tmp_path / "source", ["my photo.png"])
    assert Matcher(pool, tmp_path).find(rows[0]) == 0
    assert [row.label for row in read(csv_file(tmp_path, lines[0][:-1] + ', "breed": "tabby"}', name="q.jsonl"),
                                      label_column="breed")] == ["tabby"]  # fmt: skip


def test_a_data_set_of_fiftyone_is_read(tmp_path: Path, into: Importer) -> None:
    pool = disk_pool(tmp_path / "source")
    folder = tmp_path / "fo"
    (folder / "data/deep").mkdir(parents=True)
    for name, k in (("a.png", 0), ("deep/b.png", 3)):
        (folder / "data" / name).write_bytes(pool.files.read(k))
    labels = {"a": 1, "deep/b": {"label": 0, "confidence": 0.5}, "c": None, "9": "owl", "x": [0, 1]}
    (folder / "labels.json").write_text(json.dumps({"classes": ["cat", "dog"], "labels": labels}))
    for source in (folder, folder / "labels.json"):
        figures = into(source, pool, apply=False)
        assert (figures["format"], figures["matched"], figures["without_label"]) == ("fiftyone", 2, 2)
        assert figures["unknown"] == 1  # there are two images called 9
    into(folder, pool)
    assert labels_in(tmp_path / "p") == {pool.ids[0].decode(): "dog", pool.ids[3].decode(): "cat"}


def test_labels_of_cleanlab_come_back_as_they_were_corrected(tmp_path: Path, into: Importer) -> None:
    pool = array_pool()
    rows = rows_of(label_all(pool), pool)
    predict = lambda indices, labels, n: (indices, np.full((len(indices), n), 1 / n, np.float32))  # noqa: E731
    get_format("cleanlab").write(rows, CLASSES, pool.files, tmp_path / "out", ExportOptions(out_of_fold=predict))
    labels = np.load(tmp_path / "out/labels.npy")
    labels[3] = 2
    np.save(tmp_path / "out/labels.npy", labels)
    into(tmp_path / "out", pool)
    assert labels_in(tmp_path / "p") == {row.id: "owl" if k == 3 else row.label for k, row in enumerate(rows)}
    np.save(tmp_path / "out/labels.npy", labels[1:])
    with pytest.raises(TuilabelError, match="does not have one number for each row"):
        into(tmp_path / "out", pool)


def test_a_parquet_file_of_hugging_face_brings_its_images(tmp_path: Path, into: Importer) -> None:
    for pool in (disk_pool(tmp_path / "source"), array_pool()):
        images = [{"bytes": pool.files.read(k), "path": None} for k in range(3)]
        features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
        table = pa.table({"image": images, "label": [1, 0, 1]})
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        parquet.write_table(table.replace_schema_metadata(about), tmp_path / "train.parquet")
        into(tmp_path / "train.parquet", pool)
        assert labels_in(tmp_path / "p") == {pool.ids[k].decode(): ("dog", "cat", "dog")[k] for k in range(3)}
        shutil.rmtree(tmp_path / "p")


def test_the_column_of_classes_in_parquet_files_with_images_can_be_named(tmp_path: Path, into: Importer) -> None:
    pool = disk_pool(tmp_path / "source")
    for split, first in (("train", 0), ("test", 2)):
        cells = [{"bytes": pool.files.read(k), "path": None} for k in (first, first + 1)]
        (tmp_path / "in" / split).mkdir(parents=True)
        table = pa.table({"img": cells, "fine": ["cat", "dog"], "coarse": ["pet", "pet"]})
        parquet.write_table(table, tmp_path / f"in/{split}/0000.parquet")
    with pytest.raises(UsageError, match="no column called label: set `label_column` to one of img, fine, coarse"):
        into(tmp_path / "in", pool)
    with pytest.raises(UsageError, match="no column 'breed' for `label_column`"):
        read(tmp_path / "in", label_column="breed")
    assert into(tmp_path / "in", pool, options=ImportOptions(label_column="fine"))["labels"] == 4
    assert labels_in(tmp_path / "p") == {pool.ids[k].decode(): ("cat", "dog")[k % 2] for k in range(4)}


@pytest.mark.parametrize("written_as", ["fiftyone", "label-studio", "prodigy"])
def test_an_export_without_class_folders_is_not_read_as_if_it_had_them(tmp_path: Path, written_as: str) -> None:
    pool = array_pool()
    get_format(written_as).write(rows_of(label_all(pool), pool), CLASSES, pool.files, tmp_path / "out", ExportOptions())
    with pytest.raises(TuilabelError, match=f"was exported as {written_as}, without class folders"):
        read(tmp_path / "out", "imagefolder")


def test_captions_are_not_imported_as_classes(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for k in range(4):
            for suffix, data in (("png", b"x"), ("txt", b"a picture of number %d" % k)):
                info = tarfile.TarInfo(f"{k}.{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    with pytest.raises(UsageError, match="no classes: the texts beside its images nearly all differ"):
        read(tmp_path / "shard.tar")


def test_images_whose_names_differ_in_case(tmp_path: Path) -> None:
    pool = disk_pool(tmp_path / "source", ["a/1.JPG", "a/2.jpg", "b/2.JPG", "b/Ü.png"])
    matcher = Matcher(pool, tmp_path)
    found = {path: matcher.find(ImportedLabel("", "x", path=path)) for path in ("1.jpg", "A/1.jpg", "2.JPG", "ü.PNG")}
    assert found == {"1.jpg": 0, "A/1.jpg": 0, "2.JPG": 2, "ü.PNG": 3}
    assert matcher.find(ImportedLabel("", "x", path="2.Jpg")) == -1, "two fit"


def test_one_object_in_each_line_of_a_json_file(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '{"path": "a.png", "label": "cat"}', '{"path": "b.png", "label": "dog"}', name="a.json")
    assert [(row.path, row.label) for row in read(path)] == [("a.png", "cat"), ("b.png", "dog")]


def test_rows_without_a_class_say_why(tmp_path: Path, into: Importer) -> None:
    (tmp_path / "a.csv").write_bytes(b'path,label\nleft/0.png,"a\nb"\nleft/1.png,a\0b\n')
    examples = into(tmp_path / "a.csv", disk_pool(tmp_path / "source"), apply=False)["examples"]["without_label"]
    assert examples[0]["problem"] == "'a\\\\nb' cannot be the name of a class"
    result = [{"from_name": "kind", "type": "taxonomy", "value": {"taxonomy": [["animal", "cat"]]}}]
    (tmp_path / "a.json").write_text(json.dumps([{"data": {"image": "1.png"}, "annotations": [{"result": result}]}]))
    assert [row.problem for row in read(tmp_path / "a.json")] == ["no choice, but taxonomy"]
    (tmp_path / "a.json").write_text(json.dumps([{"data": {"image": "1.png"}, "predictions": [{"result": result}]}]))
    assert [row.problem for row in read(tmp_path / "a.json")] == ["it has predictions, and no annotation"]


def test_images_named_without_suffix(tmp_path: Path) -> None:
    pool = disk_pool(tmp_path, ["left/0a1b.png", "left/17.png", "right/17.png"])
    rows = read(csv_file(tmp_path, "id,breed", "0a1b,cat", "17,dog"), label_column="breed")
    assert [Matcher(pool, tmp_path).find(row) for row in rows] == [0, -1]


def test_a_column_can_be_chosen_wherever_there_are_columns(tmp_path: Path) -> None:
    pool = disk_pool(tmp_path / "hf", ["a.png"])
    csv_file(tmp_path / "hf", "file_name,label,breed", "a.png,cat,tabby", name="metadata.csv")
    assert [row.label for row in read(tmp_path / "hf", label_column="Breed")] == ["tabby"]
    with pytest.raises(UsageError, match="no column 'x' for `label_column`"):
        read(tmp_path / "hf", label_column="x")
    (tmp_path / "hf/metadata.csv").unlink()
    with pytest.raises(UsageError, match="no columns to choose 'x' from: leave out `label_column`"):
        read(tmp_path / "hf", label_column="x")
    assert len(pool) == 1


def test_an_object_of_classes_by_image(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('{"a.png": "cat", "b.jpg": ["dog"]}')
    assert [(row.path, row.label) for row in read(tmp_path / "labels.json")] == [("a.png", "cat"), ("b.jpg", "dog")]


def test_answers_of_prodigy_are_read(tmp_path: Path, into: Importer) -> None:
    pool = disk_pool(tmp_path / "source")
    embedded = "data:image/png;base64," + base64.b64encode(pool.files.read(3)).decode()
    options = [{"id": name, "text": name} for name in CLASSES]
    lines = [
        {"image": "/elsewhere/left/0.png", "options": options, "accept": ["cat"], "answer": "accept",
         "_timestamp": int(START.timestamp()), "_annotator_id": "set-alice"},
        {"image": embedded, "label": "dog", "answer": "accept"},
        {"image": "right/2.png", "label": "dog", "answer": "reject"},
        {"image": "right/2.png", "options": options, "accept": ["cat", "dog"], "answer": "accept"},
        {"image": "right/2.png", "options": options, "accept": [], "answer": "ignore"},
    ]  # fmt: skip
    path = csv_file(tmp_path, *map(json.dumps, lines), name="answers.jsonl")
    figures = into(path, pool)
    assert (figures["format"], figures["labels"], figures["without_label"]) == ("prodigy", 2, 3)
    assert labels_in(tmp_path / "p") == {pool.ids[0].decode(): "cat", pool.ids[3].decode(): "dog"}
    events, _ = stored(tmp_path / "p")
    assert (events[0].annotator, events[0].at) == ("prodigy:set-alice", START)
    assert events[1].annotator == "import:answers.jsonl"


def test_tables_with_other_columns_and_delimiters_are_read(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "\ufefffilename;class", '"a;b.png";cat', "c.png;", "d.png;7.0")
    assert [(row.path, row.label) for row in read(path)] == [("a;b.png", "cat"), ("c.png", ""), ("d.png", "7.0")]
    path = csv_file(tmp_path, "Image Path,Class Name,Annotator", "a.png,cat,ada")
    assert [(row.path, row.label, row.annotator) for row in read(path)] == [("a.png", "cat", "ada")]
    assert [row.label for row in read(path, label_column="class_name")] == ["cat"]
    path = csv_file(tmp_path, "path,label", "a.png,3.0", "b.png,")
    assert [row.label for row in read(path)] == ["3", ""]
    path = csv_file(tmp_path, '{"there": "a.png", "y": 3, "label": "no"}', name="rows.jsonl")
    assert [(r.path, r.label) for r in read(path, path_column="there", label_column="y")] == [("a.png", "3")]
    with pytest.raises(UsageError, match="no column 'x' for `label_column`: its columns are there, y, label"):
        read(path, path_column="there", label_column="x")
    with pytest.raises(UsageError, match="`path_column`"):
        read(path)


def test_a_table_whose_first_line_is_an_image(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a.png,cat", "b.png,dog")
    assert [(r.where, r.path, r.label) for r in read(path)] == [("line 1", "a.png", "cat"), ("line 2", "b.png", "dog")]
    path = csv_file(tmp_path, "sets/a b.JPEG 0", "", "c.JPEG 12", name="train.txt")
    assert [(r.where, r.path, r.label) for r in read(path)] == [
        ("line 1", "sets/a b.JPEG", "0"), ("line 3", "c.JPEG", "12")
    ]  # fmt: skip
    path = csv_file(tmp_path, "TRAIN,gs://birds/a.png,cat", "TEST,gs://birds/b.png,dog")
    assert [(row.path, row.label) for row in read(path)] == [("gs://birds/a.png", "cat"), ("gs://birds/b.png", "dog")]
    path = csv_file(tmp_path, "7,a.png,cat", "8,b.png,dog")
    with pytest.raises(UsageError, match="`label_column` to one of 1, path, 3"):
        read(path)
    assert [row.label for row in read(path, label_column="3")] == ["cat", "dog"]


def test_columns_of_0_and_1_are_classes(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "image,MEL,NV", "a,1.0,0.0", "b,0.0,1.0")
    assert [(row.path, row.label) for row in read(path)] == [("a", "MEL"), ("b", "NV")]
    lines = [f"{k}.png, 0, 1, 0" for k in range(20)]
    path = csv_file(tmp_path, "filename, cat, dog, fold", *lines, "x.png, 1, 1, 0", "y.png, 0, 0, 0")
    assert [(row.label, row.problem) for row in read(path)][19:] == [("dog", ""), ("", "2 classes: cat, dog"), ("", "")]
    for rows in (("a.png,1,1", "b.png,0,0"), ("a.png,1,0", "b.png,2,0")):  # attributes, and numbers
        with pytest.raises(UsageError, match="no column called label"):
            read(csv_file(tmp_path, "path,sharp,bright", *rows))


def test_labels_of_coco_via_labelme_and_cvat(tmp_path: Path, into: Importer) -> None:
    pool = disk_pool(tmp_path / "source")
    kinds = ["cat", "dog"]
    coco = {
        "images": [{"id": k, "file_name": f"left/{k}.png"} for k in range(4)],
        "annotations": [{"image_id": k, "category_id": 7 + c} for k, c in ((0, 0), (0, 0), (1, 1), (2, 0), (2, 1))],
        "categories": [{"id": 7 + k, "name": name} for k, name in enumerate(kinds)],
    }
    via = {f"left/{k}.png99": {"filename": f"left/{k}.png", "size": 99, "regions": [], "file_attributes": attributes}
           for k, attributes in enumerate([{"kind": "cat"}, {"kind": {"dog": True}},
                                           {"kind": {"cat": True, "dog": True}}, {"kind": ""}])}  # fmt: skip
    fiftyone = {"samples": [{"filepath": f"data/left/{k}.png", "truth": {"_cls": "Classification", "label": label}}
                            for k, label in enumerate([*kinds, kinds, None])]}  # fmt: skip
    documents = {
        "coco.json": coco,
        "via.json": via,
        "project.json": {"_via_img_metadata": via},
        "samples.json": fiftyone,
    }
    sources = [tmp_path / name for name in documents]
    for path, document in zip(sources, documents.values(), strict=True):
        path.write_text(json.dumps(document))
    (tmp_path / "via.csv").write_text("filename,file_attributes\n" + "\n".join(
        f'left/{k}.png,"{json.dumps(file["file_attributes"]).replace(chr(34), chr(34) * 2)}"'
        for k, file in enumerate(via.values())))  # fmt: skip
    tags = ['<tag label="cat"/>', '<tag label="dog"/>', '<tag label="cat"/><tag label="dog"/>', ""]
    xml = "".join(f'<image id="{k}" name="left/{k}.png">{tag}</image>' for k, tag in enumerate(tags))
    (tmp_path / "cvat").mkdir()
    (tmp_path / "cvat/annotations.xml").write_text(f"<annotations>{xml}</annotations>")
    (tmp_path / "labelme").mkdir()
    for k, flags in enumerate([(True, False), (False, True), (True, True), (False, False)]):
        values = {"imagePath": f"..\\left\\{k}.png", "flags": dict(zip(kinds, flags, strict=True)), "shapes": []}
        (tmp_path / f"labelme/{k}.json").write_text(json.dumps(values))
    for source in (*sources, tmp_path / "via.csv", tmp_path / "cvat", tmp_path / "labelme"):
        assert [row.label for row in read(source)] == ["cat", "dog", "", ""], source
        assert read(source)[2].problem == "2 classes: cat, dog"
        figures = into(source, pool, apply=False)
        assert (figures["labels"], figures["without_label"], figures["odd"]) == (2, 2, 0), source
    assert into(tmp_path / "labelme/0.json", pool, apply=False)["labels"] == 1


def test_the_folder_of_a_fiftyone_data_set_with_samples(tmp_path: Path, into: Importer) -> None:
    pool = disk_pool(tmp_path / "source")
    shutil.copytree(tmp_path / "source", tmp_path / "fo/data")
    samples = [
        {"filepath": f"data/left/{k}.png", "truth": {"_cls": "Classification", "label": "cat"}} for k in range(3)
    ]
    (tmp_path / "fo/samples.json").write_text(json.dumps({"samples": samples}))
    figures = into(tmp_path / "fo", pool, apply=False)
    assert (figures["format"], figures["labels"], figures["new_classes"]) == ("fiftyone", 3, [])


def test_a_folder_of_images_beside_their_table_has_no_class_folders(tmp_path: Path) -> None:
    disk_pool(tmp_path / "download/images", ["a.png", "b.png"])
    (tmp_path / "download/labels.csv").write_text("path,label\na.png,cat\n")
    with pytest.raises(UsageError, match=r"no class folders, but labels\.csv: import that"):
        read(tmp_path / "download")
    assert [row.label for row in read(tmp_path / "download", "imagefolder")] == ["images", "images"]
    disk_pool(tmp_path / "download", ["cats/a.png"])
    assert [row.label for row in read(tmp_path / "download")] == ["cats", "images", "images"]


def test_a_folder_without_images_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("x")
    with pytest.raises(TuilabelError, match=r"in has no images: 1 file is not read, by suffix: 1 \.txt"):
        read(tmp_path / "in")


def test_a_data_set_of_hugging_face_on_disk_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("data-00000-of-00001.arrow", "dataset_info.json", "state.json"):
        (tmp_path / "in" / name).write_text("{}")
    with pytest.raises(TuilabelError, match=r"1 \.arrow \(save the data set with to_parquet\)"):
        read(tmp_path / "in")


@pytest.mark.parametrize("folder", ["_unlabeled", "no_label"])
def test_folders_of_images_without_a_class(tmp_path: Path, folder: str) -> None:
    disk_pool(tmp_path / "in", ["cat/a.png", f"{folder}/b.png"])
    assert {Path(row.path).name: row.label for row in read(tmp_path / "in")} == {"a.png": "cat", "b.png": ""}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "path\na.png", "`label_column`"),
        ("a.jsonl", "not", "line 1: not JSON"),
        ("a.jsonl", "[1]", "line 1: not a JSON object"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "[3]", "entry 1: not a task"),
        ("a.jsonl", '{"answer": "accept", "accept": 3}', "line 1: `accept` is not a list"),
        ("a.parquet", "PAR1 no", "not a .parquet file"),
        ("a.jsonl", b"\xff{", "line 1: not JSON"),
        ("a.xyz", "", "pass `file_format`"),
        ("a.xlsx", "PK", "is a spreadsheet: save it as CSV UTF-8"),
        ("a.csv", "PK\x03\x04", "save a sheet of Excel as CSV UTF-8"),
        ("a.csv.gz", "", "is a packed table: unpack it first, and import a.csv"),
        ("a.csv", "path,label\na.png,Genève\n".encode("cp1252"), "line 2: the class is not text in UTF-8"),
        ("a.csv", "path,label\na.png,猫\na.png,狗\n".encode("gbk"), "line 3: the class is not text in UTF-8"),
        ("a.jsonl", b'{"path": "a.png", "label": "\xe9"}', "line 1: the class is not text in UTF-8"),
        ("a.xml", "<annotations>", "is not XML"),
        ("a.xml", "<rss></rss>", "is not an export of `CVAT for images`"),
    ],
)
def test_a_file_in_another_format_is_one_clear_line(
    tmp_path: Path, into: Importer, name: str, content: str | bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TuilabelError, match=words):
        into(tmp_path / name, array_pool())
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "", "has no columns"),
        ("a.json", "[" * 100_000, "structure of label-studio"),
    ],
)
def test_a_hostile_file_is_one_clear_line(tmp_path: Path, into: Importer, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TuilabelError, match=words):
        into(tmp_path / name, array_pool())


ODD_VALUES = [None, True, -1, 3.5, float("nan"), 10**30, "", "x", "\0", "\ud800", "[", "['a']", '{"choices": 3}', "file://",
              "http://[x", "%zz", [], [[1]], {}, {"a": 1}]  # fmt: skip
TASKS: dict[str, Any] = {
    "tasks.json": [
        {"id": 7, "data": {"image": "toy#1"}, "annotations": [{"completed_by": {"id": 4}, "created_at": "2026-03-01",
         "result": [{"from_name": "a", "type": "choices", "value": {"choices": ["cat"]}}]}]},
        {"id": 1, "image": "toy#2", "animal": "cat", "annotator": 1, "annotation_id": 3, "created_at": "x"},
    ],
    "labels.json": {"classes": ["cat", "dog"], "labels": {"0": 1, "b": {"label": 0}, "c": "dog"}},
    "p.jsonl": {"image": "toy#1", "options": [{"id": 0, "text": "cat"}], "accept": [0], "answer": "accept",
                "_timestamp": 1, "_annotator_id": "a", "meta": {"id": "x", "path": "y"}},
    "t.jsonl": {"path": "toy#1", "label": "cat", "annotator": "ann", "labelled_at": "2026-03-01", "id": "1"},
}  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
@given(random=st.randoms(use_true_random=False))
@hypothesis_settings(max_examples=60, deadline=None)
def test_records_with_anything_in_them_are_read_or_refused_in_a_line(
    name: str, random: Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def changed(value: Any) -> Any:
        if random.random() < 0.2:
            return random.choice(ODD_VALUES)
        if isinstance(value, dict):
            return {key: changed(inner) for key, inner in value.items() if random.random() > 0.1}
        return [changed(inner) for inner in value] if isinstance(value, list) else value

    path = tmp_path_factory.mktemp("odd") / name
    good = [TASKS[name]] if name.endswith(".jsonl") else TASKS[name]
    lines = [*good, changed(TASKS[name])] if name.endswith(".jsonl") else [changed(good)]
    path.write_text("\n".join(map(json.dumps, lines)))
    refusal = ""
    try:
        rows = read(path)
    except TuilabelError as error:
        rows, refusal = [], str(error)
    assert "\n" not in refusal
    assert not (refusal and name.endswith(".jsonl")), "one odd record never refuses the others"
    matcher = Matcher(array_pool(3), path.parent)
    assert all(-1 <= matcher.find(row) < 3 for row in rows)


def test_times_as_numbers_in_a_table(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,label,labelled_at", *(f"a.png,x,{at}" for at in (
        "1700000000", "1700000000000", "1700000000.5", "2023-11-14", "7", "nan", "20231114",
    )))  # fmt: skip
    seconds = [None if row.at is None else row.at.timestamp() for row in read(path)]
    day = datetime(2023, 11, 14, tzinfo=UTC).timestamp()
    assert seconds == [1_700_000_000, 1_700_000_000, 1_700_000_000.5, day, None, None, day]


def test_times_out_of_range_are_ignored(tmp_path: Path) -> None:
    answer = {"image": "a.png", "label": "cat", "answer": "accept"}
    stamps = [1e30, float("nan"), True, "noon"]
    path = csv_file(tmp_path, *(json.dumps({**answer, "_timestamp": stamp}) for stamp in stamps), name="a.jsonl")
    assert [row.at for row in read(path)] == [None] * 4
    path = csv_file(tmp_path, "path,label,labelled_at", "a.png,cat,0001-01-01T00:00:00+05:00")
    assert [row.at for row in read(path)] == [None]


def test_a_manifest_with_wrong_types_is_harmless(tmp_path: Path, into: Importer) -> None:
    pool = array_pool()
    (tmp_path / "out/cat").mkdir(parents=True)
    (tmp_path / "out/cat/1.png").write_bytes(pool.files.read(1))
    manifest = {"classes": {"cat": 5}, "items": {"1.png": {"id": 3, "annotator": 4, "labelled_at": 5}}}
    (tmp_path / "out/tuilabel.json").write_text(json.dumps(manifest))
    figures = into(tmp_path / "out", pool)
    assert (figures["matched"], figures["new_classes"]) == (1, ["5"])


def test_only_regular_files_are_read_to_find_an_item(tmp_path: Path) -> None:
    """Reading a device or pipe would never end, and a name may be invalid on any file system."""
    os.mkfifo(tmp_path / "pipe.png")
    matcher = Matcher(array_pool(), tmp_path)
    for path in ("pipe.png", "/dev/zero", "\ud800.png", "a\0.png", "x" * 5000):
        assert matcher.find(ImportedLabel("", "cat", path=path)) == -1
    url = {"image": "data:image/png;base64,\u00e9", "label": "cat", "answer": "accept"}
    (row,) = read(csv_file(tmp_path, json.dumps(url), name="a.jsonl"))
    assert matcher.find(row) == -1


# -- matching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("left/3.png", "left/3.png"),
        ("/old/place/left/3.png", "left/3.png"),
        ("C:\\old\\left\\3.png", "left/3.png"),
        ("./right/0.png", "right/0.png"),
        ("3.png", None),  # of two folders
        ("top.png", "top.png"),
        ("deep.png", "a/b/deep.png"),
        ("b/deep.png", "a/b/deep.png"),
        ("x/deep.png", None),
        ("ft/3.png", None),
        ("left%2F3.png", "left/3.png"),
        ("https://example.org/x/left/3.png?size=2", "left/3.png"),
        ("file:///old/left/3.png", "left/3.png"),
        ("/data/local-files/?d=set%2Fleft%2F3.png", "left/3.png"),
        ("x/cafe\u0301.png", "caf\u00e9.png"),
        ("", None),
        ("a\0b.png", None),
        ("\udcff.png", None),
    ],
)
def test_an_item_is_found_by_its_path(tmp_path: Path, path: str, name: str | None) -> None:
    names = [*NAMES, "top.png", "a/b/deep.png", "caf\u00e9.png"]
    pool = disk_pool(tmp_path, names)
    index = Matcher(pool, tmp_path / "nowhere").find(ImportedLabel("", "cat", path=path))
    assert index == (-1 if name is None else names.index(name))


def test_an_item_is_found_by_id_absolute_path_or_content(tmp_path: Path) -> None:
    pool = disk_pool(tmp_path / "source")
    (tmp_path / "renamed.png").write_bytes(pool.files.read(5))
    matcher = Matcher(pool, tmp_path)
    assert matcher.find(ImportedLabel("", "cat", id=pool.ids[4].decode(), path=NAMES[2])) == 4
    assert matcher.find(ImportedLabel("", "cat", id="17", path=NAMES[2])) == 2
    assert matcher.find(ImportedLabel("", "cat", path=str(tmp_path / "source" / NAMES[7]))) == 7
    assert matcher.find(ImportedLabel("", "cat", path="renamed.png")) == 5
    assert matcher.find(ImportedLabel("", "cat", path="source")) == -1  # a folder


# -- writing ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_changes_nothing_and_reports_everything(tmp_path: Path, into: Importer) -> None:
    pool = array_pool()
    path = csv_file(tmp_path, "path,label", "toy#1,cat", "toy#2,yak", "toy#99,cat", "toy#3,")
    figures = into(path, pool, apply=False)
    assert [item.name for item in tmp_path.iterdir()] == ["labels.csv"]
    assert (figures["matched"], figures["unknown"], figures["without_label"], figures["labels"]) == (2, 1, 1, 2)
    assert (figures["applied"], figures["new_classes"]) == (False, ["yak"])
    into(path, pool)
    before = {item: item.read_bytes() for item in (tmp_path / "p").rglob("*") if item.is_file()}
    figures = into(csv_file(tmp_path, "path,label", "toy#1,owl", "toy#5,elk"), pool, apply=False)
    assert (figures["conflicting"], figures["new_classes"]) == (1, ["elk"])
    assert {item: item.read_bytes() for item in (tmp_path / "p").rglob("*") if item.is_file()} == before


def test_an_existing_label_is_only_replaced_on_request(tmp_path: Path, into: Importer) -> None:
    pool = array_pool()
    into(csv_file(tmp_path, "path,label", "toy#1,cat", "toy#2,dog"), pool)
    path = csv_file(tmp_path, "path,label", "toy#1,owl", "toy#2,dog", "toy#3,cat", name="second.csv")
    figures = into(path, pool)
    assert (figures["conflicting"], figures["same"], figures["labels"]) == (1, 1, 1)
    assert figures["examples"]["conflicting"] == [{"where": "line 2", "path": "toy#1", "there": "cat", "here": "owl"}]
    assert labels_in(tmp_path / "p")[pool.ids[1].decode()] == "cat"
    figures = into(path, pool, on_conflict="replace")
    assert (figures["conflicting"], figures["same"], figures["labels"]) == (1, 2, 1)
    assert labels_in(tmp_path / "p")[pool.ids[1].decode()] == "owl"
    with pytest.raises(UsageError, match="on_conflict must be skip or replace"):
        into(path, pool, on_conflict="overwrite")


def plan(
    pool: ImagePool,
    rows: Sequence[ImportedLabel],
    events: Sequence[Event] = (),
    changes: Sequence[ClassChange] = (),
    **options: Any,
) -> ImportPlan:
    matcher = Matcher(pool, Path("/nowhere"))
    pairs = [(row, matcher.find(row)) for row in rows]
    return plan_import(pairs, pool, events, changes, pool.classes, lambda name: name or "file", **options)


def test_a_skipped_or_flagged_item_counts_as_answered() -> None:
    pool = array_pool()
    events = [answer(pool, 0, None, 1), answer(pool, 1, None, 2, kind="flag")]
    found = plan(pool, [ImportedLabel("", "cat", path=f"toy#{k}") for k in range(3)], events)
    assert [conflict.current for conflict in found.conflicts] == ["skipped", "flagged"]
    assert len(found.events) == 1


def test_annotators_of_one_file_may_disagree_with_each_other_but_not_with_themselves() -> None:
    pool = array_pool()
    labels_by = [("cat", "x"), ("dog", "y"), ("owl", "x"), ("cat", "x")]
    rows = [ImportedLabel("", label, path="toy#0", annotator=annotator) for label, annotator in labels_by]
    found = plan(pool, rows)
    assert [(event.annotator, event.class_name) for event in found.events] == [("x", "cat"), ("y", "dog")]
    assert (len(found.conflicts), found.same) == (1, 1)
    found = plan(pool, rows[:3], on_conflict="replace")
    assert [event.class_name for event in found.events] == ["cat", "dog", "owl"]


def test_two_classes_for_one_image_in_one_source_are_reported_with_both(tmp_path: Path, into: Importer) -> None:
    pool = array_pool()
    path = csv_file(tmp_path, "path,label", "toy#1,cat", "toy#2,dog", "toy#1,owl")
    figures = into(path, pool, apply=False)
    assert (figures["labels"], figures["conflicting"], figures["of_two_classes"]) == (2, 1, 1)
    assert figures["examples"]["conflicting"] == []
    [twice] = figures["examples"]["of_two_classes"]
    assert twice == {"where": "line 4", "path": "toy#1", "there": "cat", "here": "owl", "first": "line 2"}
    for folder in ("cat", "dog"):
        (tmp_path / "theirs" / folder).mkdir(parents=True)
        (tmp_path / "theirs" / folder / "x.png").write_bytes(pool.files.read(3))
    [twice] = into(tmp_path / "theirs", pool, apply=False)["examples"]["of_two_classes"]
    assert (twice["first"], twice["there"], twice["where"], twice["here"]) == ("cat/x.png", "cat", "dog/x.png", "dog")


def test_a_class_that_was_renamed_does_not_come_back() -> None:
    pool = array_pool()
    changes = [ClassChange(f"{k}", "begin", name, None, "ann", START, 0) for k, name in enumerate(CLASSES)]
    changes += [ClassChange("r", "rename", "cat", "kitten", "ann", START, 0)]
    changes += [ClassChange("m", "merge", "dog", "owl", "ann", START, 0)]
    names = ["cat", "dog", "kitten", "elk"]
    found = plan(pool, [ImportedLabel("", name, path=f"toy#{k}") for k, name in enumerate(names)], (), changes)
    assert [event.class_name for event in found.events] == ["kitten", "owl", "kitten", "elk"]
    assert found.new_classes == ["elk"]
    assert [(change.kind, change.name) for change in found.changes] == [("add", "elk")]


@pytest.mark.parametrize("label", ["a\x1b[31m", "a\nb", "\udcff"])
def test_a_label_that_is_not_a_valid_class_name_is_ignored(label: str) -> None:
    found = plan(array_pool(), [ImportedLabel("", label, path="toy#0")])
    assert (len(found.without_label), found.events, found.new_classes) == (1, [], [])


def test_imported_labels_have_no_audit_mark_query_probability_or_prediction() -> None:
    pool = array_pool()
    found = plan(pool, [ImportedLabel("", "cat", path="toy#0"), ImportedLabel("", "dog", path="toy#1", at=START)])
    first, second = found.events
    assert (first.kind, first.origin, first.milliseconds, first.round, first.audit) == (
        "label",
        "import",
        0,
        0,
        False,
    )
    assert (first.query_probability, first.trained_on, first.predicted) == (None, None, None)
    assert first.step == second.step
    assert second.at == START
    assert abs((first.at - datetime.now(UTC)).total_seconds()) < 60


def test_a_project_in_use_gets_the_labels_as_well(tmp_path: Path, into: Importer) -> None:
    pool = array_pool()
    path = csv_file(tmp_path, "path,label", "toy#1,cat")
    with Project.open(tmp_path / "p", pool.name, pool.fingerprint, pool.classes):
        assert into(path, pool)["labels"] == 1


def test_a_project_that_is_open_alone_is_not_changed(tmp_path: Path, into: Importer) -> None:
    pool = array_pool()
    path = csv_file(tmp_path, "path,label", "toy#1,cat")
    with Project.open(tmp_path / "p", pool.name, pool.fingerprint, pool.classes, exclusive=True):
        with pytest.raises(TuilabelError, match="is being worked on by"):
            into(path, pool)
        assert into(path, pool, apply=False)["labels"] == 1
    assert not (tmp_path / "p/labels.db").exists()


def test_an_import_without_labels_creates_no_project(tmp_path: Path, into: Importer) -> None:
    into(csv_file(tmp_path, "path,label", "other#1,cat"), array_pool())
    assert not (tmp_path / "p").exists()


# -- a session afterwards ----------------------------------------------------------------------------------------------


@pytest.fixture
def imported(tmp_path: Path) -> Toy:
    """A toy whose store has 30 imported labels, with a class that it did not have."""
    toy = make_toy(classes=("a", "b", "c"))
    rows = [ImportedLabel("", "abc"[toy.truth(k)] if k else "d", path=f"toy#{k}", annotator="bot") for k in range(30)]
    found = plan(toy.pool, rows)
    store = LabelStore.open(tmp_path / "labels.db")
    store.add_class_changes(found.changes)
    store.append(found.events)
    store.close()
    return toy


def test_a_session_counts_imported_labels_and_never_audits_them(imported: Toy, make_session: SessionMaker) -> None:
    session = make_session(imported, audit_share=0.5)
    assert session.classes == ("a", "b", "c", "d")
    assert session.statistics().labelled == 30
    assert session.result is not None
    assert session.result.n_labels == 30  # the first model was trained on them
    for _ in range(3):
        assert session.batch is not None
        assert not {item.index for item in session.batch.items} & set(range(30))
        for item in session.batch.items:
            session.label(item.index, imported.truth(item.index))
    audit = session.statistics().audit
    assert audit is not None
    audited = [event.item for event in session.live_events if event.audit]
    assert 0 < audit.n <= len(audited)
    assert not set(audited) & {imported.pool.ids[k].decode() for k in range(30)}


def test_imported_labels_give_no_audit_estimate(imported: Toy, tmp_path: Path) -> None:
    events, _ = stored(tmp_path)
    assert audit_estimate([event for event in events if event.audit]) is None


def test_one_undo_by_their_annotator_reverts_the_import(imported: Toy, make_session: SessionMaker) -> None:
    other = make_session(imported)
    assert other.undo() is None
    assert other.statistics().labelled == 30
    session = make_session(imported, annotator="bot")
    session.undo()
    assert session.statistics().labelled == 0
    session.redo()
    assert session.statistics().labelled == 30


def test_the_store_has_the_new_class(imported: Toy, tmp_path: Path) -> None:
    assert ClassBook(stored(tmp_path)[1]).names == ("a", "b", "c", "d")


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
MARKED = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["label", "flag", "unflag", "note", "skip"]), TEXTS, TEXTS),
    max_size=15,
)


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "label-studio", "prodigy", "imagefolder", "fiftyone"])
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MARKED)
def test_any_flags_and_notes_come_home(
    tmp_path_factory: pytest.TempPathFactory, name: str, actions: list[tuple[int, Kind, str, str]]
) -> None:
    pool = array_pool(6)
    events = [
        answer(pool, k, CLASSES[n % 3] if kind == "label" else None, n, f"a{who}", kind=kind,
               note=note_text(text) if kind == "note" else None)
        for n, (k, kind, who, text) in enumerate(actions)
    ]  # fmt: skip
    form = get_format(name)
    rows = [*rows_of(events, pool), *(rows_without_label(events, pool) if form.without_label else [])]
    out = tmp_path_factory.mktemp("trip") / ("labels." + name if form.kind == "file" else "out")
    form.write(rows, CLASSES, pool.files, out, ExportOptions())
    _, read = read_labels(out, name, ImportOptions())
    matcher = Matcher(pool, out.parent)
    found = plan_import([(row, matcher.find(row)) for row in read], pool, [], [], CLASSES, lambda who: who)
    home = rows_of(found.events, pool) + rows_without_label(found.events, pool)

    def content(row: LabelRow) -> tuple[object, ...]:
        annotators = (row.annotator, row.flagged_by, row.noted_by)
        return row.id, row.label, row.flagged, row.note, *(normalize("NFC", name.strip()) for name in annotators)

    assert sorted(map(content, home)) == sorted(map(content, rows))
