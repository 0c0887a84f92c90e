"""The terminal app: shows a labelling session and passes keys to it. The logic is in `tuilabel.session`."""

from __future__ import annotations

import os

# Textual paints on a timer of this rate: at its default of 60 a key waits up to 17 ms for its effect to show.
os.environ.setdefault("TEXTUAL_FPS", "500")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
