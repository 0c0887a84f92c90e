"""Which directions of a feature space tell images apart, and not just views of one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

COMPONENTS = 256  # principal components in which directions are sought
RIDGE = 0.01  # of the mean variance within images


def invariant_axes(
    features: NDArray[Any], copies: Sequence[NDArray[Any]], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The directions in which images differ most compared with augmented copies of one image.

    Linear discriminant analysis (Fisher 1936) whose classes are the images themselves: a direction counts as much as
    its variance between images exceeds that within them, whatever its own scale. Needs neither labels nor training.

    Parameters
    ----------
    features : of n images, (n, F), n ≥ 2.
    copies : of augmented copies of the same images, (n, F) each; at least one.
    count : of directions.

    Returns
    -------
    The mean (F,) and the axes (F, D), float32, D ≤ `count`: the largest first, projections (x - mean) @ axes have a
    root mean square of 1 over the images.
    """
    from scipy.linalg import eigh

    views = np.stack([np.asarray(rows, dtype=np.float32) for rows in (features, *copies)])  # (K, n, F)
    mean = views[0].mean(axis=0)
    views -= mean
    n, width = views.shape[1:]
    variances, axes = np.linalg.eigh(views[0].T @ views[0] / np.float32(n))
    kept = min(COMPONENTS, width, n - 1)
    axes = axes[:, ::-1][:, :kept]
    views = views @ axes  # (K, n, P)
    centres = views.mean(axis=0)
    within = (views - centres).reshape(-1, kept)
    inner = within.T @ within / np.float32(len(within))
    inner += max(RIDGE * float(np.trace(inner)) / kept, 1e-6 * max(float(variances[-1]), 1e-6)) * np.eye(kept)
    centres -= centres.mean(axis=0)
    count = min(count, kept)
    _, directions = eigh(centres.T @ centres / np.float32(n), inner, subset_by_index=(kept - count, kept - 1))
    found = axes @ directions[:, ::-1].astype(np.float32)
    scale = float(np.sqrt(np.square(views[0] @ directions).mean()))
    return mean, np.asarray(found / max(scale, 1e-6), dtype=np.float32)
