"""Training, validation and test sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import UsageError
from tuilabel.labels.exchange.rows import LabelRow


def stratified_split(rows: Sequence[LabelRow], shares: tuple[int, int, int], seed: int) -> NDArray[np.int64]:
    """Assign each row to a part so that every class is spread over the parts in proportion to `shares`.

    The first part gets an item of a class before the others do; after that, every part with a share above 0 gets at
    least one, if there are enough.

    Parameters
    ----------
    shares : of training, validation and test set; they need not add up to 100.

    Returns
    -------
    The part of each row, int64 (n,), 0 to 2. It depends on the labels, the shares and the seed alone.

    Raises
    ------
    UsageError : if `shares` is not three numbers of at least 0 with the first above 0.
    """
    fractions = np.array(shares, dtype=float)
    if fractions.shape != (3,) or (fractions < 0).any() or fractions[0] <= 0:
        raise UsageError(
            "split must be three shares for training, validation and test, the first above 0 (such as 80,10,10), "
            f"got {','.join(map(str, shares))}",
            parameter="split",
        )
    fractions /= fractions.sum()
    rng = np.random.default_rng(seed)
    parts = np.zeros(len(rows), dtype=np.int64)
    labels = np.array([row.label for row in rows], dtype=object)
    for label in sorted(set(labels)):
        members = rng.permutation(np.flatnonzero(labels == label))
        sizes = np.floor(fractions * len(members)).astype(int)
        sizes[0] += len(members) - sizes.sum()
        for part in (1, 2):
            if fractions[part] and not sizes[part] and sizes[0] > 1:
                sizes[0], sizes[part] = sizes[0] - 1, 1
        parts[members] = np.repeat([0, 1, 2], sizes)
    return parts


def split_names(
    rows: Sequence[LabelRow], shares: tuple[int, int, int], seed: int, names: tuple[str, str, str]
) -> list[str]:
    """The name of each row's part; see `stratified_split`."""
    return [names[part] for part in stratified_split(rows, shares, seed)]
