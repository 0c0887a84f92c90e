"""`python -m tests.screens [OUT]`: pictures of every screen, at three sizes, dark and light, on MNIST.

Writes to OUT, by default docs/screens/. Needs Debian's fonts-dejavu-core and the shipped VAE.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from tests.screens.paint import app_picture
from tuilabel.datasets import open_pool
from tuilabel.encoders.vae.decode import LatentDecoder
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.labels import NullWriter
from tuilabel.learner.open import open_learner, open_test_set
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.session import LabellingSession
from tuilabel.tui.app import LabelApp
from tuilabel.tui.mailbox import Mailbox
from tuilabel.tui.state import AppState
from tuilabel.tui.themes import DARK, LIGHT

SIZES = ((80, 24), (120, 40), (200, 60))
WRONG = (31, 47)  # labels that are wrong, so that there is something to review


def make_session() -> LabellingSession:
    """A session on MNIST with 60 labels, some of them wrong, and a note."""
    pool = open_pool("mnist")
    checkpoint = find_checkpoint("mnist")
    learner, features = open_learner("latent", pool, VAEEncoder(checkpoint))
    runner = RoundRunner(learner, open_test_set(pool, features))
    trainer = InlineTrainer(runner.run, QuestionHandler(runner, LatentDecoder(checkpoint)).answer)
    session = LabellingSession(
        pool,
        log=[],
        rounds=[],
        writer=NullWriter(),
        trainer=trainer,
        classes=pool.classes,
        retrain="batch",
        annotator="ada",
        target=0.995,
    )
    trainer.start(session.handle)
    session.start()
    assert pool.targets is not None
    for n in range(60):
        assert session.batch is not None
        index = next(item.index for item in session.batch.items if session.answer_at(item.index) is None)
        true = int(pool.targets[index])
        session.label(index, (true + (n in WRONG)) % 10, 900)
    session.note(session.history()[0].index, "could be a 4 as well")
    return session


async def _nothing(_: Pilot[None]) -> None:
    pass


def _keys(*keys: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    async def press(pilot: Pilot[None]) -> None:
        await pilot.press(*keys)
        await pilot.pause(0.3)

    return press


VIEWS = {
    "label": _nothing,
    "large": _keys("tab"),
    "by-class": _keys("tab", "tab", "right_square_bracket", "right_square_bracket", "right_square_bracket"),
    "review": _keys("full_stop"),
    "history": _keys("comma"),
    "figures": _keys("equals_sign"),
    "classes": _keys("colon"),
    "find-class": _keys("slash"),
    "note": _keys("semicolon"),
    "help": _keys("question_mark"),
}


async def _save(view: str, session: LabellingSession, size: tuple[int, int], theme: str, out: Path) -> None:
    app = LabelApp(AppState(session), Mailbox(), theme=theme)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await VIEWS[view](pilot)
        await pilot.pause()
        kind = "dark" if theme == DARK.name else "light"
        app_picture(app).quantize(64).save(out / f"{view}-{size[0]}x{size[1]}-{kind}.png", optimize=True)


def main() -> None:
    """Write every picture."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screens")
    out.mkdir(parents=True, exist_ok=True)
    session = make_session()
    for view in sys.argv[2:] or VIEWS:
        for size in SIZES:
            for theme in (DARK.name, LIGHT.name):
                asyncio.run(_save(view, session, size, theme, out))


if __name__ == "__main__":
    main()
