"""What can be read of a damaged SQLite store: every row on every page of the file that still makes sense.

The format is that of https://sqlite.org/fileformat2.html. All leaf pages of tables are looked at, as those that lead
to them may be damaged: which table a row belongs to is recognised by its values.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import sqlalchemy as sa

from tuilabel.labels.classes import ChangeKind, ClassChange
from tuilabel.labels.events import Event, Kind, Round, RoundItem
from tuilabel.labels.rescue import Entry
from tuilabel.labels.store import schema

_MAGIC = b"SQLite format 3\0"
_TABLE_LEAF = 0x0D
_INTEGER_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_FEWEST = {"events": 15, "class_changes": 9, "rounds": 7, "round_items": 6}
"""Columns that the tables had in their first format; later ones were added at the end."""


def salvage(path: Path) -> list[Entry]:
    """Everything that can be read of the store in a file, and of the journal or write-ahead log beside it, in order.

    Raises
    ------
    OSError : if the file cannot be read at all.
    """
    data = path.read_bytes()
    size = _page_size(data)
    pages = [data[start : start + size] for start in range(0, len(data), size)]
    more: list[bytes] = []
    for suffix, first, before, after in (("-wal", 32, 24, 0), ("-journal", 512, 4, 4)):
        beside = path.with_name(path.name + suffix)
        log = beside.read_bytes() if beside.is_file() else b""
        starts = range(first + before, len(log) - size + 1, before + size + after)
        more += [log[start : start + size] for start in starts]
    events: dict[str, tuple[int, Event]] = {}
    changes: dict[str, ClassChange] = {}
    rounds: dict[int, dict[str, Any]] = {}
    items: dict[int, dict[int, RoundItem]] = {}
    for number, values in _rows([*pages, *more], pages, size):
        kind = values[2] if len(values) > 2 else None
        if kind in get_args(Kind) and len(values) >= _FEWEST["events"]:
            if (event := _event(values)) is not None:
                events[event.key] = number, event
        elif kind in get_args(ChangeKind):
            if (change := _class_change(values)) is not None:
                changes[change.key] = change
        elif values[0] is None:
            rounds[number] = _named(schema.rounds, values)
        elif len(values) >= _FEWEST["round_items"] and isinstance(values[0], int) and isinstance(values[1], int):
            row = _named(schema.round_items, values)
            item = {name: value for name, value in row.items() if name not in ("round_row", "position")}
            items.setdefault(values[0], {})[values[1]] = RoundItem(**item)
    return [*_in_order(list(events.values()), list(changes.values())), *_rounds(rounds, items)]


def _in_order(events: list[tuple[int, Event]], changes: list[ClassChange]) -> Iterator[Entry]:
    """Events by number, and each class change before the first event that was written after it."""
    events.sort(key=lambda pair: pair[0])
    waiting = sorted(changes, key=lambda change: change.after)  # those at one place stay as they were found
    for number, event in events:
        while waiting and waiting[0].after < number:  # numbers begin at 1
            yield waiting.pop(0)
        yield event
    yield from waiting


def _rounds(rounds: dict[int, dict[str, Any]], items: dict[int, dict[int, RoundItem]]) -> Iterator[Round]:
    for number in sorted(rounds):
        of_round = items.get(number, {})
        row = {**rounds[number], "items": tuple(of_round[position] for position in sorted(of_round))}
        try:
            yield Round(**{**row, "asked_at": schema.time_from(row["asked_at"])})
        except (TypeError, ValueError, AttributeError):
            continue


def _event(values: Sequence[Any]) -> Event | None:
    try:
        return schema.event_from(_named(schema.events, values))
    except (TypeError, ValueError, KeyError, AttributeError):
        return None


def _class_change(values: Sequence[Any]) -> ClassChange | None:
    try:
        row = _named(schema.class_changes, values)
        return ClassChange(**{**row, "at": schema.time_from(row["at"])})
    except (TypeError, ValueError, KeyError, AttributeError):
        return None


def _named(table: sa.Table, values: Sequence[Any]) -> dict[str, Any]:
    """The values of a row by the program's names for its columns, without its number."""
    columns = list(table.c)
    padded = [*values, *[None] * len(columns)][: len(columns)]
    return {
        column.key: bool(value) if isinstance(column.type, sa.Boolean) and value is not None else value
        for column, value in zip(columns, padded, strict=True)
        if column.autoincrement is not True
    }


def _page_size(data: bytes) -> int:
    size = int.from_bytes(data[16:18]) if data.startswith(_MAGIC) else 0
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else 4096


def _rows(pages: Sequence[bytes], chain: Sequence[bytes], size: int) -> Iterator[tuple[int, list[Any]]]:
    """Number and values of each row on the leaf pages of tables."""
    for position, page in enumerate(pages):
        start = 100 if position == 0 and page.startswith(_MAGIC) else 0
        if len(page) < start + 8 or page[start] != _TABLE_LEAF:
            continue
        n_cells = int.from_bytes(page[start + 3 : start + 5])
        for cell in range(n_cells):
            pointer = int.from_bytes(page[start + 8 + 2 * cell : start + 10 + 2 * cell])
            try:
                length, at = _varint(page, pointer)
                number, at = _varint(page, at)
                yield number, _values(_payload(page, at, length, chain, size))
            except (IndexError, ValueError, struct.error):
                continue


def _payload(page: bytes, at: int, length: int, chain: Sequence[bytes], size: int) -> bytes:
    """The bytes of a row, the last of which may be on pages of their own."""
    if length <= size - 35:
        payload = page[at : at + length]
    else:
        least = (size - 12) * 32 // 255 - 23
        local = least + (length - least) % (size - 4)
        local = local if local <= size - 35 else least
        payload = page[at : at + local]
        following = int.from_bytes(page[at + local : at + local + 4])
        while len(payload) < length:
            overflow = chain[following - 1]
            payload += overflow[4 : 4 + length - len(payload)]
            following = int.from_bytes(overflow[:4])
    if len(payload) != length:
        raise ValueError
    return payload


def _values(record: bytes) -> list[Any]:
    header, at = _varint(record, 0)
    kinds = []
    while at < header:
        kind, at = _varint(record, at)
        kinds.append(kind)
    values: list[Any] = []
    for kind in kinds:
        value, at = _value(record, kind, at)
        values.append(value)
    if not values or at != len(record):
        raise ValueError
    return values


def _value(record: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind in _INTEGER_SIZES:
        end = at + _INTEGER_SIZES[kind]
        return int.from_bytes(record[at:end], signed=True), end
    if kind == 7:
        return struct.unpack(">d", record[at : at + 8])[0], at + 8
    if kind < 12:
        raise ValueError
    end = at + (kind - 12) // 2
    raw = record[at:end]
    return (raw.decode() if kind % 2 else raw), end  # UnicodeDecodeError is a ValueError


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position in range(8):
        byte = data[at + position]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + position + 1
    return value << 8 | data[at + 8], at + 9
