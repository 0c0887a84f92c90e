"""Which key means which class: letters and digits belong to classes, everything else to commands."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

from tuilabel.errors import UsageError, unknown_name

POSITIONAL = "1234567890" + string.ascii_lowercase
"""Keys in the order in which classes get them; classes beyond these are found by typing part of their name."""


def class_keys(classes: Sequence[str], slots: Sequence[int] | None = None) -> tuple[str, ...]:
    """One key a class, in the order of `classes`; "" where there are more classes than keys.

    A class whose name is a letter or digit has it as its key: a digit means that digit. The others follow the keyboard,
    1…9, 0, then a…z, and keep their keys while others come and go; one whose key becomes another's
    name takes a free one.

    Parameters
    ----------
    slots : the place of each class in the order of the keys; by default its position.
    """
    places = range(len(classes)) if slots is None else slots
    keys = [name if _is_key(name) else "" for name in classes]
    taken = {*keys}
    for position, place in enumerate(places):
        if not keys[position] and place < len(POSITIONAL) and POSITIONAL[place] not in taken:
            keys[position] = POSITIONAL[place]
            taken.add(keys[position])
    free = (key for key in POSITIONAL if key not in taken)
    return tuple(
        key or (next(free, "") if place < len(POSITIONAL) else "") for key, place in zip(keys, places, strict=True)
    )


def _is_key(name: str) -> bool:
    return len(name) == 1 and name.isascii() and name.isalnum()


def with_user_class_keys(keys: Sequence[str], classes: Sequence[str], own: Mapping[str, object]) -> tuple[str, ...]:
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
        if not (isinstance(key, str) and _is_key(key)):
            raise UsageError(f"[class-keys] {name} = {key!r}: give one letter or digit")
    wanted = list(own.values())
    for key in wanted:
        if wanted.count(key) > 1:
            both = " and ".join(name for name, k in own.items() if k == key)
            raise UsageError(f"[class-keys] gives {key} to {both}: give one of them another key")
    return tuple(
        str(own[name]) if name in own else "" if key in wanted else key for name, key in zip(classes, keys, strict=True)
    )
