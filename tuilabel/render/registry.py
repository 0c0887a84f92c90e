"""Renderers by name."""

from __future__ import annotations

from tuilabel.errors import UsageError
from tuilabel.render.ascii import AsciiRenderer
from tuilabel.render.base import Renderer
from tuilabel.render.blocks import AutoRenderer, halfblock, quadrant, sextant
from tuilabel.render.dithered import COLOURS_OF_16, DitheredRenderer, colours_of_256
from tuilabel.render.inline import iterm2_renderer, sixel_renderer
from tuilabel.render.kitty import KittyRenderer
from tuilabel.render.pictures import PictureSource

RENDERERS = ("halfblock", "quadrant", "sextant", "ascii", "kitty", "iterm2", "sixel")
"""The values of `images` other than `auto`."""

CHARACTERS = ("blocks", "halfblock", "quadrant", "sextant", "ascii")
"""Those that draw with characters, on every terminal; "blocks" are the best block characters that it has."""

DEFAULT_CELL = (10, 20)  # pixels, where the terminal does not say


def get_renderer(
    images: str,
    *,
    colours: str = "truecolor",
    cell: tuple[int, int] | None = None,
    registers: int | None = None,
    passthrough: bool = False,
) -> Renderer:
    """The renderer of that name.

    Parameters
    ----------
    images : one of `RENDERERS`, or "blocks" or "fine-blocks", which decide for each picture: half-blocks if they show
        every pixel, otherwise quadrants or sextants.
    colours : the colours of the terminal, "truecolor", "256" or "16".
    cell : (width, height) of a cell in pixels, for images that the terminal draws itself.
    registers : colours that a Sixel image may have.
    passthrough : whether images go through tmux.

    Raises
    ------
    UsageError : if the name is unknown, or needs more colours.
    """
    palette = colours == "256"
    match images:
        case "halfblock" if colours != "truecolor":
            return _dithered(colours, halfblock(palette=palette))
        case "halfblock":
            return halfblock()
        case "quadrant":
            return quadrant(palette=palette)
        case "sextant":
            return sextant(palette=palette)
        case "blocks" | "fine-blocks":
            fine = quadrant(palette=palette) if images == "blocks" else sextant(palette=palette)
            automatic = AutoRenderer(halfblock(palette=palette), fine)
            if colours == "truecolor":
                return automatic
            return _dithered(colours, AsciiRenderer() if colours == "16" else automatic)
        case "ascii":
            return AsciiRenderer()
        case "kitty" if colours != "16":
            return KittyRenderer(palette=palette, cell=cell or DEFAULT_CELL, passthrough=passthrough)
        case "kitty":
            raise UsageError("`images='kitty'` needs 256 colours, which encode the ids of images: pass `colour='256'`")
        case "iterm2":
            return iterm2_renderer(cell or DEFAULT_CELL)
        case "sixel":
            return sixel_renderer(cell or DEFAULT_CELL, max(2, min(registers or 256, 256)))
    choices = ", ".join(("auto", *RENDERERS))
    raise UsageError(f"images must be one of {choices}, got {images!r}", parameter="images")


def _dithered(colours: str, grey: Renderer) -> Renderer:
    palette = colours == "256"
    return DitheredRenderer(colours_of_256() if palette else COLOURS_OF_16, grey, palette=palette)


def picture_source(images: str, *, colours: str = "truecolor", cell: tuple[int, int] | None = None) -> PictureSource:
    """A cache of pictures drawn by a renderer; parameters and errors as in `get_renderer`."""
    return PictureSource(get_renderer(images, colours=colours, cell=cell))
