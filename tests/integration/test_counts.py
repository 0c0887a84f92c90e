"""What the program does, counted: these numbers grow with the work and not with the machine's mood.

The bytes that the screen writes are in tests/tui/test_counts.py. Each limit is a third above what was counted when it
was set; a change that needs more raises it, and says why.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.helpers.app import scripted
from tests.helpers.counts import check_count
from tests.helpers.events import event
from tests.helpers.folders import colour_folder
from tests.helpers.sessions import answer_all, train_request
from tests.helpers.toy import make_toy
from tuilabel.datasets import open_pool
from tuilabel.datasets.library.index import LibraryIndex
from tuilabel.datasets.sources.directory import Directory
from tuilabel.labels import InlineWriter, LabelStore, Seat
from tuilabel.labels.follower import InlineFollower
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.session import LabellingSession

HEAVY = ("torch", "torchvision", "scipy", "sklearn", "matplotlib", "pandas", "pyarrow", "faiss", "jinja2", "fsspec")
"""Packages that take long to load, or much memory: nothing before the first frame needs them."""


def modules_of(code: str) -> list[str]:
    """The modules that a new process has loaded after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.split()


@pytest.mark.parametrize(
    ("what", "code", "limit", "absent"),
    [
        (
            "modules that `tuilabel --help` loads",
            "import sys; sys.argv = ['tuilabel', '--help']\nfrom tuilabel.cli import main\n"
            "try: main()\nexcept SystemExit: pass",
            290,
            (*HEAVY, "textual", "numpy", "PIL", "sqlalchemy", "markdown_it", "pygments", "tuilabel.cli.options"),
        ),
        (
            "modules that the screen loads before its first frame",
            "import tuilabel.cli.label_app, tuilabel.tui.app, tuilabel.tui.screens.annotation",
            1250,
            (*HEAVY, "sqlalchemy.dialects.postgresql", "tuilabel.learner.trainer.round"),
        ),
        (
            "modules that load before the trainer's process is started",
            "import tuilabel.cli.label, tuilabel.learner.trainer.early",
            300,
            (*HEAVY, "numpy", "PIL", "sqlalchemy", "textual", "asyncio", "tuilabel.cli.simulate", "tuilabel.cli.vae"),
        ),
        (
            "modules that the trainer loads before its first batch",
            "import tuilabel.learner.trainer.worker",
            600,
            ("torch", "torchvision", "textual", "matplotlib", "pandas", "jinja2", "typer"),
        ),
    ],
    ids=["help", "screen", "early", "trainer"],
)
def test_modules(what: str, code: str, limit: int, absent: tuple[str, ...]) -> None:
    modules = modules_of(code)
    assert not {*absent} & {*modules}, f"{what}: these are new"
    packages: dict[str, int] = {}
    for module in modules:
        packages[module.partition(".")[0]] = packages.get(module.partition(".")[0], 0) + 1
    largest = sorted(packages.items(), key=lambda item: -item[1])[:12]
    check_count(what, len(modules), limit, f"The packages with most of them: {largest}")


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL that SQLAlchemy sends."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(" ".join(statement.split())[:60])

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", note)


def test_statements_and_bytes_of_a_label(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    store = LabelStore.open(path)
    store.append([event(k) for k in range(200)])
    before = path.stat().st_size
    with statements() as sent:
        for k in range(200, 400):
            store.append([event(k)])
    size = path.stat().st_size
    store.close()
    check_count("SQL statements per label", len(sent) / 200, 6, f"The last ones: {sent[-6:]}")
    check_count("bytes on disk per label", (size - before) / 200, 275)


def test_a_large_library_that_has_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.datasets.library.library.MANY", 0)
    monkeypatch.setattr("tuilabel.datasets.sources.folders.RACY", -(10**30))
    folder = colour_folder(tmp_path / "large", each=20)
    assert not len(open_pool(str(folder), reading="first").gone)
    monkeypatch.setattr(Directory, "_list_folder", lambda *_: pytest.fail("a folder was listed again"))
    tables: list[str] = []
    rows = LibraryIndex._rows

    def spy(self: LibraryIndex, query: str, *values: object) -> object:
        tables.append(query)
        return rows(self, query, *values)

    monkeypatch.setattr(LibraryIndex, "_rows", spy)
    assert not len(open_pool(str(folder), reading="first").gone)
    indexed = ("place IS NULL", "problem IS NOT NULL")  # for these there are indices
    whole = [query for query in tables if "FROM files" in query and not any(words in query for words in indexed)]
    assert not whole, "these pass over all files at each start"
    check_count("queries of the index at a start", len(tables), 29, tables)


def test_memory_of_a_round() -> None:
    toy = make_toy(100_000)
    runner = toy.runner()
    request = train_request(toy, list(range(60)))
    runner.run(request)
    tracemalloc.start()
    try:
        runner.run(request)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    check_count(
        "bytes of numpy and Python for each item of a pool, at the peak of a round", peak / len(toy.latents), 108
    )


def test_memory_of_a_label(tmp_path: Path) -> None:
    toy, store = make_toy(300), LabelStore.open(tmp_path / "labels.db")
    trainer = InlineTrainer(lambda request: scripted(toy, request))
    known, seat = store.since(), Seat(store, "session", "ada")
    follower = InlineFollower(store, seat, known.cursor)
    session = LabellingSession(
        toy.pool, writer=InlineWriter(store), trainer=trainer, classes=toy.pool.classes, batch_size=100,
        annotator="ada", session_id=seat.session, retrain="batch", drawer=follower,
    )  # fmt: skip
    session.meet(seat.enter(session.asked))
    follower.start(session.handle)
    trainer.start(session.handle)
    session.start()
    answer_all(session, toy, rounds=1)
    gc.collect()
    tracemalloc.start()
    try:
        answer_all(session, toy, rounds=1)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(session.standing) == len(store.events()) == 200
    store.close()
    check_count("bytes that a session keeps for each label", kept / 100, 2_150)
