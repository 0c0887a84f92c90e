"""Your own latents: `encode --out` and back again, rows in any order, and files that are not tables."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from tests.helpers.folders import colour_folder, jpeg, picture
from tests.helpers.tiny import Tiny
from tests.helpers.toy import Toy, make_toy
from tuilabel.cli import app
from tuilabel.datasets import DatasetRef, ImagePool, open_pool
from tuilabel.encoders import choose_encoder
from tuilabel.encoders.cache import digest_of
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.encoders.tables.encoder import LatentTable, table_of, write_table
from tuilabel.encoders.tables.open import open_table
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.project.encode_dataset import encode_dataset
from tuilabel.project.open_session import open_session
from tuilabel.project.options import SessionOptions
from tuilabel.simulation.simulate import simulate

FORMATS = ("npy", "npz", "parquet")


def folder_of(root: Path) -> Path:
    """Colours with files of the same name, a copy and two files that cannot be read."""
    folder = colour_folder(root / "shots", each=14, size=lambda _: (16, 16))
    (folder / "blue/again.jpg").write_bytes((folder / "blue/3.jpg").read_bytes())
    (folder / "blue/0broken.jpg").write_text("no picture")
    (folder / "zz.jpg").write_text("nor this")
    return folder


def split_of(root: Path) -> Path:
    """A training and a test folder, with a file that is in both."""
    folder = root / "split"
    colour_folder(folder / "train", each=9, size=lambda _: (16, 16))
    colour_folder(folder / "test", each=5, size=lambda _: (16, 16), first=100)
    (folder / "test/red/copy.jpg").write_bytes((folder / "train/red/0.jpg").read_bytes())
    (folder / "test/red/cut.jpg").write_bytes(b"")
    return folder


def archive_of(root: Path) -> Path:
    return Path(shutil.make_archive(str(root / "shots"), "zip", folder_of(root)))


def manifest_of(root: Path) -> Path:
    """Rows in no order, one of them twice, one file missing, one broken."""
    folder = folder_of(root)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    np.random.default_rng(0).shuffle(names)
    rows = [f"{name},{Path(name).parent}" for name in [*names, names[4], "gone.jpg"]]
    (folder / "list.csv").write_text("\n".join(["path,label", *rows]))
    return folder / "list.csv"


def array_of(root: Path) -> Path:
    toy = make_toy(130)
    assert toy.pool.targets is not None
    assert toy.pool.test is not None
    np.savez(
        root / "stack.npz", x_train=toy.pool.images, y_train=toy.pool.targets, x_test=toy.pool.test.images,
        y_test=toy.pool.test.targets,
    )  # fmt: skip
    return root / "stack.npz"


SOURCES = (folder_of, split_of, archive_of, manifest_of, array_of)


def simulated(pool: ImagePool, **options: Any) -> list[float]:
    """The accuracy after each round of a short simulation."""
    results = simulate(pool, seeds=1, budget=25, initial=10, strategies=["margin"], learners=["mlp"], **options)
    return [point.accuracy for point in results.runs[0].points]


@pytest.mark.parametrize("make", SOURCES, ids=lambda make: make.__name__)
def test_encoding_to_a_file_and_reading_it_is_the_encoder_itself(make: Callable[[Path], Path], tmp_path: Path) -> None:
    ref = DatasetRef(str(make(tmp_path)), labels_from_folders=True)
    pool = open_pool(ref)
    expected = PCAEncoder().encode(pool)
    accuracy = simulated(pool, encoder="pca")
    for kind in FORMATS:
        out = tmp_path / f"latents.{kind}"
        assert encode_dataset(ref, out, encoder="pca").path == out
        table = choose_encoder("vae", pool, latents=out)
        latents = table.encode(pool)
        assert np.array_equal(latents.pool, expected.pool)
        assert (latents.test is None) == (expected.test is None)
        if latents.test is not None:
            assert np.array_equal(latents.test, expected.test)  # type: ignore[arg-type]
        notes = table.notes(pool)
        assert len(notes) == (kind == "npy"), notes
        assert simulated(pool, latents=out) == accuracy
    assert accuracy[-1] > 0.9, "colours are easy"


def test_simulating_on_own_latents_pairs_rows_with_their_files(tmp_path: Path) -> None:
    """Rows with the class in them, as a user computes them: sorted by name."""
    folder = colour_folder(tmp_path / "shots", each=20, size=lambda _: (16, 16))
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    colours = ["blue", "green", "red"]
    np.save(tmp_path / "own.npy", np.eye(3)[[colours.index(name.split("/")[0]) for name in names]])
    notes: list[str] = []
    ref = DatasetRef(str(folder), labels_from_folders=True)
    result = simulate(
        ref, latents=tmp_path / "own.npy", seeds=1, budget=20, initial=10, strategies=["random"], jobs=1,
        note=notes.append,
    )  # fmt: skip
    assert result.runs[0].points[-1].accuracy == 1
    assert len(notes) == 1
    assert "60 file names, sorted as text" in notes[0]
    assert "from 'blue/0.jpg' on" in notes[0]


def test_the_rows_of_an_array_are_in_its_order(tmp_path: Path) -> None:
    toy = make_toy(130)
    np.save(tmp_path / "stack.npy", toy.pool.images)
    np.save(tmp_path / "own.npy", np.arange(130)[:, None])
    pool = open_pool(str(tmp_path / "stack.npy"))
    latents = LatentTable(tmp_path / "own.npy").encode(pool).pool[:, 0]
    assert [f"#{int(k)}" for k in latents] == [pool.files.last_name(index) for index in range(len(pool))]
    assert "row k for image k of stack" in LatentTable(tmp_path / "own.npy").notes(pool)[0]


def test_a_built_in_dataset_and_its_test_split(tiny: Tiny, tmp_path: Path) -> None:
    pool = open_pool("fashion-mnist", tiny.data_dir)
    expected = choose_encoder("vae", pool, checkpoint=tiny.checkpoint).encode(pool)
    assert expected.test is not None
    for kind in ("npz", "parquet"):
        out = tmp_path / f"latents.{kind}"
        encode_dataset("fashion-mnist", out, checkpoint=tiny.checkpoint, data_dir=tiny.data_dir)
        latents = LatentTable(out).encode(pool)
        assert np.array_equal(latents.pool, expected.pool)
        assert latents.test is not None
        assert np.array_equal(latents.test, expected.test)
    encode_dataset("fashion-mnist", tmp_path / "latents.npy", checkpoint=tiny.checkpoint, data_dir=tiny.data_dir)
    assert LatentTable(tmp_path / "latents.npy").encode(pool).test is None, "as version 0.1 wrote it"
    with pytest.raises(TuilabelError, match=r"no latents of the test split of fashion-mnist"):
        simulate("fashion-mnist", latents=tmp_path / "latents.npy", data_dir=tiny.data_dir, seeds=1, budget=20)


# -- rows in any order -------------------------------------------------------------------------------------------------


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    return colour_folder(tmp_path / "photos", each=4, size=lambda _: (16, 16))


def vectors_of(pool: ImagePool) -> np.ndarray:
    return np.arange(2.0 * len(pool), dtype=np.float32).reshape(-1, 2) + 1


def save(file: Path, /, **columns: Any) -> Path:
    """A table with these columns, arrays in a .npz."""
    if file.suffix == ".npz":
        np.savez(file, **columns)
    else:
        lists = {name: list(c) if isinstance(c, np.ndarray) and c.ndim == 2 else c for name, c in columns.items()}
        parquet.write_table(pa.table(lists), file)
    return file


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_rows_are_found_by_id_or_by_any_path(shots: Path, tmp_path: Path, suffix: str) -> None:
    pool = open_pool(str(shots))
    vectors, order = vectors_of(pool), np.random.default_rng(1).permutation(len(pool)).tolist()
    names = [pool.files.last_name(index) for index in order]
    ids = [pool.ids[index].decode() for index in order]
    keys: dict[str, dict[str, list[str]]] = {
        "ids": {"id": ids},
        "ids and stale paths": {"ids": ids, "path": names[::-1]},
        "relative": {"names": names},
        "absolute": {"file_name": [str(shots / name) for name in names]},
        "from the working directory": {"path": [f"./photos/{name}" for name in names]},
        "of another computer": {"Path": [f"D:\\data\\photos\\{name}".replace("/", "\\") for name in names]},
        "paths called ids": {"id": names},
        "other ids": {"id": [f"{k:032x}" for k in range(len(names))], "path": names},
    }
    for how, columns in keys.items():
        save(tmp_path / f"t.{suffix}", **columns, vector=vectors[order])
        table = LatentTable(tmp_path / f"t.{suffix}")
        assert np.array_equal(table.encode(pool).pool, vectors), how
        assert table.notes(pool) == [], how
        subset = pool.subset([7, 2])
        assert np.array_equal(table.encode(subset).pool, vectors[[7, 2]]), how
        assert np.array_equal(table.encode_others(open_pool(str(shots)), subset), vectors), "keys say which they are"


def test_a_file_name_must_be_the_only_one(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    for k, name in enumerate(("a/1.jpg", "b/1.jpg", "b/2.jpg", "3.jpg", "4.jpg")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(picture("red", k, 16, 16)))
    pool = open_pool(str(folder))
    paths = ["1.jpg", "2.jpg", "c/2.jpg", "x/b/1.jpg", "3.jpg", "photos/4.jpg"]
    save(tmp_path / "t.npz", path=np.array(paths), vectors=np.arange(6.0)[:, None])
    table = LatentTable(tmp_path / "t.npz")
    found = {pool.files.last_name(k): float(x) for k, x in enumerate(table.encode(pool).pool[:, 0])}
    assert found == {"a/1.jpg": pytest.approx(13 / 4), "b/1.jpg": 3, "b/2.jpg": 1, "3.jpg": 4, "4.jpg": 5}
    (note,) = table.notes(pool)
    assert "4 of 5 images have a vector" in note
    assert "1 missing (the mean stands for them)" in note
    assert "2 rows of no image here ignored (such as '1.jpg')" in note


def test_what_does_not_fit_is_counted_in_one_line(shots: Path, tmp_path: Path) -> None:
    pool = open_pool(str(shots))
    names = [pool.files.last_name(index) for index in range(len(pool))]
    vectors = vectors_of(pool)
    vectors[5, 1], vectors[6, 0] = np.nan, np.inf
    rows = [*range(9), 0, 1, 2]  # three missing, three twice, one of them with another vector
    again = vectors[rows]
    again[9] += 1
    save(
        tmp_path / "t.parquet",
        id=[None, *(pool.ids[k].decode() for k in rows[1:]), None],
        path=[*(names[k] for k in rows), "elsewhere/\x1b[2J.jpg"],
        vector=[*again.tolist(), [1.0, 2.0]],
    )
    table = LatentTable(tmp_path / "t.parquet")
    (note,) = table.notes(pool)
    assert note == (
        f"{tmp_path / 't.parquet'}: 7 of 12 images have a vector, 3 missing, 2 without numbers, or with NaN or "
        "infinity (the mean stands for them), 1 row with another vector for the same image ignored, 1 row of no image "
        "here ignored (such as 'elsewhere/\\x1b[2J.jpg')"
    )
    latents = table.encode(pool).pool
    kept = [0, 1, 2, 3, 4, 7, 8]
    assert np.array_equal(latents[kept], vectors[kept])
    assert np.allclose(latents[[5, 6, 9, 10, 11]], vectors[kept].mean(axis=0))


def test_a_table_of_other_images_is_refused_with_an_example_of_both(shots: Path, tmp_path: Path) -> None:
    pool = open_pool(str(shots))
    save(tmp_path / "t.npz", names=np.array([f"dog/{k}.png" for k in range(12)]), latents=np.ones((12, 3)))
    with pytest.raises(TuilabelError, match=r"0 of the 12 images of photos.*'dog/0.png', the images 'blue/0.jpg'"):
        choose_encoder("vae", pool, latents=tmp_path / "t.npz").encode(pool)
    save(tmp_path / "t.npz", ids=pool.ids[:3], latents=np.ones((3, 3)))
    with pytest.raises(TuilabelError, match=r"3 of the 12 images of photos, too few: add the others"):
        choose_encoder("vae", pool, latents=tmp_path / "t.npz").encode(pool)
    np.save(tmp_path / "t.npy", np.full((12, 3), np.nan))
    with pytest.raises(TuilabelError, match=r"0 of the 12 images of photos, too few: 12 have no numbers, or NaN"):
        choose_encoder("vae", pool, latents=tmp_path / "t.npy").notes(pool)


def test_new_and_changed_files_are_noticed(shots: Path, tmp_path: Path) -> None:
    pool = open_pool(str(shots))
    write_table(tmp_path / "t.parquet", pool, PCAEncoder().encode(pool))
    before = np.array(PCAEncoder().encode(pool).pool)
    (shots / "red/0.jpg").write_bytes(jpeg(picture("blue", 99, 16, 16)))
    (shots / "red/1.jpg").unlink()
    (shots / "red/2.jpg").rename(shots / "red/renamed.jpg")
    (shots / "red/new.jpg").write_bytes(jpeg(picture("red", 98, 16, 16)))
    pool = open_pool(str(shots))
    (note,) = LatentTable(tmp_path / "t.parquet").notes(pool)
    assert "10 of 12 images have a vector, 2 missing" in note, "the new one and the changed one"
    assert "1 row with an unknown id" not in note, "the id of the file that was there is that of an item that is gone"
    assert np.array_equal(LatentTable(tmp_path / "t.parquet").encode(pool).pool[:12], before)


def test_a_pool_that_is_being_read_has_no_unknown_rows(
    shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_pool(str(shots))
    write_table(tmp_path / "t.parquet", whole, PCAEncoder().encode(whole))
    expected = {name.decode(): row for name, row in zip(whole.ids, PCAEncoder().encode(whole).pool, strict=True)}
    shutil.rmtree(whole.library.folder)  # type: ignore[attr-defined]
    monkeypatch.setattr("tuilabel.datasets.open.FIRST_ITEMS", 5)
    monkeypatch.setattr("tuilabel.datasets.library.read_files.CHUNK", 5, raising=False)
    pool = open_pool(str(shots), reading="first")
    table = choose_encoder("vae", pool, latents=tmp_path / "t.parquet")
    assert table.notes(pool) == []
    pool.read_rest()
    latents = table.available(pool)
    assert latents is not None
    assert all(np.array_equal(row, expected[item.decode()]) for item, row in zip(pool.ids, latents.pool, strict=True))


# -- kinds of files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "i1", "<i8", "<u2"])
def test_numbers_of_every_kind_are_read(shots: Path, tmp_path: Path, dtype: str) -> None:
    pool = open_pool(str(shots))
    vectors, ids = vectors_of(pool).astype(dtype), pool.ids
    np.save(tmp_path / "t.npy", vectors[np.argsort([pool.files.last_name(k) for k in range(12)])])
    np.savez(tmp_path / "stored.npz", ids=ids, vectors=vectors)
    np.savez_compressed(tmp_path / "packed.npz", ids=ids.astype(str), x=np.asfortranarray(vectors))
    values = vectors.astype(vectors.dtype.newbyteorder("="))
    kinds = (
        pa.list_(pa.from_numpy_dtype(values.dtype)),
        pa.large_list(pa.from_numpy_dtype(values.dtype)),
        pa.list_(pa.from_numpy_dtype(values.dtype), 2),
    )
    for k, kind in enumerate(kinds):
        column = pa.array(list(values), kind)
        texts = pa.array([item.decode() for item in ids]).dictionary_encode()
        parquet.write_table(pa.table({"Item_ID": texts, "embedding": column}), tmp_path / f"{k}.parquet")
    for path in tmp_path.glob("*.*"):
        assert np.array_equal(LatentTable(path).encode(pool).pool, vectors_of(pool)), path.name


def test_half_precision_stays_what_it_is(shots: Path, tmp_path: Path) -> None:
    """It takes half of the memory, and its owner has decided."""
    pool = open_pool(str(shots))
    np.save(tmp_path / "t.npy", np.zeros((12, 2), dtype=np.float16))
    np.savez(tmp_path / "t.npz", ids=pool.ids, vectors=vectors_of(pool).astype(">f2"))
    for name, dtype in (("t.npy", np.float16), ("t.npz", np.float16)):
        assert LatentTable(tmp_path / name).encode(pool).pool.dtype == dtype
    assert np.array_equal(LatentTable(tmp_path / "t.npz").encode(pool).pool, vectors_of(pool))


def test_a_table_larger_than_memory_is_mapped(shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.encoders.storage.IN_MEMORY", 0)
    pool = open_pool(str(shots))
    np.savez(tmp_path / "t.npz", ids=pool.ids, vectors=vectors_of(pool))
    latents = LatentTable(tmp_path / "t.npz").encode(pool).pool
    assert isinstance(latents, np.memmap)
    assert np.array_equal(latents, vectors_of(pool))


def test_tensors_and_rows_without_a_vector(shots: Path, tmp_path: Path) -> None:
    pool = open_pool(str(shots))
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(vectors_of(pool))
    ids = [item.decode() for item in pool.ids]
    parquet.write_table(pa.table({"id": ids, "features": tensor}), tmp_path / "tensor.parquet")
    assert np.array_equal(LatentTable(tmp_path / "tensor.parquet").encode(pool).pool, vectors_of(pool))
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), 2)):
        rows = [None, *vectors_of(pool).tolist()[1:]]
        parquet.write_table(pa.table({"id": ids, "vector": pa.array(rows, kind)}), tmp_path / "null.parquet")
        assert "1 without numbers" in LatentTable(tmp_path / "null.parquet").notes(pool)[0]


def test_the_array_of_vectors_must_be_clear(tmp_path: Path) -> None:
    ids = np.array(["a", "b"])
    ones = np.ones((2, 3))
    assert open_table(save(tmp_path / "1.npz", ids=ids, whatever=ones, y=np.arange(2))).dim == 3
    assert open_table(save(tmp_path / "2.npz", names=ids, features=ones, logits=ones[:, :2])).dim == 3
    assert open_table(save(tmp_path / "3.npz", features=ones, vectors=ones[:, :2])).dim == 2
    assert open_table(save(tmp_path / "4.npz", keys=ids, z=ones)).has_keys
    assert not open_table(save(tmp_path / "5.npz", labels=ids, z=ones)).has_keys
    with pytest.raises(UsageError, match=r"several arrays of vectors: call the one to use `vectors`.*features.*emb"):
        open_table(save(tmp_path / "6.npz", features=ones, emb=ones))
    with pytest.raises(UsageError, match=r"no array of vectors: call one `vectors`.*ids: <U1 2"):
        open_table(save(tmp_path / "7.npz", ids=ids))
    with pytest.raises(UsageError, match=r"2 vectors, but ids is <U1 1: save one for each row"):
        open_table(save(tmp_path / "8.npz", ids=ids[:1], x=ones))
    with pytest.raises(UsageError, match=r"no column of vectors: call one `vectors`, a list.*\(it has a: int64\)"):
        open_table(save(tmp_path / "9.parquet", a=[1, 2]))


class Bomb:
    """Raises when it is unpickled, which must not happen."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


