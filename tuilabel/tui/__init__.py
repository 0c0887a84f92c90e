"""The terminal app: shows a session and passes keys to it; owns no logic of labelling."""

from __future__ import annotations

import os

# Textual paints on a timer of this rate: at its default of 60 a key waits up to 17 ms for its answer.
os.environ.setdefault("TEXTUAL_FPS", "500")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
