"""The clearest examples of each class among the answers, for people who have never seen the classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tuilabel.labels import Event
from tuilabel.learner.trainer.messages import OutOfFoldPredictions


@dataclass(frozen=True)
class Example:
    """One labelled item."""

    index: int
    """Its index in the pool."""
    confidence: float | None
    """How sure a model that had not learned its label was of it; None if none has judged it, or one was wrong."""


def clearest_examples(
    standing: Mapping[int, Event],
    classes: Sequence[str],
    out_of_fold: OutOfFoldPredictions | None,
    flagged: Collection[int],
    most: int,
) -> list[list[Example]]:
    """For each class the labelled items of which models are surest and right, the surest first.

    What counts is the newest prediction by a model that had not learned the item's label: by cross-validation, else the
    one that it was queried with. Items without such a prediction come next, the newest first. Those that were predicted
    to be of another class, or are flagged, may be wrong themselves: a class has them only if it has nothing else.

    Parameters
    ----------
    standing : the standing answers, by pool index.
    classes : class names; answers with other names are ignored.
    out_of_fold : from cross-validation; None before there are any.
    flagged : pool indices of flagged items.
    most : examples of each class at most.
    """
    positions = {name: class_pos for class_pos, name in enumerate(classes)}
    rows = {} if out_of_fold is None else {index: row for row, index in enumerate(out_of_fold.indices.tolist())}
    found: list[list[tuple[int, float, int]]] = [[] for _ in classes]  # (rank, -confidence, index)
    for age, (index, event) in enumerate(reversed([*standing.items()])):
        class_pos = positions.get(event.class_name or "") if event.kind == "label" else None
        if class_pos is None:
            continue
        confidence, wrong = event.confidence or 0.0, event.predicted not in (None, event.class_name)
        known = event.predicted is not None
        if out_of_fold is not None and index in rows:
            chances = out_of_fold.probabilities[rows[index]]
            if len(chances) == len(classes):
                known, wrong, confidence = True, int(chances.argmax()) != class_pos, float(chances[class_pos])
        rank = 2 if wrong or index in flagged else 0 if known else 1
        found[class_pos].append((rank, -confidence if rank == 0 else age, index))
    examples = []
    for ranked in found:
        ranked.sort()
        clear = [each for each in ranked if each[0] < 2] or ranked
        examples.append([Example(i, -value if rank == 0 else None) for rank, value, i in clear[:most]])
    return examples
