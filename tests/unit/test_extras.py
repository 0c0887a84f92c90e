"""What an installation without the extras says, and that the extras are declared."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tuilabel import extras
from tuilabel.encoders.tables.write import check_table_path
from tuilabel.errors import TuilabelError
from tuilabel.project.prediction_files import check_out
from tuilabel.simulation.plots import check_plot_file

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED: dict[str, list[str]] = PROJECT["optional-dependencies"]


@pytest.fixture
def nothing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)


def test_every_extra_that_is_named_is_declared() -> None:
    assert set(extras.EXTRA_OF.values()) <= set(DECLARED)


def test_all_has_every_extra_but_ray() -> None:
    (everything,) = DECLARED["all"]
    assert set(everything.removeprefix("tuilabel[").removesuffix("]").split(",")) == set(DECLARED) - {"all", "ray"}


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            lambda folder: check_out(folder / "p.parquet", force=False),
            "writing Parquet files needs the package pyarrow: pip install 'tuilabel[parquet]'",
        ),
        (
            lambda folder: check_table_path(folder / "latents.parquet"),
            "writing Parquet files needs the package pyarrow: pip install 'tuilabel[parquet]'",
        ),
        (
            lambda folder: check_plot_file(folder / "plot.png"),
            "a plot needs the package matplotlib: pip install 'tuilabel[plots]'",
        ),
    ],
)
@pytest.mark.usefixtures("nothing_extra")
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    check: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(TuilabelError) as raised:
        check(tmp_path)
    assert str(raised.value) == message
