"""algebra/scatter: a sum of terms that each belong to one place of the result, as additions at those places.

    d[c, j] = sum over i of delta(c, y[i]) * body(i, j)   is   d[y[i], j] += body(i, j)   for every i and j

Loops are made so (``plan/item``), and operations are counted so (``algebra/cost``).
"""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr, Mul, Symbol, default_sort_key

from nablac.ir.functions import Delta, IntAccess, Where


def scattered(
    body: Expr, element: tuple[Expr, ...], loops: Sequence[Symbol]
) -> tuple[Expr, tuple[Expr, ...], list[Symbol]]:
    """The term, the place it is added to, and the indices that still run.

    Each factor ``delta(c, y[i])`` of the sum's body, c an index of ``element``, makes ``y[i]`` the place on c's axis,
    and c's loop goes.

    >>> from nablac.ir.functions import Access
    >>> from nablac.ir.index import index
    >>> c, i = index("c"), index("i")
    >>> scattered(Access("d", i) * Delta(c, IntAccess("y", i)), (c,), [c, i])
    (d[i], (y[i],), [i])
    """
    place, left, body = element, list(loops), _with_deltas_outside(body)
    for factor in sorted(Mul.make_args(body), key=default_sort_key):
        if not isinstance(factor, Delta):
            continue
        for free, other in (factor.args, factor.args[::-1]):
            if free in left and free in place and other.has(IntAccess) and free not in other.free_symbols:
                place = tuple(other if p == free else p for p in place)
                left = [i for i in left if i != free]
                body = (body / factor).xreplace({free: other})
                break
    return body, place, left


def _with_deltas_outside(body: Expr) -> Expr:
    """The body with ``where(c, delta*f, 0)`` as ``delta*where(c, f, 0)``."""
    return Mul(*(moved for factor in Mul.make_args(body) for moved in _split(factor)))


def _split(factor: Expr) -> tuple[Expr, ...]:
    if not isinstance(factor, Where) or factor.args[2] != 0:
        return (factor,)
    condition, value, zero = factor.args
    parts = [inner for part in Mul.make_args(value) for inner in _split(part)]
    deltas = [part for part in parts if isinstance(part, Delta)]
    rest = Mul(*(part for part in parts if not isinstance(part, Delta)))
    return (*deltas, Where(condition, rest, zero)) if deltas else (factor,)
