"""algebra/laws/conditions: the rows whose node is a comparison, or a choice that a comparison decides."""

from __future__ import annotations

from collections.abc import Iterator

import sympy
from sympy import Add, Expr, Mul, S, expand_mul
from sympy.core.relational import GreaterThan, LessThan, Relational, StrictGreaterThan, StrictLessThan
from sympy.logic.boolalg import Boolean

from nablac.algebra.cost import weight
from nablac.ir.functions import Access, Where, absolute, maximum, minimum, relu, sign

AT_MOST, AT_LEAST = (LessThan, StrictLessThan), (GreaterThan, StrictGreaterThan)
ORDERS: tuple[type, ...] = AT_MOST + AT_LEAST


def extremum_compared(node: Relational) -> Boolean | None:
    """max(u, v) <= w where both are, max(u, v) >= w where one is, and so on; a comparison of numbers then goes."""
    inside, other = node.args
    if isinstance(inside, relu):
        pair: tuple[Expr, ...] = (inside.args[0], S.Zero)
        largest = True
    elif isinstance(inside, maximum | minimum):
        pair, largest = inside.args, isinstance(inside, maximum)
    else:
        return None
    sides = [node.func(side, other) for side in pair]
    if not any(side in (S.true, S.false) for side in sides):
        return None
    both = largest == isinstance(node, AT_MOST)
    return sympy.And(*sides) if both else sympy.Or(*sides)


def like_terms(node: Relational) -> Boolean | None:
    """u - v >= v - u is u >= v: like terms on one side, a positive number before all of them away."""
    left, right = node.args
    multiples = left.as_coeff_Mul()[1] == right.as_coeff_Mul()[1]
    if not (isinstance(left, Add) or isinstance(right, Add) or multiples):
        return None
    apart = [t for side in (left, -right) for t in Add.make_args(expand_mul(side)) if t != 0]
    difference = Add(*apart)
    if len(Add.make_args(difference)) >= len(apart):
        return None
    _, difference = difference.as_content_primitive()
    terms = Add.make_args(difference)
    above = Add(*(t for t in terms if not t.could_extract_minus_sign()))
    new = node.func(above, above - difference)
    return new if weight(new) < weight(node) else None


def known_extremum(node: Expr) -> Expr | None:
    """where(u <= 4, min(u, 4), v) = where(u <= 4, u, v), whatever stands around the minimum."""
    condition, a, b = node.args
    known = frozenset(sympy.And.make_args(condition))
    found = {e: _under(e, known) for e in a.atoms(maximum, minimum)}
    decided = {e: value for e, value in found.items() if value != e}
    return Where(condition, a.xreplace(decided), b) if decided else None


def _under(node: Expr, known: frozenset[Boolean]) -> Expr:
    """The argument that an extremum is where the comparisons hold, its first argument decided first."""
    if not isinstance(node, maximum | minimum):
        return node
    first, second = (_under(argument, known) for argument in node.args)
    orders = AT_LEAST if isinstance(node, maximum) else AT_MOST
    if any(order(first, second) in known for order in orders):
        return first
    return second if any(order(second, first) in known for order in orders) else node.func(first, second)


def factor_cancels_in_choice(node: Expr) -> Expr | None:
    """u*where(c, v/u, w) = where(c, v, u*w), where that costs less."""
    for choice in node.args:
        if isinstance(choice, Where):
            condition, a, b = choice.args
            below = {p.base for branch in (a, b) for p in Mul.make_args(branch) if p.is_Pow and p.exp.is_negative}
            for factor in node.args:
                if factor in below or -factor in below:
                    new = node / factor / choice * Where(condition, factor * a, factor * b)
                    if weight(new) < weight(node):
                        return new
    return None


def number_out_of_choice(node: Expr) -> Expr | None:
    """w*where(u > v, z/3, 1/3) = w/3*where(u > v, z, 1), where that costs less."""
    for choice in node.args:
        if isinstance(choice, Where):
            numbers = {abs(branch.as_coeff_Mul()[0]) for branch in _branches(choice)} - {0}
            if len(numbers) == 1 and numbers != {1}:
                (number,) = numbers
                new = node / choice * number * _divided(choice, number)
                return new if weight(new) < weight(node) else None
    return None


def _branches(choice: Expr) -> Iterator[Expr]:
    for branch in choice.args[1:]:
        if isinstance(branch, Where):
            yield from _branches(branch)
        else:
            yield branch


def _divided(choice: Expr, number: Expr) -> Expr:
    if isinstance(choice, Where):
        return Where(choice.args[0], *(_divided(branch, number) for branch in choice.args[1:]))
    return choice / number


def nested_conditions(node: Expr) -> Expr | None:
    """where(c, where(d, u, v), v) = where(c and d, u, v)."""
    condition, a, b = node.args
    if isinstance(a, Where) and a.args[2] == b:
        return Where(sympy.And(condition, a.args[0]), a.args[1], b)
    return None


def number_into_choice(node: Expr) -> Expr | None:
    """3*where(u > 0, v, 2*w) = where(u > 0, 3*v, 6*w), where that costs no more."""
    number, rest = node.as_coeff_Mul()
    if number in (1, -1) or not isinstance(rest, Where):
        return None
    condition, a, b = rest.args
    new = Where(condition, number * a, number * b)
    return new if weight(new) <= weight(node) else None


def clipped(node: Expr) -> Expr | None:
    """where(abs(u) <= c, u, c*sign(u)) = max(min(u, c), -c), for a positive number c."""
    condition, a, b = node.args
    if not isinstance(condition, AT_MOST) or not isinstance(condition.args[0], absolute):
        return None
    c, u = condition.args[1], condition.args[0].args[0]
    number, rest = b.as_coeff_Mul()
    if not (c.is_number and c.is_positive and isinstance(rest, sign) and rest.args[0] in (u, -u)):
        return None
    slope = number if rest.args[0] == u else -number
    scale = slope / c
    return scale * maximum(minimum(u, c), -c) if scale.is_nonzero and a == scale * u else None


def choice_of_factor(node: Expr) -> Expr | None:
    """where(u > 0, relu(u)*v, 0) = relu(u)*v, where v is finite at any rate."""
    condition = node.args[0]
    if isinstance(condition, StrictGreaterThan) and condition.args[1] == 0:
        return product_without_choice(node, relu(condition.args[0]))
    return None


def product_without_choice(node: Expr, factor: Expr) -> Expr | None:
    """The product in a choice where(c, factor*v, 0), if the factor is 0 where c does not hold and v a mere product."""
    _, product, otherwise = node.args
    others = [f for f in Mul.make_args(product) if f != factor]
    if otherwise != 0 or len(others) == len(Mul.make_args(product)):
        return None
    bases = [f.as_base_exp() for f in others]
    plain = all(b.is_Symbol or b.is_number or (isinstance(b, Access) and e.is_positive) for b, e in bases)
    return product if plain else None
