"""Which key means which class: letters and digits belong to classes, everything else to commands."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

from tuilabel.errors import UsageError, unknown_name

POSITIONAL = "1234567890" + string.ascii_lowercase
"""Keys in the order in which classes get them; classes beyond these are found by typing part of their name."""


def class_keys(classes: Sequence[str], slots: Sequence[int] | None = None) -> tuple[str, ...]:
    """One key a class, in the order of `classes`; "" where there are more classes than keys.

    Where every name is a single letter or digit the key is the name itself; else the keys follow the keyboard: 1…9, 0,
    then a…z. A class keeps its key while others come and go.

    Parameters
    ----------
    slots : the place of each class in the order of the keys; by default its position.
    """
    if all(len(name) == 1 and name.isascii() and name.isalnum() for name in classes):
        return tuple(classes)
    places = range(len(classes)) if slots is None else slots
    return tuple(POSITIONAL[place] if place < len(POSITIONAL) else "" for place in places)


def with_own_class_keys(keys: Sequence[str], classes: Sequence[str], own: Mapping[str, object]) -> tuple[str, ...]:
    """The keys with those that a person wants otherwise; who had a key that is taken loses it.

    Parameters
    ----------
    own : class name → key.

    Raises
    ------
    UsageError : where a class is unknown, a key is no single letter or digit, or two classes want the same.
    """
    for name, key in own.items():
        if name not in classes:
            raise unknown_name("class in [class-keys]", name, classes)
        if not (isinstance(key, str) and len(key) == 1 and key.isascii() and key.isalnum()):
            raise UsageError(f"[class-keys] {name} = {key!r}: give one letter or digit")
    wanted = list(own.values())
    for key in wanted:
        if wanted.count(key) > 1:
            both = " and ".join(name for name, k in own.items() if k == key)
            raise UsageError(f"[class-keys] gives {key} to {both}: give one of them another key")
    return tuple(
        str(own[name]) if name in own else "" if key in wanted else key for name, key in zip(classes, keys, strict=True)
    )
