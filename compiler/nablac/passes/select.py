"""passes/select: a sum that picks one term by an index becomes that term.

Requires: nothing; runs before differentiation, so that what is never picked is never differentiated.
Ensures: no sum over c of where(c == e, f(c), 0) or delta(c, e)*f(c) is left, where e is a place in c's range.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> declared = {"z": "real[n, 3]", "y": "label[n, 3]"}
    >>> p = parse_program(declared, ["L[i] = sum[c](where(c == y[i], -log(z[i,c]), 0))"], ["L"])
    >>> print(print_equations(select(p)))
    L[i] = -log(z[i, y[i]])

Leaves to others: sums with other terms beside the choice.
"""

from __future__ import annotations

from dataclasses import replace

import sympy
from sympy import Expr, Mul, Symbol

from nablac.algebra.laws import ALL
from nablac.algebra.rename import index_symbols
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program, Reduction
from nablac.ir.functions import Delta, IntAccess, Where

LAW = "picked term"


def select(program: Program) -> Program:
    """The program with such sums replaced by the terms they pick."""
    return program.with_equations(_picked(equation, program) for equation in program.equations)


def _picked(equation: Equation, program: Program) -> Equation:
    if equation.reduction is None or equation.reduction.kind != "sum":
        return equation
    for index in equation.bound:
        found = _choice(equation.body, index)
        if found is not None and _is_place(found[0], index, equation, program):
            place, term = found
            body, laws = rewrite(term.xreplace({index: place}), ALL)
            left = tuple(i for i in equation.bound if i != index)
            extents = tuple((i, e) for i, e in equation.extents if i != index)
            picked = replace(equation, extents=extents, reduction=Reduction("sum", left) if left else None)
            return _picked(picked.with_body(body, LAW, *laws), program)
    return equation


def _choice(body: Expr, index: Symbol) -> tuple[Expr, Expr] | None:
    """(e, f) where the body is delta(index, e)*f, as a product or as a choice with nothing on the other side."""
    if isinstance(body, Where) and isinstance(body.args[0], sympy.Eq) and body.args[2] == 0:
        place = _other_side(body.args[0].args, index)
        return None if place is None else (place, body.args[1])
    for factor in Mul.make_args(body):
        if isinstance(factor, Delta):
            place = _other_side(factor.args, index)
            return None if place is None else (place, body / factor)
        if isinstance(factor, Where) and body != factor:
            inner = _choice(factor, index)
            if inner is not None:
                return inner[0], inner[1] * body / factor
    return None


def _other_side(pair: tuple[Expr, ...], index: Symbol) -> Expr | None:
    if index not in pair:
        return None
    other = pair[1] if pair[0] == index else pair[0]
    return None if index in index_symbols(other) else other


def _is_place(place: Expr, index: Symbol, equation: Equation, program: Program) -> bool:
    """Whether a label or an index surely lies in the range of ``index``."""
    extent = equation.ranges[index]
    if isinstance(place, IntAccess):
        return program.declared[place.tensor].bound == extent
    return place in equation.ranges and equation.ranges[place] == extent
