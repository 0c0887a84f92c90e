"""Damaged and hostile files are read, or refused in one line, and never take long."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import KINDS, attempt, try_kind
from tuilabel.datasets.sources import SourceError, open_source, tars
from tuilabel.errors import TuilabelError
from tuilabel.labels.exchange import ImportOptions, read_labels

EXAMPLES = 12  # of each kind; `python -m tests.fuzz` tries as many as you like


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUILABEL_CONFIG", str(tmp_path / "config.toml"))


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_changed_files_are_read_or_refused(kind: str, name: str, tmp_path: Path) -> None:
    assert attempt(kind, name, [], tmp_path) == "read", "it can be read as it is"
    assert sum(try_kind(kind, name, EXAMPLES, tmp_path).values()) >= EXAMPLES


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_an_enormous_member_of_a_packed_tar_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(tars, "MAX_FILE_BYTES", 2**20)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, size in (("a.png", 3), ("bomb.png", 20 * 2**20), ("b.png", 3)):
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(bytes(size)))
    (tmp_path / "a.tar.gz").write_bytes(pack(file.getvalue()))
    source = open_source(str(tmp_path / "a.tar.gz"))
    assert [entry.name for entry in source.list()] == ["a.png", "b.png"]
    assert source.skipped() == [("bomb.png", "21 MB is too large for an image")]
    assert isinstance(dict(source.read(["bomb.png"]))["bomb.png"], SourceError)


def test_entities_that_grow_without_end_are_refused(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY x{k} "{f"&x{k - 1};" * 10}">' for k in range(1, 12))
    (tmp_path / "a.xml").write_text(f'<!DOCTYPE a [<!ENTITY x0 "x">{levels}]><annotations>&x11;</annotations>')
    with pytest.raises(TuilabelError, match="is not XML"):
        read_labels(tmp_path / "a.xml", "auto", ImportOptions())
