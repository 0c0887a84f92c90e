"""Labels as a table that other programs read."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from typing import TextIO

from tuilabel.labels.events import Event, current_answers

COLUMNS = ("id", "path", "label", "annotator", "labelled_at", "seconds")


def write_csv(events: Iterable[Event], file: TextIO, path_of: Callable[[str], str] = lambda _id: "") -> int:
    """Write the labels that stand, in the order in which they were given; returns how many.

    Parameters
    ----------
    events : with class names as they are to be written; see `with_current_names`.
    path_of : the path of an item by its id, for the second column.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    labels = sorted((e for e in current_answers(events).values() if e.kind == "label"), key=lambda event: event.at)
    for event in labels:
        row = (event.item, path_of(event.item), event.class_name, event.annotator)
        writer.writerow((*row, event.at.isoformat(timespec="milliseconds"), f"{event.milliseconds / 1000:.3f}"))
    return len(labels)
