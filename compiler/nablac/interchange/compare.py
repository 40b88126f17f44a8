"""interchange/compare: how far what another tool computes is from what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def relative(pairs: Sequence[tuple[Array, Array]]) -> float:
    """The largest difference over some pairs of what was found and what was meant, relative to the largest element.

    What is not finite must be the same in both; infinite for another shape.

    >>> relative([(np.array([1.0, np.inf]), np.array([1.0, np.inf])), (np.array(3.5), np.array(4.0))])
    0.125
    """
    if any(np.shape(found) != np.shape(meant) for found, meant in pairs):
        return np.inf
    found, meant = (np.concatenate([np.ravel(pair[side]) for pair in pairs]) for side in (0, 1))
    with np.errstate(over="ignore"):
        meant = meant.astype(found.dtype)
    same = (found == meant) | (np.isnan(found) & np.isnan(meant))
    scale = float(np.max(np.abs(meant[np.isfinite(meant)]), initial=0))
    worst = float(np.max(np.abs(found[~same].astype(float) - meant[~same].astype(float)), initial=0))
    return worst / scale if scale else (np.inf if worst else 0.0)
