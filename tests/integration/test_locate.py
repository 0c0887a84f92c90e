"""Which project belongs to which images: labels never land on those of another folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from tests.helpers.folders import jpeg, picture
from tuilabel.datasets import DatasetRef
from tuilabel.datasets.sources import title_of
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import Project
from tuilabel.project.encode_dataset import encode_dataset
from tuilabel.project.exchange import export_labels, import_labels
from tuilabel.project.file_problems import file_problems
from tuilabel.project.locate import find_project, locate_project, project_names
from tuilabel.project.model import open_model
from tuilabel.project.open_session import open_project, open_session
from tuilabel.project.options import ModelOptions, SessionOptions
from tuilabel.project.statistics import project_statistics

Label = Callable[..., Path]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an empty cache."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TUILABEL_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def label(tmp_path: Path) -> Label:
    """A function that labels two images of a folder; returns the project."""

    def label_(images: str | Path | None, red: str = "red", project: Path | None = None) -> Path:
        table = tmp_path / "labels.csv"
        table.write_text(f"path,label\nred/0.jpg,{red}\nblue/0.jpg,blue\n")
        dataset = None if images is None else str(images)
        return import_labels(table, dataset, project=project, on_conflict="replace", apply=True).project

    return label_


def images_in(folder: Path, seed: int = 0) -> Path:
    """Four images of two colours under the same names in every folder, with another content for each seed."""
    for colour in ("red", "blue"):
        (folder / colour).mkdir(parents=True)
        for k in range(2):
            (folder / colour / f"{k}.jpg").write_bytes(jpeg(picture(colour, 2 * seed + k)))
    return folder


def labelled_with(project: Path) -> set[str]:
    classes = project_statistics(None, project).to_json()["classes"]
    return {name for name, n in classes.items() if n}


def source_of(project: Path) -> str:
    return Project.read(project).source.location


def test_folders_of_one_name_have_a_project_each(work: Path, label: Label) -> None:
    for seed, name in enumerate("ab"):
        images_in(work / name / "images", seed)
    assert label("a/images", "scarlet") == Path("images.tuilabel")
    with pytest.raises(TuilabelError) as refused:
        find_project("b/images")
    assert str(work / "a/images") in str(refused.value)
    assert str(work / "b/images") in str(refused.value)
    assert label("b/images", "crimson") == Path("b-images.tuilabel")
    assert labelled_with(Path("images.tuilabel")) == {"scarlet", "blue"}
    assert labelled_with(Path("b-images.tuilabel")) == {"crimson", "blue"}
    for name, project in (("a/images", "images.tuilabel"), ("./b/images/", "b-images.tuilabel")):
        assert find_project(name).directory == Path(project)
        assert source_of(Path(project)) == str(work / name)
    shutil.rmtree("images.tuilabel")
    assert find_project("b/images").directory == Path("b-images.tuilabel"), "though the usual name is free again"


def test_the_screen_says_which_project_it_opens(work: Path, label: Label) -> None:
    images_in(work / "a/images")
    images_in(work / "b/images", seed=1)
    label("a/images")
    located = locate_project("b/images")
    assert (located.directory, located.project) == (Path("b-images.tuilabel"), None)
    line = f"images.tuilabel is of {work}/a/images: b-images.tuilabel is the project of {work}/b/images"
    assert located.lines == [line]
    with open_session(SessionOptions("b/images", classes=("x", "y"), device="cpu")) as session:
        assert session.classes == ("x", "y")
    assert source_of(Path("images.tuilabel")) == str(work / "a/images")


def test_a_project_that_is_named_with_images_of_another_folder_is_refused(work: Path, label: Label) -> None:
    images_in(work / "a/images")
    images_in(work / "b/images", seed=1)
    project = label("a/images")
    for call in (
        lambda: label("b/images", project=project),
        lambda: find_project("b/images", project),
        lambda: find_project("mnist", project),
        lambda: project_statistics("b/images", project),
        lambda: file_problems("b/images", project),
        lambda: export_labels("b/images", work / "out.csv", project=project),
    ):
        with pytest.raises(TuilabelError, match=r"images\.tuilabel holds labels of .*a/images, not "):
            call()
    assert source_of(project) == str(work / "a/images")
    shutil.rmtree(work / "a")
    with pytest.raises(TuilabelError, match=r"holds labels of .*a/images, not .*b/images"):
        label("b/images", project=project)
    assert find_project(None, project).directory == project, "alone it means its own images"


def test_a_builtin_dataset_and_a_folder_of_its_name_are_not_mixed(work: Path, label: Label) -> None:
    images_in(work / "mnist")
    assert label("./mnist") == Path("mnist.tuilabel")
    with pytest.raises(TuilabelError, match=r"mnist\.tuilabel holds labels of .*work/mnist, not mnist"):
        find_project("mnist")
    assert find_project("./mnist").directory == Path("mnist.tuilabel")


@pytest.mark.parametrize("named", [False, True])
def test_images_that_have_moved_are_found_by_their_content(
    work: Path, label: Label, tmp_path: Path, named: bool
) -> None:
    project = label(images_in(work / "shots"))
    (work / "shots").rename(tmp_path / "holiday")
    said: list[str] = []
    found = find_project(str(tmp_path / "holiday"), project if named else None, note=said.append)
    assert found.directory == project
    assert said == [f"{project}: its 2 labelled images moved from {work}/shots to {tmp_path}/holiday"]
    assert project_statistics(str(tmp_path / "holiday")).log.labelled == 2
    assert source_of(project) == str(work / "shots"), "reading a project changes nothing"
    assert label(tmp_path / "holiday", "scarlet", project if named else None) == project
    assert source_of(project) == str(tmp_path / "holiday")
    assert find_project(str(tmp_path / "holiday")).directory == project, "it is bound to them under its old name"


def test_another_folder_where_the_images_are_gone_is_not_taken_for_them(work: Path, label: Label) -> None:
    label(images_in(work / "usb/shots"))
    shutil.rmtree(work / "usb")
    images_in(work / "shots", seed=1)
    assert locate_project("shots").directory == Path("work-shots.tuilabel")
    with pytest.raises(TuilabelError, match=r"shots\.tuilabel holds labels of .*usb/shots"):
        find_project("shots")


def test_a_link_leads_to_the_project_of_its_folder_and_back(work: Path, label: Label, tmp_path: Path) -> None:
    images_in(tmp_path / "disk/photos")
    (work / "link").symlink_to(tmp_path / "disk/photos")
    project = label("link")
    assert project == Path("link.tuilabel")
    for path in (tmp_path / "disk/photos", "link/", "./link", tmp_path / "disk/../disk/photos"):
        assert find_project(str(path)).directory == project
        assert label(path) == project
    assert source_of(project) == str(work / "link")
    assert label(tmp_path / "disk/photos", project=Path("by-hand.tuilabel")) == Path("by-hand.tuilabel")
    assert find_project("link").directory == project, "a name that somebody chose is not guessed"


def test_a_link_that_leads_elsewhere_now_has_another_project(work: Path, label: Label) -> None:
    for version in ("v1", "v2"):
        images_in(work / "data" / version, seed=int(version[1]))
    (work / "current").symlink_to(work / "data/v1")
    project = label("current")
    (work / "current").unlink()
    (work / "current").symlink_to(work / "data/v2")
    assert locate_project("current").project is None
    found = find_project("data/v1")
    assert (found.directory, found.source.location) == (project, str(work / "data/v1"))


def test_a_folder_with_other_images_in_it_now_is_reported(work: Path, label: Label) -> None:
    label(images_in(work / "inbox"))
    shutil.rmtree(work / "inbox")
    images_in(work / "inbox", seed=1)
    said: list[str] = []
    with open_project(SessionOptions("inbox", device="cpu"), note=said.append):
        pass
    assert f"none of the 2 labelled images of inbox.tuilabel is in {work}/inbox any more" in said[-1]


def test_a_project_is_found_next_to_its_images(work: Path, label: Label, monkeypatch: pytest.MonkeyPatch) -> None:
    label(images_in(work / "shots"))
    (work / "elsewhere").mkdir()
    monkeypatch.chdir(work / "elsewhere")
    said: list[str] = []
    assert locate_project("../shots", note=said.append).directory == work / "shots.tuilabel"
    assert said == [f"{work / 'shots.tuilabel'} is the project of these images"]
    (work / "shots.tuilabel").rename(work / "kept")
    assert locate_project("../shots").directory == Path("shots.tuilabel")


def test_a_project_that_moved_with_its_images_is_found_next_to_them(
    work: Path, label: Label, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(images_in(work / "shots"))
    (work / "disk").mkdir()
    for name in ("shots", "shots.tuilabel"):
        (work / name).rename(work / "disk" / name)
    said: list[str] = []
    found = locate_project("disk/shots", note=said.append)
    assert (found.directory, found.moved) == (work / "disk/shots.tuilabel", True)
    assert said == [f"{found.directory}: its 2 labelled images moved from {work}/shots to {work}/disk/shots"]
    images_in(work / "disk/others/shots", seed=5)
    (work / "disk/shots.tuilabel").rename(work / "disk/others/shots.tuilabel")
    assert locate_project("disk/others/shots").project is None, "these are other images"


def test_two_folders_that_changed_places_are_reported(work: Path, label: Label, tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        label(images_in(work / name, seed=seed))
    for old, new in (("a", "t"), ("b", "a"), ("t", "b")):
        (work / old).rename(work / new)
    expected = f"none of the 2 labelled images of a.tuilabel is in {work}/a any more"
    said: list[str] = []
    import_labels(tmp_path / "labels.csv", "a", note=said.append)
    assert said[-1].startswith(expected)
    said.clear()
    open_model(ModelOptions("a", device="cpu", encoder="pca"), note=said.append)
    assert any(line.startswith(expected) for line in said)


def test_names_keep_letters_of_any_script(work: Path, label: Label) -> None:
    for name in ("写真", "фото", "हिन्दी", "می‌خواهم", "café", "🐱"):
        assert title_of(f"/data/{name}") == name
        assert label(images_in(work / name)) == Path(f"{name}.tuilabel")
    assert title_of("/data/cafe\u0301") == "café", "in composed form"
    assert title_of("/data/###") == "images"
    assert title_of("/data/a b/c: d?.tar.gz") == "c-d"
    assert len(title_of("/data/" + "写真" * 80).encode()) <= 128
    assert project_names(DatasetRef("/data/写真"))[:2] == ["写真", "data-写真"]
    assert project_names(DatasetRef("s3://bucket/set/images/"))[:3] == ["images", "set-images", "bucket-set-images"]


def test_a_project_with_a_name_of_version_0_1_is_found(work: Path, label: Label) -> None:
    images_in(work / "写真")
    project = label("写真", project=Path("images.tuilabel"))  # what 0.1 called it
    assert find_project("写真").directory == project
    images_in(work / "фото", seed=1)
    assert locate_project("фото").directory == Path("фото.tuilabel")


def test_settings_without_a_source_are_bound_by_their_content(work: Path, label: Label, tmp_path: Path) -> None:
    project = label(images_in(tmp_path / "shots"))
    settings = project / "settings.toml"
    lines = settings.read_text().splitlines(keepends=True)
    settings.write_text("".join(line for line in lines if not line.startswith("source")))
    assert find_project(str(tmp_path / "shots")).directory == project
    assert label(tmp_path / "shots", "scarlet") == project
    assert source_of(project) == str(tmp_path / "shots")


def test_a_project_is_a_dataset_too(work: Path, label: Label, tmp_path: Path) -> None:
    project = label(images_in(tmp_path / "shots"))
    for name in ("shots", "shots.tuilabel", "./shots.tuilabel/", str(work / "shots.tuilabel")):
        found = locate_project(name)
        assert found.directory.resolve() == project.resolve()
        assert found.images.location == str(tmp_path / "shots")
    with pytest.raises(UsageError, match="unknown dataset 'shoots'"):
        locate_project("shoots")
    with pytest.raises(UsageError, match="does not exist"):
        locate_project("no/shots")


def test_damaged_settings_of_another_project_are_in_nobodys_way(work: Path, label: Label) -> None:
    (work / "other.tuilabel").mkdir()
    (work / "other.tuilabel/settings.toml").write_text("damaged")
    assert label(images_in(work / "shots")) == Path("shots.tuilabel")
    (work / "shots.tuilabel/settings.toml").write_text("damaged")
    with pytest.raises(TuilabelError, match=r"shots\.tuilabel/settings\.toml is damaged"):
        locate_project("shots")


def test_latents_do_not_depend_on_the_projects_here(work: Path, label: Label) -> None:
    label(images_in(work / "shots"))
    (work / "shots.tuilabel/settings.toml").write_text("damaged")
    assert encode_dataset("shots", encoder="pca").items == 4


def test_folders_of_one_name_on_two_servers_have_a_project_each(work: Path, label: Label) -> None:
    memory = fsspec.filesystem("memory")
    for seed, bucket in enumerate(("one", "two")):
        for path in images_in(work / bucket, seed).rglob("*.jpg"):
            memory.pipe(f"/{bucket}/shots/{path.relative_to(work / bucket)}", path.read_bytes())
    try:
        assert label("memory://one/shots") == Path("shots.tuilabel")
        assert label("memory://two/shots/") == Path("two-shots.tuilabel")
        assert find_project("memory://one/shots/").directory == Path("shots.tuilabel")
        assert find_project("memory://two/shots").directory == Path("two-shots.tuilabel")
    finally:
        for bucket in ("one", "two"):
            memory.rm(f"/{bucket}", recursive=True)
