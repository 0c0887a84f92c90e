"""Renderers by name."""

from __future__ import annotations

from tuilabel.errors import UsageError
from tuilabel.render.ascii import AsciiRenderer
from tuilabel.render.base import Renderer
from tuilabel.render.blocks import AutoRenderer, halfblock, quadrant, sextant
from tuilabel.render.kitty import KittyRenderer
from tuilabel.render.pictures import CAPACITY, PictureSource

RENDERERS = ("halfblock", "quadrant", "sextant", "ascii", "kitty")
"""The values of `images` other than `auto`."""

CHARACTERS = ("halfblock", "quadrant", "sextant", "ascii")
"""Those that draw with characters, on every terminal."""


def get_renderer(images: str, *, colours: str = "truecolor") -> Renderer:
    """The renderer of that name.

    Parameters
    ----------
    images : one of `RENDERERS`, or "blocks" or "fine-blocks", which decide for each picture: half-blocks if they show
        every pixel, otherwise quadrants or sextants.
    colours : the colours of the terminal, "truecolor", "256" or "16".

    Raises
    ------
    UsageError : if the name is unknown, or needs more colours.
    """
    palette = colours == "256"
    match images:
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
            raise UsageError("`images='kitty'` needs 256 colours, which encode the ids of images: pass `colour='256'`")
    choices = ", ".join(("auto", *RENDERERS))
    raise UsageError(f"images must be one of {choices}, got {images!r}", parameter="images")


def picture_source(images: str, *, colours: str = "truecolor") -> PictureSource:
    """A cache of pictures drawn by a renderer; parameters and errors as in `get_renderer`."""
    renderer = get_renderer(images, colours=colours)
    return PictureSource(renderer, _capacity(renderer))


def switch_renderer(pictures: PictureSource, images: str, *, colours: str = "truecolor") -> None:
    """Draw pictures with another renderer from now on; parameters and errors as in `get_renderer`."""
    renderer = get_renderer(images, colours=colours)
    pictures.use(renderer, _capacity(renderer))


def _capacity(renderer: Renderer) -> int:
    return min(renderer.capacity, CAPACITY) if isinstance(renderer, KittyRenderer) else CAPACITY
