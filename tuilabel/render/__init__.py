"""Images as terminal cells."""

from __future__ import annotations

from tuilabel.render.base import CellPicture, Drawing, Renderer, fit, in_proportion
from tuilabel.render.pictures import PictureSource
from tuilabel.render.registry import RENDERERS, get_renderer, picture_source

__all__ = [
    "RENDERERS",
    "CellPicture",
    "Drawing",
    "PictureSource",
    "Renderer",
    "fit",
    "get_renderer",
    "in_proportion",
    "picture_source",
]
