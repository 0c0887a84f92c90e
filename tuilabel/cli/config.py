"""The user's configuration file: defaults of options, for one command or for all that have the option."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tuilabel.errors import TuilabelError, UsageError, unknown_name
from tuilabel.files import config_file

ALL = "all"
REMEMBERED = frozenset({"encoder", "checkpoint", "latents", "learner", "strategy", "seed", "store"})
"""Parameters that a project remembers: a default of them is for new projects."""
OLD_PROJECTS = frozenset({"review", "stats", "predict", "export", "import"})
"""Commands that take these from the project, unless a default is given for the command itself."""

Defaults = dict[str, dict[str, Any]]
"""By command and parameter, as click's `default_map`."""


def user_defaults(commands: Mapping[str, Any]) -> Defaults:
    """The defaults in the configuration file; none if there is no file.

    Parameters
    ----------
    commands : the click command of each name; only those that the file sets are looked up.

    Raises
    ------
    TuilabelError : if the file cannot be read.
    UsageError : if it names an unknown command or option, or a value is a table.
    """
    path = config_file()
    defaults: Defaults = {command: {} for command in commands}
    for section, table in sorted(_read(path).items(), key=lambda entry: entry[0] != ALL):  # a command goes before all
        if section != ALL and section not in commands:
            raise _error(path, unknown_name("section", section, (ALL, *commands)))
        if not isinstance(table, Mapping):
            raise UsageError(
                f"{path}: {section} must be a table: write [{section}], and below it lines such as seed = 1"
            )
        meant = {command: _names(commands[command].params) for command in (commands if section == ALL else (section,))}
        known = {name for names in meant.values() for name in names}
        for key, value in table.items():
            if key not in known:
                raise _error(path, unknown_name(f"option in [{section}]:", key, sorted(known)))
            for command, names in meant.items():
                param = names.get(key)
                if param is None or (section == ALL and command in OLD_PROJECTS and param.name in REMEMBERED):
                    continue
                defaults[command][param.name] = _value(path, key, value, repeatable=param.multiple)
    return defaults


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TuilabelError(f"{path} is not valid TOML: {error}") from error


def _names(params: Iterable[Any]) -> dict[str, Any]:
    """The parameter of each long option, without dashes."""
    return {
        name.removeprefix("--"): param
        for param in params
        if param.param_type_name == "option"
        for name in param.opts
        if name.startswith("--") and name != "--help"
    }


def _value(path: Path, key: str, value: Any, *, repeatable: bool) -> Any:
    """A value of the file as if it were typed, where the shell replaces `~`; a list for a repeatable option."""
    if repeatable:
        return [_value(path, key, each, repeatable=False) for each in (value if isinstance(value, list) else [value])]
    if isinstance(value, str):
        return os.path.expanduser(value)  # noqa: PTH111 - any text
    if not isinstance(value, bool | int | float):
        raise UsageError(f"{path}: {key} must be text in quotes, a number, true or false, got {value!r}")
    return value


def _error(path: Path, error: UsageError) -> UsageError:
    return UsageError(f"{path}: {error}")
