"""Class names in little room: shortened so that they can still be told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache, partial

from rich.cells import cell_len, chop_cells

from tuilabel.errors import printable

MIN_WIDTH = 4  # columns in which a name can be shortened by what differs


@lru_cache(16)
def short_names(names: tuple[str, ...], width: int) -> tuple[str, ...]:
    """The names, each in at most `width` columns; an ellipsis stands for what is left out.

    Names with the same beginning are shown by what differs: "class 0001 of a thousand" as "…0001 o…".
    """
    names = tuple(map(printable, names))
    shown = [cut(name, width) for name in names]
    if width < MIN_WIDTH:
        return tuple(shown)
    long = [position for position, name in enumerate(names) if cell_len(name) > width]
    _, start = _shared_beginning([names[position] for position in long])
    groups = [long] if start else _alike(shown)
    for shorten in (_by_what_differs, partial(_by_both_ends, start=start)):
        for positions in groups:
            if len(positions) > 1:
                for position, text in zip(positions, shorten([names[p] for p in positions], width), strict=True):
                    shown[position] = text
        groups = _alike(shown)
    return tuple(shown)


def cut(text: str, width: int) -> str:
    """The beginning of a text, with an ellipsis if it is longer than `width` columns."""
    text = printable(text)
    if cell_len(text) <= width:
        return text
    return _head(text, width - 1).rstrip() + "…" if width > 0 else ""


def _alike(shown: Sequence[str]) -> list[list[int]]:
    """The positions of each text."""
    alike = defaultdict[str, list[int]](list)
    for position, text in enumerate(shown):
        alike[text].append(position)
    return list(alike.values())


def _by_what_differs(names: Sequence[str], width: int) -> list[str]:
    """Names with the same beginning, from the word on in which they differ, or by their ends if that is not enough."""
    shared, start = _shared_beginning(names)
    longest = max(cell_len(name[start:]) for name in names)
    if longest >= width and len({_head(name[start:], width - 2) for name in names}) < len(names):
        start = shared  # a long word
    room = width - 1
    ways = (
        [cut(name[_begin(name, start, room) :], room) for name in names],
        [name[_begin(name, len(name) - 1, room) :] for name in names],
        [_tail(name, room) for name in names],
    )
    best = max(ways, key=lambda texts: (len({*texts}), max(map(cell_len, texts)) <= room))
    return ["…" + cut(text, room) for text in best]


def _by_both_ends(names: Sequence[str], width: int, start: int) -> list[str]:
    """Names that end alike and begin differently, by their beginnings (from `start` on) and ends."""
    more = "…" if start else ""
    room = width - len(more)
    head = room // 3
    return [more + _head(name[start:], head) + "…" + _tail(name[start:], room - 1 - head) for name in names]


def _shared_beginning(names: Sequence[str]) -> tuple[int, int]:
    """How many characters all names begin with, and how many up to the beginning of the word in which they differ."""
    first, last = min(names, default=""), max(names, default="")
    shared = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    start = shared
    while start and first[start - 1].isalnum():
        start -= 1
    return shared, start


def _begin(name: str, start: int, width: int) -> int:
    """Where the last words of a name begin that fit into `width` columns, `start` or before; `start` if none do."""
    first = len(name) - len(_tail(name, width))
    words = (k for k in range(first, start) if name[k].isalnum() and not name[k - 1 : k].isalnum())
    return next(words, start)


def _head(text: str, width: int) -> str:
    return chop_cells(text, width)[0] if width > 0 and text else ""


def _tail(text: str, width: int) -> str:
    return _head(text[::-1], width)[::-1]


def longest(names: Sequence[str]) -> int:
    """The width of the longest name in columns."""
    return max(map(cell_len, names), default=0)
