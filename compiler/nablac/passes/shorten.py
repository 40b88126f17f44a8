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

from sympy import Expr, Mul, StrictGreaterThan

from nablac.algebra.cost import weight
from nablac.algebra.laws import SHORT, TIDY
from nablac.algebra.laws.conditions import product_without_choice
from nablac.algebra.rename import inlined
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Where, absolute, accesses, maximum, minimum, relu

FACTOR = "choice of factor"
"""A choice goes that a value of an equation makes by itself, being 0 elsewhere."""
EXTREMUM = "known extremum"
"""A value of an equation is read as what it is where a choice has decided that."""


def shorten(program: Program) -> Program:
    """The program with every body as short as the last table makes it."""
    return program.with_equations(_shorter(equation, program) for equation in program.equations)


def _shorter(equation: Equation, program: Program) -> Equation:
    known, fired = _without_choices(*_with_known_extrema(equation.body, program), program)
    body, laws = rewrite(known, SHORT)
    return equation.with_body(body, *fired, *laws) if weight(body) <= weight(equation.body) else equation


def _with_known_extrema(body: Expr, program: Program) -> tuple[Expr, tuple[str, ...]]:
    """q is p in where(p >= 0 and p <= 1, f(q), 0), if its equation says q = min(max(p, 0), 1)."""
    for node in sorted(body.atoms(Where), key=weight):
        for access in accesses(node.args[1]):
            definition = _elementwise(access, program)
            if definition is not None and definition.body.has(maximum, minimum):
                opened = inlined(node, definition, access)
                new, laws = rewrite(opened, TIDY)
                if EXTREMUM in laws and weight(new) < weight(node):
                    return _with_known_extrema(body.xreplace({node: new}), program)[0], (EXTREMUM,)
    return body, ()


def _without_choices(body: Expr, fired: tuple[str, ...], program: Program) -> tuple[Expr, tuple[str, ...]]:
    """The body without the choices that the values of equations make by themselves."""
    shorter = {}
    for node in body.atoms(Where):
        for access in accesses(node):
            definition = _elementwise(access, program)
            new = None if definition is None else _chosen(node, access, inlined(access, definition, access), program)
            if new is not None:
                shorter[node] = new
                break
    if not shorter:
        return body, fired
    return _without_choices(body.xreplace(shorter), (*fired, FACTOR), program)


def _chosen(node: Expr, factor: Access, value: Expr, program: Program) -> Expr | None:
    """The choice without its condition, if that decides nothing that the factor's value has not decided.

    where(h > 0, h*v, 0) is h*v if h is the value of a relu or an absolute value; where(c, 0, h*v) and
    where(c, 0, where(h > 0, v, 0)) need no c if h is where(c, 0, w).
    """
    condition, a, b = node.args
    if isinstance(condition, StrictGreaterThan) and condition.args == (factor, 0) and _is_nonnegative(value):
        return _product(node, factor, program)
    if isinstance(value, Where) and value.args[:2] == (condition, 0) == (condition, a):
        if isinstance(b, Where) and b.args[2] == 0 and b.args[0] == StrictGreaterThan(factor, 0):
            return b
        if factor in Mul.make_args(b):
            return product_without_choice(Where(StrictGreaterThan(factor, 0), b, 0), factor)
    return None


def _product(node: Expr, factor: Access, program: Program) -> Expr | None:
    """The product that is chosen where it is 0 elsewhere, by a factor or by one whose equation has that factor."""
    _, product, _ = node.args
    if product_without_choice(node, factor) is not None:
        return product
    for one in Mul.make_args(product):
        definition = _elementwise(one, program) if isinstance(one, Access) else None
        if definition is not None:
            opened = node.xreplace({one: inlined(one, definition, one)})
            if product_without_choice(opened, factor) is not None:
                return product
    return None


def _is_nonnegative(value: Expr) -> bool:
    if isinstance(value, Where):
        return all(_is_nonnegative(branch) for branch in value.args[1:])
    return isinstance(value, relu | absolute) or bool(value.is_number and value.is_nonnegative)


def _elementwise(access: Access, program: Program) -> Equation | None:
    definition = program.defined.get(access.tensor)
    return definition if definition is not None and definition.reduction is None else None
