"""Functions of the user's own, named as `package.module:function`."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path

from tuilabel.errors import UsageError


def is_module(name: str) -> bool:
    """Whether there is a module or package of this name, here or installed. Imports nothing."""
    _search_here()
    top = name.partition(".")[0]
    try:
        return top.isidentifier() and find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def import_name(kind: str, name: str) -> object:
    """Import the object at `package.module:function`; the current directory is searched as well, last.

    Parameters
    ----------
    kind : what it is to be, for errors: "strategy", "encoder".

    Raises
    ------
    UsageError : if it cannot be imported.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise UsageError(f"{kind} {name!r} does not name a function: must be package.module:function")
    _search_here()
    try:
        imported: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        hint = "install it, or start in its directory"
        raise UsageError(f"{kind} {name!r} cannot be imported: {error}; {hint}") from error
    except Exception as error:  # anything that user code raises
        raise UsageError(f"{kind} {name!r} cannot be imported: {type(error).__name__}: {error}; fix it") from error
    for part in attribute.split("."):
        if not hasattr(imported, part):
            raise UsageError(f"{kind} {name!r} cannot be imported: {module} has no {attribute}; check its name")
        imported = getattr(imported, part)
    return imported


def _search_here() -> None:
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.append(directory)  # last, so that user files never hide a library
