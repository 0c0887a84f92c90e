"""Large archives and tables: those that have not changed are not listed again, and every change of them is seen."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.helpers.folders import jpeg, picture
from tuilabel.datasets import open_pool
from tuilabel.datasets.library import LibraryPool
from tuilabel.datasets.sources import Entry
from tuilabel.datasets.sources.manifest import Manifest
from tuilabel.datasets.sources.tars import Tar
from tuilabel.datasets.sources.zips import Zip
from tuilabel.errors import TuilabelError

Contents = Mapping[str, bytes]
FIRST = {f"{colour}/{k}.jpg": jpeg(picture(colour, k)) for colour in ("red", "blue") for k in range(4)}


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every library is large, and no archive too young to be trusted; the archives and tables that are listed."""
    monkeypatch.setattr("tuilabel.datasets.library.library.MANY", 0)
    monkeypatch.setattr("tuilabel.datasets.sources.folders.RACY", -(10**30))
    found: list[str] = []

    def watch(kind: type[Zip | Tar | Manifest], method: str) -> None:
        original = getattr(kind, method)

        def spy(self: Zip | Tar | Manifest) -> Iterator[Entry]:
            found.append(self.title)
            entries: Iterator[Entry] = original(self)
            return entries

        monkeypatch.setattr(kind, method, spy)

    watch(Zip, "_listed")
    watch(Tar, "_listed")
    watch(Manifest, "_listed")
    return found


def write_zip(path: Path, contents: Contents) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def write_tar(path: Path, contents: Contents) -> None:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), zlib.crc32(content)  # as files have times
            archive.addfile(info, io.BytesIO(content))


def write_shards(path: Path, contents: Contents) -> None:
    path.mkdir(exist_ok=True)
    for colour in ("red", "blue"):
        members = {name: content for name, content in contents.items() if name.startswith(colour)}
        write_tar(path / f"{colour}.tar", members)


KINDS = {"shots.zip": write_zip, "shots.tar": write_tar, "shots.tar.gz": write_tar, "shards": write_shards}
kinds = pytest.mark.parametrize("name", KINDS)


def pool_of(path: Path) -> LibraryPool:
    pool = open_pool(str(path), reading="first")
    assert isinstance(pool, LibraryPool)
    return pool


def content_of(pool: LibraryPool) -> Contents:
    """What the files that are there give, by the last part of their names."""
    there = {*range(len(pool))} - {*pool.gone.tolist()}
    return {"/".join(pool.files.names(k)[0].split("/")[-2:]): pool.files.read(k) for k in there}


@kinds
def test_an_archive_that_has_not_changed_is_read_but_not_listed(tmp_path: Path, listed: list[str], name: str) -> None:
    path = tmp_path / name
    KINDS[name](path, FIRST)
    assert content_of(pool_of(path)) == FIRST
    assert listed
    listed.clear()
    pool = pool_of(path)
    assert pool.is_checked, "there is nothing to look at later"
    assert content_of(pool) == FIRST
    assert not listed


@kinds
def test_a_member_more(tmp_path: Path, listed: list[str], name: str) -> None:
    path = tmp_path / name
    KINDS[name](path, FIRST)
    pool_of(path)
    more = {**FIRST, "red/9.jpg": jpeg(picture("red", 9))}
    KINDS[name](path, more)
    assert content_of(pool_of(path)) == more


@kinds
def test_another_archive_of_the_same_size_and_time(tmp_path: Path, listed: list[str], name: str) -> None:
    """Replaced as a whole, and overwritten in place."""
    path = tmp_path / name
    KINDS[name](path, FIRST)
    pool_of(path)
    for k, kept in enumerate(("red", "blue")):
        new = {n: old if n.startswith(kept) else old[:-2] + bytes([k]) + b"\xd9" for n, old in FIRST.items()}
        changed = [*path.iterdir()] if path.is_dir() else [path]
        before = {file: file.stat() for file in changed}
        if k:
            KINDS[name](path, new)
        else:
            KINDS[name](path.with_name(f"new-{name}"), new)
            for file in changed:
                (path.with_name(f"new-{name}") / (file.name if path.is_dir() else "")).replace(file)
        for file in changed:
            os.utime(file, ns=(before[file].st_atime_ns, before[file].st_mtime_ns))
            if not name.endswith("gz"):
                assert file.stat().st_size == before[file].st_size
        assert content_of(pool_of(path)) == new


@kinds
def test_an_archive_that_was_cut_short(tmp_path: Path, listed: list[str], name: str) -> None:
    path = tmp_path / name
    KINDS[name](path, FIRST)
    n_before = len(pool_of(path))
    file = path / "blue.tar" if path.is_dir() else path
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2 if name.endswith("gz") else content.rindex(FIRST["blue/2.jpg"]) + 9])
    if name == "shots.zip":
        with pytest.raises(TuilabelError, match="damaged or truncated"):
            pool_of(path)
    else:
        pool = pool_of(path)
        assert 0 < len(pool.gone) < n_before
        assert "truncated or damaged after" in str(pool.library.index.problems())
    file.write_bytes(content)
    assert content_of(pool_of(path)) == FIRST


def test_only_the_shard_that_has_changed_is_listed_again(tmp_path: Path, listed: list[str]) -> None:
    path = tmp_path / "shards"
    write_shards(path, FIRST)
    pool_of(path)
    listed.clear()
    write_tar(path / "red.tar", {"red/0.jpg": FIRST["red/0.jpg"]})
    assert len(pool_of(path).gone) == 3
    assert listed == ["red"]
    (path / "blue.tar").unlink()
    assert len(pool_of(path).gone) == 7


def test_what_an_archive_skips_is_kept(tmp_path: Path, listed: list[str]) -> None:
    path = tmp_path / "shots.tar"
    write_tar(path, {**FIRST, "red/0.seg.png": b"mask", "notes.txt": b"", "../out.jpg": b"x"})
    before = pool_of(path).library
    listed.clear()
    after = pool_of(path).library
    assert not listed
    assert after.source.skipped() == before.source.skipped() != []
    assert after.index.problems() == before.index.problems()
    assert after.index.passed_over() == before.index.passed_over()


def test_a_zip_that_changed_just_now_is_listed_again(
    tmp_path: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilabel.datasets.sources.folders.RACY", 10**12)
    write_zip(tmp_path / "shots.zip", FIRST)
    pool_of(tmp_path / "shots.zip")
    pool_of(tmp_path / "shots.zip")
    assert listed == ["shots", "shots"]


def test_a_table_that_has_not_changed_is_read_again_in_the_background_only(tmp_path: Path, listed: list[str]) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "blue").mkdir()
    for name, content in FIRST.items():
        (tmp_path / name).write_bytes(content)
    table = tmp_path / "shots.csv"
    table.write_text("\n".join(["path", *FIRST, "red/missing.jpg"]))
    pool_of(table)
    (tmp_path / "red/missing.jpg").write_bytes(jpeg(picture("red", 9)))
    listed.clear()
    pool = pool_of(table)
    assert not listed
    assert len(pool) == 8
    assert not pool.is_checked
    pool.read_rest()
    assert len(pool) == 9
    table.write_text("\n".join(["path", *FIRST, "red/missing.jpg", "red/other.jpg"]))
    assert [problem.name for problem in pool_of(table).library.index.problems()] == ["red/other.jpg"]
