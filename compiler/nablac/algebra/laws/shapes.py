"""algebra/laws/shapes: the rows that tidy: kinks, choices, common factors, signs."""

from __future__ import annotations

from collections.abc import Iterator

import sympy
from sympy import Add, Expr, Mul, Rational, S, Symbol, expand_mul

from nablac.algebra.laws.looking import powers_of
from nablac.ir.functions import (
    Access,
    Delta,
    IntAccess,
    Where,
    absolute,
    accesses,
    maximum,
    minimum,
    relu,
    sign,
)

MOST_TERMS = 6
"""In longer sums no factor is looked for that is another's negated."""


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


def reflected_bound(node: Expr) -> Expr | None:
    """c - min(u, c*b) with b next to 1: where c - c*b is computed in float32, it is 0."""
    for number in node.args:
        for term in node.args:
            c, bounded = term.as_coeff_Mul()
            found = from_one(bounded) if number.is_Rational and c == -number else None
            if found is not None:
                return Add(*(a for a in node.args if a not in (number, term))) + number * found
    return None


def from_one(bounded: Expr) -> Expr | None:
    """1 - min(u, b) for a number b that float32 cannot tell from 1: max(1 - u, 1 - b)."""
    for value, bound in (bounded.args, bounded.args[::-1]) if isinstance(bounded, minimum) else ():
        if bound.is_Rational and 0 < 1 - bound < Rational(1, 10**7):
            return maximum(1 - value, 1 - bound)
    return None


def merge_where(node: Expr) -> Expr | None:
    """r*where(c, u, 0) or r*where(c, 0, u) goes inside, where 0*inf cannot arise."""
    for choice in node.args:
        if isinstance(choice, Where) and 0 in choice.args[1:]:
            condition, a, b = choice.args
            beside = [f for f in node.args if f is not choice]
            # a delta decides where a term goes; a number stands better before a sum
            stay = [f for f in beside if isinstance(f, Delta) or (b != 0 and not f.has(Access))]
            if len(stay) < len(beside):
                rest = Mul(*(f for f in beside if f not in stay))
                return Mul(*stay) * Where(condition, rest * a, rest * b)
    return None


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
        for other in choices:
            if _are_opposite(condition, other):
                one, two = choices[condition][0], choices[other][0]
                rest = Add(*(a for a in node.args if a not in (one, two)))
                return rest + Where(condition, one.args[1] + two.args[2], one.args[2] + two.args[1])
    return None


def _are_opposite(condition: Expr, other: Expr) -> bool:
    """u < v and u >= v, between whole numbers, which are no NaN."""
    if not isinstance(condition, sympy.Lt) or not isinstance(other, sympy.Ge):
        return False
    (a, b), (c, d) = condition.args, other.args
    return bool(a.is_integer and b.is_integer and a - b == c - d)


def delta_decides(node: Expr) -> Expr | None:
    """x[j]*delta(j, y[i]) = x[y[i]]*delta(j, y[i]): beside a delta, a label stands for the index that is its."""
    for delta in node.args:
        if isinstance(delta, Delta) and isinstance(delta.args[0], Symbol) != isinstance(delta.args[1], Symbol):
            index, place = sorted(delta.args, key=lambda a: not isinstance(a, Symbol))
            rest = node / delta
            if isinstance(place, IntAccess) and rest.has(index) and not place.has(index):
                return delta * rest.xreplace({index: place})
    return None


def like_deltas(node: Expr) -> Expr | None:
    """u*delta(i, j) + v*delta(i, j) + w = (u + v)*delta(i, j) + w."""
    terms: dict[Expr, list[Expr]] = {}
    for term in node.args:
        delta = next((f for f in Mul.make_args(term) if isinstance(f, Delta)), None)
        if delta is not None:
            terms.setdefault(delta, []).append(term)
    for delta, like in terms.items():
        if len(like) > 1:
            return Add(*(t for t in node.args if t not in like), delta * Add(*(t / delta for t in like)))
    return None


