"""The guideline of a project: a Markdown file that says what belongs to which class."""

from __future__ import annotations

from pathlib import Path

from tuilabel.errors import TuilabelError, printable

MOST = 100_000  # characters; more is not a guideline, and takes long to lay out


def read_guideline(path: Path) -> str:
    """The text of a guideline, without control characters.

    Raises
    ------
    TuilabelError : if the file cannot be read, or is not UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MOST + 1)
    except UnicodeDecodeError as error:
        raise TuilabelError(f"the guideline {path} is not UTF-8 text: save it as UTF-8") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TuilabelError(f"cannot read the guideline {path}: {reason}") from error
    if len(text) > MOST:
        text = text[:MOST] + "\n\n…"
    return "\n".join(printable(line.expandtabs(4)) for line in text.splitlines())
