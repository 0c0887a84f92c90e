"""Renderers by name."""

from __future__ import annotations

from tuilabel.errors import UsageError
from tuilabel.render.ascii import AsciiRenderer
from tuilabel.render.base import Renderer
from tuilabel.render.blocks import AutoRenderer, halfblock, quadrant, sextant
from tuilabel.render.kitty import KittyRenderer
from tuilabel.render.pictures import CAPACITY, PictureSource

RENDERERS = ("halfblock", "quadrant", "sextant", "ascii", "kitty")
"""What an image can be drawn as."""


def get_renderer(name: str, *, colours: str = "truecolor") -> Renderer:
    """The renderer called `name`, one of `RENDERERS`, or "blocks" or "fine-blocks".

    The last two choose for each picture: half-blocks where they show every pixel, else quadrants or sextants.

    Parameters
    ----------
    colours : "truecolor", "256" or "16", what the terminal has.

    Raises
    ------
    UsageError : where the name is unknown, or the colours are too few for it.
    """
    palette = colours == "256"
    match name:
        case "halfblock":
            return halfblock(palette=palette)
        case "quadrant":
            return quadrant(palette=palette)
        case "sextant":
            return sextant(palette=palette)
        case "blocks":
            return AutoRenderer(halfblock(palette=palette), quadrant(palette=palette))
        case "fine-blocks":
            return AutoRenderer(halfblock(palette=palette), sextant(palette=palette))
        case "ascii":
            return AsciiRenderer()
        case "kitty" if colours != "16":
            return KittyRenderer(palette=palette)
        case "kitty":
            raise UsageError("--images kitty needs 256 colours or more: images are numbered by them (--color 256)")
    raise UsageError(f"unknown --images {name!r}: give auto, {', '.join(RENDERERS)}")


def picture_source(name: str, *, colours: str = "truecolor") -> PictureSource:
    """A source of pictures drawn by the renderer `name`, see `get_renderer`."""
    renderer = get_renderer(name, colours=colours)
    capacity = renderer.capacity if isinstance(renderer, KittyRenderer) else CAPACITY
    return PictureSource(renderer, min(capacity, CAPACITY))
