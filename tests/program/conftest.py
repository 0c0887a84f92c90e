"""The real program, as its users start it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers.program import Runner
from tests.helpers.terminal import TUILABEL


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """Run `tuilabel` with arguments in the test's folder, without a terminal."""

    def run_(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*TUILABEL, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "120", **(environment or {})},
            stdin=subprocess.DEVNULL,
            timeout=180,
            check=False,
        )

    return run_
