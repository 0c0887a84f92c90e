"""`encode --out FOLDER`: shards that can be resumed, bad images among them, and `--latents FOLDER`."""

from __future__ import annotations

import csv
import functools
import http.server
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pyarrow import parquet
from typer.testing import CliRunner

from tests.helpers.folders import colour_folder, jpeg, picture
from tests.helpers.tiny import Tiny
from tuilabel.cli import app
from tuilabel.cli.encode import is_folder
from tuilabel.datasets import open_pool
from tuilabel.datasets.ids import file_id
from tuilabel.datasets.item_files import png
from tuilabel.encoders import choose_encoder
from tuilabel.encoders.shards import plan
from tuilabel.encoders.shards import worker as workers
from tuilabel.encoders.shards.frozen import ENCODER
from tuilabel.encoders.shards.worker import ShardWorker, Task, TaskResult
from tuilabel.encoders.tables.encoder import LatentTable
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import cache_dir
from tuilabel.project.encode_shards import EncodedShards, encode_shards

Rows = dict[str, tuple[str, tuple[float, ...]]]
"""By path: id and vector."""


def encode(images: Path | str, out: Path | str, **options: object) -> EncodedShards:
    defaults: dict[str, object] = {"encoder": "pca", "shard_size": 10}
    return encode_shards(str(images), str(out), **{**defaults, **options})  # type: ignore[arg-type]


def rows_of(out: Path) -> Rows:
    """All rows; none may be there twice."""
    found: Rows = {}
    for file in sorted(out.glob("latents-*.parquet")):
        for row in parquet.read_table(file).to_pylist():
            assert row["path"] not in found
            found[row["path"]] = (row["id"], tuple(row["vector"]))
    return found


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """60 images, one of them twice, and two files that are none."""
    folder = colour_folder(tmp_path / "shots", each=20)
    (folder / "blue/again.jpg").write_bytes((folder / "blue/3.jpg").read_bytes())
    (folder / "blue/broken.jpg").write_text("no picture")
    (folder / "zz.jpg").write_bytes(b"")
    return folder


