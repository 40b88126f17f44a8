"""algebra/delta: elimination of Kronecker deltas from a sum, by index substitution.

    sum over s of delta(m, f(s)) * body(s)  =  body(g(m)), where f(g(m)) = m

For each pair (m, f) an index of the sum is solved for, if it stands in f with the coefficient 1 or -1; a guard keeps
it in its range where f is not a plain index.  What cannot be solved (a gather, a stride, a constant) stays a ``Delta``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy
from sympy import Add, Expr, Integer, S, Symbol

from nablac.ir.functions import Access, Delta, Where
from nablac.ir.index import is_index


@dataclass(frozen=True)
class Pair:
    """A delta(left, right): ``left`` is an index of the result or an access, ``extent`` the range both lie in."""

    left: Expr
    right: Expr
    extent: Expr


@dataclass(frozen=True)
class Solved:
    """A delta that went: the index it was solved for, what was put for that, and what keeps it in its range."""

    pair: Pair
    symbol: Symbol
    solution: Expr
    guards: tuple[Expr, ...]


@dataclass(frozen=True)
class Eliminated:
    """What is left of a sum: its body, the indices still summed with their extents, and the deltas that went."""

    body: Expr
    summed: tuple[tuple[Symbol, Expr], ...]
    solved: tuple[Solved, ...] = ()


def eliminate(body: Expr, pairs: Sequence[Pair], summed: Mapping[Symbol, Expr]) -> Eliminated:
    """Take every pair's delta out of ``sum over summed of body * product of deltas``.

    >>> from nablac.ir.index import extent, index
    >>> i, j, m = index("i"), index("j"), index("m")
    >>> left = eliminate(Access("x", i, j), [Pair(m, j, extent(3))], {i: extent("n"), j: extent(3)})
    >>> left.body, left.summed
    (x[i, m], ((i, n),))
    """
    remaining = dict(summed)
    waiting = [p for p in pairs if not is_one(p, summed)]
    guards: list[Expr] = []
    left_over: list[Expr] = []
    solved: list[Solved] = []
    while waiting:
        pair, symbol = _next(waiting, remaining)
        waiting.remove(pair)
        if symbol is None:
            left_over.append(Delta(pair.left, pair.right))
            continue
        solution = _solve(pair, symbol)
        ranges = remaining | {p.left: p.extent for p in pairs}
        solved.append(Solved(pair, symbol, solution, tuple(_guards(symbol, solution, ranges, pair))))
        guards += solved[-1].guards
        del remaining[symbol]
        put = {symbol: solution}
        body = body.xreplace(put)
        guards = [g.xreplace(put) for g in guards]
        left_over = [d.xreplace(put) for d in left_over]
        waiting = [Pair(p.left.xreplace(put), p.right.xreplace(put), p.extent) for p in waiting]
    for delta in left_over:
        body = body * delta
    condition = sympy.And(*guards)
    return Eliminated(Where(condition, body, S.Zero), tuple(remaining.items()), tuple(solved))


def is_one(pair: Pair, summed: Mapping[Symbol, Expr]) -> bool:
    """Whether a delta is 1 everywhere: an axis of length 1 has the place 0 alone."""
    return bool(pair.extent == 1 and not pair.right.free_symbols & set(summed))


def _next(waiting: Sequence[Pair], summed: Mapping[Symbol, Expr]) -> tuple[Pair, Symbol | None]:
    """The pair that is cheapest to solve, and the index to solve for: plain indices first, then affine ones."""
    for pair in waiting:
        if pair.right in summed:
            return pair, pair.right
    for pair in waiting:
        found = [s for s in summed if _coefficient(pair.right, s) in (1, -1) and not pair.left.has(s)]
        if found:
            return pair, max(found, key=lambda s: _size(summed[s]))
    return waiting[0], None


def _size(extent: Expr) -> tuple[int, int, str]:
    """Large extents first: the index that is solved for costs nothing any more. A named extent counts as large."""
    return (1, 0, str(extent)) if not extent.is_Integer else (0, int(extent), "")


def _coefficient(expression: Expr, symbol: Symbol) -> Expr | None:
    """The number before an index in an affine expression; None where the index also stands inside an access."""
    if any(a.has(symbol) for a in expression.atoms(Access)):
        return None
    slope = expression.diff(symbol)
    return slope if slope.is_Integer else None


def _solve(pair: Pair, symbol: Symbol) -> Expr:
    if pair.right == symbol:
        return pair.left
    slope = _coefficient(pair.right, symbol)
    return sympy.expand((pair.left - pair.right.subs(symbol, 0)) * slope)


def _guards(symbol: Symbol, solution: Expr, ranges: Mapping[Expr, Expr], pair: Pair) -> list[Expr]:
    """0 <= solution < extent, less what is known."""
    extent = ranges[symbol]
    if pair.right == symbol and (extent == pair.extent or isinstance(solution, Access)):
        return []
    least, most = _bound(solution, ranges, -1), _bound(solution, ranges, 1)
    lower = S.true if least is not None and least >= 0 else sympy.Ge(solution, 0)
    upper = S.true if most is not None and extent.is_Integer and most < extent else sympy.Lt(solution, extent)
    return [lower, upper]


def _bound(affine: Expr, ranges: Mapping[Expr, Expr], side: int) -> Integer | None:
    """The largest value of an affine expression, or with side -1 the smallest, over ranges that are known numbers."""
    total = S.Zero
    for term in Add.make_args(affine):
        slope, place = term.as_coeff_Mul()
        if place != 1 and side * slope > 0:
            extent = ranges.get(place, S.Infinity)
            if not extent.is_Integer:
                return None
            place = extent - 1
        elif place != 1:
            if not (is_index(place) or place in ranges):
                return None
            place = S.Zero
        total += slope * place
    return total
