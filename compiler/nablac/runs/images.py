"""runs/images: the inputs that are pictures, as pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nablac.runs.scores import Array

LEAST = 8
"""Rows and columns of the smallest picture."""


def pictures(array: Any, rows: Any) -> Array | None:
    """Some samples as pictures [rows, height, width] or [rows, height, width, 3], or None if they are none.

    Of one axis, they are squares in which what lies one above the other is alike, as columns of a table are not.
    """
    first, found = np.asarray(array[:200]), np.asarray(array[rows])
    shape = found.shape[1:]
    if len(shape) == 1 and math.isqrt(shape[0]) ** 2 == shape[0] and shape[0] >= LEAST**2:
        side = math.isqrt(shape[0])
        return found.reshape(-1, side, side) if _alike(first.reshape(-1, side, side)) else None
    if len(shape) == 3 and shape[0] in (1, 3) and shape[2] not in (1, 3):
        found = np.moveaxis(found, 1, -1)
        shape = found.shape[1:]
    if len(shape) == 3 and shape[2] == 1:
        found, shape = found[..., 0], shape[:2]
    fits = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
    return found if fits and min(shape[:2]) >= LEAST else None


def _alike(square: Array) -> bool:
    """Whether values one above the other differ less than values at any two places."""
    few = square.reshape(len(square), -1).astype(np.float64)
    other = np.random.Generator(np.random.Philox(key=0)).permutation(few.shape[1])
    near, far = np.abs(few[:, square.shape[2] :] - few[:, : -square.shape[2]]), np.abs(few - few[:, other])
    return bool(near.mean() < 0.75 * far.mean())
