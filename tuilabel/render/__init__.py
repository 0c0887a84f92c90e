"""Images as terminal cells."""

from __future__ import annotations

from tuilabel.render.halfblock import CellPicture, fit, render

__all__ = ["CellPicture", "fit", "render"]
