"""Large libraries: folders that have not changed are not listed again, and nothing is missed for it."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.helpers.folders import colour_folder, jpeg, picture
from tuilabel.datasets import DatasetLike, open_pool
from tuilabel.datasets.library import FOLDERS, Library, LibraryPool
from tuilabel.datasets.sources import Entry, Folder, nothing_known, open_source
from tuilabel.datasets.sources.directory import Directory
from tuilabel.errors import TuilabelError

LONG_AGO = 10**18  # nanoseconds since 1970


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every library is large, and no folder too young to be trusted; the folders that are listed."""
    monkeypatch.setattr("tuilabel.datasets.library.library.MANY", 0)
    monkeypatch.setattr("tuilabel.datasets.sources.folders.RACY", -(10**30))
    found: list[str] = []
    list_folder = Directory._list_folder

    def spy(self: Directory, prefix: str, stamp: str) -> Generator[Entry, None, Folder]:
        found.append(prefix)
        return list_folder(self, prefix, stamp)

    monkeypatch.setattr(Directory, "_list_folder", spy)
    return found


def pool_of(dataset: Path | DatasetLike, **options: object) -> LibraryPool:
    pool = open_pool(str(dataset) if isinstance(dataset, Path) else dataset, **options)  # type: ignore[arg-type]
    assert isinstance(pool, LibraryPool)
    return pool


def age(root: Path, step: int = 0) -> None:
    """Give each folder that was changed since the last call a time of its own: clocks tick too slowly for tests."""
    for folder, _, _ in os.walk(root):
        if Path(folder).stat().st_mtime_ns > LONG_AGO + 10**15:
            os.utime(folder, ns=(LONG_AGO + step, LONG_AGO + step))


def files_of(library: Library) -> list[tuple[str, bool, str | None]]:
    rows = library.index._rows(
        "SELECT name, test, label FROM files WHERE listing = ? ORDER BY name", library.index.listing
    )
    return [(bytes(name).decode(), bool(test), label) for name, test, label in rows]  # type: ignore[call-overload, misc]


def found_in(folder: Path, variant: str) -> list[tuple[str, bool, str | None]]:
    entries = open_source(str(folder), labels_from_folders=variant == FOLDERS).list()
    return sorted((entry.name, entry.test, entry.label) for entry in entries)


def test_folders_that_have_not_changed_are_not_listed_again(tmp_path: Path, listed: list[str]) -> None:
    folder = colour_folder(tmp_path / "large", each=4)
    age(folder)
    ids = pool_of(folder).ids.copy()
    (folder / "blue/new.jpg").write_bytes(jpeg(picture("blue", 50)))
    listed.clear()
    pool = pool_of(folder, reading="first")
    assert listed == ["blue/"]
    assert len(pool) == 13
    assert pool.ids[:12].tolist() == ids.tolist()
    assert pool.file_counts().listed == 13
    assert not pool.is_checked


def test_a_file_that_was_overwritten_in_place_is_found_when_the_rest_is_read(tmp_path: Path, listed: list[str]) -> None:
    folder = colour_folder(tmp_path / "large", each=4)
    age(folder)
    pool = pool_of(folder)
    (index,) = [k for k in range(12) if pool.files.names(k) == ("red/0.jpg",)]
    before = pool.picture(index, 100)
    (folder / "red/0.jpg").write_bytes(jpeg(picture("green", 77)))
    pool = pool_of(folder, reading="first")
    assert len(pool) == 12
    assert not len(pool.gone)
    with pytest.raises(TuilabelError, match=r"'red/0\.jpg' cannot be read: the file has changed since it was listed"):
        pool.files.read(index)
    assert pool.picture(index, 100).tobytes() == pool.images[index].tobytes(), "what is shown is what is labelled"
    assert before.shape == pool.picture(index, 100).shape
    pool.read_rest()
    assert len(pool) == 13
    assert pool.gone.tolist() == [index]
    assert pool.is_checked
    assert pool.files.names(12) == ("red/0.jpg",)


def test_a_command_that_reads_all_looks_at_every_file(tmp_path: Path, listed: list[str]) -> None:
    folder = colour_folder(tmp_path / "large", each=4)
    age(folder)
    pool_of(folder)
    (folder / "red/0.jpg").write_bytes(jpeg(picture("green", 77)))
    pool = pool_of(folder)
    assert pool.is_checked
    assert len(pool) == 13