def test_every_image_has_a_row_and_every_other_file_a_reason(images: Path, tmp_path: Path) -> None:
    encoded = encode(images, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert len(rows) == encoded.images == encoded.encoded == 61
    assert rows["red/7.jpg"][0] == file_id((images / "red/7.jpg").read_bytes())
    assert rows["blue/again.jpg"] == rows["blue/3.jpg"]
    assert {problem.name for problem in encoded.problems} == {"blue/broken.jpg", "zz.jpg"}
    listed = [*csv.reader((tmp_path / "out/_problems.csv").read_text(encoding="utf-8").splitlines())]
    assert listed == [
        ["path", "reason"],
        ["blue/broken.jpg", "not an image of a known format"],
        ["zz.jpg", "an empty file"],
    ]
    manifest = json.loads((tmp_path / "out/_manifest.json").read_text())
    assert manifest["complete"]
    assert {shard["file"] for shard in manifest["shards"]} == {file.name for file in (tmp_path / "out").glob("l*")}
    assert {file.name for file in (tmp_path / "out").glob("_*")} == {"_encoder.npz", "_manifest.json", "_problems.csv"}


def test_no_image_is_copied(images: Path, tmp_path: Path) -> None:
    before = {*cache_dir().rglob("*")}
    encode(images, tmp_path / "out")
    assert {*cache_dir().rglob("*")} == before


@pytest.mark.parametrize("encoder", ["pca", "efficientnet_lite2"])
def test_latents_are_those_of_the_whole_pool(images: Path, tmp_path: Path, encoder: str) -> None:
    (images / "blue/again.jpg").unlink()  # it would be another row of the sample
    encode(images, tmp_path / "out", encoder=encoder)
    pool = open_pool(str(images))
    latents = choose_encoder(encoder, pool, latents=tmp_path / "out").encode(pool)
    whole = choose_encoder(encoder, pool).encode(pool)
    assert latents.compact == whole.compact
    compact = latents.compact
    near, expected = (distances(rows[:, :compact]) for rows in (latents.pool, whole.pool))
    assert np.corrcoef(near.ravel(), expected.ravel())[0, 1] > 0.98


def distances(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.linalg.norm(rows[:, None] - rows[None], axis=2)


def test_a_vae_that_was_trained(tiny: Tiny, tmp_path: Path) -> None:
    images = colour_folder(tmp_path / "shots", each=4, size=lambda _: (16, 16))
    with pytest.raises(UsageError, match="encoder vae must have been trained"):
        encode(images, tmp_path / "none", encoder="vae")
    encode(images, tmp_path / "out", encoder="auto", checkpoint=tiny.checkpoint)
    assert len(rows_of(tmp_path / "out")) == 12
    with pytest.raises(UsageError, match="out is a folder of other latents, by the encoder vae"):
        encode(images, tmp_path / "out")


class Stop(Exception):
    pass


def stopping_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the run when so many shards are written."""
    original, done = ShardWorker.__call__, list[Task]()

    def call(self: ShardWorker, task: Task) -> TaskResult:
        if len(done) == count:
            raise Stop
        if task.key:
            done.append(task)
        return original(self, task)

    monkeypatch.setattr(ShardWorker, "__call__", call)


def test_an_interrupted_run_goes_on_and_gives_the_same(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode(images, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stopping_after(2, patch)
        with pytest.raises(Stop):
            encode(images, tmp_path / "out")
    written = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("latents-*")}
    assert len(written) == 2
    notes: list[str] = []
    encoded = encode(images, tmp_path / "out", note=notes.append)
    assert encoded.encoded < encoded.images == 61
    assert any(note.startswith("2 shards of ") for note in notes)
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in written} == written
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")
    assert encode(images, tmp_path / "out", shard_size=None).encoded == 0  # of the size that they have


def test_new_changed_and_deleted_images(images: Path, tmp_path: Path) -> None:
    encode(images, tmp_path / "out")
    before = rows_of(tmp_path / "out")
    (images / "green/new.jpg").write_bytes(jpeg(picture("green", 99)))
    (images / "red/3.jpg").write_bytes(jpeg(picture("red", 98)))
    (images / "blue/0.jpg").unlink()
    encoded = encode(images, tmp_path / "out")
    after = rows_of(tmp_path / "out")
    assert set(after) == (set(before) | {"green/new.jpg"}) - {"blue/0.jpg"}
    assert after["red/3.jpg"] != before["red/3.jpg"]
    assert after["red/4.jpg"] == before["red/4.jpg"]
    assert encoded.encoded < 61


def test_a_shard_that_was_cut_short_is_written_again(images: Path, tmp_path: Path) -> None:
    encode(images, tmp_path / "out")
    before = rows_of(tmp_path / "out")
    file = min((tmp_path / "out").glob("latents-*"))
    file.write_bytes(file.read_bytes()[:100])
    assert encode(images, tmp_path / "out").encoded > 0
    assert rows_of(tmp_path / "out") == before


def test_several_processes_give_the_same(images: Path, tmp_path: Path) -> None:
    encode(images, tmp_path / "one")
    encode(images, tmp_path / "two", workers=2)
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two")


def test_the_space_of_another_folder(images: Path, tmp_path: Path) -> None:
    encode(images, tmp_path / "first")
    others = colour_folder(tmp_path / "others", each=3, first=5)
    encode(others, tmp_path / "second", encoder="auto", reference=str(tmp_path / "first"))
    first, second = rows_of(tmp_path / "first"), rows_of(tmp_path / "second")
    assert all(row == first[path] for path, row in second.items())
    with pytest.raises(UsageError, match="reference must be a folder that `tuilabel encode` has written"):
        encode(others, tmp_path / "third", reference=str(images))


DEADLY = '''
import os
import signal

import numpy as np


def features(images):
    """Means of 8 x 8 blocks; a white image kills the process."""
    if (images.reshape(len(images), -1).min(axis=1) > 250).any():
        os.kill(os.getpid(), signal.SIGKILL)
    return images.reshape(len(images), 4, 8, 4, 8, 3).astype(np.float32).mean(axis=(2, 4)).reshape(len(images), -1)


features.side = 32
'''


def test_an_image_that_kills_its_worker_each_time_costs_its_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is in the sample that the encoder is fitted on."""
    folder = colour_folder(tmp_path / "shots", each=16)
    (folder / "green/deadly.png").write_bytes(png(np.full((32, 32, 3), 255, np.uint8)))
    (tmp_path / "deadly.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(plan, "SAMPLE_GROUP", 16)
    notes: list[str] = []
    options = {"encoder": "deadly:features", "workers": 2, "device": "cpu"}
    encoded = encode(folder, tmp_path / "out", note=notes.append, **options)
    assert [*encoded.failed.values()] == ["its worker died 2 times"]
    rows = rows_of(tmp_path / "out")
    assert encoded.images == len(rows) >= 49 - 20
    assert "green/deadly.png" not in rows
    assert re.search(r"fitted without \d+ of 49 images of the sample \(its worker died 2 times\)", " ".join(notes))


def test_a_disk_that_is_too_small(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(TuilabelError, match=r"the latents of shots take .* MB, and 0\.0 MB are free in .*out"):
        encode(images, tmp_path / "out")
    assert not rows_of(tmp_path / "out")


# -- what cannot be read or written ------------------------------------------------------------------------------------


def test_files_that_cannot_be_read_are_tried_again_on_request(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "shots", each=5)
    links = tmp_path / "some.csv"
    links.write_text("path\n" + "".join(f"shots/{file.relative_to(folder)}\n" for file in folder.rglob("*.jpg")))
    hidden = (folder / "red/1.jpg").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        fail_to_read(patch, "red/1.jpg")
        assert [problem.name for problem in encode(links, tmp_path / "out").problems] == ["shots/red/1.jpg"]
    assert (folder / "red/1.jpg").read_bytes() == hidden
    assert encode(links, tmp_path / "out").problems
    assert not encode(links, tmp_path / "out", retry_unread=True).problems
    assert len(rows_of(tmp_path / "out")) == 15


def fail_to_read(patch: pytest.MonkeyPatch, end: str) -> None:
    from tuilabel.datasets.sources import SourceError, manifest
    from tuilabel.datasets.sources.base import read_file as read

    def failing(path: str | Path) -> bytes | SourceError:
        return SourceError("the disk is gone") if str(path).endswith(end) else read(path)

    patch.setattr(manifest, "read_file", failing)


def test_a_shard_of_which_nothing_can_be_read_is_not_written(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "shots", each=20)
    table = tmp_path / "all.csv"
    names = sorted(str(file.relative_to(tmp_path)) for file in folder.rglob("*.jpg"))
    table.write_text("path\n" + "\n".join(names))
    encode(table, tmp_path / "out")
    expected = rows_of(tmp_path / "out")
    encoded_before = (tmp_path / "out" / ENCODER).read_bytes()
    lost = tmp_path / "again"
    lost.mkdir()
    (lost / ENCODER).write_bytes(encoded_before)
    with pytest.MonkeyPatch.context() as patch:
        fail_to_read(patch, ".jpg")
        encoded = encode(table, lost)
        assert encoded.failed
        assert "none of its files can be read (the disk is gone)" in next(iter(encoded.failed.values()))
        assert not rows_of(lost)
    assert not encode(table, lost).failed
    assert rows_of(lost) == expected


def test_a_folder_that_cannot_be_written(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TuilabelError, match=r"cannot write .*: Not a directory"):
        encode(images, tmp_path / "file/out")


def test_nothing_but_broken_files(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    (folder / "1.png").write_text("x")
    with pytest.raises(TuilabelError, match=r"none of 1 file of .* is a readable image \(1.png: not an image"):
        encode(folder, tmp_path / "out")


# -- object stores -----------------------------------------------------------------------------------------------------


def test_an_object_store(images: Path, tmp_path: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.put(str(images), "/bucket/shots", recursive=True)
    try:
        encoded = encode("memory://bucket/shots", "memory://bucket/out")
        assert encoded.images == 61
        assert encode("memory://bucket/shots", "memory://bucket/out").encoded == 0
        store.get("/bucket/out", str(tmp_path / "copy"), recursive=True)
        encode(images, tmp_path / "local")
        assert rows_of(tmp_path / "copy") == rows_of(tmp_path / "local")
    finally:
        store.rm("/bucket", recursive=True)


@pytest.fixture
def web(images: Path) -> Iterator[str]:
    """The images behind a web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(images))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_manifest_of_urls(images: Path, tmp_path: Path, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("TUILABEL_LOCAL_URLS", "1")
    names = [str(file.relative_to(images)) for file in sorted(images.rglob("*.jpg"))]
    (tmp_path / "urls.csv").write_text("url\n" + "".join(f"{web}/{name}\n" for name in [*names, "gone.jpg"]))
    encoded = encode(tmp_path / "urls.csv", tmp_path / "out")
    assert len(rows_of(tmp_path / "out")) == 61
    unread = [problem for problem in encoded.problems if problem.unread]
    assert [problem.name for problem in unread] == [f"{web}/gone.jpg"]


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "folder"),
    [
        ("latents", True),
        ("latents/", True),
        ("a.b/latents", True),
        ("v1.5/", True),
        ("s3://bucket/latents", True),
        ("latents.parquet", False),
        ("latents.npz", False),
        ("latents.txt", False),
        ("s3://bucket/latents.parquet", False),
    ],
)
def test_what_is_a_folder(out: str, folder: bool) -> None:
    assert is_folder(out) is folder


def test_the_command_and_then_a_prediction(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    done = run(app, ["encode", "shots", "--out", "latents/", "--encoder", "pca", "--shard-size", "10", "--json"])
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["images"] == 61
    assert [problem["file"] for problem in document["problems"]] == ["blue/broken.jpg", "zz.jpg"]
    table = tmp_path / "labels.csv"
    names = [(file.relative_to(images), file.parent.name) for file in images.glob("*/1*.jpg")]
    table.write_text("path,label\n" + "".join(f"{name},{colour}\n" for name, colour in names))
    assert run(app, ["import", "labels.csv", "shots", "--apply", "-q"]).exit_code == 0
    predicted = run(app, ["predict", "shots", "--latents", "latents", "--out", "p.csv", "-q"])
    assert predicted.exit_code == 0, predicted.output
    rows = [*csv.DictReader((tmp_path / "p.csv").read_text(encoding="utf-8").splitlines())]
    assert len(rows) == 60
    text = run(app, ["encode", "shots", "--out", "latents/"])
    assert "61 latents of pca in" in text.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "ray"], "--engine is for latents in a folder: name one by `--out FOLDER/`"),
        (["--out", "x.parquet", "--workers", "2"], "--workers is for latents in a folder"),
        (["--out", "x/", "--engine", "spark"], "unknown engine 'spark'"),
        (["--out", "x/", "--address", "h:1"], "--address is that of a Ray cluster: pass `--engine ray` with it"),
        (["--out", "x/", "--workers", "0"], "--workers must be at least 1"),
        (["--out", "x/", "--shard-size", "0"], "--shard-size must be at least 1"),
        (["--out", "x/", "--latents", "y.npy"], "--latents are encoded already"),
        (["--out", "x/", "--encoder", "vae-on:efficientnet_lite2"], "must see all images at once"),
        (["--out", "x.txt"], "cannot tell the format of x.txt"),
    ],
)
def test_options_that_do_not_go_together(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TuilabelError) as raised:
        CliRunner().invoke(app, ["encode", "shots", *options], catch_exceptions=False)
    assert message in str(raised.value)


def test_a_built_in_dataset_needs_no_shards(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mnist is a built-in dataset"):
        encode("mnist", tmp_path / "out")


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_folder_of_other_programs(images: Path, tmp_path: Path) -> None:
    import pyarrow as pa

    folder = tmp_path / "spark"
    folder.mkdir()
    pool = open_pool(str(images))
    with pytest.raises(UsageError, match=r"a folder of .parquet files: .*spark has none"):
        choose_encoder("pca", pool, latents=folder)
    names = [pool.files.names(k)[0] for k in range(len(pool))]
    for part, rows in enumerate(np.array_split(np.arange(len(pool)), 3)):
        vectors = [[float(k), 1.0] for k in rows]
        table = pa.table({"path": [names[k] for k in rows], "embedding": vectors})
        parquet.write_table(table, folder / f"part-{part}.parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / "_broken.parquet").write_text("not read")
    encoder = choose_encoder("pca", pool, latents=folder)
    assert isinstance(encoder, LatentTable)
    np.testing.assert_array_equal(encoder.encode(pool).pool[:, 0], np.arange(len(pool)))
    parquet.write_table(pa.table({"path": ["x"], "embedding": [[1.0, 2.0, 3.0]]}), folder / "part-9.parquet")
    with pytest.raises(UsageError, match="latents must all be of one length"):
        choose_encoder("pca", pool, latents=folder)


def test_batches_do_not_depend_on_what_is_ready_first(images: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "BATCH", 7)
        encode(images, tmp_path / "small")
    encode(images, tmp_path / "large")
    small, large = rows_of(tmp_path / "small"), rows_of(tmp_path / "large")
    assert small.keys() == large.keys()
    for path, (_, row) in small.items():
        np.testing.assert_allclose(row, large[path][1], atol=1e-4)
