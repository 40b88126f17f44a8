"""frontend/table: what a spec leaves to its training table: the categories of a column, its mean or median."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median

from nablac.errors import DataError

MISSING = frozenset(("", "na", "nan", "null", "none", "?"))
"""The texts, in small letters, of cells in which there is nothing."""

MOST = 1000
"""A column with more different values is no category."""


def categories(paths: Sequence[Path], column: str) -> tuple[str, ...]:
    """The different values of a column, in order: of numbers if all of them are, else of texts."""
    found: set[str] = set()
    for text in _cells(paths, column):
        found.add(text)
        if len(found) > MOST:
            raise DataError(
                f"column '{column}' is no category",
                found=f"more than {MOST:,} different values",
                remedy="leave it out, or list the categories that it has",
            )
    if not found:
        raise DataError(f"column '{column}' has no values", found=_names(paths))
    return tuple(sorted(found, key=int if all(_is_integer(text) for text in found) else None))


def typical(paths: Sequence[Path], column: str, kind: str) -> float:
    """The mean or median of what is there in a column."""
    values = [float(text) for text in _cells(paths, column) if is_number(text)]
    if not values:
        raise DataError(f"column '{column}' has no numbers, so no {kind}", found=_names(paths))
    return fmean(values) if kind == "mean" else median(values)


def _cells(paths: Sequence[Path], column: str) -> Iterator[str]:
    """The cells of a column that are not missing."""
    headers: list[str] = []
    for path in paths:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                lines = csv.reader(file, strict=True)
                header = [cell.strip() for cell in next(lines, [])]
                headers += header
                if column not in header:
                    continue
                at = header.index(column)
                for line in lines:
                    text = line[at].strip() if at < len(line) else ""
                    if text.lower() not in MISSING:
                        yield text
                return
        except (OSError, ValueError, csv.Error) as error:
            raise DataError(
                f"{path} cannot be read", found=getattr(error, "strerror", None) or str(error), expected="a .csv file"
            ) from None
    raise DataError(f"{_names(paths)} has no column '{column}'", found=", ".join(headers)[:200] or "nothing")


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def is_number(text: str) -> bool:
    """Whether a text is a number, and a finite one."""
    try:
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False
