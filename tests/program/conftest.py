"""The real program in the test's folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers.preloaded import ADDRESS, Preloaded
from tests.helpers.program import LONGEST, WIDTH, Runner, run_program


@pytest.fixture(autouse=True)
def _copies(preloaded: Preloaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let terminals, and the trainers of what runs in them, be copies of the process that has imported the program."""
    monkeypatch.setenv(ADDRESS, preloaded.address)


@pytest.fixture
def run(tmp_path: Path, preloaded: Preloaded) -> Runner:
    """Run `tuilabel` with arguments in the test's folder, without a terminal."""

    def run_(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        if "--help" in arguments:  # has a quick way of its own to start
            return run_program(*arguments, directory=tmp_path, environment=environment)
        everything = {**os.environ, **WIDTH, **(environment or {})}
        return preloaded.run(list(map(str, arguments)), tmp_path, everything, LONGEST)

    return run_
