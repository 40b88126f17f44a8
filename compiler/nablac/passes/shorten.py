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

from sympy import Expr, StrictGreaterThan

from nablac.algebra.cost import weight
from nablac.algebra.laws import SHORT
from nablac.algebra.laws.conditions import product_without_choice
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Where, absolute, relu

LAW = "choice of factor"


def shorten(program: Program) -> Program:
    """The program with every body as short as the last table makes it."""
    return program.with_equations(_shorter(equation, program) for equation in program.equations)


def _shorter(equation: Equation, program: Program) -> Equation:
    known, fired = _without_choices(equation.body, program)
    body, laws = rewrite(known, SHORT)
    return equation.with_body(body, *fired, *laws) if weight(body) <= weight(equation.body) else equation


def _without_choices(body: Expr, program: Program) -> tuple[Expr, tuple[str, ...]]:
    """where(h > 0, h*v, 0) is h*v if h is the value of a relu or an absolute value, by its equation."""
    shorter = {}
    for node in body.atoms(Where):
        factor = node.args[0].args[0] if isinstance(node.args[0], StrictGreaterThan) else None
        if not isinstance(factor, Access) or node.args[0].args[1] != 0:
            continue
        definition = program.defined.get(factor.tensor)
        if definition is not None and definition.reduction is None and isinstance(definition.body, relu | absolute):
            product = product_without_choice(node, factor)
            if product is not None:
                shorter[node] = product
    return body.xreplace(shorter), (LAW,) if shorter else ()
