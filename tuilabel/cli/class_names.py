"""Class names as they are typed, before there is a screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tuilabel.errors import UsageError
from tuilabel.labels.classes import clean_class_name

TRIES = 3


def class_names(text: str) -> tuple[str, ...]:
    """The names in `--classes`: with commas between, or one a line in the file of that name.

    Raises
    ------
    UsageError : where two are the same, or one cannot be a class name, or the file cannot be read.
    """
    path = Path(text).expanduser()
    if "," not in text and (path.is_file() or path.suffix == ".txt"):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise UsageError(f"cannot read the class names in {path}: {reason}") from error
        return _checked(
            [line for line in lines if line.strip() and not line.startswith("#")], f"--classes {path}: ", "one a line"
        )
    return _checked(text.split(","), f"--classes {text!r}: ")


def ask_classes(say: Callable[[str], object], read: Callable[[str], str] = input) -> tuple[str, ...]:
    """Ask for the classes of a new project in the terminal.

    Raises
    ------
    UsageError : where nobody answers, or not with two names at least.
    """
    say("Which classes are there? Type their names, with commas between; more can be added while you label (:).")
    for _ in range(TRIES):
        try:
            names = _checked(read("classes: ").split(","))
        except EOFError:
            break
        except UsageError as error:
            say(str(error))
            continue
        if len(names) > 1:
            return names
        say("a classifier needs at least two classes")
    raise UsageError("a new project needs classes: name them with --classes a,b or --classes FILE")


def _checked(names: list[str], where: str = "", how: str = "with commas between") -> tuple[str, ...]:
    clean: list[str] = []
    for name in names:
        if not name.strip() or name.strip() in clean:
            raise UsageError(f"{where}give each class a name of its own, {how}")
        clean.append(clean_class_name(name, clean))
    return tuple(clean)
