"""What the next batch may be made of: picks of the trainer, items of the overlap, or chance without a trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.learner.trainer.messages import RoundResult
from tuilabel.session.batches import Batches
from tuilabel.session.ledger import Ledger
from tuilabel.session.overlap import Overlap
from tuilabel.session.rounds import Candidates, query_items, random_batch
from tuilabel.session.state import QueryItem


class CandidateFinder:
    """Finds items that nobody has answered or is being asked, and those that several people are to answer.

    Parameters
    ----------
    annotator : who is to be asked.
    audit_share, seed : see `Candidates`.

    Attributes
    ----------
    leased : pool indices of items that other sessions are asked.
    """

    def __init__(
        self,
        pool: ImagePool,
        ledger: Ledger,
        batches: Batches,
        overlap: Overlap,
        *,
        annotator: str,
        audit_share: float,
        seed: int,
    ) -> None:
        self._pool, self._ledger, self._batches, self._overlap = pool, ledger, batches, overlap
        self._annotator, self._audit_share, self._seed = annotator, audit_share, seed
        self._shared: list[bool] = []
        """Which items several people are asked, by pool index."""
        self.leased: set[int] = set()

    def from_result(self, result: RoundResult, size: int) -> Candidates:
        """What a batch of `size` items may be made of, in order, from the picks of a round."""
        taken, trained_on = self._taken(), result.n_labels or None
        audits = query_items(result.audit, self._pool, taken, audit=True, trained_on=trained_on)
        picked = query_items(result.picks, self._pool, taken, audit=False, trained_on=trained_on)
        candidates = self._candidates(audits, picked, size, result.strategy, trained_on)
        return replace(candidates, is_part=result.is_first_part)

    def at_random(self, size: int, gone: NDArray[np.int64]) -> Candidates | None:
        """What a batch may be made of by chance alone, without audit items; None if nothing is left.

        Parameters
        ----------
        gone : pool indices of items whose files no longer exist.
        """
        taken = np.array(sorted(self._taken()), dtype=np.int64)
        left = np.setdiff1d(np.arange(len(self._ledger)), np.concatenate([gone, taken]))
        if not len(left):
            return None
        drawn = random_batch(self._pool, left, self._batches.next_number, 2 * size, self._seed)
        return replace(self._candidates((), drawn.items, size, drawn.strategy, None), share=0.0)

    def repeats(self) -> tuple[QueryItem, ...]:
        """The items of the overlap that others have answered, that more people are asked, and not this one yet."""
        if not self._overlap.is_on:
            return ()
        if len(self._shared) < len(self._pool.ids):
            new = (self._pool.ids[pool_idx].decode() for pool_idx in range(len(self._shared), len(self._pool.ids)))
            self._shared += [self._overlap.people_for(item) > 1 for item in new]
        waiting = {item.index for item in self._batches.open_items()} | self.leased
        return tuple(
            QueryItem(pool_idx, event.item, overlap=True)
            for pool_idx, event in self._ledger.standing.items()
            if self._shared[pool_idx] and pool_idx not in waiting and self._is_due(pool_idx)
        )

    def _taken(self) -> set[int]:
        return {*self._ledger.standing, *self.leased, *(item.index for item in self._batches.open_items())}

    def _candidates(
        self, audits: Sequence[QueryItem], picked: Sequence[QueryItem], size: int, strategy: str, trained_on: int | None
    ) -> Candidates:
        known = frozenset(self._pool.ids[pool_idx].decode() for pool_idx in self.leased)
        repeats = self.repeats()
        audits, picked = ([self._marked(item) for item in items] for items in (audits, picked))
        places = {item.id: self._overlap.people for item in (*audits, *picked) if item.overlap}
        places |= {i.id: self._overlap.people - len(self._ledger.answered_by(i.index)) for i in repeats}
        return Candidates(
            tuple(audits), tuple(picked), size, strategy, trained_on, self._audit_share, self._seed, known, repeats,
            places,
        )  # fmt: skip

    def _marked(self, item: QueryItem) -> QueryItem:
        return replace(item, overlap=True) if self._overlap.people_for(item.id) > 1 else item

    def _is_due(self, pool_idx: int) -> bool:
        answered = self._ledger.answered_by(pool_idx)
        return 0 < len(answered) < self._overlap.people and self._annotator not in answered
