"""The real program in the test's folder."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers.program import Runner, run_program


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """Run `tuilabel` with arguments in the test's folder, without a terminal."""

    def run_(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return run_program(*arguments, directory=tmp_path, environment=environment)

    return run_
