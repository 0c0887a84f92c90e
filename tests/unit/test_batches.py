"""Which batch queried an item."""

from __future__ import annotations

from tuilabel.session.batches import Batches
from tuilabel.session.state import Batch, QueryItem


def test_an_item_that_was_taken_out_of_a_batch_is_no_longer_found_there() -> None:
    """A colleague has it: neither its place nor that of another item may be looked up by it."""
    batches = Batches((), is_answered=lambda _: False)
    batches.add(Batch(1, tuple(QueryItem(k, f"i{k}") for k in range(4)), "margin", None))
    batches.drop([1, 3])
    found = {k: batches.find(k) for k in range(4)}
    assert {k: None if at is None else at[1].index for k, at in found.items()} == {0: 0, 1: None, 2: 2, 3: None}
    assert not batches.is_open(3)
