"""Items that several people are asked, so that their agreement can be measured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tuilabel.errors import UsageError

MOST_PEOPLE = 20


@dataclass(frozen=True)
class Overlap:
    """Ask `people` annotators a share of the items.

    Which items these are depends on their ids and the seed alone: all sessions agree, and no strategy has a say.
    """

    people: int = 1
    share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.people <= MOST_PEOPLE:
            raise UsageError(f"overlap must be 1 to {MOST_PEOPLE} people, got {self.people}", parameter="overlap")
        if not 0 <= self.share <= 1:
            raise UsageError(f"overlap_share must be between 0 and 1, got {self.share}", parameter="overlap_share")

    @property
    def is_on(self) -> bool:
        """Whether any item is asked more than one person."""
        return self.people > 1 and self.share > 0

    def people_for(self, item: str) -> int:
        """How many people are asked an item, by its content id."""
        if not self.is_on:
            return 1
        digest = hashlib.blake2b(f"{self.seed} {item}".encode(), digest_size=8).digest()
        return self.people if int.from_bytes(digest, "big") < self.share * 2**64 else 1
