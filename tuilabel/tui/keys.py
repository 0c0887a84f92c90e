"""Which keys label with which class: letters and digits belong to classes, all other keys to commands."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len

from tuilabel.errors import UsageError, unknown_name

DIGITS = "1234567890"
POSITIONAL = DIGITS + string.ascii_lowercase
"""Keys in the order in which the classes of earlier versions got them."""


class ClassKeys:
    """The keys of a project's classes: a digit and a letter of its name each, where these are free.

    A class keeps its keys while others are added, renamed or merged, and when it is renamed itself.

    Parameters
    ----------
    chosen : keys by class id that the user chose, or that were given in an earlier session.
    used : whether somebody is used to the keys of earlier versions, where classes from the eleventh on had `a`, `b`, ….
    """

    def __init__(self, chosen: Mapping[int, str] | None = None, *, used: bool = False) -> None:
        self._chosen, self._used = dict(chosen or {}), used
        self._cached: tuple[object, tuple[str, ...]] = (None, ())

    def of(self, classes: Sequence[str], class_ids: Sequence[int]) -> tuple[str, ...]:
        """The keys of each class: none, one, or several characters, of which each labels with it."""
        if self._cached[0] != (classes, class_ids):
            keys = class_keys(classes, class_ids, self._chosen, used=self._used)
            for class_id, letter in zip(class_ids, letters(keys), strict=True):
                if letter:
                    self._chosen.setdefault(class_id, letter)
            self._cached = (classes, class_ids), keys
        return self._cached[1]

    def choose(self, class_id: int, key: str) -> None:
        """Give a class another key; a class that had it gets another one."""
        self._chosen = {other: old for other, old in self._chosen.items() if old != key} | {class_id: key}
        self._cached = (None, ())

    def chosen(self, classes: Sequence[str], class_ids: Sequence[int]) -> dict[str, str]:
        """What the project remembers: one key of each class by name; not where the name itself is the key."""
        self.of(classes, class_ids)
        named = zip(classes, class_ids, strict=True)
        return {name: self._chosen[i] for name, i in named if self._chosen.get(i, name) != name}


def class_keys(
    classes: Sequence[str],
    class_ids: Sequence[int] | None = None,
    chosen: Mapping[int, str] | None = None,
    *,
    used: bool = False,
) -> tuple[str, ...]:
    """The keys of each class, digits first; "" where there are more classes than keys.

    A class whose name is a letter or digit has that key and no other. The others have a digit, by the order in which
    they were added, and a letter: the first of their name that is free, initials before others. Words that all
    names begin with do not count.

    Parameters
    ----------
    class_ids : a number for each class that stays the same when classes are added or merged; by default its position
        in `classes`.
    chosen : keys by class id; they come first.
    used : see `ClassKeys`.
    """
    class_ids = range(len(classes)) if class_ids is None else class_ids
    keys, taken = [""] * len(classes), set[str]()

    def give(class_pos: int, candidates: Iterable[str]) -> None:
        key = next((key for key in candidates if key not in taken), "")
        keys[class_pos] += key
        taken.update(key)

    for class_pos, class_id in enumerate(class_ids):
        give(class_pos, (chosen or {}).get(class_id, ""))
    for class_pos, key in enumerate(_positional_keys(classes, class_ids)):
        if key == classes[class_pos] or key in DIGITS or used:
            give(class_pos, key)
        if is_key(classes[class_pos]):
            give(class_pos, classes[class_pos])
    without = [k for k, letter in enumerate(letters(keys)) if not letter and not is_key(classes[k])]
    in_use = {key.lower() for key in taken}
    if len(without) > len({*string.ascii_lowercase} - in_use):
        without.sort(key=lambda class_pos: bool(keys[class_pos]))  # not enough for all: who has a digit comes last
    own = _own_words(classes)
    for initials_only in (True, False):
        for class_pos in without:
            if not _letter(keys[class_pos]):
                initials = [word[0] for word in own[class_pos]]
                wanted = initials if initials_only else [*initials, *"".join(own[class_pos])]
                give(class_pos, (key for key in map(_plain, wanted) if key.isalpha() and key not in in_use))
    for class_pos in without:
        if not keys[class_pos]:
            give(class_pos, POSITIONAL)
    return tuple("".join(sorted(each, key=lambda key: key not in DIGITS)) for each in keys)


def letters(keys: Sequence[str]) -> list[str]:
    """The letter among the keys of each class; "" where there is none."""
    return [_letter(key) for key in keys]


def best_key(keys: str) -> str:
    """The key of a class to show where there is room for one: the letter, which is easier to remember."""
    return _letter(keys) or keys[:1]


def shown_keys(keys: Sequence[str]) -> list[str]:
    """The keys of each class as equally wide texts: digits and letters in columns of their own, "1 c"."""
    digits = [next((key for key in each if key in DIGITS), "") for each in keys]
    columns = [column for column in (digits, letters(keys)) if any(column)] or [[""] * len(keys)]
    return [" ".join(key or " " for key in row) for row in zip(*columns, strict=True)]


def is_key(text: str) -> bool:
    """Whether a text is a letter or digit that can be the key of a class, in any script."""
    return len(text) == 1 and text.isalnum() and cell_len(text) == 1 and (text.isascii() or text.isalpha())


def check_class_keys(user_keys: Mapping[str, object], classes: Iterable[str]) -> dict[str, str]:
    """The keys that the settings choose, by class name.

    Parameters
    ----------
    user_keys : class name → key.
    classes : the names that classes have, or once had.

    Raises
    ------
    UsageError : if a class is unknown, a key is not a single letter or digit, or two classes share a key.
    """
    known, holder = list(classes), dict[object, str]()
    for name, key in user_keys.items():
        if name not in known:
            raise unknown_name("class in [class-keys]", name, known)
        if not (isinstance(key, str) and is_key(key)):
            raise UsageError(f"[class-keys] {name} must be one letter or digit, got {key!r}")
        if key in holder:
            raise UsageError(f"[class-keys] gives {key} to {holder[key]} and {name}: choose another key for one")
        holder[key] = name
    return {name: str(key) for name, key in user_keys.items()}


def _positional_keys(classes: Sequence[str], class_ids: Sequence[int]) -> tuple[str, ...]:
    """One key for each class, as earlier versions gave them: 1…9, 0, a…z in the order of the classes.

    Where the name of another class is that key, it is the next free one.
    """
    keys = [name if is_key(name) and name.isascii() else "" for name in classes]
    taken = {*keys}
    for class_pos, class_id in enumerate(class_ids):
        if not keys[class_pos] and class_id < len(POSITIONAL) and POSITIONAL[class_id] not in taken:
            keys[class_pos] = POSITIONAL[class_id]
            taken.add(keys[class_pos])
    free = (key for key in POSITIONAL if key not in taken)
    return tuple(
        key or (next(free, "") if class_id < len(POSITIONAL) else "")
        for key, class_id in zip(keys, class_ids, strict=True)
    )


def _letter(keys: str) -> str:
    return next((key for key in keys if key not in DIGITS), "")


def _own_words(classes: Sequence[str]) -> list[list[str]]:
    """The words of each name without those that all names begin with."""
    words = [[word for word in re.split(r"[\W_]+", name) if word] for name in classes]
    shared = 0
    while len(words) > 1 and all(len(each) > shared + 1 for each in words):
        if len({each[shared].casefold() for each in words}) > 1:
            break
        shared += 1
    return [each[shared:] for each in words]


def _plain(letter: str) -> str:
    """The letter as it is typed on most keyboards: in lower case, without its accent if it is a Latin one."""
    base = unicodedata.normalize("NFKD", letter)[0]
    letter = (base if base.isascii() else letter).lower()
    return letter if is_key(letter) else ""
