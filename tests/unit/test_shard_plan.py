"""How a listing is divided into shards: the same each time, and where nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tuilabel.datasets.sources import Source
from tuilabel.datasets.sources.base import Entry
from tuilabel.encoders.shards import plan as plans
from tuilabel.encoders.shards.folder import ShardFolder
from tuilabel.encoders.shards.plan import PLAN, SAMPLE, Plan, read_group, write_plan
from tuilabel.errors import TuilabelError


class Listing:
    """A source that lists these names."""

    location = "/somewhere"

    def __init__(self, names: list[str], stamp: str = "1") -> None:
        self.names, self.stamp = names, stamp

    def skipped(self) -> list[tuple[str, str]]:
        return [("gone.png", "no such file")]

    def list(self) -> Iterator[Entry]:
        return (Entry(name, 7, self.stamp) for name in self.names)


def planned(folder: Path, names: list[str], size: int = 20, stamp: str = "1") -> tuple[Plan, list[list[str]]]:
    source: Source = Listing(names, stamp)  # type: ignore[assignment]
    plan = write_plan(source, ShardFolder(str(folder)), size)
    return plan, groups(folder / PLAN, len(plan.keys))


def groups(file: Path, count: int) -> list[list[str]]:
    found = []
    for k in range(count):
        with file.open("rb") as opened:
            found.append([planned.name for planned in read_group(opened, k)])
    return found


NAMES = [f"folder/{k:04}.png" for k in range(1000)]


def test_every_file_is_in_one_shard(tmp_path: Path) -> None:
    plan, shards = planned(tmp_path, NAMES)
    assert [name for shard in shards for name in shard] == NAMES
    assert plan.sizes == list(map(len, shards))
    assert plan.n_files == 1000
    assert len(set(plan.keys)) == len(plan.keys)
    assert all(10 <= size <= 40 for size in plan.sizes[:-1])
    assert 14 <= 1000 / len(shards) <= 26


def test_the_same_listing_gives_the_same_keys(tmp_path: Path) -> None:
    assert planned(tmp_path / "a", NAMES)[0] == planned(tmp_path / "b", NAMES)[0]


@pytest.mark.parametrize(
    "changed", [[*NAMES[:500], "folder/0499b.png", *NAMES[500:]], NAMES[:300] + NAMES[301:], [*NAMES, "new/1.png"]]
)
def test_a_file_more_or_less_changes_only_the_shards_around_it(tmp_path: Path, changed: list[str]) -> None:
    before, after = planned(tmp_path / "a", NAMES)[0], planned(tmp_path / "b", changed)[0]
    assert len(set(after.keys) - set(before.keys)) <= 3


def test_a_file_that_has_changed_changes_the_key(tmp_path: Path) -> None:
    before, after = planned(tmp_path / "a", NAMES)[0], planned(tmp_path / "b", NAMES, stamp="2")[0]
    assert not set(before.keys) & set(after.keys)


def test_names_of_any_kind_come_back(tmp_path: Path) -> None:
    odd = ["a\nb.png", "\udcff.png", "é/日本.png", "x" * 300]
    assert planned(tmp_path, odd)[1] == [odd]


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    from tuilabel.datasets.sources import open_source

    images = tmp_path / "images"
    for name in ("b/2.png", "a/1.png", "c.png"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).write_bytes(b"")
    write_plan(open_source(str(images)), ShardFolder(str(tmp_path / "out")), 20)
    assert groups(tmp_path / "out" / PLAN, 1) == [["a/1.png", "b/2.png", "c.png"]]


def test_the_sample_is_from_all_over_the_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "SAMPLE_SIZE", 100)
    plan, _ = planned(tmp_path, NAMES)
    assert plan.sample_sizes == [100]
    (sample,) = groups(tmp_path / SAMPLE, 1)
    assert len(set(sample)) == 100
    assert all(any(name in sample for name in NAMES[k : k + 100]) for k in range(0, 1000, 100))


def test_a_listing_without_images_says_why(tmp_path: Path) -> None:
    with pytest.raises(TuilabelError, match=r"no images in /somewhere; 1 were skipped \(no such file\)"):
        planned(tmp_path, [])
