"""The program as its users start it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.helpers.terminal import TUILABEL
from tests.helpers.tiny import Tiny

Runner = Callable[..., subprocess.CompletedProcess[str]]


IMAGES = r"\n {3,}· "  # the caption of an image without a prediction: the images are shown
FIRST_START = 120.0  # seconds; enough on a busy machine
LONGEST = 180.0  # seconds of a program without a terminal
WIDTH = {"COLUMNS": "120"}


def tiny_command(tiny: Tiny, *more: str) -> list[str]:
    return [
        *(*TUILABEL, "label", "fashion-mnist"),
        *("--data-dir", str(tiny.data_dir), "--checkpoint", str(tiny.checkpoint)),
        *more,
    ]


def run_program(
    *arguments: str | Path, directory: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `tuilabel` with arguments in a directory, without a terminal."""
    return subprocess.run(
        [*TUILABEL, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=directory,
        env={**os.environ, **WIDTH, **(environment or {})},
        stdin=subprocess.DEVNULL,
        timeout=LONGEST,
        check=False,
    )
