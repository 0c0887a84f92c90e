"""Rescue files: everything that a session knows of a project whose store is lost, as JSON lines.

`tuilabel repair` reads them back. The first line says of which project they are, and has its settings.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write, cache_dir
from tuilabel.labels.classes import ClassChange
from tuilabel.labels.events import Event, Round, RoundItem
from tuilabel.labels.store import Changes

Entry = Event | ClassChange | Round

_KINDS: dict[str, type[Entry]] = {"event": Event, "class_change": ClassChange, "round": Round}
_FORMAT = 1


@dataclass(frozen=True)
class Rescued:
    """What a rescue file holds.

    Attributes
    ----------
    project : id of the project.
    name : of its directory.
    settings : the text of its settings.toml.
    entries : in the order of the store.
    """

    path: Path
    project: str
    name: str
    settings: str
    entries: Sequence[Entry]


def in_order(log: Changes) -> list[Entry]:
    """Everything that a store holds, each class change before the events that follow it; rounds come last."""
    entries: list[Entry] = []
    changes = list(log.class_changes)
    for number, event in enumerate(log.events, log.n_before):
        while changes and changes[0].after <= number:
            entries.append(changes.pop(0))
        entries.append(event)
    return [*entries, *changes, *log.rounds]


def key_of(entry: Entry) -> object:
    """What two copies of an entry have in common, and no other entry has."""
    return (entry.number, entry.asked_at, entry.session) if isinstance(entry, Round) else entry.key


def write_rescue(directory: Path, project: str, settings: str, entries: Iterable[Entry], stamp: str) -> Path:
    """Write a rescue file next to a project; if that is not possible, in the home, cache or temporary directory.

    Parameters
    ----------
    stamp : part of the name of the file; a file of the same name is replaced.

    Raises
    ------
    TuilabelError : if it cannot be written anywhere.
    """
    head = {"tuilabel": "rescue", "format": _FORMAT, "project": project, "name": directory.name, "settings": settings}
    content = "".join(json.dumps(line) + "\n" for line in (head, *map(_to_json, entries))).encode()
    failure: TuilabelError | None = None
    for folder in _folders(directory):
        path = folder / f"{directory.name}.rescue-{stamp}.jsonl"
        try:
            if not folder.is_dir():
                continue
            with atomic_write(path) as temporary:
                temporary.write_bytes(content)
            if folder != directory.absolute().parent:
                path.chmod(0o600)  # others read these directories
            return path
        except (OSError, TuilabelError) as error:
            failure = failure or TuilabelError(str(error))
    raise failure or TuilabelError(f"there is no directory for a rescue file of {directory}")


def rescue_files(directory: Path) -> list[Path]:
    """The rescue files of a project, by its name, oldest first."""
    found: set[Path] = set()
    for folder in _folders(directory):
        with suppress(OSError):
            names = [name for name in os.listdir(folder) if name.startswith(f"{directory.name}.rescue-")]  # noqa: PTH208
            found |= {folder / name for name in names if name.endswith(".jsonl")}
    return sorted(found, key=lambda path: path.name)


def read_rescue(path: Path) -> Rescued:
    """Read a rescue file; lines that are damaged are left out.

    Raises
    ------
    TuilabelError : if it cannot be read, or is not a rescue file.
    """
    try:
        head, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        about = json.loads(head)
        if about.get("tuilabel") != "rescue" or int(about["format"]) > _FORMAT:
            raise ValueError
        entries = [entry for line in lines if (entry := _from_json(line)) is not None]
        return Rescued(path, str(about["project"]), str(about["name"]), str(about["settings"]), entries)
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TuilabelError(f"{path} is not a rescue file of this version of tuilabel") from error


def _folders(directory: Path) -> Iterator[Path]:
    yield directory.absolute().parent
    with suppress(RuntimeError):  # no home directory
        yield Path.home()
    yield cache_dir()
    yield Path(tempfile.gettempdir())


def _to_json(entry: Entry) -> dict[str, Any]:
    kind = next(name for name, kind in _KINDS.items() if isinstance(entry, kind))
    return {kind: {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(entry).items()}}


def _from_json(line: str) -> Entry | None:
    """The entry of a line; None if it is damaged, as the last line may be."""
    try:
        ((name, values),) = json.loads(line).items()
        kind = _KINDS[name]
        known = {field.name: values[field.name] for field in fields(kind) if field.name in values}
        if kind is Round:
            items = {field.name for field in fields(RoundItem)}
            known["items"] = tuple(
                RoundItem(**{k: v for k, v in item.items() if k in items}) for item in known["items"]
            )
        time = "asked_at" if kind is Round else "at"
        return kind(**{**known, time: datetime.fromisoformat(known[time]).astimezone(UTC)})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
