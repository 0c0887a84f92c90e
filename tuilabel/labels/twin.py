"""The twin of a store: a small file beside it that says which project it is of, and how much it held."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tuilabel.errors import TuilabelError, pluralize
from tuilabel.files import atomic_write
from tuilabel.labels.store import Extent

NAME = "store.json"


@dataclass(frozen=True)
class Twin:
    """What a store held when the twin was written; a store that holds more is as it should be.

    Attributes
    ----------
    project : id of the project, which the store and the settings have as well.
    events, class_changes : how many.
    last : key of the last event; None without one.
    """

    project: str
    events: int
    class_changes: int
    last: str | None

    @classmethod
    def of(cls, project: str, extent: Extent) -> Twin:
        """The twin of a store that holds so much."""
        return cls(project, extent.events, extent.class_changes, extent.last)

    @classmethod
    def read(cls, directory: Path) -> Twin | None:
        """The twin in a project's directory; None if there is none.

        Raises
        ------
        TuilabelError : if it cannot be read, or is damaged.
        """
        path = directory / NAME
        try:
            values = json.loads(path.read_bytes())
            last = values["last"]
            project, counts = str(values["project"]), (int(values["events"]), int(values["class_changes"]))
            return cls(project, *counts, last if last is None else str(last))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise TuilabelError(f"{path} is damaged: remove it, it will be written again") from error

    def write(self, directory: Path) -> None:
        """Replace the twin in a project's directory; raises `TuilabelError` if that fails."""
        path = directory / NAME
        if not directory.is_dir():
            raise TuilabelError(f"cannot write {path}: the directory is gone")
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing that could be lost."""
        return not self.events

    def difference(self, project: str, extent: Extent, last_is_there: bool) -> str | None:
        """What is wrong with a store, as it is found now; None if it is the one that the twin was written for.

        Parameters
        ----------
        last_is_there : whether it has the event whose key is `last`.
        """
        if project != self.project:
            return f"is of another project (its id is {project}, not {self.project})"
        if extent.events < self.events or extent.class_changes < self.class_changes:
            had, has = pluralize(self.events, "event"), f"{extent.events:,}"
            return f"had {had} and {pluralize(self.class_changes, 'class change')}, and has {has} and " + (
                f"{extent.class_changes:,}"
            )
        if self.last is not None and not last_is_there:
            return f"does not have the last of the {pluralize(self.events, 'event')} that were there"
        return None
