"""The program as its users start it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from tests.helpers.terminal import TUILABEL
from tests.helpers.tiny import Tiny

Runner = Callable[..., subprocess.CompletedProcess[str]]


IMAGES = r"\n {3,}· "  # the caption under an image without a prediction: the images are there
FIRST_START = 120.0  # seconds: also on a machine that is busy with other things


def tiny_command(tiny: Tiny, *more: str) -> list[str]:
    return [
        *(*TUILABEL, "label", "fashion-mnist"),
        *("--data-dir", str(tiny.data_dir), "--checkpoint", str(tiny.checkpoint)),
        *more,
    ]
