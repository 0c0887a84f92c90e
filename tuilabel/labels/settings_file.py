"""settings.toml of a project: read with the standard library, edited in place so that comments stay."""

from __future__ import annotations

import difflib
import fcntl
import os
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tuilabel.errors import TuilabelError, printable
from tuilabel.files import atomic_write


@contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Edit the settings of a project alone: sessions that share it must not undo each other's keys."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a network file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_settings(settings: Path) -> dict[str, Any]:
    """The content of the file; raises `TuilabelError` if it cannot be read, or lacks what a project needs."""
    try:
        document = tomllib.loads(_text(settings))
        earlier = document.get("moved-from", [])
        places = [document.get(key, "") for key in ("source", "place", "store")]
        texts = [document["dataset"], *places, *document["classes"], *earlier]
        lists = isinstance(document["classes"], list) and isinstance(earlier, list)
        if not lists or not all(isinstance(text, str) for text in texts):
            raise TypeError
    except OSError as error:
        raise TuilabelError(f"cannot read {settings}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise TuilabelError(
            f"{settings} is damaged: fix it (dataset, fingerprint, classes) or pass another `project`"
        ) from error
    return document


def write_settings(settings: Path, before: dict[str, Any] | None, changed: Mapping[str, Any]) -> None:
    """Set some keys; comments, layout and the user's own keys stay as they are.

    Parameters
    ----------
    before : the content of the file, as `read_settings` returns it; None for a new file.
    changed : the keys to set; a table sets the keys that it has, and None removes a key. If nothing changes, the file
        is not written.

    Raises
    ------
    TuilabelError : if the file cannot be written.
    """
    if before is not None and not _differs(before, changed):
        return
    import tomlkit  # 25 ms, and most starts change nothing

    try:
        document = tomlkit.document() if before is None else tomlkit.parse(_text(settings))
    except tomlkit.exceptions.TOMLKitError as error:
        raise TuilabelError(f"cannot edit {settings}: {error}; fix that line") from error
    _update_table(document, changed)
    try:
        content = tomlkit.dumps(document).encode()
    except UnicodeEncodeError as error:
        where = printable(str(changed.get("source", "")))
        raise TuilabelError(
            f"cannot write {settings}: TOML holds valid UTF-8 only, and {where} is not; rename that directory"
        ) from error
    with atomic_write(settings) as temporary:
        temporary.write_bytes(content)


def _differs(before: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
    for key, value in changed.items():
        current = before.get(key)
        if (
            _differs(current, value)
            if isinstance(value, Mapping) and isinstance(current, Mapping)
            else current != value
        ):
            return True
    return False


def _update_table(table: MutableMapping[str, Any], changed: Mapping[str, Any]) -> None:
    for key, value in changed.items():
        current = table.get(key)
        if isinstance(value, list) and current is not None:
            _update_list(current, value)
        elif isinstance(value, Mapping):
            if not isinstance(current, MutableMapping):
                table[key] = {}
            _update_table(table[key], value)
        elif value is None:
            table.pop(key, None)
        elif current is None:
            _add(table, key, value)
        elif current != value:
            table[key] = value


def _add(table: MutableMapping[str, Any], key: str, value: Any) -> None:
    """Add a key after the others; a comment that follows them belongs to the next table and stays there."""
    from tomlkit.items import Comment, Table, Whitespace

    below = []
    if isinstance(table, Table):
        body = table.value.body
        while body and body[-1][0] is None:
            below.append(body.pop()[1])
    table[key] = value
    for item in reversed(below):
        if isinstance(item, Comment | Whitespace):  # and not what is left of a key that was removed
            table.add(item)  # type: ignore[attr-defined]


def _update_list(current: Any, wanted: Sequence[str]) -> None:
    """Make a TOML array equal to `wanted`, entry by entry, so that each kept entry keeps its comment."""
    changes = difflib.SequenceMatcher(None, list(current), wanted, autojunk=False).get_opcodes()
    for _, start, end, new_start, new_end in reversed(changes):  # from the end on, so that positions stay valid
        new = wanted[new_start:new_end]
        shared = min(end - start, len(new))
        for offset in range(shared):
            if current[start + offset] != new[offset]:
                current[start + offset] = new[offset]
        for position in reversed(range(start + shared, end)):
            del current[position]
        for offset in range(shared, len(new)):
            current.insert(start + offset, new[offset])


def _text(settings: Path) -> str:
    return settings.read_bytes().decode()  # not read_text, which would change line endings
