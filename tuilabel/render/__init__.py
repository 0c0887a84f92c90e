"""Images drawn as terminal cells: block characters, ASCII, or by the Kitty graphics protocol."""

from __future__ import annotations

from tuilabel.render.base import CellPicture, Drawing, Renderer, fit, restore_aspect_ratio
from tuilabel.render.pictures import PictureSource
from tuilabel.render.registry import CHARACTERS, RENDERERS, get_renderer, picture_source

__all__ = [
    "CHARACTERS",
    "RENDERERS",
    "CellPicture",
    "Drawing",
    "PictureSource",
    "Renderer",
    "fit",
    "get_renderer",
    "picture_source",
    "restore_aspect_ratio",
]
