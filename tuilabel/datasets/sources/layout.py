"""Which folders in a path name its split and its class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from hashlib import blake2b

from tuilabel.datasets.sources.base import Entry
from tuilabel.datasets.sources.texts import normal

_TRAIN = frozenset(("train", "training"))
_VALIDATION = frozenset(("val", "valid", "validation", "dev", "eval"))
_TEST = frozenset(("test", "testing"))
_UNLABELLED = frozenset(("_unlabeled", "no_label"))  # where fiftyone and CVAT put images without a class

Below = tuple[bool, Collection[str]]
"""Whether a folder directly holds images, and the names of its folders in which there are some."""


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

    Folders around all of these, such as `images/` or the one in an archive, have no meaning.

    Parameters
    ----------
    folders : the folders that mean something.
    root : common prefix of all names, which has no meaning, ending in '/'; empty if there is none.
    """

    def __init__(self, folders: Collection[str], root: str = "") -> None:
        self.root, self._folders = root, folders
        words = {folder.lower() for folder in folders}
        self._split = are_splits(words)
        self._splits = Splits(words if self._split else ())

    @classmethod
    def find(cls, below: Callable[[str], Below], *, is_archive: bool = False) -> Layout:
        """The layout of the folders.

        Parameters
        ----------
        below : what is in a folder, given as a prefix that ends in '/', or empty for the source itself.
        is_archive : whether the one folder at the top of it means nothing even if it directly holds the images;
            elsewhere, that folder is a class.
        """
        root = ""
        has_images, folders = below(root)
        while not has_images and len(folders) == 1 and not are_splits(folders):
            inner = f"{root}{next(iter(folders))}/"
            has_images, inner_folders = below(inner)
            if has_images and not (is_archive and not root):
                break
            root, folders = inner, inner_folders
        return cls(folders, root)

    @classmethod
    def of_names(cls, names: Iterable[str]) -> Layout:
        """The layout of the names in an archive."""
        inside: dict[str, tuple[bool, set[str]]] = {}
        for parent in {name.rpartition("/")[0] for name in names}:
            parts = parent.split("/") if parent else []
            for depth in range(len(parts) + 1):
                prefix = "".join(f"{part}/" for part in parts[:depth])
                has_images, folders = inside.get(prefix, (False, set[str]()))
                folders.update(parts[depth : depth + 1])
                inside[prefix] = (has_images or depth == len(parts), folders)
        return cls.find(lambda prefix: inside.get(prefix, (False, ())), is_archive=True)

    def classify(self, entry: Entry) -> Entry:
        """The entry with its split, and with the class of its folder if it has none yet."""
        label = entry.label or self.label(entry.name)
        return Entry(entry.name, entry.size, entry.stamp, label, label is not None and self.is_test(entry.name))

    @property
    def token(self) -> str:
        """Another layout has another token."""
        text = "/".join((self.root, *sorted(self._folders)))
        return blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()

    @property
    def splits(self) -> list[str]:
        """The split folders, as prefixes that end in '/'; none if the folders are not splits."""
        return [f"{self.root}{folder}/" for folder in sorted(self._folders)] if self._split else []

    def is_test(self, name: str) -> bool:
        """Whether the file is in the folder of the test split."""
        return self._split and self._splits.is_test(name[len(self.root) :].partition("/")[0])

    def label(self, name: str) -> str | None:
        """The class of a file; None if it is not in a class folder."""
        folders = name[len(self.root) :].split("/")[:-1]
        if self._split:
            folders = folders[1:]
        return normal(folders[0]) if folders and folders[0].lower() not in _UNLABELLED else None


def are_splits(folders: Collection[str]) -> bool:
    """Whether these folders are the splits of a data set: there are some, and no others."""
    return bool(folders) and {folder.lower() for folder in folders} <= _TRAIN | _VALIDATION | _TEST
