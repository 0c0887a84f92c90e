"""User images are listed and read in place, in any container and with any names."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tuilabel.datasets.sources import Entry, Source, SourceError, is_source, open_source
from tuilabel.datasets.sources.passed_over import passed_over_line
from tuilabel.errors import TuilabelError, UsageError

ODD = [
    "a b.jpg",
    "two\nlines.png",
    "red\x1b[31m.gif",
    "ünï.webp",
    "%41[1]*?.jpg",
    "'\".bmp",
    os.fsdecode(b"\xff\xfe.jpg"),
]
FILES = {
    "train/cat/1.jpg": b"cat 1",
    "train/cat/deep/2.PNG": b"cat 2",
    "train/dog/1.jpg": b"dog 1",
    "test/dog/9.jpeg": b"dog 9",
}


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def listed(source: Source) -> dict[str, Entry]:
    entries = [*source.list()]
    assert len({entry.name for entry in entries}) == len(entries)
    return {entry.name: entry for entry in entries}


def content(source: Source, names: Iterable[str] | None = None) -> dict[str, Any]:
    names = [*listed(source)] if names is None else [*names]
    read = [*source.read(names)]
    assert sorted(name for name, _ in read) == sorted(names)
    return dict(read)


def classes(source: Source) -> dict[str, tuple[str | None, bool]]:
    return {name: (entry.label, entry.test) for name, entry in listed(source).items()}


def tar_of(path: Path, files: dict[str, bytes], compression: str = "") -> Path:
    mode: Any = f"w:{compression}"
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zip_of(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


BY_FOLDERS = {
    "train/cat/1.jpg": ("cat", False),
    "train/cat/deep/2.PNG": ("cat", False),
    "train/dog/1.jpg": ("dog", False),
    "test/dog/9.jpeg": ("dog", True),
}
PACKED: dict[str, Callable[[Path], str]] = {
    "directory": lambda root: str(put(root / "photos", FILES)),
    "zip": lambda root: str(zip_of(root / "photos.zip", FILES)),
    "tar": lambda root: str(tar_of(root / "photos.tar", FILES)),
    "tar.gz": lambda root: str(tar_of(root / "photos.tar.gz", FILES, "gz")),
    "tgz": lambda root: str(tar_of(root / "photos.tgz", FILES, "gz")),
    "tar.bz2": lambda root: str(tar_of(root / "photos.tar.bz2", FILES, "bz2")),
    "tar.xz": lambda root: str(tar_of(root / "photos.tar.xz", FILES, "xz")),
    "memory": lambda root: in_memory(f"memory://{root.name}/photos", FILES),
    "memory.zip": lambda root: in_memory(
        f"memory://{root.name}/photos.zip", zip_of(root / "photos.zip", FILES).read_bytes()
    ),
    "memory.tgz": lambda root: in_memory(
        f"memory://{root.name}/photos.tgz", tar_of(root / "photos.tgz", FILES, "gz").read_bytes()
    ),
    "file": lambda root: f"file://{put(root / 'photos', FILES)}",
}


def in_memory(url: str, files: dict[str, bytes] | bytes) -> str:
    import fsspec

    memory = fsspec.filesystem("memory")
    for name, data in {"": files}.items() if isinstance(files, bytes) else files.items():
        memory.pipe_file(f"{url}/{name}".rstrip("/"), data)
    return url


@pytest.mark.parametrize("kind", PACKED)
def test_each_kind(kind: str, tmp_path: Path) -> None:
    where = PACKED[kind](tmp_path)
    assert is_source(where)
    source = open_source(where)
    assert source.title == "photos"
    assert source.row_shape is None
    assert source.sequential == (kind in ("tar.gz", "tgz", "tar.bz2", "tar.xz", "memory.tgz"))
    assert source.keeps_copies == (source.sequential or kind.startswith("memory"))
    assert {name: (entry.size, entry.label) for name, entry in listed(source).items()} == {
        name: (len(data), None) for name, data in FILES.items()
    }
    assert source.skipped() == []
    assert content(source) == FILES
    assert [*source.read(["train/dog/1.jpg"])] == [("train/dog/1.jpg", b"dog 1")]
    missing = content(open_source(where), ["train/dog/1.jpg", "nothing.jpg"])  # not listed before
    assert missing["train/dog/1.jpg"] == b"dog 1"
    assert isinstance(missing["nothing.jpg"], SourceError)
    path = source.path("train/cat/1.jpg")
    assert (path is not None) == (kind in ("directory", "file"))
    assert path is None or (path.is_absolute() and path.read_bytes() == b"cat 1")
    assert classes(open_source(where, labels_from_folders=True)) == BY_FOLDERS


def test_a_change_shows_in_the_stamp(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": b"1", "b.jpg": b"1"})
    source = open_source(str(tmp_path))
    before = listed(source)
    (tmp_path / "b.jpg").write_bytes(b"2")
    os.utime(tmp_path / "b.jpg", ns=(1, 1))
    (tmp_path / "c.jpg").write_bytes(b"3")
    after = listed(source)
    assert after["a.jpg"] == before["a.jpg"]
    assert after["b.jpg"].stamp != before["b.jpg"].stamp
    assert "c.jpg" in after


@pytest.mark.parametrize("kind", ["zip", "tar", "npy"])
def test_an_archive_that_grows_is_listed_again(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"photos.{kind}"

    def write(count: int) -> None:
        files = {f"{k}.jpg": b"x" * k for k in range(count)}
        if kind == "npy":
            np.save(path, np.zeros((count, 4, 5), np.uint8))
        else:
            (zip_of if kind == "zip" else tar_of)(path, files)
        os.utime(path, ns=(count, count))

    write(3)
    source = open_source(str(path))
    assert len(listed(source)) == 3
    write(5)
    assert len(listed(source)) == 5
    assert not any(isinstance(found, SourceError) for found in content(source).values())


# Directories


def test_files_that_a_directory_skips(tmp_path: Path) -> None:
    root = put(
        tmp_path / "root",
        {
            "a.jpg": b"a",
            "notes.txt": b"no",
            ".hidden.jpg": b"no",
            ".git/b.jpg": b"no",
            "mine.tuilabel/c.jpg": b"no",
            "real/d.jpg": b"d",
        },
    )
    put(tmp_path / "outside", {"e.jpg": b"e"})
    (root / "loop").symlink_to(root)
    (root / "above").symlink_to(tmp_path)
    (root / "again").symlink_to(root / "real")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out2").symlink_to(tmp_path / "outside")
    (root / "link.jpg").symlink_to(root / "a.jpg")
    (root / "broken.jpg").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe.jpg")
    source = open_source(str(root))
    assert content(source) == {"a.jpg": b"a", "real/d.jpg": b"d", "link.jpg": b"a", "out/e.jpg": b"e"}
    assert dict(source.skipped()) == {
        "loop": "a link to a folder that is listed already, or to a parent",
        "above": "a link to a folder that is listed already, or to a parent",
        "again": "a link to a folder that is listed already, or to a parent",
        "out2": "a link to a folder that is listed already, or to a parent",
        "broken.jpg": "a broken link",
        "pipe.jpg": "not a regular file",
    }
    assert isinstance(content(source, ["pipe.jpg"])["pipe.jpg"], SourceError)


@pytest.mark.parametrize("kind", ["directory", "zip", "tar", "memory", "shards"])
def test_files_that_are_no_images_are_counted_by_suffix(kind: str, tmp_path: Path) -> None:
    names = [
        "a.jpg",
        "b.jpg_large",
        "c/d.JP2",
        "c/e.jp2",
        "c/noext",
        ".DS_Store",
        "@eaDir/x.db",
        "long.name of no suffix",
    ]
    files = dict.fromkeys(names, b"x")
    place = {
        "directory": lambda: str(put(tmp_path / "d", files)),
        "zip": lambda: str(zip_of(tmp_path / "d.zip", files)),
        "tar": lambda: str(tar_of(tmp_path / "d.tar", files)),
        "memory": lambda: in_memory(f"memory://{tmp_path.name}/d", files),
        "shards": lambda: str(tar_of(tmp_path / "d-0.tar", files).parent / "d-{0..0}.tar"),
    }[kind]()
    source = open_source(place, labels_from_folders=True)
    for _ in range(2):
        assert len(listed(source)) == 1
        assert source.passed_over() == {"jpg_large": 1, "jp2": 2, "": 2}


def test_what_is_said_about_files_that_are_no_images() -> None:
    counts = {"heic": 200, "txt": 3, "": 1, "jp2": 2}
    assert passed_over_line(counts) == (
        "203 files are not read, by suffix: 200 .heic (to read them: pip install 'tuilabel[heic]'), 2 .jp2, "
        "1 without a suffix"
    )
    assert passed_over_line({"txt": 3}) == ""
    assert passed_over_line({"txt": 1}, all_suffixes=True) == "1 file is not read, by suffix: 1 .txt"
    assert passed_over_line({f"x{k}": 2 for k in range(9)}).endswith("2 .x5, 6 others")


def test_a_manifest_with_two_classes_for_a_file(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": b"a", "t.csv": b"path,label\na.jpg,cat\n./a.jpg,dog\na.jpg,cat\n"})
    source = open_source(str(tmp_path / "t.csv"))
    assert classes(source) == {"a.jpg": ("cat", False)}
    assert source.skipped() == [("a.jpg", "listed before: as cat, and here as dog"), ("a.jpg", "listed before")]


def test_names_of_any_characters(tmp_path: Path) -> None:
    files = {f"{k}{name}": name.encode(errors="surrogateescape") for k, name in enumerate(ODD)}
    for where in (put(tmp_path / "odd", files), tar_of(tmp_path / "odd.tar", files)):
        assert content(open_source(str(where))) == files
    plain = {name: data for name, data in files.items() if not any("\ud800" <= c <= "\udfff" for c in name)}
    assert content(open_source(str(zip_of(tmp_path / "odd.zip", plain)))) == plain
    assert content(open_source(in_memory(f"memory://{tmp_path.name}", plain))) == plain


@given(st.sets(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20)))
@settings(max_examples=25, deadline=None)
def test_any_names(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    root = tmp_path_factory.mktemp("any")
    files = {f"x{name}.jpg": name.encode() for name in names}
    assert content(open_source(str(put(root / "d", files) if files else root))) == files
    assert content(open_source(str(tar_of(root / "d.tar", files)))) == files


def test_an_unreadable_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"a.jpg": b"a", "closed/b.jpg": b"b"})
    scandir = os.scandir

    def refuses(path: str) -> Any:  # `chmod` does not keep root out
        if str(path).rstrip("/").endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    source = open_source(str(tmp_path))
    assert [*listed(source)] == ["a.jpg"]
    assert source.skipped() == [("closed", "Permission denied")]


def test_an_empty_directory(tmp_path: Path) -> None:
    for labelled in (False, True):
        assert [*open_source(str(tmp_path), labels_from_folders=labelled).list()] == []


def test_a_missing_directory(tmp_path: Path) -> None:
    source = open_source(str(put(tmp_path / "x", {"a.jpg": b"a"})))
    (tmp_path / "x/a.jpg").unlink()
    (tmp_path / "x").rmdir()
    with pytest.raises(TuilabelError, match=r"cannot read the directory .*/x: No such file"):
        [*source.list()]
    assert str(content(source, ["a.jpg"])["a.jpg"]) == "No such file or directory"


SYSTEM = [
    ".ipynb_checkpoints/1.jpg", "__MACOSX/cat/._1.jpg", "@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "cat/@eaDir/2.jpg",
    "$RECYCLE.BIN/$R1.jpg", "lost+found/3.jpg", "#recycle/4.jpg", "System Volume Information/5.jpg",
]  # fmt: skip


def test_folders_of_the_system_are_no_classes(tmp_path: Path) -> None:
    files = dict.fromkeys(["cat/1.jpg", "dog/1.jpg", *SYSTEM], b"x")
    places = (put(tmp_path / "d", files), zip_of(tmp_path / "d.zip", files), tar_of(tmp_path / "d.tar", files))
    for where in (*places, in_memory(f"memory://{tmp_path.name}/d", files)):
        source = open_source(str(where), labels_from_folders=True)
        assert classes(source) == {"cat/1.jpg": ("cat", False), "dog/1.jpg": ("dog", False)}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["images/train/cat/1.jpg", "images/train/dog/2.jpg"], [("cat", False), ("dog", False)]),
        (["x/y/cat/1.jpg", "x/y/dog/2.jpg"], [("cat", False), ("dog", False)]),
        (["TRAIN/cat/1.jpg", "Dev/cat/2.jpg"], [("cat", False), ("cat", True)]),
        (["cat/1.jpg", "cat/deep/2.jpg"], [("cat", False), ("cat", False)]),
    ],
)
def test_folders_around_the_classes(tmp_path: Path, names: list[str], expected: list[tuple[str, bool]]) -> None:
    files = dict.fromkeys(names, b"x")
    nothing = {"notes/readme.txt": b"a folder without images means nothing"}
    for where in (put(tmp_path / "d", files | nothing), in_memory(f"memory://{tmp_path.name}/d", files)):
        found = classes(open_source(str(where), labels_from_folders=True))
        assert [found[name] for name in names] == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat/1.jpg", "dog/a/2.jpg", "3.jpg"], [("cat", False), ("dog", False), (None, False)]),
        (["train/cat/1.jpg", "val/dog/2.jpg"], [("cat", False), ("dog", True)]),
        (["train/cat/1.jpg", "val/dog/2.jpg", "test/cat/3.jpg"], [("cat", False), ("dog", False), ("cat", True)]),
        (["train/cat/1.jpg", "other/dog/2.jpg"], [("train", False), ("other", False)]),
        (["Train/cat/1.jpg", "TEST/2.jpg"], [("cat", False), (None, False)]),
    ],
)
def test_classes_from_folders(tmp_path: Path, names: list[str], expected: list[tuple[str | None, bool]]) -> None:
    files = dict.fromkeys(names, b"x")
    directory, archive = put(tmp_path / "d", files), zip_of(tmp_path / "d.zip", files)
    for where in (directory, archive):
        assert classes(open_source(str(where), labels_from_folders=True)) == dict(zip(names, expected, strict=True))
    below = {f"photos/{name}": b"x" for name in names}
    for where in (tar_of(tmp_path / "below.tar", below), zip_of(tmp_path / "below.zip", below)):
        found = classes(open_source(str(where), labels_from_folders=True))
        assert [*found.values()] == expected


# Tables

TABLE = [("one.jpg", "cat", "train"), ("sub/two.png", "dog", "test"), ("three.jpg", "", "train")]


def write_table(path: Path, rows: list[tuple[str, str, str]], names: tuple[str, str, str]) -> Path:
    kind = path.suffix
    if kind == ".parquet":
        columns = list(zip(*rows, strict=True))
        parquet.write_table(pa.table({n: list(c) for n, c in zip(names, columns, strict=True)}), path)
    elif kind == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    else:
        delimiter = "\t" if kind == ".tsv" else ","
        path.write_text("".join(delimiter.join(row) + "\n" for row in (names, *rows)))
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("names", [("path", "label", "split"), ("File_Name", "class", "subset")])
def test_manifests(tmp_path: Path, kind: str, names: tuple[str, str, str]) -> None:
    put(tmp_path, {"one.jpg": b"1", "sub/two.png": b"2", "three.jpg": b"3", "unnamed.jpg": b"4"})
    rows = [*TABLE, ("nothing.jpg", "cat", "train"), ("one.jpg", "dog", "train")]
    source = open_source(str(write_table(tmp_path / f"mine.{kind}", rows, names)))
    assert source.title == "mine"
    assert not source.keeps_copies
    assert classes(source) == {
        "one.jpg": ("cat", False),
        "sub/two.png": ("dog", True),
        "three.jpg": (None, False),
    }
    assert source.skipped() == [
        ("nothing.jpg", "No such file or directory"),
        ("one.jpg", "listed before: as cat, and here as dog"),
    ]
    assert content(source) == {"one.jpg": b"1", "sub/two.png": b"2", "three.jpg": b"3"}
    assert source.path("sub/two.png") == tmp_path / "sub/two.png"


def test_a_manifest_names_files_anywhere(tmp_path: Path) -> None:
    put(tmp_path, {"lists/in.jpg": b"1", "out.jpg": b"2", "far/away.jpg": b"3"})
    url = in_memory(f"memory://{tmp_path.name}", {"web.jpg": b"4"})
    manifest = tmp_path / "lists/all.csv"
    far = tmp_path / "far/away.jpg"
    manifest.write_text(f"path\n./in.jpg\n{tmp_path}/lists/in.jpg\n../out.jpg\n{far}\n{url}/web.jpg\n{url}/no.jpg\n")
    source = open_source(str(manifest))
    assert [*listed(source)] == ["in.jpg", "../out.jpg", str(far), f"{url}/web.jpg", f"{url}/no.jpg"]
    assert source.skipped() == [("in.jpg", "listed before")]
    found = content(source)
    assert isinstance(found.pop(f"{url}/no.jpg"), SourceError)
    assert found == {"in.jpg": b"1", "../out.jpg": b"2", str(far): b"3", f"{url}/web.jpg": b"4"}
    assert source.path("../out.jpg") == tmp_path / "out.jpg"
    assert source.path(f"{url}/web.jpg") is None


def test_a_remote_manifest(tmp_path: Path) -> None:
    url = in_memory(f"memory://{tmp_path.name}", {"list.csv": b"file,label\nx/a.jpg,cat\n", "x/a.jpg": b"a"})
    source = open_source(f"{url}/list.csv")
    assert source.keeps_copies
    assert classes(source) == {"x/a.jpg": ("cat", False)}
    assert content(source) == {"x/a.jpg": b"a"}


def test_a_table_from_a_spreadsheet(tmp_path: Path) -> None:
    put(tmp_path, {"a, b.jpg": b"1"})
    (tmp_path / "t.csv").write_bytes('\ufeffpath;label\r\n"a, b.jpg";Käse\r\n\r\n'.encode())
    assert classes(open_source(str(tmp_path / "t.csv"))) == {"a, b.jpg": ("Käse", False)}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "name,label\na.jpg,x\n", "no column of paths.*call one `path`.*name, label"),
        ("t.csv", "", "no column of paths"),
        ("t.csv", 'path,label\na.jpg,x\n"b.jpg,y\nc.jpg,z\n', "line 3: a quotation mark that is never closed"),
        ("t.csv", "path,label\na.jpg,x,y\n", "line 2: 3 cells, but 2 columns"),
        ("t.jsonl", '{"text": "x"}\n', "no column of paths"),
        ("t.jsonl", "[" * 100_000, "line 1: not JSON"),
        ("t.parquet", "PAR1 nonsense", "cannot read .*t.parquet"),
    ],
)
def test_damaged_tables_name_the_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TuilabelError, match=message) as caught:
        [*open_source(str(tmp_path / name)).list()]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("t.csv", "path,label\na.jpg,tench, Tinca tinca\nb.jpg,y\n", "line 2: 3 cells, but 2 columns"),
        ("t.csv", 'path,label\n"a.jpg"x,y\nb.jpg,y\n', "line 2: "),
        ("t.csv", "path,label\n,x\nb.jpg,y\n", "line 2: no path"),
        ("t.jsonl", '{"path": \n{"path": "b.jpg", "label": "y"}\n', "line 1: not JSON"),
        ("t.jsonl", '{"about": "these images"}\n{"path": "b.jpg", "label": "y"}\n', "line 1: none of the columns"),
        ("t.jsonl", '{"path": "b.jpg", "label": "y"}\n[1]\n', "line 2: not a JSON object"),
        ("t.jsonl", '{"path": "b.jpg", "label": "y"}\n{"image": 3}\n', "line 2: no path"),
        ("t.jsonl", '{"path": "b.jpg", "label": "y"}\n{"text": "x"}\n', "line 2: none of the columns"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_are_read(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    put(tmp_path, {"a.jpg": b"a", "b.jpg": b"b", name: text.encode()})
    source = open_source(str(tmp_path / name))
    assert classes(source) == {"b.jpg": ("y", False)}
    [(where, why)] = source.skipped()
    assert f"{where}: {why}".startswith(reason)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_texts_of_windows_are_tables(tmp_path: Path, name: str, encoding: str) -> None:
    rows = ["path,label", "a.jpg,Käse"] if name == "t.csv" else ['{"path": "a.jpg", "label": "Käse"}']
    put(tmp_path, {"a.jpg": b"a", name: "\r\n".join([*rows, ""]).encode(encoding)})
    assert classes(open_source(str(tmp_path / name))) == {"a.jpg": ("Käse", False)}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["3.0", "", "6.0", "nan"], ["3", None, "6", None]),  # as pandas writes 3, missing, 6, missing
        (["3.0", "3.5", "4.0"], ["3.0", "3.5", "4.0"]),
        (["3.0", "cat"], ["3.0", "cat"]),
        (["['cat']", '["dog"]', "[]", '{"choices": ["owl"]}'], ["cat", "dog", None, "owl"]),
        (["[unknown]", "a [small]", "{x}"], ["[unknown]", "a [small]", "{x}"]),
        (["tench, Tinca tinca", " cat "], ["tench, Tinca tinca", "cat"]),
        (["e\u0301t\u00e9"], ["\u00e9t\u00e9"]),
    ],
)
def test_labels_in_the_cells_of_a_table(tmp_path: Path, labels: list[str], expected: list[str | None]) -> None:
    put(tmp_path, {f"{k}.jpg": b"x" for k in range(len(labels))})
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((f"{k}.jpg", label) for k, label in enumerate(labels))])
    assert [label for label, _ in classes(open_source(str(tmp_path / "t.csv"))).values()] == expected


def test_cells_that_are_empty_or_left_out_at_the_end_of_a_row(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": b"a", "b.jpg": b"b", "t.csv": b"sep=;\npath;label;split\na.jpg\nb.jpg;cat;;;\n;;\n"})
    source = open_source(str(tmp_path / "t.csv"))
    assert classes(source) == {"a.jpg": (None, False), "b.jpg": ("cat", False)}
    assert source.skipped() == []


@pytest.mark.parametrize(
    ("on_disk", "in_table"),
    [
        ("sub/a.jpg", "sub\\a.jpg"),
        ("sub/a.jpg", ".\\sub\\a.jpg"),
        ("a\\b.jpg", "a\\b.jpg"),
        ("my photo.jpg", "my%20photo.jpg"),
        ("100%25.jpg", "100%25.jpg"),
        ("a.jpg", " a.jpg "),
        ("caf\u00e9.jpg", "cafe\u0301.jpg"),
        ("cafe\u0301.jpg", "caf\u00e9.jpg"),
    ],
)
def test_a_path_as_other_systems_write_it(tmp_path: Path, on_disk: str, in_table: str) -> None:
    put(tmp_path, {on_disk: b"x"})
    (tmp_path / "t.jsonl").write_text(json.dumps({"path": in_table}))
    assert content(open_source(str(tmp_path / "t.jsonl"))) == {on_disk: b"x"}


def test_a_path_that_is_nothing_but_a_scheme(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path\nfile://\nfile:///\n")
    assert all(isinstance(found, SourceError) for found in content(open_source(str(tmp_path / "t.csv"))).values())


def test_a_path_that_is_a_file_url(tmp_path: Path) -> None:
    put(tmp_path, {"my photo.jpg": b"x", "t.csv": f"path\nfile://{tmp_path}/my%20photo.jpg\n".encode()})
    assert content(open_source(str(tmp_path / "t.csv"))) == {"my photo.jpg": b"x"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_imagefolders(tmp_path: Path, kind: str) -> None:
    put(tmp_path, {"a.jpg": b"a", "sub/b.jpg": b"b", "c.jpg": b"c"})
    write_table(
        tmp_path / f"metadata.{kind}",
        [("a.jpg", "cat", "x"), ("sub/b.jpg", "dog", "x"), ("no.jpg", "dog", "x")],
        ("file_name", "label", "text"),
    )
    source = open_source(str(tmp_path))
    assert classes(source) == {"a.jpg": ("cat", False), "sub/b.jpg": ("dog", False), "c.jpg": (None, False)}
    assert source.skipped() == [("no.jpg", "listed in the metadata, but missing")]
    assert content(source)["sub/b.jpg"] == b"b"
    assert source.path("a.jpg") == tmp_path / "a.jpg"


def test_imagefolders_with_splits(tmp_path: Path) -> None:
    files = {"train/a.jpg": b"a", "test/b.jpg": b"b"}
    tables = {"train/metadata.csv": b"file_name,label\na.jpg,1\n", "test/metadata.csv": b"file_name,label\nb.jpg,2\n"}
    for where in (put(tmp_path, files | tables), in_memory(f"memory://{tmp_path.name}", files | tables)):
        assert classes(open_source(str(where))) == {"train/a.jpg": ("1", False), "test/b.jpg": ("2", True)}


def test_unrelated_metadata_is_ignored(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": b"a", "metadata.csv": b"key,value\nauthor,me\n"})
    assert classes(open_source(str(tmp_path))) == {"a.jpg": (None, False)}


# Arrays


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_with_splits_and_labels(tmp_path: Path, compressed: bool) -> None:
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 256, (30, 8, 9), np.uint8), rng.integers(0, 256, (4, 8, 9), np.uint8)
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "digits.npz", x_train=train, y_train=np.arange(30) % 3, x_test=test, y_test=np.arange(4))
    source = open_source(str(tmp_path / "digits.npz"))
    assert source.row_shape == (8, 9, 1)
    assert source.sequential == source.keeps_copies == compressed
    found = listed(source)
    assert len(found) == 34
    assert (found["#4"].label, found["#4"].test) == ("1", False)
    assert (found["test#3"].label, found["test#3"].test) == ("3", True)
    rows = content(source, ["#29", "test#1", "#0", "#30", "x", "test#-1"])
    assert np.array_equal(rows["#29"], train[29, ..., None])
    assert np.array_equal(rows["#0"], train[0, ..., None])
    assert np.array_equal(rows["test#1"], test[1, ..., None])
    assert all(isinstance(rows[name], SourceError) for name in ("#30", "x", "test#-1"))


def test_npz_of_medmnist(tmp_path: Path) -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    arrays: dict[str, Any] = {f"{split}_images": images for split in ("train", "val", "test")}
    arrays |= {f"{split}_labels": np.array([[1], [0]]) for split in ("train", "val", "test")}
    np.savez(tmp_path / "m.npz", **arrays)
    assert [(e.name, e.label, e.test) for e in open_source(str(tmp_path / "m.npz")).list()] == [
        ("#0", "1", False),
        ("#1", "0", False),
        ("val#0", "1", False),
        ("val#1", "0", False),
        ("test#0", "1", True),
        ("test#1", "0", True),
    ]


RAMP = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (RAMP, RAMP[0, ..., None]),
        (RAMP[..., None], RAMP[0, ..., None]),
        (np.stack([RAMP] * 3, 1), np.stack([RAMP[0]] * 3, -1)),
        (RAMP.astype(np.int64), RAMP[0, ..., None]),
        (RAMP.astype(">f4"), RAMP[0, ..., None]),
        (RAMP.astype(np.float32) / 255, RAMP[0, ..., None]),
        (RAMP.astype(np.float16) / 255, RAMP[0, ..., None]),
        (RAMP.astype(np.uint16) * 257, RAMP[0, ..., None]),
        (RAMP.astype(np.uint16) * 16, RAMP[0, ..., None]),  # 12 bits in 16
        (RAMP.astype(np.int16) * 128, RAMP[0, ..., None]),
        (RAMP.astype(np.int32) * 257, RAMP[0, ..., None]),
        (RAMP.astype(np.int16) * 9 - 1000, RAMP[0, ..., None]),  # Hounsfield units, from the lowest to the highest
        (RAMP.astype(np.float32) / 127.5 - 1, RAMP[0, ..., None]),
        ((RAMP.astype(np.float32) - 120) / 50, RAMP[0, ..., None]),  # standardised
        (RAMP / 255 * 16, RAMP[0, ..., None]),  # as in scikit-learn's digits
        (RAMP > 100, (RAMP > 100)[0, ..., None] * 255),
        (np.full((2, 5, 5, 4), (255, 0, 0, 0), np.uint8), np.full((5, 5, 3), 255)),
        (np.zeros((0, 5, 5), np.uint8), None),
    ],
)
def test_arrays_of_each_kind(tmp_path: Path, array: np.ndarray, expected: np.ndarray | None) -> None:
    np.save(tmp_path / "a.npy", array)
    source = open_source(f"{tmp_path}/a.npy")
    found = content(source)
    assert len(found) == len(array)
    if expected is not None:
        assert source.row_shape == found["#0"].shape
        assert found["#0"].dtype == np.uint8
        assert np.abs(found["#0"].astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{}, []], dtype=object), "Python objects"),
        (np.zeros((4, 8, 8, 2), np.uint8), "4 × 8 × 8 × 2"),
        (np.zeros((640, 480, 3), np.uint8), "640 × 480 × 3 is not a stack of images"),
        (np.zeros((9, 9), np.uint8), "not a stack"),
        (np.full((2, 5, 5), -3.0), "all -3: save the images as uint8"),
        (np.full((2, 5, 5), np.nan), "only NaN or infinity"),
        (np.full((2, 5, 5), "x"), "not a stack"),
        (np.asfortranarray(np.zeros((3, 5, 5), np.uint8)), "Fortran order"),
    ],
)
def test_arrays_that_are_not_images(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(TuilabelError, match=message) as caught:
        open_source(f"{tmp_path}/a.npy")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [0, 3])
def test_a_row_out_of_range_is_its_own_error(tmp_path: Path, bad: int) -> None:
    array = np.zeros((1000, 3, 5), np.float32)
    array[1], array[2] = 7, 1
    array[bad, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", array)
    found = content(open_source(f"{tmp_path}/a.npy"), ["#0", "#1", "#2", "#3"])
    assert str(found["#1"]) == "values outside 0…1"
    assert str(found[f"#{bad}"]) == "values that are not numbers"
    assert found["#2"].max() == 255


def test_a_row_with_more_bits_than_those_examined_is_read(tmp_path: Path) -> None:
    array = np.full((1000, 3, 5), 2**11, np.uint16)
    array[1] = 2**13
    np.save(tmp_path / "a.npy", array)
    found = content(open_source(f"{tmp_path}/a.npy"), ["#0", "#1"])
    assert [found[name][0, 0, 0] for name in ("#0", "#1")] == [128, 128]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array(["cat", "dog"], dtype=object), ["cat", "dog"]),
        (np.array([b"cat", 3], dtype=object), ["cat", "3"]),
        (
            np.array(
                [
                    np.int64(3),
                    None,
                ],
                dtype=object,
            ),
            ["3", None],
        ),
        (np.array([[0, 1, 0], [0, 0, 1]]), ["1", "2"]),
        (np.array([[0.0, 1.0], [1.0, 0.0]], np.float32), ["1", "0"]),
        (np.array([[7], [8]]), ["7", "8"]),
        (np.array([3.0, np.nan]), ["3", None]),
        (np.array(["cat", "dog"]), ["cat", "dog"]),
    ],
)
def test_labels_of_each_kind(tmp_path: Path, labels: np.ndarray, expected: list[str | None]) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 4, 5), np.uint8), y=labels)
    assert [entry.label for entry in open_source(f"{tmp_path}/a.npz").list()] == expected


class Evil:
    """What a hostile file would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("evil",)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([Evil(), 3], dtype=object), "Python objects, which are never loaded"),
        (np.array([[1], {}], dtype=object), "Python objects, which are never loaded"),
        (np.array([[0, 1], [1, 1]]), "2 labels for each image, and not just one of them is 1"),
        (np.array([1, 2, 3]), r"shape \(3,\) for 2 images"),
    ],
)
def test_labels_that_cannot_be_used(
    tmp_path: Path, labels: np.ndarray, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 4, 5), np.uint8), y=labels)
    with pytest.raises(TuilabelError, match=message):
        open_source(f"{tmp_path}/a.npz")
    assert "evil" not in capsys.readouterr().out


