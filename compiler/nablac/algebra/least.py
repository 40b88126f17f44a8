"""algebra/least: how large an extent must be, so that a program does not divide by nothing.

    >>> from nablac.ir.parse import parse_program
    >>> least_rows(parse_program({"x": "real[n]"}, ["v = sum[i](x[i]**2)/(n - 1)"], ["v"]))
    2
"""

from __future__ import annotations

import sympy
from sympy import Expr, Pow

from nablac.ir.equation import Program
from nablac.ir.functions import Access, Where
from nablac.ir.index import is_index


def least_rows(program: Program) -> int:
    """How many rows a batch must have: what is divided by n - 1 wants two.  What a choice guards is left out."""
    least = 1
    for equation in program.equations:
        body = equation.body.replace(lambda node: isinstance(node, Where), lambda node: sympy.S.One)
        for power in body.atoms(Pow):
            base, exponent = power.args
            if exponent.is_number and exponent.is_negative:
                least = max(least, _first_above(base))
    return least


def _first_above(base: Expr) -> int:
    """The first whole number above where an expression of one extent alone vanishes; 1 if there is no such place."""
    symbols = base.free_symbols
    if base.has(Access) or len(symbols) != 1 or any(is_index(s) for s in symbols):
        return 1
    (extent,) = symbols
    roots = sympy.Poly(base, extent).ground_roots() if base.is_polynomial(extent) else {}
    return max((int(sympy.floor(root)) + 1 for root in roots), default=1)
