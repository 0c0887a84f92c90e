"""The screen over a folder of images: the file's name, the image in full resolution, a pool that grows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.app import running, screen_text
from tests.helpers.folders import COLOURS, colour_folder
from tests.helpers.sessions import Clock
from tuilabel.datasets import open_pool
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.labels import NullWriter
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import Failure, Notice, PoolChanged, TrainerProgress
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.render.base import restore_aspect_ratio
from tuilabel.render.registry import picture_source
from tuilabel.session import LabellingSession
from tuilabel.tui.app import LabelApp
from tuilabel.tui.mailbox import Mailbox
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import NOT_SEEN
from tuilabel.tui.widgets.panel import panel_lines


class Live:
    """The app over a folder, on PCA, with the inline trainer."""

    def __init__(self, folder: Path, batch_size: int = 9, images: str = "blocks") -> None:
        self.folder = folder
        self.pool = pool = open_pool(str(folder))
        self.runner = RoundRunner(MLPLearner(PCAEncoder().encode(pool).pool))
        trainer = InlineTrainer(self.runner.run, QuestionHandler(self.runner).answer)
        session = LabellingSession(
            pool, log=[], rounds=[], writer=NullWriter(), trainer=trainer, classes=tuple(COLOURS),
            batch_size=batch_size, annotator="ann", clock=Clock(),
        )  # fmt: skip
        trainer.start(session.handle)
        session.start()
        self.app = LabelApp(AppState(session, pictures=picture_source(images, cell=(8, 16))), Mailbox())

    @property
    def session(self) -> LabellingSession:
        return self.app.session

    def read_more(self) -> None:
        """Read more files of the folder, as the trainer does in the background."""
        colour_folder(self.folder, each=5, first=50)
        whole = open_pool(str(self.folder))
        self.runner.replace_learner(MLPLearner(PCAEncoder().encode(whole).pool), None)
        self.app.mailbox.put(PoolChanged(len(whole), "vae", "your labels fit them better"))


async def test_the_pool_grows_under_the_screen(tmp_path: Path) -> None:
    live = Live(colour_folder(tmp_path / "live", each=10))
    app = live.app
    async with running(app) as pilot:
        app.mailbox.put(PoolChanged(30, "pca"))
        app.mailbox.put(TrainerProgress("vae", 30, 120, background=True))
        await pilot.press("1", "2")
        await pilot.pause()
        assert "of 30 labelled" in screen_text(app)
        assert "training VAE 25%" in screen_text(app)
        batch = live.session.batch
        live.read_more()
        await pilot.pause()
        assert live.session.batch is batch
        assert "Now VAE of your images: your labels fit them better" in screen_text(app)
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(app)
        assert "3 of 45 labelled" in text, "the key counted: its image was on the screen all the time"
        assert "space VAE of your images" in text


async def test_large_shows_the_file_and_its_name(tmp_path: Path) -> None:
    live = Live(colour_folder(tmp_path / "large", each=4, size=lambda k: (400 + k, 200)))
    app = live.app
    async with running(app) as pilot:
        await pilot.press("tab")
        large = app.label_screen._large
        while max(large._image.shape) < 400:
            await asyncio.sleep(0.02)
        while app.label_screen.seen_at == NOT_SEEN:
            await pilot.pause()
        batch = live.session.batch
        assert batch is not None
        index = batch.items[0].index
        text = screen_text(app)
        assert live.pool.files.last_name(index) in text
        assert "×200" in text
        seen_at = app.label_screen.seen_at
        await pilot.press("1")
        assert live.session.answer_at(index) is not None, "a sharper picture is the same picture"
        assert seen_at != NOT_SEEN


def panel(session: LabellingSession, width: int) -> list[str]:
    lines = panel_lines(session.statistics(), session.classes, "123", width + 2, 22)
    return ["".join(piece for piece, _ in line).removeprefix(" ") for line in lines]


@pytest.mark.parametrize(
    ("width", "progress", "text"),
    [
        (24, TrainerProgress("vae", 25, 100, True, "vae", 0.5), "training VAE 25% · 3 min"),
        (32, TrainerProgress("read", 500, 2_000, True, None, 310.0), "reading 25% · 310/s · 10 s"),
        (32, TrainerProgress("encode", 500, 2_000, True, "efficientnet_lite2", 31.2), "features 25% · 31/s · 50 s"),
        (24, TrainerProgress("encode", 500, 20_000, True, "timm:resnet18", 31.2), "features 2% · 11 min"),
        (24, TrainerProgress("encode", 500, 2_000, True, "vae"), "encoding 25%"),
        (32, TrainerProgress("download", 10**7, 4 * 10**7, True, "resnet18", 10**6), "downloading 25% · 30 s"),
    ],
)
def test_background_progress_fits_a_narrow_panel(
    tmp_path: Path, width: int, progress: TrainerProgress, text: str
) -> None:
    session = Live(colour_folder(tmp_path / "narrow", each=5)).session
    session.handle(PoolChanged(15, "pca"))
    session.handle(progress)
    lines = panel(session, width)
    assert lines[lines.index("space thumbnails (PCA)") + 1] == text
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [24, 32, 60])
def test_the_panel_says_which_network_is_used(tmp_path: Path, width: int) -> None:
    session = Live(colour_folder(tmp_path / "narrow", each=5)).session
    session.handle(PoolChanged(15, "efficientnet_lite2"))
    space, which = panel(session, width)[4:6]
    assert f"{space} {which}".split() == (
        ["space", "network", "features", "efficientnet_lite2" if width < 60 else "(efficientnet_lite2)"]
    )


async def test_what_the_trainer_wants_to_say_is_shown(tmp_path: Path) -> None:
    live = Live(colour_folder(tmp_path / "said", each=5))
    async with running(live.app) as pilot:
        live.app.mailbox.put(Notice("Still thumbnails (PCA): your labels fit them better"))
        await pilot.pause()
        assert "Still thumbnails (PCA): your labels fit them better" in screen_text(live.app)
        live.app.mailbox.put(Failure("no network features: damaged", fatal=False, background=True))
        await pilot.pause()
        assert "no network features: damaged; your labels are safe" in screen_text(live.app)


def test_a_panorama_is_not_squeezed_into_its_cell() -> None:
    image = np.full((16, 64, 3), 200, dtype=np.uint8)
    cells = picture_source("halfblock").picture(0, image, 20, 10)
    assert len(cells) == 10
    assert all(sum(segment.cell_length for segment in line) == 20 for line in cells)
    painted = [line for line in cells if any(segment.style for segment in line)]
    assert len(painted) in (2, 3), "20 wide means 2.5 rows of cells"
    assert not any(segment.style for segment in cells[0])


@pytest.mark.parametrize(("width", "height", "shape"), [(640, 360, (36, 64)), (100, 400, (64, 16)), (1, 9000, (64, 1))])
def test_aspect_ratios_are_restored(width: int, height: int, shape: tuple[int, int]) -> None:
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    assert restore_aspect_ratio(image, width, height).shape[:2] == shape