def test_damaged_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((100, 20, 20), np.uint8))
    whole = (tmp_path / "a.npy").read_bytes()
    for data in (b"", b"\x93NUMPY", whole[:60], whole[:-1], b"x" * 200, whole.replace(b"100", b"999")):
        (tmp_path / "a.npy").write_bytes(data)
        with pytest.raises(TuilabelError, match="cannot read"):
            open_source(f"{tmp_path}/a.npy")
    (tmp_path / "a.npy").write_bytes(whole)
    source = open_source(f"{tmp_path}/a.npy")
    (tmp_path / "a.npy").write_bytes(whole[:-1])  # cut while it is read
    assert str(content(source, ["#0", "#99"])["#99"]) == "truncated"
    (tmp_path / "b.npz").write_bytes(b"PK nonsense")
    with pytest.raises(TuilabelError, match=r"cannot read .*b.npz"):
        open_source(f"{tmp_path}/b.npz")
    np.savez(tmp_path / "c.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(TuilabelError, match=r"no array called images.*a, b"):
        open_source(f"{tmp_path}/c.npz")


def test_remote_arrays(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, RAMP)
    source = open_source(in_memory(f"memory://{tmp_path.name}/a.npy", file.getvalue()))
    assert source.keeps_copies
    assert np.array_equal(content(source)["#0"], RAMP[0, ..., None])


# Archives


HOSTILE = {"good.jpg": b"good", "/abs.jpg": b"x", "../up.jpg": b"x", "a/../../up.jpg": b"x", "C:/win.jpg": b"x"}


def test_members_with_paths_out_of_the_archive(tmp_path: Path) -> None:
    for where in (
        zip_of(tmp_path / "h.zip", HOSTILE),
        tar_of(tmp_path / "h.tar", HOSTILE),
        tar_of(tmp_path / "h.tgz", HOSTILE, "gz"),
    ):
        source = open_source(str(where), labels_from_folders=True)
        assert content(source) == {"good.jpg": b"good"}
        assert dict(source.skipped()) == dict.fromkeys([*HOSTILE][1:], "a path outside the archive")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.tar", "h.tgz", "h.zip"]


def test_links_and_devices_in_a_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for name, kind in (("sym.jpg", tarfile.SYMTYPE), ("hard.jpg", tarfile.LNKTYPE), ("dev.jpg", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("./dir.jpg")
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
        info = tarfile.TarInfo("./a.jpg")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"a"))
        archive.addfile(info, io.BytesIO(b"b"))
    source = open_source(str(tmp_path / "t.tar"))
    assert content(source) == {"a.jpg": b"a"}
    assert source.skipped() == [
        ("sym.jpg", "a link"),
        ("hard.jpg", "a link"),
        ("dev.jpg", "not a regular file"),
        ("dir.jpg", "not a regular file"),
        ("a.jpg", "another file has the same name"),
    ]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_links_and_twins_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        link = zipfile.ZipInfo("sym.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.jpg", b"old")
        archive.writestr("a.jpg", b"new")
        archive.writestr("__MACOSX/._a.jpg", b"no")
    source = open_source(str(tmp_path / "t.zip"))
    assert content(source) == {"a.jpg": b"new"}
    assert dict(source.skipped()) == {"sym.jpg": "a link", "a.jpg": "another file has the same name"}


def test_zip_bombs_and_encrypted_members_are_errors_of_their_file(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "b.zip", {"bomb.png": bytes(40 * 2**20), "secret.png": b"s", "good.png": bytes(10**6)})
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        where = data.index(b"secret.png", data.index(signature)) if signature == b"PK\x03\x04" else 0
        where = data.rindex(b"secret.png") if signature == b"PK\x01\x02" else where
        data[where - (30 if signature == b"PK\x03\x04" else 46) + flags] |= 1
    path.write_bytes(data)
    found = content(open_source(str(path)))
    assert "zip bomb" in str(found["bomb.png"])
    assert str(found["secret.png"]) == "encrypted"
    assert found["good.png"] == bytes(10**6)


def test_a_damaged_member_of_a_zip(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "d.zip", {"a.jpg": b"a" * 50, "b.jpg": b"b" * 50}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"aaaa", b"axaa", 1))
    found = content(open_source(str(path)))
    assert isinstance(found["a.jpg"], SourceError)
    assert found["b.jpg"] == b"b" * 50


