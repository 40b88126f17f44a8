"""passes/stabilise: textbook spellings become stable ones, also where a spelling is spread over several equations.

Requires: nothing; runs before differentiation and again after it.
Ensures: no law of the tables fits any body, nor any body with the definitions it reads written out.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> p = parse_program({"z": "real[n]"}, ["p[i] = 1/(1 + exp(-z[i]))", "L[i] = -log(p[i])"], ["L"])
    >>> print(print_equations(stabilise(p)))
    p[i] = sigmoid(z[i])
    L[i] = softplus(-z[i])

Leaves to ``shift`` the sums of exponentials, which need an equation of their own for the maximum.
"""

from __future__ import annotations

from functools import lru_cache

from sympy import Expr, Pow, exp, log, preorder_traversal

from nablac.algebra.cost import weight
from nablac.algebra.laws import ALL, STABLE
from nablac.algebra.rename import inlined
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import KEPT, Defined, accesses

OPENING = frozenset(law.name for law in STABLE if law.opens)
DEEPEST = 4
"""How many definitions deep a spelling may be spread."""
LARGEST = 200
"""No body is written out beyond so many nodes; of a sum or product that is larger, each part is written out alone."""


def stabilise(program: Program) -> Program:
    """The program with every body at rest under the laws, definitions put in where that lets a law fire."""
    defined: dict[str, Equation] = {}
    equations = []
    for equation in program.equations:
        body, laws = rewrite(equation.body, ALL)
        for _ in range(DEEPEST):
            opened = _opened(body, defined)
            if opened is None:
                break
            body, laws = opened[0], laws + opened[1]
        equation = equation.with_body(body, *laws)
        if equation.reduction is None and _size(equation.body) <= LARGEST:
            defined[equation.target] = equation
        equations.append(equation)
    return program.with_equations(equations)


def _opened(body: Expr, defined: dict[str, Equation]) -> tuple[Expr, tuple[str, ...]] | None:
    """The body with one definition put in, or else all to some depth, if a law fires for it that is worth it."""
    if _size(body) > LARGEST:
        return _opened_in_parts(body, defined)
    for access in accesses(body):
        if access.tensor in defined and _is_candidate(defined[access.tensor].body):
            found = _fires(body, inlined(body, defined[access.tensor], access))
            if found is not None:
                return found
    whole = body
    for _ in range(DEEPEST):
        deeper = whole
        for access in accesses(whole):
            if access.tensor in defined:
                deeper = inlined(deeper, defined[access.tensor], access)
        if deeper == whole or _size(deeper) > LARGEST or not _is_candidate(deeper):
            return None
        found = _fires(body, deeper)
        if found is not None:
            return found
        whole = deeper
    return None


def _opened_in_parts(body: Expr, defined: dict[str, Equation]) -> tuple[Expr, tuple[str, ...]] | None:
    opened = {part: found for part in body.args if isinstance(part, Expr) and (found := _opened(part, defined))}
    if not opened:
        return None
    new, laws = rewrite(body.func(*(opened[part][0] if part in opened else part for part in body.args)), ALL)
    return new, tuple(law for _, fired in opened.values() for law in fired) + laws


def _fires(body: Expr, written_out: Expr) -> tuple[Expr, tuple[str, ...]] | None:
    """The body written out, at rest, if a law that opens fired or if it came out cheaper (log(e) for e = exp(u))."""
    new, laws = rewrite(written_out, ALL)
    return (new, laws) if OPENING.intersection(laws) or weight(new) < weight(body) else None


@lru_cache(maxsize=KEPT)
def _is_candidate(body: Expr) -> bool:
    return bool(body.has(exp, log, Defined)) or any(p.exp.is_negative for p in body.atoms(Pow))


@lru_cache(maxsize=KEPT)
def _size(body: Expr) -> int:
    return sum(1 for _ in preorder_traversal(body))
