"""algebra/laws/exponentials: the rows that fold exponentials into sigmoid, tanh, softplus, expm1 and exprel."""

from __future__ import annotations

import sympy
from sympy import Add, Expr, Mul, Pow, S, cos, cosh, exp, log, sin, sinh, tanh

from nablac.algebra.laws.logarithms import log_of_terms
from nablac.algebra.laws.looking import exponent, exponentials, positive_exponentials, powers_of, product_of
from nablac.ir.functions import absolute, expm1, exprel, relu, sigmoid, softplus


def hyperbolic(node: Expr) -> Expr | None:
    found = exponentials(node.args)
    for place, (term, c, u) in enumerate(found):
        for other, d, v in found[place + 1 :]:
            if u + v == 0 and abs(c) == abs(d):
                rest = Add(*(a for a in node.args if a not in (term, other)))
                up = u if not u.could_extract_minus_sign() else v
                first = c if up == u else d
                return rest + 2 * first * (cosh(up) if c == d else sinh(up))
    return None


def exp_minus_one(node: Expr) -> Expr | None:
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term, c, u in exponentials(node.args):
        if c == -number:
            return Add(*(a for a in node.args if a not in (term, number))) + c * expm1(u)
    return None


def one_minus_sigmoid(node: Expr) -> Expr | None:
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if isinstance(rest, sigmoid) and c == -number:
            return Add(*(a for a in node.args if a not in (term, number))) + number * sigmoid(-rest.args[0])
    return None


def tanh_from_sigmoid(node: Expr) -> Expr | None:
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if isinstance(rest, sigmoid) and c == -2 * number:
            return Add(*(a for a in node.args if a not in (term, number))) - number * tanh(rest.args[0] / 2)
    return None


def tanh_from_sigmoids(node: Expr) -> Expr | None:
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if isinstance(rest, sigmoid):
            other = -c * sigmoid(-rest.args[0])
            if other in node.args:
                return Add(*(a for a in node.args if a not in (term, other))) + c * tanh(rest.args[0] / 2)
    return None


def one_plus_tanh(node: Expr) -> Expr | None:
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if isinstance(rest, tanh) and abs(c) == abs(number):
            rest = 2 * number * sigmoid(2 * c / number * rest.args[0])
            return Add(*(a for a in node.args if a not in (term, number))) + rest
    return None


def one_minus_cosine(node: Expr) -> Expr | None:
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if c == -number and isinstance(rest, cos):
            return Add(*(a for a in node.args if a not in (term, number))) + 2 * number * sin(rest.args[0] / 2) ** 2
    return None


def softplus_difference(node: Expr) -> Expr | None:
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if isinstance(rest, softplus):
            other = -c * softplus(-rest.args[0])
            if other in node.args:
                return Add(*(a for a in node.args if a not in (term, other))) + c * rest.args[0]
    return None


def softplus_from_parts(node: Expr) -> Expr | None:
    for term in node.args:
        if not isinstance(term, relu):
            continue
        u = term.args[0]
        partner = softplus(-absolute(u))
        if partner in node.args:
            return Add(*(a for a in node.args if a not in (term, partner))) + softplus(u)
    return None


def one_minus_power(node: Expr) -> Expr | None:
    """1 - c**u, with 0 < c near 1, cancels for small u: the bias correction of Adam."""
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if c == -number and isinstance(rest, Pow) and rest.base.is_Rational and rest.base.is_positive:
            return Add(*(a for a in node.args if a not in (term, number))) - number * expm1(rest.exp * log(rest.base))
    return None


def sigmoid_from_power(node: Expr) -> Expr | None:
    if not (node.exp.is_Integer and node.exp.is_negative):
        return None
    found = positive_exponentials(node.base)
    if found is None or len(found) != 2 or found[0][1] != 0:
        return None
    (number, _), (c, u) = found
    return (sigmoid(log(number / c) - u) / number) ** (-node.exp)


def exp_over_sum(node: Expr) -> Expr | None:
    """exp(u)/(exp(u) + exp(v)): divide both by exp(u)."""
    if not (node.exp.is_Integer and node.exp.is_negative):
        return None
    found = positive_exponentials(node.base)
    if found is None or len(found) != 2 or found[0][1] == 0:
        return None
    (c, u), (d, v) = found
    return (sigmoid(u - v + log(c / d)) * exp(-u) / c) ** (-node.exp)


def power_of_sum(node: Expr) -> Expr | None:
    """A power of a sum of exponentials by the sum's logarithm, where no sigmoid says it."""
    found = positive_exponentials(node.base)
    if found is None or node.exp.is_positive or (node.exp.is_Integer and len(found) < 3):
        return None
    return exp(node.exp * log_of_terms(found))


