"""algebra/choice: the factor of a summed body that picks one term, delta(c, e) or where(c == e, f, 0)."""

from __future__ import annotations

import sympy
from sympy import Expr, Mul, Symbol

from nablac.algebra.rename import index_symbols
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Delta, IntAccess, Where


def choice(body: Expr, index: Symbol) -> tuple[Expr, Expr] | None:
    """(e, f) where the body is delta(index, e)*f, as a product or as a choice with nothing on the other side."""
    if isinstance(body, Where) and isinstance(body.args[0], sympy.Eq) and body.args[2] == 0:
        place = _other_side(body.args[0].args, index)
        return None if place is None else (place, body.args[1])
    for factor in Mul.make_args(body):
        if isinstance(factor, Delta):
            place = _other_side(factor.args, index)
            return None if place is None else (place, body / factor)
        if isinstance(factor, Where) and body != factor:
            inner = choice(factor, index)
            if inner is not None:
                return inner[0], inner[1] * body / factor
    return None


def _other_side(pair: tuple[Expr, ...], index: Symbol) -> Expr | None:
    if index not in pair:
        return None
    other = pair[1] if pair[0] == index else pair[0]
    return None if index in index_symbols(other) else other


def is_place(place: Expr, index: Symbol, equation: Equation, program: Program) -> bool:
    """Whether a label or an index surely lies in the range of ``index``."""
    extent = equation.ranges[index]
    if isinstance(place, IntAccess):
        return program.declared[place.tensor].bound == extent
    return place in equation.ranges and equation.ranges[place] == extent
