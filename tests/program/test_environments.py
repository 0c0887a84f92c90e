"""The program where there is no UTF-8, and where a download fails."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.helpers.program import run_program

NO_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}


def test_the_programs_files_are_utf8_in_any_locale(tmp_path: Path) -> None:
    environment = {**NO_UTF8, "TUILABEL_CACHE": str(tmp_path / "cache")}

    def run(*arguments: str) -> str:
        done = run_program(*arguments, directory=tmp_path, environment=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "été").mkdir()
    for k in range(2):
        Image.new("RGB", (8, 8), (80 * k, 0, 0)).save(tmp_path / "été" / f"{k}.png")
    (tmp_path / "l.csv").write_text("path,label\n0.png,thé\n1.png,café\n", encoding="utf-8")
    run("import", "l.csv", "été", "--apply")
    assert "café" in (tmp_path / "été.tuilabel/settings.toml").read_text(encoding="utf-8")
    assert "café" in run("export", "été")
    assert "thé" in run("stats", "été")
    run("strategies")
    run("label", "--help")


def test_a_download_that_fails_leaves_no_empty_folders(tmp_path: Path) -> None:
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
    done = run_program("encode", "kmnist", "--data-dir", "typo", directory=tmp_path, environment=nowhere)
    assert done.returncode == 1
    assert "cannot be downloaded" in done.stderr
    assert not (tmp_path / "typo").exists()
