"""plan/memory: which buffers share memory.  One arena of reals, one of integers, nothing allocated inside a step.

A buffer lives from the nest that first writes it to the last that reads it.  Sizes depend on extents known only at
run time, so an arena is cut into regions, one a monomial (n, n*m, ..., 1), and inside a region buffers are placed
first-fit by their coefficients: what does not overlap for one n overlaps for none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sympy import Expr, Mul, S, default_sort_key

from nablac.plan.loops import Buffer, Number, Schedule, Space

LINE = 16
"""Buffers of at least this many elements (for each unit of their monomial) start at a multiple of it."""


@dataclass(frozen=True)
class Spot:
    """A buffer's place: its first element and its length, as expressions in the extents, and the nests it lives in."""

    buffer: Buffer
    offset: Expr
    length: Expr
    first: int
    last: int


@dataclass(frozen=True)
class Arena:
    """The places of one kind of number and the length they need together."""

    spots: tuple[Spot, ...]
    length: Expr

    def __str__(self) -> str:
        rows = [("buffer", "from", "length", "nests")]
        rows += [(s.buffer.name, str(s.offset), str(s.length), f"{s.first}-{s.last}") for s in self.spots]
        widths = [max(len(row[c]) for row in rows) for c in range(4)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, f"{self.length} in all"])


@dataclass(frozen=True)
class Memory:
    """Both arenas."""

    reals: Arena
    integers: Arena


def plan_memory(schedule: Schedule) -> Memory:
    """The places of every working buffer with axes."""
    lives: dict[str, list[int]] = {}
    for at, nest in enumerate(schedule.nests):
        for name in (*nest.written, *nest.read):
            buffer = schedule.buffers[name]
            if buffer.space is Space.WORK and buffer.shape:
                lives.setdefault(name, []).append(at)
    used = [(schedule.buffers[name], min(nests), max(nests)) for name, nests in lives.items()]
    return Memory(
        _arena([u for u in used if u[0].number is not Number.INT]),
        _arena([u for u in used if u[0].number is Number.INT]),
    )


def _arena(used: Iterable[tuple[Buffer, int, int]]) -> Arena:
    regions: dict[Expr, list[tuple[Buffer, int, int, int, int]]] = {}
    for buffer, first, last in used:
        coefficient, monomial = Mul(*buffer.shape).as_coeff_Mul()
        region = regions.setdefault(monomial, [])
        size = int(coefficient)
        region.append((buffer, _fit(region, size, first, last), size, first, last))
    spots: list[Spot] = []
    start: Expr = S.Zero
    for monomial in sorted(regions, key=lambda m: (m == 1, default_sort_key(m))):
        region = regions[monomial]
        spots += [
            Spot(buffer, start + offset * monomial, size * monomial, first, last)
            for buffer, offset, size, first, last in region
        ]
        start += _round(max(offset + size for _, offset, size, _, _ in region)) * monomial
    return Arena(tuple(spots), start)


def _fit(region: list[tuple[Buffer, int, int, int, int]], size: int, first: int, last: int) -> int:
    """The lowest offset that no buffer living at the same time overlaps."""
    busy = sorted((offset, length) for _, offset, length, start, end in region if start <= last and first <= end)
    at = 0
    for offset, length in busy:
        if at + size <= offset:
            break
        at = max(at, offset + length)
        if size >= LINE:
            at = _round(at)
    return at


def _round(size: int) -> int:
    return -(-size // LINE) * LINE
