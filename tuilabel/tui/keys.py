"""Which key means which class: letters and digits belong to classes, everything else to commands."""

from __future__ import annotations

import string
from collections.abc import Sequence

from tuilabel.errors import UsageError

POSITIONAL = "1234567890" + string.ascii_lowercase + string.ascii_uppercase


def class_keys(classes: Sequence[str]) -> tuple[str, ...]:
    """One key a class, in the order of `classes`.

    Where every name is a single letter or digit the key is the name itself; else the keys follow the keyboard:
    1…9, 0, then a…z, then A…Z.

    Raises
    ------
    UsageError : where there are more classes than keys.
    """
    if all(len(name) == 1 and name in POSITIONAL for name in classes):
        return tuple(classes)
    if len(classes) > len(POSITIONAL):
        raise UsageError(
            f"{len(classes)} classes are more than the {len(POSITIONAL)} keys there are: label coarser classes first"
        )
    return tuple(POSITIONAL[: len(classes)])
