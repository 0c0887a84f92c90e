"""Changed files for the readers of tables, archives, documents and settings: read, or refused in one line.

`python -m tests.fuzz 500` tries 500 changed files of each kind and says how many were read and how many refused. The
tests try a few of each, see `tests/integration/test_fuzz.py`.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from typer.main import get_command

from tests.helpers.exchange import array_pool
from tuilabel.cli import app
from tuilabel.cli.config import user_defaults
from tuilabel.datasets.sources import open_source
from tuilabel.errors import TuilabelError
from tuilabel.labels import Project
from tuilabel.labels.exchange import ImportOptions, read_labels
from tuilabel.labels.exchange.matching import Matcher

Change = tuple[str, float, bytes]
"""What is done at which part of a file, and with what."""

PIECES = (
    b"\0", b"\xff\xfe", b'"', b",", b"\n", b"\r", b"{", b"]", b"=", b"[", b"\xe9", b"../", b"NaN", b"1e999", b"null",
    b"-1", b"\xf0\x9f\x90\xb1", b"\\", b"PK\x03\x04", b"<!ENTITY a 'b'>", b"%", b"'", b"\x1b[31m",
)  # fmt: skip
VALUES = (
    b"null", b"true", b"-1", b"3.5", b"1e999", b"NaN", b"10000000000000000000000", b'""', b"[]", b"{}", b'[["a"]]',
    b'{"a": 1}',     b'"\\ud800"', b'"\\u0000"', b'"../../x"', b'["a", "b"]', b'"http://[x"', b"1979-05-27", b'"a\\nb"',
)  # fmt: skip
_VALUE = re.compile(rb"\"[^\"\n]*\"|-?\b\d+(?:\.\d+)?\b|true|false")
WHERE = st.floats(0, 1)
CHANGES = st.one_of(
    st.lists(st.tuples(st.just("value"), WHERE, st.binary(min_size=1, max_size=1)), min_size=1, max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from(["cut", "insert", "replace", "delete", "double", "flip", "number"]),
            WHERE,
            st.sampled_from(PIECES) | st.binary(min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=4,
    ),
)
MOST_SECONDS = 5.0  # for one file, on a busy machine


def changed(content: bytes, changes: list[Change]) -> bytes:
    """The content after some changes."""
    for kind, where, what in changes:
        if kind == "value":
            values = [*_VALUE.finditer(content)]
            if values:
                value = values[min(int(where * len(values)), len(values) - 1)]
                content = content[: value.start()] + VALUES[what[0] % len(VALUES)] + content[value.end() :]
            continue
        k = int(where * len(content))
        end = min(len(content), k + len(what) * 4)
        before, after = content[:k], content[k:]
        pieces = {
            "cut": (before,),
            "insert": (before, what, after),
            "replace": (before, what, content[k + len(what) :]),
            "delete": (before, content[end:]),
            "double": (before, content[k:end] * 4, content[end:]),
            "flip": (before, bytes(byte ^ what[0] for byte in content[k : k + 1]), content[k + 1 :]),
            "number": (before, b"\xff" * len(content[k : k + 4]), content[k + 4 :]),
        }
        content = b"".join(pieces[kind])
    return content


def _png(k: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 20 * k, np.uint8)).save(file, "PNG")
    return file.getvalue()


def _tar(unpacked: bool = True) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for k in range(4):
            for name, content in ((f"cats/{k}.png", _png(k)), (f"cats/{k}.json", b'{"label": "cat"}')):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return file.getvalue() if unpacked else gzip.compress(file.getvalue())


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(4):
            archive.writestr(f"train/cats/{k}.png", _png(k))
        archive.writestr("test/dogs/5.png", b"\0" * 100_000)
    return file.getvalue()


def _parquet(images: bool) -> bytes:
    file = io.BytesIO()
    cells = [{"bytes": _png(k), "path": f"{k}.png"} for k in range(6)] if images else [f"toy#{k}" for k in range(6)]
    parquet.write_table(
        pa.table({"image": cells, "label": ["cat", "dog"] * 3, "id": list(range(6))}), file, row_group_size=2
    )
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    rows = np.arange(6 * 64, dtype=np.int16).reshape(6, 8, 8)
    np.savez_compressed(file, x_train=rows, y_train=np.array(["cat", "dog"] * 3, dtype=object), x_test=rows[:2])
    return file.getvalue()


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.linspace(-1, 1, 6 * 64, dtype=np.float32).reshape(6, 8, 8))
    return file.getvalue()


_COCO: dict[str, Any] = {"images": [{"id": 1, "file_name": "toy#1"}],
         "annotations": [{"image_id": 1, "category_id": 2}],
         "categories": [{"id": 2, "name": "cat"}]}  # fmt: skip
_TASK = {"id": 7, "data": {"image": "/data/upload/1/abcdef12-0.png"}, "annotations": [
    {"completed_by": {"id": 4},
     "result": [{"from_name": "a", "type": "choices", "value": {"choices": ["cat"]}}]}]}  # fmt: skip
_TABLE = "id,path,label,annotator,labelled_at,flagged,note\n" + "".join(
    f'{k},"toy#{k}",cat,ada,2026-03-01T12:00:00+00:00,true,"so, so"\n' for k in range(4)
)
SOURCES: dict[str, bytes] = {
    "a.tar": _tar(),
    "a.tar.gz": _tar(unpacked=False),
    "a.zip": _zip(),
    "images.parquet": _parquet(images=True),
    "a.npy": _npy(),
    "a.npz": _npz(),
    "list.csv": b"path,label,split\n0.png,cat,train\n1.png,dog,test\n",
    "list.jsonl": b'{"path": "0.png", "label": "cat"}\n{"path": "1.png", "label": ["dog"]}\n',
    "folder/metadata.csv": b"file_name,label\n0.png,cat\n1.png,dog\n",
}
"""Files that are a DATASET."""
LABELS: dict[str, bytes] = {
    **{name: SOURCES[name] for name in ("a.tar", "a.zip", "images.parquet")},
    "a.csv": _TABLE.encode(),
    "wide.csv": _TABLE.encode("utf-16"),
    "hot.csv": b"image,cat,dog\n" + b"toy#1,1,0\ntoy#2,0,1\n" * 3,
    "train.txt": b"0.png 0\n1.png 1\n",
    "a.tsv": _TABLE.replace(",", "\t").encode(),
    "a.jsonl": b'{"path": "toy#1", "label": "cat"}\n' * 3,
    "prodigy.jsonl": b'{"image": "toy#1", "options": [{"id": 0, "text": "cat"}], "accept": [0], "answer": "accept"}\n'
                     * 2,
    "a.parquet": _parquet(images=False),
    "coco.json": json.dumps(_COCO).encode(),
    "via.json": b'{"0.png9": {"filename": "0.png", "file_attributes": {"kind": {"cat": true}}}}',
    "tasks.json": json.dumps([_TASK, {"id": 1, "image": "toy#2", "label": "cat"}]).encode(),
    "labels.json": b'{"classes": ["cat", "dog"], "labels": {"0": 1, "b": {"label": 0}, "c": "dog"}}',
    "labelme.json": b'{"imagePath": "..\\\\0.png", "flags": {"cat": true, "dog": false}}',
    "annotations.xml": b'<annotations><image name="0.png"><tag label="cat"/></image></annotations>',
    "export/tuilabel.json": b'{"format": "imagefolder", "classes": {"cat": "a/b"}, "items":'
                            b' {"0.png": {"id": "x", "note": "n"}}}',
}  # fmt: skip
"""Files with labels."""
SETTINGS: dict[str, bytes] = {
    "p.tuilabel/settings.toml": (
        b'dataset = "mnist"\nfingerprint = "ab"\nclasses = ["cat", "dog"]\nmoved_from = ["/a"]\n\n'
        b'[model]\nencoder = "pca"\nseed = 3\n'
    ),
    "config.toml": b'[all]\nseed = 3\nencoder = "pca"\n\n[label]\nbatch = 20\n[stats]\nquiet = true\n',
}  # fmt: skip
"""Settings of a project and of the user."""
KINDS = [
    *(("source", name) for name in SOURCES),
    *(("labels", name) for name in LABELS),
    *(("settings", name) for name in SETTINGS),
]


def _read_source(path: Path) -> None:
    source = open_source(str(path.parent if path.name.startswith("metadata") else path), labels_from_folders=True)
    names = [entry.name for entry in source.list()][:20]
    assert len({*names}) == len(names)
    assert len([*source.read([*names, "no such file"])]) == len(names) + 1
    source.skipped(), source.passed_over()


def _read_labels(path: Path) -> None:
    folder = path.parent if path.name == "tuilabel.json" else path
    _, rows = read_labels(folder, "auto", ImportOptions())
    matcher = Matcher(array_pool(3), path.parent)
    assert all(-1 <= matcher.find(row) < 3 for row in rows[:50])


def _read_settings(path: Path) -> None:
    if path.name == "config.toml":
        commands = get_command(app).commands  # type: ignore[attr-defined]
        user_defaults(commands)
    else:
        Project.read(path.parent)


READERS: dict[str, Callable[[Path], None]] = {
    "source": _read_source,
    "labels": _read_labels,
    "settings": _read_settings,
}


def attempt(kind: str, name: str, changes: list[Change], folder: Path) -> str:
    """Read a changed file: 'read' or 'refused'; anything else is raised."""
    content = {"source": SOURCES, "labels": LABELS, "settings": SETTINGS}[kind][name]
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for place in {folder, path.parent, path.parent / "cat"}:
        place.mkdir(exist_ok=True)
        for k in range(2):
            (place / f"{k}.png").write_bytes(_png(k))
    path.write_bytes(changed(content, changes))
    start = time.monotonic()
    refusal = ""
    try:
        READERS[kind](path)
    except TuilabelError as error:
        refusal = str(error)
    assert "\n" not in refusal, "more than a line"
    assert time.monotonic() - start < MOST_SECONDS, "too slow"
    return "refused" if refusal else "read"


def try_kind(kind: str, name: str, examples: int, folder: Path) -> Counter[str]:
    """Try changed files of one kind; how many were read and how many refused. Raises what anything else raised."""
    counts = Counter[str]()

    @seed(Random(name).randrange(2**32))
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[*HealthCheck],
    )
    @given(CHANGES)
    def run(changes: list[Change]) -> None:
        counts[attempt(kind, name, changes, folder)] += 1

    run()
    return counts


def main(examples: int, names: Sequence[str]) -> None:
    """Try changed files of each kind, or of those that are named, and print what became of them."""
    total = Counter[str]()
    for kind, name in (pair for pair in KINDS if not names or pair[1] in names):
        with tempfile.TemporaryDirectory() as temporary:
            os.environ["TUILABEL_CONFIG"] = f"{temporary}/config.toml"
            try:
                counts = try_kind(kind, name, examples, Path(temporary))
            except Exception:
                traceback.print_exc(limit=-6)
                counts = Counter({"failed": 1})
        total += counts
        print(f"{kind:9} {name:28} {dict(counts)}", flush=True)
    print(dict(total))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, sys.argv[2:])
