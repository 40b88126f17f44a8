"""data/balance: how many rows each class has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nablac.errors import DataError


@dataclass(frozen=True)
class Balance:
    """The rows of each class; shows itself as a table."""

    names: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def weights(self) -> tuple[float, ...]:
        """For each class the weight by which all classes count alike, 1 on average over the rows; 0 without rows."""
        present = sum(count > 0 for count in self.counts)
        return tuple(sum(self.counts) / (present * count) if count else 0.0 for count in self.counts)

    def __str__(self) -> str:
        total, most = sum(self.counts), max(self.counts)
        wide, long = max(map(len, ("class", *self.names))), max(len(f"{total:,}"), len("rows"))
        lines = [f"{'class':<{wide}}  {'rows':>{long}}   share"]
        for name, count in zip(self.names, self.counts, strict=True):
            bar = "█" * round(24 * count / most)
            lines.append(f"{name:<{wide}}  {count:>{long},}  {100 * count / total:>5.1f} %  {bar}".rstrip())
        return "\n".join(lines)


def balance(labels: Any, names: Sequence[str] | int | None = None) -> Balance:
    """The balance of labels 0, 1, 2 ...; ``names`` are those of all classes, or how many classes there are.

    >>> print(balance([0, 2, 2, 2], ["cat", "dog", "owl"]))
    class  rows   share
    cat       1   25.0 %  ████████
    dog       0    0.0 %
    owl       3   75.0 %  ████████████████████████
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "iu" or not array.size or array.min() < 0:
        raise DataError(
            "these are no labels",
            found=f"an array of {array.dtype}, shape {array.shape}",
            expected="whole numbers from 0 on",
        )
    counts = np.bincount(array.ravel())
    if names is None or isinstance(names, int):
        names = [str(k) for k in range(len(counts) if names is None else names)]
    if len(names) < len(counts):
        raise DataError("a label has no class", found=f"label {len(counts) - 1}", expected=f"0 to {len(names) - 1}")
    counts = np.pad(counts, (0, len(names) - len(counts)))
    return Balance(tuple(names), tuple(counts.tolist()))
