"""passes/canonicalise: drop what no result needs, and put trivial equations into their readers.

Requires: a checked program.
Ensures: every equation reaches a result; none but results is a mere copy or a constant; no index has a tensor's name.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> p = parse_program({"z": "real[n, 3]"}, ["h[i,j] = z[i,j]", "u[j] = h[0,j]", "s[j] = sum[i](h[i,j])"], ["s"])
    >>> print(print_equations(canonicalise(p)))
    s[j] = sum[i](z[i, j])

Leaves to others: everything that changes a formula.
"""

from __future__ import annotations

from sympy import Expr, Symbol

from nablac.algebra.laws import ALL
from nablac.algebra.rename import apart, inlined
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access


def canonicalise(program: Program) -> Program:
    """The program without dead and trivial equations, its indices named apart from its tensors."""
    lean = without_dead(_without_trivial(program))
    return lean.with_equations(apart(equation, lean.declared) for equation in lean.equations)


def without_dead(program: Program) -> Program:
    """The program with only the equations and results' tensors that its results need; declared inputs stay."""
    needed = set(program.results)
    kept = []
    for equation in reversed(program.equations):
        if equation.target in needed:
            needed.update(equation.sources)
            kept.append(equation)
    if len(kept) == len(program.equations):
        return program
    gone = {e.target for e in program.equations} - {e.target for e in kept}
    return program.with_equations(reversed(kept), (t for t in program.tensors if t.name not in gone))


def _without_trivial(program: Program) -> Program:
    trivial: dict[str, Equation] = {}
    equations = []
    for equation in program.equations:
        body = equation.body
        for access in equation.reads:
            if access.tensor in trivial:
                body = inlined(body, trivial[access.tensor], access)
        if body != equation.body:
            body, laws = rewrite(body, ALL)
            equation = equation.with_body(body, *laws)
        if equation.target not in program.results and is_trivial(equation):
            trivial[equation.target] = equation
        equations.append(equation)
    return program.with_equations(equations)


def is_trivial(equation: Equation) -> bool:
    """Whether an equation is a constant (extents allowed) or a number times one element at plain indices."""
    if equation.reduction is not None:
        return False
    return _is_constant(equation.body) or _is_copy(equation.body.as_coeff_Mul()[1])


def _is_constant(body: Expr) -> bool:
    return not body.has(Access) and not any(s.is_positive is None for s in body.free_symbols)


def _is_copy(body: Expr) -> bool:
    return isinstance(body, Access) and all(isinstance(i, Symbol) for i in body.indices)
