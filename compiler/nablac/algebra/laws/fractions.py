"""algebra/laws/fractions: the rows that bring terms together and keep the result only where terms cancel."""

from __future__ import annotations

from sympy import Add, Expr, Mul, Pow, S, expand_mul

from nablac.algebra.cost import weight
from nablac.algebra.laws.looking import powers_of

MOST_TERMS = 6
"""Longer sums are left alone: nothing cancels in them but by chance, and expanding them takes time."""


def common_denominator(node: Expr) -> Expr | None:
    """1/u - w/u**2 with u = 1 + w is 1/u**2: one fraction, where the numerator then loses terms."""
    if len(node.args) > MOST_TERMS:
        return None
    terms = [powers_of(term) for term in node.args]
    below: dict[Expr, Expr] = {}
    for term in terms:
        for base, power in term.items():
            if power.is_Integer and power.is_negative and not base.is_number:
                below[base] = min(below.get(base, S.Zero), power)
    if not any(isinstance(base, Add) for base in below):
        return None
    denominator = Mul(*(Pow(base, power) for base, power in below.items()))
    shorter = _cancelled([term / denominator for term in node.args])
    if shorter is None:
        return None
    new = shorter * denominator
    return new if weight(new) < weight(node) else None


def products_out(node: Expr) -> Expr | None:
    """u*(1 - v) - v*(1 - u) = u - v: products multiplied out, where terms then cancel."""
    if len(node.args) > MOST_TERMS or not any(isinstance(f, Add) for t in node.args for f in Mul.make_args(t)):
        return None
    new = _cancelled(list(node.args))
    return new if new is not None and weight(new) < weight(node) else None


def _cancelled(terms: list[Expr]) -> Expr | None:
    """The sum of the terms multiplied out, if fewer are left than there were, not counting numbers."""
    if any(len(f.args) > MOST_TERMS for t in terms for f in Mul.make_args(t) if isinstance(f, Add)):
        return None
    apart = [expand_mul(term, deep=False) for term in terms]
    total = Add(*apart)
    return total if _varying(total) < sum(map(_varying, apart)) else None


def _varying(total: Expr) -> int:
    return sum(1 for term in Add.make_args(total) if not term.is_number)