def bad_files(folder: Path) -> dict[str, str]:
    """Files that are not tables, and a part of the message for each."""
    good = np.ones((12, 3), dtype=np.float32)
    objects = np.array([Bomb(), None], dtype=object)
    np.save(folder / "objects.npy", objects, allow_pickle=True)
    np.savez(folder / "objects.npz", vectors=objects, allow_pickle=True)
    np.savez(folder / "names.npz", vectors=good, names=np.array([Bomb()] * 12, dtype=object))
    (folder / "vectors.pkl").write_bytes(pickle.dumps(Bomb()))
    np.save(folder / "flat.npy", good[:, 0])
    np.save(folder / "text.npy", np.array([["a"]]))
    np.save(folder / "none.npy", good[:0])
    np.save(folder / "narrow.npy", good[:, :0])
    for name in ("whole.npy", "whole.npz"):
        (np.save if name.endswith("y") else np.savez)(folder / name, good)
    save(folder / "whole.parquet", vector=good)
    for name in ("npy", "npz", "parquet"):
        (folder / f"cut.{name}").write_bytes((folder / f"whole.{name}").read_bytes()[:-60])
    data = bytearray((folder / "whole.npz").read_bytes())
    data[200:204] = b"\xff\xff\xff\x7f"  # within the array: its checksum is wrong
    (folder / "crc.npz").write_bytes(data)
    with zipfile.ZipFile(folder / "no.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with zipfile.ZipFile(folder / "liar.npz", "w") as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**6)})
        archive.writestr("vectors.npy", header.getvalue())
    save(folder / "ragged.parquet", vector=[[1.0, 2.0], [1.0], *[[1.0, 2.0]] * 10])
    save(folder / "empty.parquet", vector=pa.array([], pa.list_(pa.float32())))
    save(folder / "nulls.parquet", vector=pa.array([None] * 12, pa.list_(pa.float32())))
    (folder / "empty.npy").write_bytes(b"")
    (folder / "dir.npy").mkdir()
    os.mkfifo(folder / "pipe.npy")
    (folder / "device.npy").symlink_to("/dev/zero")
    return {
        "objects.npy": "Python objects, which are never loaded",
        "objects.npz": "Python objects, which are never loaded",
        "names.npz": r"names in .* holds Python objects.*dtype=str",
        "vectors.pkl": "is neither of these",
        "flat.npy": r"must hold a table of numbers \(N, D\), not float32 12",
        "text.npy": "must hold a table of numbers",
        "none.npy": "at least one vector",
        "narrow.npy": "at least one vector",
        "cut.npy": "damaged or truncated",
        "cut.npz": "damaged or truncated",
        "cut.parquet": "damaged or truncated",
        "crc.npz": "damaged or truncated",
        "no.npz": "no array of vectors",
        "liar.npz": "damaged or truncated",
        "ragged.parquet": r"different lengths: 2, and 1 in row 1",
        "empty.parquet": "at least one vector",
        "nulls.parquet": "at least one vector",
        "empty.npy": "is empty",
        "dir.npy": "folder of .parquet files: .* has none",
        "pipe.npy": "is a pipe or device: name a regular file",
        "device.npy": "is a pipe or device: name a regular file",
        "missing.npy": "cannot read .*No such file",
    }


def test_what_is_no_table_is_one_clear_line(shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    monkeypatch.chdir(folder)
    pool = open_pool(str(shots))
    for name, words in bad_files(folder).items():
        with pytest.raises(TuilabelError, match=words) as caught:
            choose_encoder("vae", pool, latents=folder / name).notes(pool)
        assert name in str(caught.value), name
        assert "\n" not in str(caught.value), name
    assert not (folder / "unpickled").exists()


def test_names_that_are_not_utf8_and_empty_ones(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for k, name in enumerate((b"\xff\xfe.jpg", "ü\n.jpg".encode(), b"#0.jpg")):
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(jpeg(picture("red", k, 16, 16)))
    pool = open_pool(str(folder))
    expected = PCAEncoder().encode(pool)
    for kind in FORMATS:
        write_table(tmp_path / f"t.{kind}", pool, expected)
        assert np.array_equal(LatentTable(tmp_path / f"t.{kind}").encode(pool).pool, expected.pool)


# -- other images, digests ---------------------------------------------------------------------------------------------


def test_other_images_need_a_table_of_their_own(toy: Toy, tmp_path: Path) -> None:
    pool = toy.pool.subset(range(80))
    others = ImagePool.from_arrays(toy.pool.images[80:], (), name="others")
    np.save(tmp_path / "own.npy", toy.latents[:80])
    np.save(tmp_path / "others.npy", toy.latents[80:])
    np.save(tmp_path / "short.npy", toy.latents[80:, :3])
    with pytest.raises(TuilabelError, match=r"no latents of others: pass `on_latents`"):
        LatentTable(tmp_path / "own.npy").encode_others(others, pool)
    latents = LatentTable(tmp_path / "own.npy", tmp_path / "others.npy").encode_others(others, pool)
    assert np.array_equal(latents, toy.latents[80:])
    with pytest.raises(TuilabelError, match=r"vectors of 3 numbers, but .*own.npy of 8"):
        LatentTable(tmp_path / "own.npy", tmp_path / "short.npy").encode_others(others, pool)
    with pytest.raises(TuilabelError, match=r"a model on own latents cannot be exported"):
        LatentTable(tmp_path / "own.npy").export_module(pool)


def test_the_digest_of_a_table_is_that_of_its_content(toy: Toy, tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", toy.latents)
    table = choose_encoder("vae", toy.pool, latents=tmp_path / "own.npy")
    assert table.path == tmp_path / "own.npy"
    digest = digest_of(table.path)
    shutil.copy(tmp_path / "own.npy", tmp_path / "copy.npy")
    assert digest_of(tmp_path / "copy.npy") == digest
    np.save(tmp_path / "own.npy", toy.latents + 1)
    assert digest_of(table.path) != digest


def test_the_name_of_a_table_says_its_format(shots: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"cannot tell the format of .*t.csv: its name must end in .npy, .npz, .parquet"
    ):
        encode_dataset(str(shots), tmp_path / "t.csv", encoder="pca")
    (tmp_path / "d.npz").mkdir()
    with pytest.raises(TuilabelError, match="is a directory"):
        encode_dataset(str(shots), tmp_path / "d.npz", encoder="pca")


def test_a_table_without_ids_gets_them(shots: Path, tmp_path: Path) -> None:
    pool = open_pool(str(shots))
    np.save(tmp_path / "own.npy", table_of(pool, PCAEncoder().encode(pool)))
    notes: list[str] = []
    encoded = encode_dataset(str(shots), tmp_path / "own.parquet", latents=tmp_path / "own.npy", note=notes.append)
    assert json.loads(json.dumps(encoded.to_json()))["encoder"] == "own latents"
    assert len(notes) == 1
    table = parquet.read_table(tmp_path / "own.parquet")
    assert table.column_names == ["id", "path", "vector"]
    assert table["path"].to_pylist() == [pool.files.last_name(k) for k in range(12)]
    assert np.array_equal(np.array(table["vector"].to_pylist(), np.float32), PCAEncoder().encode(pool).pool)


def test_a_project_on_own_latents_predicts_other_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colour_folder(tmp_path / "photos", each=8, size=lambda _: (16, 16))
    colour_folder(tmp_path / "others", each=3, size=lambda _: (16, 16), first=50)
    monkeypatch.chdir(tmp_path)
    colours = ("blue", "green", "red")
    for name in ("photos", "others"):
        files = sorted(path.relative_to(name) for path in Path(name).rglob("*.jpg"))
        vectors = np.eye(3, 5)[[colours.index(file.parent.name) for file in files]]
        np.savez(f"{name}.npz", paths=np.array([str(file) for file in files]), vectors=vectors)
    options = SessionOptions("photos", classes=colours, latents=Path("photos.npz"), learner="mlp", batch_size=6)
    with open_session(options) as session:
        while session.statistics().labelled < 12:
            assert session.batch is not None
            for item in session.batch.items:
                session.label(item.index, colours.index(session.pool.files.last_name(item.index).split("/")[0]))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        return done.stdout if done.exit_code == 0 else str(done.exception or done.stderr)

    predicted = run("predict", "photos", "--on", "others", "--on-latents", "others.npz")
    rows = list(csv.DictReader(io.StringIO(predicted)))
    assert len(rows) == 9
    assert all(row["path"].startswith(row["label"]) for row in rows), "the project remembers its latents"
    assert "has no latents of others: pass `--on-latents`" in run("predict", "photos", "--on", "others")
    assert "--on-latents is the table of other" in run("predict", "photos", "--on-latents", "others.npz")
    assert "--on-latents needs a model on own latents, but this one uses pca" in run(
        "predict", "photos", "--encoder", "pca", "--on", "others", "--on-latents", "others.npz"
    )
    assert "a model on own latents cannot be exported" in run("export", "photos", "--format", "torch")
    assert "9 latents of 5 dimensions in with.parquet" in run(
        "encode", "others", "--latents", "others.npz", "--out", "with.parquet"
    )
    assert "24 latents" not in run("encode", "photos", "--latents", "others.npz", "--out", "wrong.npz")
    assert not Path("wrong.npz").exists()


def test_other_images_are_encoded_into_the_space_of_the_first(tmp_path: Path) -> None:
    first = colour_folder(tmp_path / "first", each=6)
    others = colour_folder(tmp_path / "others", each=2, first=50)
    encode_dataset(str(others), tmp_path / "o.parquet", encoder="pca", reference=str(first))
    pool = open_pool(str(others))
    expected = PCAEncoder().encode_others(pool, open_pool(str(first)))
    assert np.array_equal(LatentTable(tmp_path / "o.parquet").encode(pool).pool, expected)
    assert not np.allclose(PCAEncoder().encode(pool).pool, expected, atol=0.1), "their own components are others"