def power_of_sigmoid(node: Expr) -> Expr | None:
    """sqrt(sigmoid(u)) and its derivative are finite where sigmoid(u) is rounded to 0."""
    if not isinstance(node.base, sigmoid) or node.exp.is_Integer or not node.exp.is_number:
        return None
    return exp(-node.exp * softplus(-node.base.args[0]))


def one_exponential(node: Expr) -> Expr | None:
    found = {a: u for a in node.args if (u := exponent(a)) is not None}
    if len(found) < 2 or not any(isinstance(a, exp) for a in found):
        return None
    return Mul(*(a for a in node.args if a not in found)) * exp(Add(*found.values()))


def exp_over_cosh(node: Expr) -> Expr | None:
    powers = powers_of(node)
    u = powers.get(S.Exp1)
    for base, power in powers.items():
        if u is not None and isinstance(base, cosh) and power.is_Integer and power.is_negative:
            for v in (base.args[0], -base.args[0]):
                times = next((k for k in range(1, 1 - int(power)) if u == k * v), 0)
                if times:
                    rest = product_of(powers | {S.Exp1: S.Zero, base: power + times})
                    return rest * (2 * sigmoid(2 * v)) ** times
    return None


def fold_exp_sigmoid(node: Expr) -> Expr | None:
    """exp(u + w)*sigmoid(-u) = sigmoid(u)*exp(w), as often as both powers allow."""
    powers = powers_of(node)
    u = powers.get(S.Exp1)
    if u is None:
        return None
    for base, power in powers.items():
        if not isinstance(base, sigmoid | expm1) or not power.is_Integer:
            continue
        v = base.args[0]
        for times in range(1, abs(int(power)) + 1):
            left = u + times * v
            shorter = left.is_number or len(Add.make_args(left)) < len(Add.make_args(u))
            if isinstance(base, sigmoid) and power.is_positive and shorter:
                return product_of(powers | {S.Exp1: left, base: power - times}) * sigmoid(-v) ** times
            if isinstance(base, expm1) and power.is_negative and u == times * v:
                return product_of(powers | {S.Exp1: S.Zero, base: power + times}) * (-expm1(-v)) ** (-times)
    return None


def tanh_from_product(node: Expr) -> Expr | None:
    powers = powers_of(node)
    for base, power in powers.items():
        if isinstance(base, sinh) and power.is_Integer:
            other = cosh(base.args[0])
            if (power * powers.get(other, S.Zero)).is_negative:
                times = min(abs(power), abs(powers[other])) * sympy.sign(power)
                rest = product_of(powers | {base: power - times, other: powers[other] + times})
                return rest * tanh(base.args[0]) ** times
        if isinstance(base, expm1) and power.is_positive:
            other = sigmoid(-base.args[0])
            if powers.get(other, S.Zero).is_positive:
                times = min(power, powers[other])
                rest = product_of(powers | {base: power - times, other: powers[other] - times})
                return rest * tanh(base.args[0] / 2) ** times
    return None


def fold_exprel(node: Expr) -> Expr | None:
    powers = powers_of(node)
    for base, power in powers.items():
        if not isinstance(base, expm1) or not power.is_positive:
            continue
        number, v = base.args[0].as_coeff_Mul()
        if powers.get(v, S.Zero).is_negative and not v.is_number:
            times = min(power, -powers[v])
            rest = product_of(powers | {base: power - times, v: powers[v] + times})
            return rest * (number * exprel(base.args[0], S.Zero)) ** times
    return None


def primitive_base(node: Expr) -> Expr | None:
    """(c*u + c*v)**k = c**k*(u + v)**k, so that other laws meet one spelling."""
    if not (isinstance(node.base, Add) and node.exp.is_Integer and node.base.has(exp)):
        return None
    number, rest = node.base.primitive()
    if rest.args and all(a.could_extract_minus_sign() for a in Add.make_args(rest)):
        number, rest = -number, -rest
    return number**node.exp * rest**node.exp if number != 1 else None


def both_sigmoids(node: Expr) -> Expr | None:
    """Beside sigmoid(u), sigmoid(-u) costs one subtraction (and is the textbook's a(1 - a))."""
    found = node.atoms(sigmoid)
    for one in sorted(found, key=sympy.default_sort_key):
        mirrored = sigmoid(-one.args[0])
        if mirrored in found and one.args[0].could_extract_minus_sign():
            return node.xreplace({one: 1 - mirrored})
    return None
