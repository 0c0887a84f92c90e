"""Load what prints help without what it does not use: rich's Markdown and tracebacks, with their parsers.

They are a quarter of the time of `tuilabel --help`. Help is written in rich's own markup, and errors have no traceback.
"""

from __future__ import annotations

import sys
from types import ModuleType

_UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}


def load_help_printer() -> None:
    """Import `typer.rich_utils` with an empty class in the place of each of those that it imports and does not use."""
    absent = [name for name in _UNUSED if name not in sys.modules]
    for name in absent:
        module = ModuleType(name)
        setattr(module, _UNUSED[name], type(_UNUSED[name], (), {}))
        sys.modules[name] = module
    try:
        import typer.rich_utils  # noqa: F401
    except ImportError:  # another version of Typer needs more of them: it gets all when it prints
        sys.modules.pop("typer.rich_utils", None)
    finally:
        for name in absent:
            del sys.modules[name]
