"""Programs that tests need: missing here they are skipped, in CI they fail."""

from __future__ import annotations

import os
import shutil

import pytest


def needed(program: str, what: str) -> str:
    """The path of a program; skips the test without it, or fails it in CI, where `.ci/run` installs it."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        assert os.environ.get("CI") != "true", f"{program} is missing: .ci/run installs it"
        pytest.skip(f"{program} is not installed: {what} was not tried")
    return path
