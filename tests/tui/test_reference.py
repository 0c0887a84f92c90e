"""The reference sheet: the guideline and the clearest examples, for people who have never seen the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Markdown

from tests.helpers.app import SIZES, AppMaker, running, screen_text
from tests.helpers.events import event
from tests.helpers.toy import Toy
from tuilabel.errors import TuilabelError
from tuilabel.labels import Event
from tuilabel.learner.trainer.messages import OutOfFoldPredictions
from tuilabel.project.guideline import read_guideline
from tuilabel.session.examples import clearest_examples
from tuilabel.tui.app import LabelApp
from tuilabel.tui.screens.reference import ReferenceScreen
from tuilabel.tui.widgets.grid import ImageGrid

TEXT = """# Pets

- **cat**: ears upright; `[not a fox]`
- **dog**: everything else that barks
"""


async def answer(pilot: Pilot[None], app: LabelApp, toy: Toy, n: int) -> None:
    for _ in range(n):
        batch = app.session.batch
        assert batch is not None
        await pilot.press("abc"[toy.truth(batch.items[app.label_screen.focused_item].index)])


@pytest.mark.parametrize("size", SIZES)
async def test_the_sheet_shows_the_guideline_and_examples_of_each_class(
    make_app: AppMaker, toy: Toy, tmp_path: Path, size: tuple[int, int]
) -> None:
    app = make_app()
    app.state.guideline = tmp_path / "pets.md"
    app.state.guideline.write_text(TEXT)
    async with running(app, size) as pilot:
        await answer(pilot, app, toy, 25)
        labelled = app.session.statistics().labelled
        await pilot.press("number_sign")
        await pilot.pause()
        await pilot.pause()
        assert isinstance(app.screen, ReferenceScreen)
        text = screen_text(app)
        assert "ears upright; [not a fox]" in text.replace("\n", " ")
        assert max(map(len, text.split("\n"))) <= size[0]
        await pilot.press("c")
        await pilot.pause()
        assert app.session.statistics().labelled == labelled, "a class key only goes to its class"
        title = next(line for line in screen_text(app).split("\n") if line.strip() == "c")
        assert title
        grids = [*app.screen.query(ImageGrid)]
        assert len(grids) == 3
        for class_pos, grid in enumerate(grids):
            assert len(grid._cells) >= 2
            assert all(toy.truth(cell.index) == class_pos for cell in grid._cells)
            assert grid._cells[0].caption.endswith("%")
        await pilot.press("end", "pagedown", "home", "pageup", "down", "up", "space", "z", "number_sign")
        assert app.screen is app.label_screen
    assert app.failure is None


async def test_an_empty_sheet_says_where_its_content_comes_from(make_app: AppMaker, tmp_path: Path) -> None:
    app = make_app(classes=("cat", "dog"))
    async with running(app, (80, 24)) as pilot:
        await pilot.press("number_sign")
        await pilot.pause()
        text = screen_text(app)
        assert "--guideline FILE.md" in text
        assert text.count("no example yet") == 2
        await pilot.press("escape")
        app.state.guideline = tmp_path / "gone [1].md"
        await pilot.press("number_sign")
        await pilot.pause()
        assert "cannot read the guideline" in screen_text(app)
        assert "gone [1].md: No such file" in screen_text(app).replace("\n", "")
    assert app.failure is None


async def test_a_sheet_of_no_classes_is_the_guideline(make_app: AppMaker, tmp_path: Path) -> None:
    app = make_app(classes=())
    app.state.guideline = tmp_path / "g.md"
    app.state.guideline.write_text("only *text*")
    async with running(app) as pilot:
        await pilot.press("number_sign")
        await pilot.pause()
        assert "only text" in screen_text(app)
        assert not app.screen.query_one(Markdown)._open_links


def test_examples_are_those_that_models_are_surest_of_and_right() -> None:
    def label(name: str, predicted: str | None, confidence: float | None) -> Event:
        return event(1, class_name=name, predicted=predicted, confidence=confidence)

    standing = {
        0: label("cat", "cat", 0.6), 1: label("cat", "cat", 0.9), 2: label("cat", "dog", 0.99),
        3: label("cat", None, None), 4: label("dog", "cat", 0.8), 5: label("cat", "cat", 0.95),
        6: label("bird", "bird", 0.5),
    }  # fmt: skip

    def indices(out_of_fold: OutOfFoldPredictions | None, most: int = 9) -> list[list[int]]:
        found = clearest_examples(standing, ("cat", "dog"), out_of_fold, {5}, most)
        return [[example.index for example in of_class] for of_class in found]

    assert indices(None) == [[1, 0, 3], [4]], "the flagged one is left out; dog has nothing better"
    assert indices(None, 2) == [[1, 0], [4]]
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], dtype=np.float32)
    assert indices(OutOfFoldPredictions(1, np.array([0, 1, 3]), chances)) == [[0, 3], [4]], (
        "the newest judgement counts"
    )


def test_a_guideline_is_text(tmp_path: Path) -> None:
    path = tmp_path / "g.md"
    path.write_bytes("\ufeff# É\r\n\tone \x1b]0;owned\x07\n".encode())
    assert read_guideline(path) == "# É\n    one \\x1b]0;owned\\x07"
    path.write_text("x" * 200_000)
    assert len(read_guideline(path)) < 101_000
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TuilabelError, match="not UTF-8 text"):
        read_guideline(path)
    with pytest.raises(TuilabelError, match="directory"):
        read_guideline(tmp_path)
    with pytest.raises(TuilabelError, match="No such file"):
        read_guideline(tmp_path / "gone.md")
