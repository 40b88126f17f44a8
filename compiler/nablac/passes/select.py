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

from nablac.algebra.choice import choice, is_place
from nablac.algebra.laws import ALL
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program, Reduction

LAW = "picked term"


def select(program: Program) -> Program:
    """The program with such sums replaced by the terms they pick."""
    return program.with_equations(_picked(equation, program) for equation in program.equations)


def _picked(equation: Equation, program: Program) -> Equation:
    if equation.reduction is None or equation.reduction.kind != "sum":
        return equation
    for index in equation.bound:
        found = choice(equation.body, index)
        if found is not None and is_place(found[0], index, equation, program):
            place, term = found
            body, laws = rewrite(term.xreplace({index: place}), ALL)
            left = tuple(i for i in equation.bound if i != index)
            extents = tuple((i, e) for i, e in equation.extents if i != index)
            picked = replace(equation, extents=extents, reduction=Reduction("sum", left) if left else None)
            return _picked(picked.with_body(body, LAW, *laws), program)
    return equation
