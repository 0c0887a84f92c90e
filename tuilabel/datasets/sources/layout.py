"""Which folders in a path name its split and its class."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tuilabel.datasets.sources.base import Entry

_TRAIN = frozenset(("train", "training"))
_VALIDATION = frozenset(("val", "valid", "validation", "dev"))
_TEST = frozenset(("test", "testing"))


class Splits:
    """Decides which of a source's split names mean the test split: 'test', or 'val' if there is no 'test'."""

    def __init__(self, words: Iterable[str]) -> None:
        present = {word.strip().lower() for word in words}
        self._test = present & _TEST or present & _VALIDATION

    def is_test(self, word: str) -> bool:
        """Whether items of this split are test items."""
        return word.strip().lower() in self._test


class Layout:
    """The layout of torchvision's ImageFolder: CLASS/…/FILE, below split folders if there are no other folders.

    Parameters
    ----------
    folders : the top-level folders.
    root : common prefix of all names, which has no meaning, ending in '/'; empty if there is none.
    """

    def __init__(self, folders: Collection[str], root: str = "") -> None:
        self._root = root
        words = {folder.lower() for folder in folders}
        self._split = bool(words) and words <= _TRAIN | _VALIDATION | _TEST
        self._splits = Splits(words if self._split else ())

    @classmethod
    def of_names(cls, names: Iterable[str]) -> Layout:
        """The layout of the names in an archive; a single top-level folder has no meaning."""
        parents = {name.rpartition("/")[0] for name in names}
        top = {parent.partition("/")[0] for parent in parents}
        if len(top) == 1 and "" not in top:
            root = f"{top.pop()}/"
            parents = {parent[len(root) :] for parent in parents}
            return cls({parent.partition("/")[0] for parent in parents} - {""}, root)
        return cls(top - {""})

    def classify(self, entry: Entry) -> Entry:
        """The entry with its split, and with the class of its folder if it has none yet."""
        label = entry.label or self.label(entry.name)
        return Entry(entry.name, entry.size, entry.stamp, label, label is not None and self.is_test(entry.name))

    def is_split(self, folder: str) -> bool:
        """Whether a top-level folder is a split."""
        return self._split and folder.lower() in _TRAIN | _VALIDATION | _TEST

    def is_test(self, name: str) -> bool:
        """Whether the file is in the folder of the test split."""
        return self._split and self._splits.is_test(name[len(self._root) :].partition("/")[0])

    def label(self, name: str) -> str | None:
        """The class of a file; None if it is not in a class folder."""
        folders = name[len(self._root) :].split("/")[:-1]
        if self._split:
            folders = folders[1:]
        return folders[0] if folders else None
