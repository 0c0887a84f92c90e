"""Translate errors of the core, which name parameters, into errors that name command-line options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

_QUOTED = re.compile(r"`(?P<name>[a-z][a-z0-9_]*)(?:=(?P<value>[^`]*))?`")


Parameter = Any
"""A click parameter; typer takes it from click or from its own copy of it, depending on the version."""


def from_config(ctx: Any, parameter: str) -> bool:
    """Whether the value of a parameter is that of the configuration file."""
    source = ctx.get_parameter_source(parameter)
    return source is not None and source.name == "DEFAULT_MAP"


def in_options(text: str, params: Iterable[Parameter], parameter: str | None = None) -> str:
    """`text` with the core's parameters replaced by the command's options.

    Each parameter of a command has the same name as the core's parameter that it sets: "batch_size must be at least 1"
    becomes "--batch must be at least 1", and "pass `force=True`" becomes "pass `--force`".

    Parameters
    ----------
    params : the parameters of the command.
    parameter : the parameter that the text begins with; not needed if "must" follows it.
    """
    by_name: dict[str, Parameter] = {param.name: param for param in params}
    first = parameter or text.partition(" must ")[0]
    if first in by_name and text.startswith(first):
        text = _as_typed(by_name[first]) + text.removeprefix(first)

    def replaced(match: re.Match[str]) -> str:
        param = by_name.get(match["name"])
        return match[0] if param is None else f"`{_as_typed(param, match['value'])}`"

    return _QUOTED.sub(replaced, text)


def _as_typed(param: Parameter, value: str | None = None) -> str:
    """As the user types it: `--force` for True, `--no-audit` for False, `--encoder pca` for others, or `DATASET`."""
    value = None if value is None else value.strip("'\"")
    if param.param_type_name == "argument":
        return value or (param.name or "").upper()
    if value == "False":
        return longest(param.secondary_opts or param.opts)
    name = longest(param.opts)
    return name if value in (None, "True") else f"{name} {value}"


def longest(names: Sequence[str]) -> str:
    """The long name of an option, such as `--out` of `-o` and `--out`."""
    return max(names, key=len)
