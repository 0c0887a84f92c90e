"""Translate errors of the core, which name parameters, into errors that name command-line options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperGroup

from tuilabel.cli.config import user_defaults
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import config_file

_WITH_OUT = ("simulate", "thesis")  # commands that write their document to `--out FILE`
_QUOTED = re.compile(r"`(?P<name>[a-z][a-z0-9_]*)(?:=(?P<value>[^`]*))?`")


Parameter = Any
"""A click parameter; typer takes it from click or from its own copy of it, depending on the version."""


class CommandGroup(TyperGroup):
    """The group of all commands; errors raised by a command are reworded to name its options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line; raises `UsageError` for `--json FILE`, which earlier versions had."""
        for option, value in pairwise(args):
            if args[0] in _WITH_OUT and option == "--json" and value.lower().endswith(".json"):
                raise UsageError(f"--json takes no file, it prints to stdout: to write one, pass `--out {value}`")
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises `TuilabelError` with a message that names options.

        Options that are not given are as the user's configuration file says.
        """
        ctx.default_map = user_defaults({name: command.params for name, command in self.commands.items()})
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if error.ctx is not None and error.param is not None and from_config(error.ctx, error.param.name or ""):
                option = _longest(error.param.opts).removeprefix("--")
                raise UsageError(f"{config_file()}: {option}: {error.message}") from error
            raise
        except TuilabelError as error:
            command = self.commands.get(ctx.invoked_subcommand or "")
            parameter = error.parameter if isinstance(error, UsageError) else None
            error.args = (in_options(str(error), command.params if command else (), parameter),)
            raise


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
        return _longest(param.secondary_opts or param.opts)
    name = _longest(param.opts)
    return name if value in (None, "True") else f"{name} {value}"


def _longest(names: Sequence[str]) -> str:
    return max(names, key=len)