NOISE = {f"{k}.jpg": np.random.default_rng(k).bytes(90_000) for k in range(20)}


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_tar_that_is_cut_short_gives_what_comes_before(tmp_path: Path, kind: str) -> None:
    path = tar_of(tmp_path / f"n.{kind}", NOISE, kind[4:])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(0.7 * len(whole))])
    source = open_source(str(path))
    found = content(source)
    assert 0 < len(found) < 20
    intact = {name: data for name, data in found.items() if not isinstance(data, SourceError)}
    assert len(found) - len(intact) <= 1
    assert intact.items() <= NOISE.items()
    [(name, reason)] = source.skipped()
    assert name == path.name
    assert "truncated or damaged after" in reason
    path.write_bytes(whole[:20])
    with pytest.raises(TuilabelError, match="cannot read"):
        [*open_source(str(path)).list()]


def test_a_tar_that_is_damaged_in_the_middle(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "n.tar", NOISE)
    data = bytearray(path.read_bytes())
    where = data.index(b"10.jpg")
    data[where : where + 400] = b"\xaa" * 400
    path.write_bytes(data)
    source = open_source(str(path))
    assert len(content(source)) == 10
    assert "damaged after 10 images" in source.skipped()[0][1]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_files_that_are_not_archives(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    for data in (b"", b"nonsense" * 200, b"\x1f\x8bnonsense" * 100):
        path.write_bytes(data)
        with pytest.raises(TuilabelError, match=r"cannot read .*x\.") as caught:
            [*open_source(str(path)).list()]
        assert "\n" not in str(caught.value)


def test_a_header_that_claims_gigabytes(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**33
    good = tarfile.TarInfo("a.jpg")
    (tmp_path / "t.tar").write_bytes(good.tobuf() + info.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
    source = open_source(str(tmp_path / "t.tar"))
    assert [*listed(source)] == ["a.jpg"]
    assert "damaged" in source.skipped()[0][1]


SHARD = {
    "0001.jpg": b"1", "0001.cls": b"3",
    "0002.json": b'{"label": "dog", "id": 7}', "0002.jpg": b"2",
    "a/0003.png": b"3", "a/0003.txt": b"cat\n",
    "0004.jpg": b"4", "0004.txt": b"a long caption of what is to be seen: a cat that sits on a mat in the sun",
    "0005.jpg": b"5", "0005.json": b"{broken",
    "0006.cls": b"9",
    "0007.jpg": b"7",
}  # fmt: skip
LABELS = {"0001.jpg": "3", "0002.jpg": "dog", "a/0003.png": "cat", "0004.jpg": None, "0005.jpg": None, "0007.jpg": None}


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_shards_of_webdataset(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for k in range(12):
        tar_of(folder / f"part-{k:03}.{kind}", SHARD, kind[4:])
    one = open_source(f"{folder}/part-000.{kind}")
    assert {name: entry.label for name, entry in listed(one).items()} == LABELS
    for where, count in ((str(folder), 12), (f"{folder}/part-{{000..010}}.{kind}", 11)):
        source = open_source(where)
        assert source.sequential == source.keeps_copies == (kind == "tar.gz")
        assert {name: entry.label for name, entry in listed(source).items()} == {
            f"part-{k:03}.{kind}/{name}": label for k in range(count) for name, label in LABELS.items()
        }
        assert content(source)[f"part-010.{kind}/0002.jpg"] == b"2"
        assert isinstance(content(source, ["no.tar/x.jpg"])["no.tar/x.jpg"], SourceError)
    assert open_source(f"{folder}/part-{{000..010}}.{kind}").title == "part"
    with pytest.raises(UsageError, match=r"part-012.* braces"):
        open_source(f"{folder}/part-{{000..012}}.{kind}")


def test_shards_of_the_same_name_in_several_folders(tmp_path: Path) -> None:
    for k in range(3):
        (tmp_path / f"day-{k}").mkdir()
        tar_of(tmp_path / f"day-{k}/shots.tar", {"a.jpg": bytes([65 + k])})
    source = open_source(f"{tmp_path}/day-{{0..2}}/shots.tar")
    assert content(source) == {f"day-{k}-shots.tar/a.jpg": bytes([65 + k]) for k in range(3)}


def test_a_zip_whose_names_begin_with_a_dot_and_a_slash(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("./red/a.jpg", b"a")
        archive.writestr("./red/.hidden.jpg", b"b")
    assert content(open_source(str(tmp_path / "a.zip"))) == {"./red/a.jpg": b"a"}


def test_a_shard_that_is_not_a_tar_file(tmp_path: Path) -> None:
    tar_of(tmp_path / "a.tar", SHARD)
    (tmp_path / "b.tar").write_bytes(b"nonsense" * 100)
    source = open_source(str(tmp_path))
    assert len(listed(source)) == 6
    assert source.skipped()[0][0] == "b.tar"


def test_the_folder_of_img2dataset(tmp_path: Path) -> None:
    tar_of(tmp_path / "00000.tar", {"000000001.jpg": b"1", "000000001.json": b'{"caption": "x", "url": "y"}'})
    put(tmp_path, {"00000.parquet": b"PAR1", "00000_stats.json": b"{}", "log.csv": b"x", ".cache/x.jpg": b"x"})
    assert classes(open_source(str(tmp_path))) == {"00000.tar/000000001.jpg": (None, False)}
    put(tmp_path, {"extracted/a.jpg": b"x"})
    assert [*listed(open_source(str(tmp_path)))] == ["extracted/a.jpg"]


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_of_several_images_in_a_sample_one_is_the_image(tmp_path: Path, kind: str) -> None:
    files = {
        "1.seg.png": b"mask", "1.jpg": b"a", "1.depth.png": b"mask", "1.cls": b"3",
        "2.png": b"mask", "2.jpg": b"b", "2.txt": b"cat",
        "3.left.jpg": b"c", "3.right.jpg": b"d", "3.cls": b"4",
        "4.jpg": b"e", "4.edit.jpg": b"f", "5.jpg": b"g", "5.png": b"h",  # photographs beside each other, no samples
    }  # fmt: skip
    source = open_source(str(tar_of(tmp_path / f"s.{kind}", files, kind[4:])))
    assert {name: entry.label for name, entry in listed(source).items()} == {
        "1.jpg": "3", "2.jpg": "cat", "3.left.jpg": "4", "3.right.jpg": "4",
        "4.jpg": None, "4.edit.jpg": None, "5.jpg": None, "5.png": None,
    }  # fmt: skip
    assert dict(source.skipped()) == {
        "1.seg.png": "another image of the sample of 1.jpg",
        "1.depth.png": "another image of the sample of 1.jpg",
        "2.png": "another image of the sample of 2.jpg",
    }


def test_samples_of_a_webdataset_whose_names_have_dots(tmp_path: Path) -> None:
    files = {
        "22.05.png": b"a", "22.05.cls": b"3", "22.07.png": b"b", "22.07.cls": b"4",
        "v1.0/day.1.jpg": b"c", "v1.0/day.1.seg.png": b"m", "v1.0/day.1.json": b'{"label": "cat"}',
        "v1.0/day.2.jpg": b"d",
        "x.jpg": b"e", "x.jpg.txt": b"dog", "y.image.jpg": b"f", "y.label.txt": b"owl",
    }  # fmt: skip
    source = open_source(str(tar_of(tmp_path / "s.tar", files)))
    assert {name: entry.label for name, entry in listed(source).items()} == {
        "22.05.png": "3", "22.07.png": "4", "v1.0/day.1.jpg": "cat", "v1.0/day.2.jpg": None, "x.jpg": "dog",
        "y.image.jpg": "owl",
    }  # fmt: skip
    assert source.skipped() == [("v1.0/day.1.seg.png", "another image of the sample of v1.0/day.1.jpg")]


def test_classes_that_are_not_next_to_their_images_are_reported(tmp_path: Path) -> None:
    images = {f"{k}.jpg": b"%d" % k for k in range(4)}
    source = open_source(str(tar_of(tmp_path / "s.tar", images | {f"{k}.cls": b"3" for k in range(4)})))
    assert {entry.label for entry in listed(source).values()} == {None}
    assert "4 files name classes, but are not next to their images" in source.skipped()[0][1]
    source = open_source(str(tar_of(tmp_path / "t.tar", {"README.txt": b"Birds", **images})))
    assert [*listed(source)] == [*images]
    assert source.skipped() == []


# Parquet files with images


def parquet_of(
    path: Path, images: list[Any], labels: list[Any] | None = None, names: Iterable[str] = (), column: str = "image"
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {column: images} | ({} if labels is None else {"label": labels})
    features = {"label": {"names": [*names], "_type": "ClassLabel"}} if names else {}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(pa.table(columns).replace_schema_metadata(about), path, row_group_size=3)
    return path


def rows_of(n: int, first: int = 0, paths: bool = True) -> list[dict[str, Any]]:
    return [{"bytes": b"image %d" % k, "path": f"{k}.jpg" if paths else None} for k in range(first, first + n)]


def test_a_parquet_file_with_images(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "birds.parquet", rows_of(8), [0, 1, None, 0, 1, 1, 0, 5], ["cat", "dog"])
    source = open_source(str(path))
    assert (source.title, source.sequential, source.row_shape) == ("birds", True, None)
    expected = ["cat", "dog", None, "cat", "dog", "dog", "cat", None]
    assert classes(source) == {f"{k}.jpg": (label, False) for k, label in enumerate(expected)}
    assert content(source) == {f"{k}.jpg": b"image %d" % k for k in range(8)}
    assert content(open_source(str(path)), ["7.jpg"]) == {"7.jpg": b"image 7"}  # not listed before
    assert isinstance(content(source, ["no.jpg"])["no.jpg"], SourceError)


def test_splits_of_parquet_files_may_be_folders(tmp_path: Path) -> None:
    for first, split in enumerate(("train", "test")):
        parquet_of(tmp_path / f"{split}/0000.parquet", rows_of(2, 2 * first), ["cat", "dog"])
    assert {name: test for name, (_, test) in classes(open_source(str(tmp_path))).items()} == {
        "train/0000/0.jpg": False, "train/0000/1.jpg": False, "test/0000/2.jpg": True, "test/0000/3.jpg": True,
    }  # fmt: skip


def test_the_only_named_classes_of_a_parquet_file_count_whatever_their_column_is_called(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    classes_of = {"breed": {"names": ["tabby", "pug"], "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": classes_of}})}
    parquet.write_table(pa.table({"image": rows_of(2), "breed": [1, 0]}).replace_schema_metadata(about), path)
    assert classes(open_source(str(path))) == {"0.jpg": ("pug", False), "1.jpg": ("tabby", False)}


@pytest.mark.parametrize(
    "images",
    [
        rows_of(4, paths=False),
        [{"bytes": b"image %d" % k, "path": "same.jpg"} for k in range(4)],
        [b"image %d" % k for k in range(4)],
    ],
)
def test_rows_of_a_parquet_file_without_names(tmp_path: Path, images: list[Any]) -> None:
    source = open_source(str(parquet_of(tmp_path / "a.parquet", images)))
    assert content(source) == {f"#{k}": b"image %d" % k for k in range(4)}


def test_a_row_of_a_parquet_file_without_an_image(tmp_path: Path) -> None:
    images = [{"bytes": None, "path": "far.jpg"}, *rows_of(2)]
    found = content(open_source(str(parquet_of(tmp_path / "a.parquet", images))))
    assert str(found.pop("far.jpg")) == "the row holds no image"
    assert found == {"0.jpg": b"image 0", "1.jpg": b"image 1"}


def test_a_data_set_of_hugging_face(tmp_path: Path) -> None:
    root = tmp_path / "ds"
    parquet_of(root / "data/train-00000-of-00002.parquet", rows_of(4), [0, 1, 0, 1], ["cat", "dog"])
    parquet_of(root / "data/train-00001-of-00002.parquet", rows_of(4, paths=False), [0, 1, 0, 1], ["cat", "dog"])
    parquet_of(root / "data/test-00000-of-00001.parquet", rows_of(2, 8), [0, 1], ["cat", "dog"])
    put(root, {"README.md": b"---", "data/broken.parquet": b"PAR1"})
    far = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.*")}
    for where in (str(root), in_memory(f"memory://{tmp_path.name}/ds", far)):
        source = open_source(where)
        assert source.title == "ds"
        found = classes(source)
        assert len(found) == 10
        assert found["data/train-00000-of-00002/1.jpg"] == ("dog", False)
        assert found["data/train-00001-of-00002#3"] == ("dog", False)
        assert found["data/test-00000-of-00001/8.jpg"] == ("cat", True)
        assert [name for name, _ in source.skipped()] == ["broken.parquet"]
        assert content(source)["data/test-00000-of-00001/9.jpg"] == b"image 9"


def test_parquet_files_beside_images_are_tables(tmp_path: Path) -> None:
    parquet_of(tmp_path / "x.parquet", rows_of(2))
    put(tmp_path, {"cat/a.jpg": b"a"})
    assert [*listed(open_source(str(tmp_path)))] == ["cat/a.jpg"]


# Which source a DATASET means


def test_a_directory_needs_no_large_library(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": b"a"})
    code = (
        "import sys; from tuilabel.datasets.sources import open_source; "
        f"assert [*open_source({str(tmp_path)!r}).list()]; "
        "sys.exit(str({'torch', 'pyarrow', 'fsspec', 'textual'} & {*sys.modules} or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_what_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mine").mkdir()
    for dataset in (
        "mine",
        "./mnist",
        "no/where",
        ".",
        "..",
        "~",
        "s3://bucket/x",
        "x.zip",
        "X.TAR.GZ",
        "a.npy",
        "t.csv",
    ):
        assert is_source(dataset), dataset
    for dataset in ("mnist", "cifar10", "minst", "", "a\0b"):
        assert not is_source(dataset), dataset


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.xz", "x.npy", "x.npz", "x.parquet"])
@pytest.mark.parametrize("content", [b"hello", b"\x1f\x8bhello", b""])
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TuilabelError, match=r"not a \.\w+ file, or damaged or truncated: create or download it again$"):
        list(open_source(str(tmp_path / name)).list())


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("no/where", "/no/where does not exist or cannot be read"),
        ("no.zip", "/no.zip does not exist or cannot be read"),
        ("one.jpg", "is a single image: name its folder"),
        ("text.md", "cannot read images from .*text.md: name a folder"),
        ("a\0b", "is not a path"),
        ("nothing://x/y", "Protocol not known"),
        ("memory://nothing/at/all", "memory://nothing/at/all does not exist"),
    ],
)
def test_what_cannot_be_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"one.jpg": b"x", "text.md": b"x"})
    with pytest.raises(UsageError, match=message) as caught:
        open_source(dataset)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import known_implementations

    known = {"class": "no_such_package.Files", "err": "Install no-such-package to access it"}
    monkeypatch.setitem(known_implementations, "nosuch", known)
    with pytest.raises(TuilabelError, match="nosuch://user@host/x: Install no-such-package"):
        open_source("nosuch://user:secret@host/x")


def test_a_server_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    url = in_memory(f"memory://{tmp_path.name}", {"a.jpg": b"a", "x/b.jpg": b"b"})
    source = open_source(url)
    memory = type(fsspec.filesystem("memory"))

    def fails(*_args: object, **_more: object) -> None:
        raise ConnectionResetError("the line is dead\nsince noon")

    monkeypatch.setattr(memory, "cat_file", fails)
    assert {str(found) for found in content(source).values()} == {"the line is dead since noon"}
    monkeypatch.setattr(memory, "ls", fails)
    with pytest.raises(
        TuilabelError,
        match=r"cannot read memory://.*: the line is dead since noon; try again, or",
    ):
        [*source.list()]
