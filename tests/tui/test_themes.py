"""The program's themes can be read: in full colour, in 256 and 16 colours, without colour."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem
from rich.style import Style

from tests.helpers.app import AppMaker, running
from tuilabel.tui.app import LabelApp
from tuilabel.tui.themes import DARK, LIGHT

TEXT, SHAPE = 4.5, 3.0  # contrasts that WCAG 2.1 asks for
FEW_COLOURS = 3.0  # of 16 colours: what they look like is up to the terminal
SHAPES = ("chart", "band", "mark", "bar", "front", "back")  # what is not text
COLOURS = {"truecolor": None, "256": ColorSystem.EIGHT_BIT, "16": ColorSystem.STANDARD}


def contrast(style: Style, plain: Style, system: ColorSystem | None) -> float:
    front, back = style.color or plain.color, style.bgcolor or plain.bgcolor
    assert front is not None
    assert back is not None
    lighter, darker = sorted((_luminance(front, system), _luminance(back, system)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color, system: ColorSystem | None) -> float:
    """The relative luminance of WCAG 2.1."""
    shown = (colour if system is None else colour.downgrade(system)).get_truecolor()
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in shown)]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _least(name: str, colours: str) -> float:
    if name.endswith("border"):
        return 0  # it says nothing
    if colours == "16":
        return 0 if name.endswith(SHAPES) else FEW_COLOURS
    return SHAPE if name.endswith(SHAPES) else TEXT


def styles(app: LabelApp) -> dict[str, tuple[Style, Style]]:
    """Each style of the screen's widgets, with that of the widget itself."""
    found = {}
    for widget in app.screen.query("*"):
        for name in widget._component_styles if hasattr(widget, "_component_styles") else ():
            if name.startswith(("line--", "grid--", "panel--", "picture--", "probabilities--", "plot--")):
                found[f"{widget.css_identifier} {name}"] = (widget.get_component_rich_style(name), widget.rich_style)
        found[widget.css_identifier] = (widget.rich_style, widget.rich_style)
    return found


@pytest.mark.parametrize("theme", [DARK.name, LIGHT.name])
@pytest.mark.parametrize("keys", [(), ("tab",), ("equals_sign",), ("ctrl+o",), ("slash",), ("question_mark",)])
async def test_all_text_has_contrast(make_app: AppMaker, theme: str, keys: tuple[str, ...]) -> None:
    app = make_app()
    app.theme = theme
    async with running(app) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        weak = {
            f"{name} in {colours}": round(ratio, 1)
            for name, (style, plain) in styles(app).items()
            for colours, system in COLOURS.items()
            if (ratio := contrast(style, plain, system)) < _least(name, colours)
        }
        assert not weak
