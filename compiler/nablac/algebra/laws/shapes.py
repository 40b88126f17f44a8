"""algebra/laws/shapes: the rows that tidy: kinks, choices, common factors, signs."""

from __future__ import annotations

import sympy
from sympy import Add, Expr, Mul, S

from nablac.algebra.laws.looking import powers_of
from nablac.ir.functions import Where, absolute, relu, sign


def own_kinks(node: Expr) -> Expr | None:
    return absolute(node.args[0]) if isinstance(node, sympy.Abs) else sign(node.args[0])


def absolute_from_sign(node: Expr) -> Expr | None:
    for factor in node.args:
        if isinstance(factor, sign):
            for other in node.args:
                if other in (factor.args[0], -factor.args[0]):
                    rest = Mul(*(a for a in node.args if a not in (factor, other)))
                    return rest * (absolute(other) if other == factor.args[0] else -absolute(other))
    return None


def merge_where(node: Expr) -> Expr | None:
    """r*where(c, u, 0) and r*where(c, 0, u) go inside, where 0*inf cannot arise."""
    first = next((a for a in node.args if isinstance(a, Where) and 0 in a.args[1:]), None)
    if first is None:
        return None
    rest = Mul(*(a for a in node.args if a is not first))
    return Where(first.args[0], rest * first.args[1], rest * first.args[2])


def same_condition(node: Expr) -> Expr | None:
    """where(c, where(c, u, v), w) = where(c, u, w), and likewise in the other branch."""
    condition, a, b = node.args
    if isinstance(a, Where) and a.args[0] == condition:
        return Where(condition, a.args[1], b)
    if isinstance(b, Where) and b.args[0] == condition:
        return Where(condition, a, b.args[2])
    if isinstance(b, Where) and b.args[1] == a:
        return Where(sympy.Or(condition, b.args[0]), a, b.args[2])
    return None


def add_where(node: Expr) -> Expr | None:
    """where(c, u, v) + where(c, w, z) = where(c, u + w, v + z), and numbers beside it go in."""
    choices: dict[Expr, list[Expr]] = {}
    for term in node.args:
        if isinstance(term, Where):
            choices.setdefault(term.args[0], []).append(term)
    for condition, terms in choices.items():
        if len(terms) > 1:
            rest = Add(*(a for a in node.args if a not in terms))
            return rest + Where(condition, Add(*(t.args[1] for t in terms)), Add(*(t.args[2] for t in terms)))
    return None


def where_is_known(node: Expr) -> Expr | None:
    condition, a, b = node.args
    if not isinstance(condition, sympy.Gt) or condition.args[1] != 0:
        return None
    x = condition.args[0]
    if a == x and b == 0:
        return relu(x)
    if b == 0 and a.is_number:
        return None
    if isinstance(b, Where) and b.args[0] == (x < 0) and (a, b.args[1], b.args[2]) == (1, -1, 0):
        return sign(x)
    return None


def number_out_of_sum(node: Expr) -> Expr | None:
    """w*(2*u - 2*v) = 2*w*(u - v)."""
    if sum(1 for factor in node.args if not factor.is_number) < 2:
        return None
    for factor in node.args:
        if isinstance(factor, Add):
            number, rest = factor.primitive()
            if number not in (1, -1) and not _gains_number(rest, number):
                return Mul(number, *(a for a in node.args if a is not factor), rest)
    return None


def _gains_number(rest: Expr, number: Expr) -> bool:
    """Whether a term has a number in ``rest`` and none in ``number*rest``: u + v/5 = (5*u + v)/5."""
    coefficients = [abs(term.as_coeff_Mul()[0]) for term in Add.make_args(rest)]
    return any(c != 1 and abs(number * c) == 1 for c in coefficients)


def common_factor(node: Expr) -> Expr | None:
    """u*v + u*w = u*(v + w), for factors that stand in every term; numbers stay where they are."""
    products = [powers_of(term.as_coeff_Mul()[1]) for term in node.args]
    shared: Expr = S.One
    for base, power in products[0].items():
        if base.is_number and base is not S.Exp1:
            continue
        if any(base not in p for p in products):
            continue
        powers = [p[base] for p in products]
        if all(q == power for q in powers):
            shared *= base**power
        elif all(q.is_Integer and q.is_positive for q in powers):
            shared *= base ** min(powers)
        elif all(q.is_Rational and q.is_negative for q in powers):
            shared *= base ** max(powers)  # of 1/sqrt(u) and 1/u the former: where it is real, so are both
    return shared * Add(*(term / shared for term in node.args)) if shared != 1 else None


def sign_into_sum(node: Expr) -> Expr | None:
    """-(u - v - w) = v + w - u: the sign goes into a sum most of whose terms carry one."""
    if not node.as_coeff_Mul()[0].is_negative:
        return None
    for factor in node.args:
        if isinstance(factor, Add):
            minus = sum(1 for term in factor.args if term.could_extract_minus_sign())
            if 2 * minus > len(factor.args):
                return Mul(-1, *(a for a in node.args if a is not factor)) * Add(*(-term for term in factor.args))
    return None
