"""The private parts of Textual that the screen depends on are still there, and are used in one module only."""

from __future__ import annotations

import ast
import importlib
import inspect
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen
from textual.widget import Widget

import tuilabel.tui

NEEDED = [
    ("textual.keys", "_character_to_key", ["character"]),
    ("textual._compositor", "CompositorUpdate.render_segments", ["self", "console"]),
    ("textual._compositor", "ChopsUpdate", ["chops", "spans", "chop_ends"]),
    ("textual._xterm_parser", "XTermParser", ["debug"]),
    ("textual._xterm_parser", "XTermParser.feed", ["self", "data"]),
    ("textual._styles_cache", "StylesCache.get_inner_outer", ["base_background", "background"]),
    ("textual.app", "App._display", ["self", "screen", "renderable"]),
    ("textual.app", "App._fatal_error", ["self"]),
    ("textual.screen", "Screen._on_timer_update", ["self"]),
    ("textual.widget", "Widget._exchange_repaint_regions", ["self"]),
    ("textual.message_pump", "MessagePump._close_messages_no_wait", ["self"]),
    ("textual.drivers.linux_driver", "LinuxDriver.run_input_thread", ["self"]),
    ("textual.drivers.linux_driver", "LinuxDriver._get_terminal_size", ["self"]),
    ("textual.drivers.web_driver", "WebDriver.run_input_thread", ["self"]),
    ("textual.drivers.web_driver", "WebDriver._on_meta", ["self", "packet_type", "payload"]),
    ("textual.drivers._byte_stream", "ByteStream.feed", ["self", "data"]),
    ("textual.drivers.linux_driver", "WriterThread", ["file"]),
    ("textual.drivers.linux_driver", "WriterThread.write", ["self", "text"]),
    ("textual.drivers.linux_driver", "WriterThread.run", ["self"]),
    ("textual.drivers.linux_driver", "WriterThread.stop", ["self"]),
]


def missing(what: str) -> str:
    return f"Textual {version('textual')} has no {what} any more: adapt tuilabel/tui/_textual_internals.py"


@pytest.mark.parametrize(("module", "name", "parameters"), NEEDED, ids=[name for _, name, _ in NEEDED])
def test_textual_still_has(module: str, name: str, parameters: list[str]) -> None:
    attribute: object = importlib.import_module(module)
    for part in name.split("."):
        assert hasattr(attribute, part), missing(f"{module}.{name}")
        attribute = getattr(attribute, part)
    assert callable(attribute)
    assert list(inspect.signature(attribute).parameters) == parameters, missing(f"{name}({', '.join(parameters)})")


def test_the_parser_still_says_whether_it_waits_for_more() -> None:
    from textual._xterm_parser import XTermParser

    parser = XTermParser()
    assert getattr(getattr(parser, "_awaiting", None), "timeout", 0) is None, missing("Parser._awaiting.timeout")
    for name in ("last_x", "last_y", "mouse_pixels", "terminal_size", "terminal_pixel_size"):
        assert hasattr(parser, name), missing(f"XTermParser.{name}")


def test_a_screen_still_keeps_its_bindings_by_key() -> None:
    bindings = getattr(Screen(), "_bindings", None)
    assert isinstance(getattr(bindings, "key_to_bindings", None), dict), missing("Screen._bindings.key_to_bindings")


def test_widgets_still_note_what_they_need() -> None:
    for owner, names in (
        (Widget(), ("_layout_required", "_scroll_required", "_repaint_required")),
        (Screen(), ("_dirty_widgets", "_repaint_required", "_compositor")),
        (Screen()._compositor, ("_dirty_regions", "visible_widgets")),
    ):
        for name in names:
            assert hasattr(owner, name), missing(f"{type(owner).__name__}.{name}")


def test_only_tested_minor_versions_of_textual_are_allowed() -> None:
    (textual,) = (r for text in requires("tuilabel") or [] if (r := Requirement(text)).name == "textual")
    major, minor = version("textual").split(".")[:2]
    assert version("textual") in textual.specifier
    assert f"{major}.{int(minor) + 1}" not in textual.specifier, "an untested minor version could be installed"


def test_no_other_module_uses_a_private_part_of_textual() -> None:
    owners: tuple[object, ...] = (App(), Screen(), Widget(), LinuxDriver)
    textuals = {name for owner in owners for name in dir(owner) if is_private(name)}
    root = Path(tuilabel.tui.__file__).parent
    for path in set(root.rglob("*.py")) - {root / "_textual_internals.py"}:
        for node in ast.walk(ast.parse(path.read_text())):
            used: list[str] = []
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("textual"):
                used = [
                    part for part in (*str(node.module).split("."), *(n.name for n in node.names)) if is_private(part)
                ]
            elif isinstance(node, ast.Attribute) and node.attr in textuals:
                used = [node.attr]
            elif isinstance(node, ast.ClassDef):
                used = [m.name for m in node.body if isinstance(m, ast.FunctionDef) and m.name in textuals]
            assert not used, f"{path.relative_to(root)} uses {used[0]}: move it to _textual_internals.py"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
