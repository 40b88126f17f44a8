"""runs/sparkline: a curve in one line of characters."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS, ASCII = "▁▂▃▄▅▆▇█", "_.-~=*#@"


def sparkline(values: Sequence[float], width: int, scale: Sequence[float] = (), ramp: str = BLOCKS) -> str:
    """The values from left to right, several to a character where they are more than the width.

    The scale is that of all the values given with it, so that two curves can be compared; it is logarithmic where
    all of them are positive and the largest is more than ten times the smallest.  What is not finite is a blank.

    >>> sparkline([1, 2, 3, 4], 10)
    '▁▃▆█'
    >>> sparkline([1000, 100, 10, 1], 4)
    '█▆▃▁'
    >>> sparkline([3, float("nan"), 3], 10)
    '▁ ▁'
    """
    known = [v for v in (*values, *scale) if math.isfinite(v)]
    if not known or width < 1:
        return " " * min(len(values), max(width, 0))
    logarithmic = min(known) > 0 and max(known) > 10 * min(known)
    low, high = (math.log(v) if logarithmic else v for v in (min(known), max(known)))
    count = min(width, len(values))
    parts = [values[k * len(values) // count : (k + 1) * len(values) // count] for k in range(count)]
    line = ""
    for part in parts:
        finite = [math.log(v) if logarithmic else v for v in part if math.isfinite(v)]
        if not finite:
            line += " "
            continue
        height = (sum(finite) / len(finite) - low) / (high - low) if high > low else 0.0
        line += ramp[min(int(height * len(ramp)), len(ramp) - 1)]
    return line
