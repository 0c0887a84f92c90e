"""Libraries: items keep their index when files are added, renamed, changed or deleted."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.helpers.folders import colour_folder, jpeg, picture
from tuilabel.datasets import DatasetLike, DatasetRef, as_ref, open_labelled, open_pool, report_files
from tuilabel.datasets.decode import Decoded, decode
from tuilabel.datasets.ids import file_id
from tuilabel.datasets.library import Library, LibraryPool
from tuilabel.datasets.library.read_files import CHUNK, SEQUENTIAL_CHUNK, files_per_attempt
from tuilabel.datasets.open import FIRST_ITEMS
from tuilabel.datasets.pool import FileCounts
from tuilabel.datasets.sources import open_source
from tuilabel.errors import TuilabelError


def pool_of(dataset: Path | DatasetLike, **options: object) -> LibraryPool:
    pool = open_pool(str(dataset) if isinstance(dataset, Path) else dataset, **options)  # type: ignore[arg-type]
    assert isinstance(pool, LibraryPool)
    return pool


def names(pool: LibraryPool) -> list[str]:
    return [pool.files.last_name(k) for k in range(len(pool))]


def test_every_image_is_an_item_with_its_content_as_id(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "shots", each=5)
    pool = pool_of(folder)
    assert pool.name == "shots"
    assert sorted(names(pool)) == sorted(str(p.relative_to(folder)) for p in folder.rglob("*.jpg"))
    for k, name in enumerate(names(pool)):
        assert pool.ids[k].decode() == file_id((folder / name).read_bytes())
        assert pool.files.path(k) == folder / name
        assert pool.files.read(k) == (folder / name).read_bytes()
    assert pool.images.shape == (15, 36, 48, 3), "small images of one size keep it"
    assert pool.targets is None
    assert pool.classes == ()


def test_the_order_is_a_fair_sample_and_the_same_each_time(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "many", each=40)
    order = names(pool_of(folder))
    assert {name.split("/")[0] for name in order[:30]} == {"blue", "green", "red"}
    shutil.rmtree(pool_of(folder).library.folder)
    assert names(pool_of(folder)) == order


def test_images_of_many_sizes_are_resized_and_keep_their_aspect_ratios(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "sizes", each=4, size=lambda k: (300, 100 + k))
    pool = pool_of(folder)
    assert pool.images.shape[1:] == (64, 64, 3)
    assert {pool.size_of(k) for k in range(len(pool))} == {(300, 100 + k) for k in range(4)}
    assert pool.picture(0, 150).shape[1] == 150
    assert pool.picture(0, 1000).shape[1] == 300, "never larger than the file"


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    for k in range(3):
        picture("red", k).convert("L").save(tmp_path / f"{k}.png")
    assert pool_of(tmp_path).images.shape == (3, 36, 48, 1)


def test_copies_share_an_item(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "copies", each=2)
    (folder / "again.jpg").write_bytes((folder / "red/0.jpg").read_bytes())
    pool = pool_of(folder)
    assert len(pool) == 6
    (where,) = pool.indices_of([file_id((folder / "again.jpg").read_bytes())])
    assert pool.files.names(int(where)) == ("again.jpg", "red/0.jpg")
    assert pool.library.index.n_duplicates() == 1


def test_new_files_are_appended_and_existing_items_keep_their_index(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "growing", each=4)
    pool = pool_of(folder)
    before, ids, images = names(pool), pool.ids.copy(), pool.images.copy()
    colour_folder(folder, each=3, first=50)
    assert pool.refresh() == 0, "they have not been read yet"
    pool_of(folder)
    assert pool.refresh() == 9
    assert names(pool)[:12] == before
    assert np.array_equal(pool.ids[:12], ids)
    assert np.array_equal(pool.images[:12], images)
    assert (pool.indices_of([item.decode() for item in pool.ids]) == np.arange(21)).all()


def test_renamed_and_moved_files_are_the_same_items(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "moving", each=3)
    ids = pool_of(folder).ids.copy()
    (folder / "elsewhere").mkdir()
    (folder / "red/1.jpg").rename(folder / "elsewhere/one.jpg")
    pool = pool_of(folder)
    assert np.array_equal(pool.ids, ids)
    (index,) = [k for k, name in enumerate(names(pool)) if name == "elsewhere/one.jpg"]
    assert pool.files.names(index) == ("elsewhere/one.jpg",)
    assert not len(pool.gone)


def test_items_of_deleted_files_keep_index_name_and_small_copy(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "losing", each=3)
    pool = pool_of(folder)
    (index,) = [k for k, name in enumerate(names(pool)) if name == "red/2.jpg"]
    (folder / "red/2.jpg").unlink()
    pool = pool_of(folder)
    assert pool.gone.tolist() == [index]
    assert len(pool) == 9
    assert pool.files.names(index) == ()
    assert pool.files.last_name(index) == "red/2.jpg"
    with pytest.raises(TuilabelError, match=r"red/2\.jpg.*gone"):
        pool.files.read(index)
    assert pool.picture(index, 100).shape == (36, 48, 3), "the small copy is left"


def test_a_file_that_has_changed_is_another_item(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "changing", each=2)
    old = pool_of(folder).ids.copy()
    (folder / "red/0.jpg").write_bytes(jpeg(picture("green", 99)))
    pool = pool_of(folder)
    assert len(pool) == 7
    assert np.array_equal(pool.ids[:6], old)
    assert len(pool.gone) == 1


def test_broken_files_are_reported_and_never_items(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "broken", each=2)
    whole = (folder / "red/0.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.gif").write_text("no picture")
    pool = pool_of(folder)
    assert len(pool) == 6
    assert {problem.name for problem in pool.library.index.problems()} == {"cut.jpg", "empty.png", "text.gif"}
    (folder / "cut.jpg").write_bytes(jpeg(picture("blue", 77)))
    assert len(pool_of(folder)) == 7, "a fixed file is read"


def test_names_may_contain_any_character(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    odd = ["new\nline.jpg", "esc\x1b[31m.jpg", "ünïcode.jpg", "%s {0}.jpg"]
    for k, name in enumerate(odd):
        (folder / name).write_bytes(jpeg(picture("red", k)))
    with open(bytes(folder) + b"/\xff\xfe.jpg", "wb") as file:  # noqa: PTH123 - no str
        file.write(jpeg(picture("red", 9)))
    pool = pool_of(folder)
    assert len(pool) == 5
    assert set(odd) < set(names(pool))
    assert all(pool.files.read(k) for k in range(5))


def test_a_folder_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("nothing")
    with pytest.raises(TuilabelError, match="no readable image"):
        open_pool(str(tmp_path))
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(TuilabelError, match="no images"):
        open_pool(str(tmp_path))


def test_one_image_is_enough_to_decide_the_shape_of_large_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = colour_folder(tmp_path / "large", each=10, size=lambda k: (300, 200 + k))
    decoded: list[int] = []

    def spy(content: bytes, longest: int) -> Decoded:
        decoded.append(longest)
        return decode(content, longest)

    monkeypatch.setattr("tuilabel.datasets.library.library.decode", spy)
    assert pool_of(folder).images.shape == (30, 64, 64, 3)
    assert len(decoded) == 1


def test_only_the_first_files_are_read_when_that_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.datasets.open.FIRST_ITEMS", 24)
    folder = colour_folder(tmp_path / "first", each=20)
    pool = pool_of(folder, reading="first")
    assert 24 <= len(pool) < 60
    assert not pool.library.complete
    assert len(pool_of(folder, reading="none")) == len(pool)
    assert len(pool_of(folder)) == 60
    assert FIRST_ITEMS >= 24


def test_a_file_that_crashes_the_decoder_becomes_a_problem(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "deadly", each=2)
    library = Library(open_source(str(folder)))
    list(library.index.update_listing(library.source.list(), shuffled=True))
    deadly = next(tries for tries in range(10) if files_per_attempt(CHUNK, tries) == 1) + 1
    for _ in range(deadly):
        library.index.begin_attempt(["red/0.jpg"])  # as a crash while reading leaves it
    library.read()
    assert library.index.n_items(test=False) == 5
    (problem,) = library.index.problems()
    assert problem.name == "red/0.jpg"
    assert "crashes" in problem.reason


def test_the_files_next_to_one_that_crashes_the_decoder_are_read(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "neighbours", each=8)
    library = Library(open_source(str(folder)))
    library.update_listing()
    library.index.begin_attempt([file.name for file in library.index.unread(100)])
    library.read()
    assert library.index.n_items(test=False) == 24
    assert not library.index.problems()
    assert SEQUENTIAL_CHUNK > 16 * CHUNK


def test_stopping_does_not_count_as_a_crash(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "stopped", each=10)
    library = Library(open_source(str(folder)))
    library.update_listing()
    library.read(enough=lambda done: done >= 3)
    assert 3 <= library.index.n_items(test=False) < 30
    assert all(file.tries == 0 for file in library.index.unread(100))


def test_a_damaged_library_is_rebuilt(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "damaged", each=2)
    library = pool_of(folder).library
    library.index.close()
    (library.folder / "index.db").write_bytes(b"no database" * 100)
    for more in library.folder.glob("index.db-*"):
        more.unlink()
    assert len(pool_of(folder)) == 6


@pytest.mark.parametrize("file", ["pool-images.bin", "pool-ids.bin"])
def test_a_library_that_was_cut_short_is_read_again(tmp_path: Path, file: str) -> None:
    folder = colour_folder(tmp_path / "cut", each=2)
    before = pool_of(folder)
    path = before.library.folder / file
    images, ids = np.array(before.images), np.array(before.ids)
    os.truncate(path, path.stat().st_size // 2)
    again = open_pool(str(folder))
    assert np.array_equal(again.images, images)
    assert np.array_equal(again.ids, ids)


def test_folders_are_classes_on_request(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "labelled", each=3)
    pool = pool_of(DatasetRef(str(folder), labels_from_folders=True))
    assert pool.classes == ("blue", "green", "red")
    assert pool.targets is not None
    assert [pool.classes[t] for t in pool.targets] == [name.split("/")[0] for name in names(pool)]
    assert pool.test is None


def test_a_file_moved_to_another_class_gets_that_class(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "sorted", each=3)
    ref = DatasetRef(str(folder), labels_from_folders=True)
    pool = pool_of(ref)
    before = {name: index for index, name in enumerate(names(pool))}
    split = open_labelled(ref) if pool.test is None else pool
    (folder / "red/0.jpg").rename(folder / "blue/0-red.jpg")
    (folder / "green").rename(folder / "verde")
    again = pool_of(ref)
    assert again.classes == ("blue", "red", "verde")
    assert again.targets is not None
    assert np.array_equal(again.ids, pool.ids)
    found = {name: again.classes[again.targets[index]] for name, index in before.items()}
    assert found == {
        name: "blue" if name == "red/0.jpg" else name.split("/")[0].replace("green", "verde") for name in before
    }
    relabelled = open_labelled(ref)
    assert relabelled.classes == again.classes
    assert relabelled.fingerprint == split.fingerprint, "the latents are the same"
    assert np.bincount(relabelled.targets).sum() == np.bincount(split.targets).sum()  # type: ignore[arg-type]


def test_a_copy_in_another_class_changes_nothing(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "twice", each=2)
    ref = DatasetRef(str(folder), labels_from_folders=True)
    before = pool_of(ref).targets
    (folder / "blue/copy.jpg").write_bytes((folder / "red/0.jpg").read_bytes())
    assert np.array_equal(pool_of(ref).targets, before)  # type: ignore[arg-type]


def test_a_pool_has_a_class_for_each_image_while_more_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = DatasetRef(str(colour_folder(tmp_path / "busy", each=3)), labels_from_folders=True)
    index = pool_of(ref).library.index
    monkeypatch.setattr(type(index), "n_items", lambda self, *, test: 0 if test else 5)  # four were read since
    pool = pool_of(ref, reading="none")
    assert pool.targets is not None
    assert len(pool.images) == len(pool.targets) == 5


def test_items_are_read_again_after_the_cache_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.datasets.open.FIRST_ITEMS", 24)
    folder = colour_folder(tmp_path / "again", each=20)
    whole = pool_of(folder)
    last = whole.ids[-1].decode()
    shutil.rmtree(whole.library.folder)
    pool = pool_of(folder, reading="first")
    assert pool.indices_of([last]).tolist() == [-1]
    n = len(pool)
    pool.read_until_found([pool.ids[0].decode()])
    assert len(pool) == n, "nothing is missing"
    pool.read_until_found([last])
    assert len(pool) == 60
    assert pool.indices_of([last]).tolist() == [59]
    assert pool.is_complete


def test_a_pool_counts_its_files(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "counted", each=2)
    (folder / "again.jpg").write_bytes((folder / "red/0.jpg").read_bytes())
    (folder / "broken.jpg").write_text("no picture")
    (folder / "green/0.jpg").rename(tmp_path / "kept.jpg")
    pool_of(folder)
    (tmp_path / "kept.jpg").rename(folder / "green/0.jpg")
    pool_of(folder)
    (folder / "blue/1.jpg").unlink()
    pool = pool_of(folder)
    assert pool.can_grow
    assert not pool.is_builtin
    assert pool.n_problems == 1
    assert pool.file_counts() == FileCounts(listed=7, unread=0, copies=1, gone=1, problems=1)
    rows = pool.rows_by_file()
    listed = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    assert rows.n_files == len(listed) == 7
    assert {listed[row]: int(index) for row, index in rows.pool} == {
        name: index for index in range(len(pool)) for name in pool.files.names(index)
    }
    assert not len(rows.test)


def test_class_names_cannot_control_the_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    for name in ("plain", "\x1b]0;owned\x07"):
        (folder / name).mkdir(parents=True)
        (folder / name / "0.jpg").write_bytes(jpeg(picture("red", len(name))))
    pool = pool_of(DatasetRef(str(folder), labels_from_folders=True))
    assert set(pool.classes) == {"plain", "\\x1b]0;owned\\x07"}
    assert pool.targets is not None


def test_a_test_folder_is_the_test_split(tmp_path: Path) -> None:
    colour_folder(tmp_path / "split/train", each=3)
    colour_folder(tmp_path / "split/test", each=2, first=100)
    pool = pool_of(DatasetRef(str(tmp_path / "split"), labels_from_folders=True))
    assert len(pool) == 9
    assert pool.test is not None
    assert len(pool.test.images) == 6
    assert sorted(pool.test.targets) == [0, 0, 1, 1, 2, 2]
    assert pool.classes == ("blue", "green", "red")


def test_a_simulation_gets_a_test_split_by_content(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "whole", each=20)
    pool = open_labelled(DatasetRef(str(folder), labels_from_folders=True))
    assert pool.test is not None
    assert pool.targets is not None
    assert len(pool.ids) + len(pool.test.images) == 60
    assert 3 <= len(pool.test.images) <= 25
    again = open_labelled(DatasetRef(str(folder), labels_from_folders=True))
    assert again.fingerprint == pool.fingerprint


def test_a_medium_size_copy_of_remote_files_is_kept() -> None:
    memory = fsspec.filesystem("memory")
    for k in range(3):
        memory.pipe(f"/bucket/shots/{k}.jpg", jpeg(picture("red", k, 800, 600)))
    pool = pool_of("memory://bucket/shots")
    memory.rm("/bucket/shots", recursive=True)
    assert max(pool.picture(0, 1000).shape) > 300
    assert pool.files.path(0) is None


def test_titles_and_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colour_folder(tmp_path / "My Photos", each=1)
    monkeypatch.chdir(tmp_path)
    assert DatasetRef("mnist").title() == "mnist"
    assert DatasetRef("mnist").absolute() == DatasetRef("mnist")
    assert DatasetRef("My Photos/").title() == "My-Photos"
    for labelled in (True, False):
        ref = DatasetRef("My Photos", labels_from_folders=labelled)
        assert ref.absolute() == DatasetRef(str(tmp_path / "My Photos"), labels_from_folders=labelled)
    with pytest.raises(TuilabelError, match="unknown dataset 'nowhere'"):
        DatasetRef("nowhere").title()


def test_a_reference_is_stored_as_one_string() -> None:
    for text, ref in (
        ("mnist", DatasetRef("mnist")),
        ("/my/photos", DatasetRef("/my/photos")),
        ("/my/photos?labels=folders", DatasetRef("/my/photos", labels_from_folders=True)),
    ):
        assert str(ref) == text
        assert as_ref(text) == as_ref(ref) == ref


def test_a_folder_whose_files_were_all_renamed_is_available_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilabel.datasets.open.FIRST_ITEMS", 24)
    folder = colour_folder(tmp_path / "renamed", each=20)
    ids = pool_of(folder).ids.copy()
    for path in list(folder.rglob("*.jpg")):
        path.rename(path.with_name(f"new-{path.name}"))
    pool = pool_of(folder, reading="first")
    assert np.array_equal(pool.ids, ids), "their indices are the same"
    assert len(pool) - len(pool.gone) >= 24, "enough of them were matched to begin"


def test_links_to_themselves_are_reported_and_skipped(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "shots", each=1)
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "loop").symlink_to("loop")
    pool = pool_of(folder)
    assert len(pool) == 3
    problems = {problem.name: problem.reason for problem in pool.library.index.problems()}
    assert problems == {"loop.jpg": "a link that leads to itself", "loop": "a link that leads to itself"}


def test_what_is_not_read_and_what_is_in_two_classes_is_said(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "shots", each=3)
    (folder / "red/twin.jpg").write_bytes((folder / "blue/0.jpg").read_bytes())
    (folder / "red/same.jpg").write_bytes((folder / "red/1.jpg").read_bytes())
    for name in ("a.jpg_large", "notes.txt", "b.jp2"):
        (folder / name).write_bytes(b"x")
    pool = pool_of(DatasetRef(str(folder), labels_from_folders=True))
    assert pool.remarks() == [
        "2 files are not read, by suffix: 1 .jp2, 1 .jpg_large",
        "1 image in two classes: `tuilabel stats --problems` lists them",
    ]
    assert pool.file_counts().not_images == 3
    report = report_files(DatasetRef(str(folder), labels_from_folders=True))
    assert report.conflicts == [("blue/0.jpg", "blue", "red/twin.jpg", "red")]
    assert report.passed_over == {"jp2": 1, "jpg_large": 1, "txt": 1}
    assert report.problems == []
    assert pool_of(folder).remarks() == ["2 files are not read, by suffix: 1 .jp2, 1 .jpg_large"]


def test_a_folder_without_a_readable_suffix_says_what_it_has(tmp_path: Path) -> None:
    for k in range(3):
        (tmp_path / f"{k}.JP2").write_bytes(b"x")
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(TuilabelError, match=r"no images in .*; 4 files are not read, by suffix: 3 \.jp2, 1 \.txt"):
        pool_of(tmp_path)


def tar_with_texts(path: Path, texts: list[str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for k, text in enumerate(texts):
            for suffix, data in (("jpg", jpeg(picture("red", k))), ("txt", text.encode())):
                info = tarfile.TarInfo(f"{k:06}.{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def test_captions_are_no_classes(tmp_path: Path) -> None:
    captions = [f"a {animal} on the mat" for animal in ("cat", "dog", "cow", "hen", "pig")]
    pool = pool_of(tar_with_texts(tmp_path / "captions.tar", captions))
    assert (pool.classes, pool.targets) == ((), None)
    assert pool.remarks() == ["the texts that come with the images nearly all differ: they are captions, not classes"]
    few = pool_of(tar_with_texts(tmp_path / "few.tar", ["cat", "dog", "cow"]))
    assert few.classes == ("cat", "cow", "dog")
    many = pool_of(tar_with_texts(tmp_path / "many.tar", [f"product {k % 10}" for k in range(40)]))
    assert len(many.classes) == 10


def test_images_in_a_parquet_file_are_a_pool(tmp_path: Path) -> None:
    rows = [{"bytes": jpeg(picture(colour, k)), "path": None} for k in range(4) for colour in ("blue", "red")]
    parquet.write_table(pa.table({"image": rows, "label": ["b", "r"] * 4}), tmp_path / "colours.parquet")
    pool = pool_of(tmp_path / "colours.parquet")
    assert (len(pool), pool.classes) == (8, ("b", "r"))
    assert pool.targets is not None
    for k in range(8):
        row = int(pool.files.last_name(k).removeprefix("#"))
        assert pool.files.read(k) == rows[row]["bytes"]
        assert pool.classes[pool.targets[k]] == "br"[row % 2]
