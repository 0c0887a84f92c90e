"""Read class names from an option."""

from __future__ import annotations

from pathlib import Path

from tuilabel.datasets.sources.texts import decoded
from tuilabel.errors import UsageError
from tuilabel.labels.classes import clean_class_name


def class_names(text: str) -> tuple[str, ...]:
    """The class names in the value of `--classes`: a comma-separated list, or a file with one name per line.

    Raises
    ------
    UsageError : if two names are the same, a name is not valid, or the file cannot be read.
    """
    path = Path(text).expanduser()
    if "," not in text and (path.is_file() or path.suffix == ".txt"):
        try:
            lines = decoded(path.read_bytes()).splitlines()
            "".join(lines).encode()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a text file"
            raise UsageError(f"cannot read the class names in {path}: {reason}") from error
        return _checked(
            [line for line in lines if line.strip() and not line.startswith("#")], f"--classes {path}: ", "one per line"
        )
    return _checked(text.split(","), f"--classes {text!r}: ")


def _checked(names: list[str], where: str = "", how: str = "separated by commas") -> tuple[str, ...]:
    clean: list[str] = []
    for name in names:
        if not name.strip() or name.strip() in clean:
            raise UsageError(f"{where}give each class a different name, {how}")
        clean.append(clean_class_name(name, clean))
    return tuple(clean)
