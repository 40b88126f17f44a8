"""lint/kinks: composed formulas that meet a kink where the declared derivatives do not add up to a subgradient.

relu'(0) = 0 is a subgradient of relu; relu(x) - relu(-x) is x, whose derivative is 1, and the declared ones give 0.
Here the body's derivative at the kink is set beside the derivatives on both sides: it must lie between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy
from sympy import Expr, Rational, Symbol

from nablac.algebra.derivative import local_derivative
from nablac.algebra.rename import inlined
from nablac.ir import functions as f
from nablac.ir.equation import Equation
from nablac.ir.functions import Access, IntAccess, Where
from nablac.lint.finding import Finding
from nablac.lint.study import Study

RULE = "kink"
STEP = Rational(1, 10**9)
NEAR = 1e-5
LARGEST = 120
"""No body is written out beyond so many nodes."""
KINKED = (f.relu, f.absolute, f.maximum, f.minimum, Where)


def kinks(study: Study) -> Iterator[Finding]:
    """Bodies whose derivative at a kink lies outside those on its two sides."""
    written: dict[str, Equation] = {}
    for equation in study.plain.equations:
        if equation.target not in study.active:
            continue
        whole = _written_out(equation, written)
        if whole.reduction is None and whole.body.has(*KINKED):
            written[equation.target] = whole
        found = _misfit(whole, study)
        if found is not None:
            access, surface, value, sides = found
            written.pop(equation.target, None)  # told here, not again by who reads it
            low, high = sorted(sides)
            between = f"{low:g}" if high - low < NEAR else f"between {low:g} and {high:g}"
            yield Finding(
                RULE,
                f"'{study.name(equation.target)}' has a kink at {surface} = 0, where the declared derivatives give "
                f"d/d{access} = {value:g} and any subgradient is {between}",
                equation.origin.where,
                f"write it without kinks that cancel, or with one function (relu, abs, max, where) for {surface}",
            )


def _written_out(equation: Equation, written: dict[str, Equation]) -> Equation:
    """The equation with the kinked, elementwise definitions that it reads put in."""
    body = equation.body
    for access in equation.reads:
        if access.tensor in written and not isinstance(access, IntAccess):
            longer = inlined(body, written[access.tensor], access)
            if sum(1 for _ in sympy.preorder_traversal(longer)) <= LARGEST:
                body = longer
    return equation if body is equation.body else replace(equation, body=body)


def _surfaces(body: Expr) -> list[Expr]:
    """Where the kinks of a body are, each as an expression that is 0 there, as often as it is one."""
    found: list[Expr] = []
    for node in sympy.preorder_traversal(body):
        if isinstance(node, f.relu | f.absolute):
            found.append(node.args[0])
        elif isinstance(node, f.maximum | f.minimum):
            found.append(node.args[0] - node.args[1])
        elif isinstance(node, sympy.core.relational.Relational):
            found.append(node.lhs - node.rhs)
    return [s for s in found if any(not isinstance(a, IntAccess) for a in s.atoms(Access))]


def _misfit(equation: Equation, study: Study) -> tuple[str, str, float, tuple[float, float]] | None:
    """The element, the surface, the declared derivative there and those on both sides, where they do not fit."""
    body = equation.body
    surfaces = _surfaces(body)
    composed = len(surfaces) > 1 or body.has(sympy.Eq, sympy.Ne)
    if not composed:  # one function alone is as declared
        return None
    for surface in dict.fromkeys(surfaces):
        for access in sorted(surface.atoms(Access), key=sympy.default_sort_key):
            if isinstance(access, IntAccess) or access.tensor not in study.active:
                continue
            here = _point(body, surface, access)
            if here is None:
                continue
            together = sum(s.xreplace(here) == 0 for s in surfaces)
            if together < 2 and not body.has(sympy.Eq, sympy.Ne):
                continue
            found = _compare(body, access, here)
            if found is not None:
                return study.text(access, study.plain), study.text(_positive(surface), study.plain), *found
    return None


def _positive(surface: Expr) -> Expr:
    return -surface if surface.could_extract_minus_sign() else surface


def _point(body: Expr, surface: Expr, access: Access) -> dict[Expr, Expr] | None:
    """A point of the surface: any numbers for all other leaves, and the one for ``access`` that makes it 0."""
    leaves = sorted({*body.atoms(Access), *surface.atoms(Access)} - {access}, key=sympy.default_sort_key)
    point: dict[Expr, Expr] = {a: Rational(7 * n + 5, 3 * n + 11) for n, a in enumerate(leaves)}
    x = Symbol("x", real=True)
    along = surface.xreplace({access: x}).xreplace(point)
    # a mean over one element: the factor 1/n would only blur the derivatives that are told
    point |= dict.fromkeys((along.free_symbols | body.free_symbols) - {x}, sympy.S.One)
    along = along.xreplace(point)
    slope = along.diff(x)
    if slope.is_number and slope != 0:
        point[access] = -along.subs(x, 0) / slope
    elif along.subs(x, 0) == 0:
        point[access] = sympy.S.Zero
    else:
        return None
    return point if surface.xreplace(point) == 0 else None


def _compare(body: Expr, access: Access, here: dict[Expr, Expr]) -> tuple[float, tuple[float, float]] | None:
    """The declared derivative and those on both sides if it does not lie between them; None where it does, or where
    the body jumps."""
    slope = local_derivative(body, access)[0]
    sides = [{**here, access: here[access] + STEP * sign} for sign in (-1, 1)]
    values = [_number(body.xreplace(point)) for point in (sides[0], here, sides[1])]
    slopes = [_number(slope.xreplace(point)) for point in (sides[0], here, sides[1])]
    if None in values or None in slopes:
        return None
    left, at, right = (float(v) for v in values if v is not None)
    if max(abs(left - at), abs(right - at)) > NEAR * (1 + abs(at)):
        return None
    before, declared, after = (float(s) for s in slopes if s is not None)
    slack = NEAR * (1 + abs(declared))
    if min(before, after) - slack <= declared <= max(before, after) + slack:
        return None
    return declared, (before, after)


def _number(node: Expr) -> float | None:
    """The value of an expression without leaves; None where it has none."""
    try:
        value = sympy.N(node)
        return float(value) if value.is_real and value.is_finite else None
    except (TypeError, ValueError, ZeroDivisionError):
        return None
