"""What is compared: tasks, who does them, how long each takes, and how fast the machine could be."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Work = Callable[[], object]


@dataclass(frozen=True)
class Contender:
    """One way to do a task."""

    name: str
    seconds: list[float]
    """One for each turn; all contenders of a task take turns."""
    quality: str = ""
    """What comes out of it, in the words of the task: accuracy, recall."""

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Limit:
    """The least time that this machine needs for the arithmetic, the memory or the disk of a task."""

    seconds: float
    because: str


@dataclass(frozen=True)
class Task:
    """Something that tuilabel does, and others do as well.

    Attributes
    ----------
    contenders : tuilabel first.
    goal : ratio to tuilabel that each of the others is to have, by name.
    """

    title: str
    contenders: list[Contender]
    limit: Limit | None = None
    goal: dict[str, float] = field(default_factory=dict)

    def ratios(self, other: Contender) -> list[float]:
        """How many times as long as tuilabel another one took, turn by turn, ascending."""
        ours = self.contenders[0].seconds
        if len(ours) != len(other.seconds):  # one of them is so slow that it had fewer turns
            return [other.median / self.contenders[0].median]
        return sorted(theirs / mine for mine, theirs in zip(ours, other.seconds, strict=True))

    @property
    def share(self) -> float | None:
        """How near tuilabel comes to the limit, 0…1."""
        return None if self.limit is None else self.limit.seconds / self.contenders[0].median


def take_turns(works: Mapping[str, Work], turns: int, warm: int = 1) -> dict[str, list[float]]:
    """Seconds of each, one after the other in every turn, so that other load on the machine affects all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(warm + turns):
        for name, work in works.items():
            took = seconds_of(work)
            if turn >= warm:
                seconds[name].append(took)
    return seconds


def seconds_of(work: Work) -> float:
    """Seconds that one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
