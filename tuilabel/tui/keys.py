"""Which key labels with which class: letters and digits belong to classes, all other keys to commands."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

from tuilabel.errors import UsageError, unknown_name

POSITIONAL = "1234567890" + string.ascii_lowercase
"""Keys in the order in which classes get them; further classes are found by typing part of their name."""


def class_keys(classes: Sequence[str], class_ids: Sequence[int] | None = None) -> tuple[str, ...]:
    """The key of each class; "" where there are more classes than keys.

    A class whose name is a letter or digit has that key. The others get 1…9, 0, then a…z, and keep their keys when
    classes are added or merged; only one whose key becomes the name of another class gets a free key.

    Parameters
    ----------
    class_ids : a number for each class that stays the same when classes are added or merged; by default its position
        in `classes`.
    """
    class_ids = range(len(classes)) if class_ids is None else class_ids
    keys = [name if _is_key(name) else "" for name in classes]
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


def _is_key(name: str) -> bool:
    return len(name) == 1 and name.isascii() and name.isalnum()


def with_user_class_keys(
    keys: Sequence[str], classes: Sequence[str], user_keys: Mapping[str, object]
) -> tuple[str, ...]:
    """The keys of the classes with the user's choices; another class that had a chosen key loses it.

    Parameters
    ----------
    keys : one for each class, as `class_keys` returns them.
    user_keys : class name → key.

    Raises
    ------
    UsageError : if a class is unknown, a key is not a single letter or digit, or two classes share a key.
    """
    for name, key in user_keys.items():
        if name not in classes:
            raise unknown_name("class in [class-keys]", name, classes)
        if not (isinstance(key, str) and _is_key(key)):
            raise UsageError(f"[class-keys] {name} must be one letter or digit, got {key!r}")
    wanted = list(user_keys.values())
    for key in wanted:
        if wanted.count(key) > 1:
            both = " and ".join(name for name, k in user_keys.items() if k == key)
            raise UsageError(f"[class-keys] gives {key} to {both}: choose another key for one")
    return tuple(
        str(user_keys[name]) if name in user_keys else "" if key in wanted else key
        for name, key in zip(classes, keys, strict=True)
    )