def delta_beside_choice(node: Expr) -> Expr | None:
    """u*delta(a, b) + where(a == b, v, w) = where(a == b, u + v, w)."""
    by_equality = [t for t in node.args if isinstance(t, Where) and isinstance(t.args[0], sympy.Eq)]
    choices = {frozenset(t.args[0].args): t for t in by_equality}
    for term in node.args if choices else ():
        for factor in Mul.make_args(term):
            choice = choices.get(frozenset(factor.args)) if isinstance(factor, Delta) else None
            if choice is not None:
                condition, a, b = choice.args
                rest = Add(*(t for t in node.args if t not in (term, choice)))
                return rest + Where(condition, a + term / factor, b)
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
    """w*(2*u - 2*v) = 2*w*(u - v), where fewer terms then have a number before them, and none that had none."""
    if sum(1 for factor in node.args if not factor.is_number) < 2:
        return None
    for factor in node.args:
        if isinstance(factor, Add):
            rest, number = min(_without_number(factor), key=lambda pair: _numbers(pair[0]))
            if _numbers(rest) < _numbers(factor) and not _gains_number(rest, number):
                return Mul(number, *(a for a in node.args if a is not factor), rest)
    return None


def _gains_number(rest: Expr, number: Expr) -> bool:
    """Whether a term has a number in ``rest`` and none in ``number*rest``: u + v/5 = (5*u + v)/5."""
    return any(abs(c) != 1 and abs(number * c) == 1 for c in _coefficients(rest))


def _without_number(total: Expr) -> Iterator[tuple[Expr, Expr]]:
    """A sum divided by its content, or by the number before one of its terms."""
    content, rest = total.primitive()
    yield rest, content
    coefficients = [abs(c) for c in _coefficients(total)]
    for number in dict.fromkeys(c for c in coefficients if 1 not in coefficients):
        if all(_stays_decimal(term.as_coeff_Mul()[0], number) for term in total.args):
            yield Add(*(term / number for term in total.args)), number


def _stays_decimal(number: Expr, divisor: Expr) -> bool:
    """Whether a number is no longer to write after a division: 1/1000 by 2, but not 1 by 3."""
    if not (number.is_Rational and divisor.is_Rational):
        return bool(number.is_Rational is False)
    below = int((number / divisor).q)
    for prime in (2, 5):
        while below % prime == 0:
            below //= prime
    return bool(int(number.q) % below == 0)


def _numbers(total: Expr) -> int:
    return sum(1 for c in _coefficients(total) if abs(c) != 1)


def _coefficients(total: Expr) -> list[Expr]:
    return [term.as_coeff_Mul()[0] for term in Add.make_args(total) if not term.is_number]


def common_factor(node: Expr) -> Expr | None:
    """u*v + u*w = u*(v + w), for factors that stand in every term; numbers stay where they are."""
    products = [powers_of(term.as_coeff_Mul()[1]) for term in node.args]
    shared: Expr = S.One
    for base, power in products[0].items():
        if base.is_number and base is not S.Exp1 and power.is_Integer and base.is_Rational:
            continue
        if any(base not in p for p in products):
            continue
        powers = [p[base] for p in products]
        if all(q == power for q in powers):
            shared *= base**power
        elif all(q.is_Rational and q.is_positive for q in powers):
            shared *= base ** min(powers)
        elif all(q.is_Rational and q.is_negative for q in powers):
            shared *= base ** max(powers)  # of 1/sqrt(u) and 1/u the former: where it is real, so are both
    return shared * Add(*(term / shared for term in node.args)) if shared != 1 else None


def opposite_factor(node: Expr) -> Expr | None:
    """u*(v - w) + z*(w - v) = (u - z)*(v - w), for the first sum in one term that is another's negated."""
    if len(node.args) > MOST_TERMS:
        return None
    for place, term in enumerate(node.args):
        for one in _sums(term):
            for other_term in node.args[place + 1 :]:
                for other in _sums(other_term):
                    if accesses(one) == accesses(other) and expand_mul(one + other) == 0:
                        rest = Add(*(t for t in node.args if t not in (term, other_term)))
                        return rest + one * (term / one - other_term / other)
    return None


def _sums(term: Expr) -> list[Expr]:
    """The sums that a term has as factors, whole powers of them too."""
    powers = [f.as_base_exp() for f in Mul.make_args(term)]
    return [b for b, e in powers if isinstance(b, Add) and len(b.args) <= MOST_TERMS and e.is_Integer and e > 0]


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