def test_a_folder_that_changed_just_now_is_listed_again(
    tmp_path: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilabel.datasets.sources.folders.RACY", 10**12)
    folder = colour_folder(tmp_path / "large", each=2)
    age(folder)
    pool_of(folder)
    listed.clear()
    pool_of(folder, reading="first")
    assert "red/" in listed


def test_small_libraries_are_looked_at_each_time(
    tmp_path: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilabel.datasets.library.library.MANY", 1000)
    folder = colour_folder(tmp_path / "small", each=2)
    age(folder)
    pool_of(folder)
    (folder / "red/0.jpg").write_bytes(jpeg(picture("green", 77)))
    assert len(pool_of(folder, reading="first")) == 7


def test_file_systems_without_times_of_folders_are_listed_whole(
    tmp_path: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilabel.files._file_system", lambda _path: "fuse.s3fs")
    folder = colour_folder(tmp_path / "bucket", each=2)
    age(folder)
    pool_of(folder)
    (folder / "red/0.jpg").write_bytes(jpeg(picture("green", 77)))
    pool = pool_of(folder, reading="first")
    assert len(pool) == 7
    assert pool.is_checked


def test_what_was_skipped_is_looked_at_again(tmp_path: Path, listed: list[str]) -> None:
    folder = colour_folder(tmp_path / "large", each=2)
    (folder / "red/link.jpg").symlink_to(tmp_path / "later.jpg")
    age(folder)
    pool = pool_of(folder)
    assert [problem.name for problem in pool.library.index.problems()] == ["red/link.jpg"]
    (tmp_path / "later.jpg").write_bytes(jpeg(picture("green", 77)))
    pool = pool_of(folder, reading="first")
    assert len(pool) == 7
    assert pool.n_problems == 0


def test_a_library_of_an_earlier_version_forgets_the_files_that_are_gone(tmp_path: Path, listed: list[str]) -> None:
    folder = colour_folder(tmp_path / "large", each=2)
    age(folder)
    index = pool_of(folder).library.index
    with index._writing() as connection:
        connection.execute("DELETE FROM folders")
        connection.execute("UPDATE files SET listing = 7")
    index.store_values(listing=7)
    shutil.rmtree(folder / "red")
    pool = pool_of(folder, reading="first")
    assert len(pool.gone) == 2
    assert pool.file_counts().listed == 4


def test_counts_of_other_files_stay_when_nothing_is_listed(tmp_path: Path, listed: list[str]) -> None:
    folder = colour_folder(tmp_path / "large", each=2)
    for name in ("red/a.jp2", "red/b.txt", "blue/c.jp2"):
        (folder / name).write_bytes(b"x")
    age(folder)
    counts = pool_of(folder).library.index.passed_over()
    pool = pool_of(folder, reading="first")
    assert pool.library.index.passed_over() == counts == {"jp2": 2, "txt": 1}
    assert pool.remarks() == ["2 files are not read, by suffix: 2 .jp2"]


@pytest.mark.parametrize("variant", ["", FOLDERS])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_to_the_folders_the_files_are_those_of_a_new_listing(
    tmp_path: Path, listed: list[str], seed: int, variant: str
) -> None:
    root, rng = tmp_path / "large", random.Random(seed)
    (root / "a/b").mkdir(parents=True)
    library = Library(open_source(str(root), labels_from_folders=variant == FOLDERS), variant)
    for step in range(30):
        for _ in range(rng.randrange(4)):
            change(root, rng)
        (root / "a").mkdir(exist_ok=True)
        (root / "a/always.jpg").touch()
        age(root, step + 1)
        listed.clear()
        library.update_listing(trust_folders=True)
        n_listed = len(listed)
        assert files_of(library) == found_in(root, variant)
        assert library.index.n_files() == len(files_of(library))
        listed.clear()
        library.update_listing(trust_folders=True)
        assert len(listed) <= n_listed
    library.update_listing()
    assert files_of(library) == found_in(root, variant)


def change(root: Path, rng: random.Random) -> None:
    """Do one of the things that happen to folders."""
    folders = [Path(folder) for folder, _, _ in os.walk(root)]
    files = [path for path in root.rglob("*.jpg") if path.is_file()]
    inside, other, name = rng.choice(folders), rng.choice(folders), rng.choice("abcdé/ ".replace("/", "%"))
    match rng.randrange(8):
        case 0 | 1:
            (inside / f"{name}.jpg").write_bytes(rng.randbytes(rng.randrange(9)))
        case 2 if files:
            rng.choice(files).unlink()
        case 3 if files:
            rng.choice(files).replace(inside / f"{name}.jpg")
        case 4 if inside != root and not (other / name).exists() and inside not in (other, *other.parents):
            inside.rename(other / name)
        case 5 if inside != root:
            shutil.rmtree(inside)
        case 6 if not (inside / f"link-{name}").is_symlink():
            (inside / f"link-{name}").symlink_to(other)
        case _:
            (inside / name).mkdir(exist_ok=True)


def test_a_folder_of_a_hundred_thousand_rows_is_compared_in_parts(
    tmp_path: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilabel.datasets.library.listing._ROWS", 3)
    folder = colour_folder(tmp_path / "large", each=7)
    age(folder)
    pool_of(folder)
    (folder / "red/3.jpg").unlink()
    (folder / "green/4.jpg").write_bytes(jpeg(picture("green", 77)))
    pool = pool_of(folder)
    assert pool.file_counts().listed == 20
    assert len(pool.gone) == 2
    assert sum(isinstance(found, Entry) for found in Directory(folder).changes(nothing_known)) == 20
