"""The program's two themes; Textual's own can be chosen in the palette."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="tuilabel-dark",
    primary="#6cb6ff",
    secondary="#b083f0",
    accent="#ffb347",
    foreground="#d7dae0",
    background="#1b1e24",
    surface="#23272e",
    panel="#2b303a",
    success="#7bd88f",
    warning="#ffb347",
    error="#ff6b6b",
    dark=True,
)

LIGHT = Theme(
    name="tuilabel-light",
    primary="#0b5cad",
    secondary="#6f42c1",
    accent="#a85400",
    foreground="#1f2328",
    background="#ffffff",
    surface="#f1f3f6",
    panel="#e4e8ee",
    success="#0f6128",
    warning="#8a5a00",
    error="#b3261e",
    dark=False,
)
