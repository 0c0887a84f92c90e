"""References to datasets: a built-in one by its name, or your own images by path or URL."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from tuilabel.datasets.builtin.catalogue import DATASETS, check_known
from tuilabel.datasets.sources import Source, is_source, open_source, plain_title_of, title_of
from tuilabel.datasets.sources.texts import is_url

_FOLDERS = "?labels=folders"


@dataclass(frozen=True)
class DatasetRef:
    """A dataset, before it is opened.

    Attributes
    ----------
    location : a name (see `list_datasets`), or a path or URL (see `is_source`).
    labels_from_folders : whether the folders of your own images are their classes and splits; see `Layout`.
    """

    location: str
    labels_from_folders: bool = False

    @classmethod
    def parse(cls, text: str) -> DatasetRef:
        """The reference from its text; the inverse of `str`."""
        return cls(text.removesuffix(_FOLDERS), text.endswith(_FOLDERS))

    def __str__(self) -> str:
        """The text stored in a project's settings.toml: the location, followed by `?labels=folders` if that applies."""
        return self.location + (_FOLDERS if self.labels_from_folders else "")

    @property
    def is_builtin(self) -> bool:
        """Whether it is a built-in dataset."""
        return self.location in DATASETS

    def open_source(self) -> Source:
        """The source of your own images, which is not listed yet.

        Raises
        ------
        UsageError : if there is no such file, folder or URL; for a built-in dataset, which has none.
        TuilabelError : if it is damaged, or its file system cannot be used.
        """
        if not is_source(self.location):
            check_known(self.location)
        return open_source(self.location, labels_from_folders=self.labels_from_folders)

    def title(self) -> str:
        """A short name for projects and checkpoints; raises like `open_source`, but not for a built-in dataset."""
        return self.location if self.is_builtin else self.open_source().title

    @property
    def is_remote(self) -> bool:
        """Whether it is a URL."""
        return is_url(self.location)

    @property
    def place(self) -> str:
        """Where the images really are: an absolute path without links; the name or URL if they are not local files."""
        if self.is_builtin or self.is_remote:
            return self.location.rstrip("/")
        return os.path.realpath(os.path.expanduser(self.location))  # noqa: PTH111 - takes any text, and never raises

    @property
    def names(self) -> list[str]:
        """What is made of these images may be called so, the usual name first: `images`, `b-images`, `a-b-images`."""
        if self.is_builtin:
            return [self.location]
        places = [place.rstrip("/") for place in (self.location, self.place)]
        parts = places[0].partition("://")[2 if self.is_remote else 0].strip("/").split("/")
        longer = (title_of("-".join(parts[-n:])) for n in range(2, len(parts) + 1))
        usual = [title_of(places[0]), title_of(places[1])]
        return list(dict.fromkeys([*usual[:1], *longer, *usual[1:], plain_title_of(places[0])]))

    def absolute(self) -> DatasetRef:
        """The same dataset by absolute path or URL, independent of the working directory; raises like `title`."""
        return self if self.is_builtin else replace(self, location=self.open_source().location)


def are_same_place(one: str, other: str) -> bool:
    """Whether two values of `DatasetRef.place` are the same file or folder, also where case or mounts differ."""
    try:
        return one == other or os.path.samefile(one, other)  # noqa: PTH121 - takes any text
    except (OSError, ValueError):
        return False


DatasetLike = DatasetRef | str
"""A `DatasetRef`, or its text."""


def as_ref(dataset: DatasetLike) -> DatasetRef:
    """The reference itself, or parsed from its text."""
    return DatasetRef.parse(dataset) if isinstance(dataset, str) else dataset
