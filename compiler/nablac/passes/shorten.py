"""passes/shorten: last rewriting of bodies, for laws that shorten and that earlier passes would undo.

Requires: stabilised bodies.
Ensures: the operation count of no body grows.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> print(print_equations(shorten(parse_program({"u": "real"}, ["d = sigmoid(u)*sigmoid(-u)"], ["d"]))))
    d = sigmoid(u)*(1 - sigmoid(u))

Leaves to others: every law that may fire earlier.
"""

from __future__ import annotations

from nablac.algebra.cost import weight
from nablac.algebra.laws import SHORT
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program


def shorten(program: Program) -> Program:
    """The program with every body as short as the last table makes it."""
    return program.with_equations(_shorter(equation) for equation in program.equations)


def _shorter(equation: Equation) -> Equation:
    body, laws = rewrite(equation.body, SHORT)
    return equation.with_body(body, *laws) if weight(body) <= weight(equation.body) else equation
