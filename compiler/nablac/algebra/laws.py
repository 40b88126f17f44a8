"""algebra/laws: the tables of directed rules.  Each row states its identity, which a test checks numerically.

``STABLE`` rows keep the value and remove overflow and cancellation; ``TIDY`` rows shorten.  The letters u, v stand for
any expression, r for a product of the other factors, c for a number.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy
from sympy import Add, Expr, Mul, Pow, S, cosh, exp, log, sinh, tanh

from nablac.algebra.rewrite import Law
from nablac.ir.functions import (
    Where,
    absolute,
    expm1,
    exprel,
    log1mexp,
    log1p,
    logcosh,
    maximum,
    relu,
    sigmoid,
    sign,
    softplus,
)

# --- looking at products and sums ------------------------------------------------------------------------------------


def _powers(node: Expr) -> dict[Expr, Expr]:
    """A product as base -> exponent."""
    powers: dict[Expr, Expr] = {}
    for factor in Mul.make_args(node):
        base, power = factor.as_base_exp()
        powers[base] = powers.get(base, S.Zero) + power
    return powers


def _product(powers: dict[Expr, Expr]) -> Expr:
    return Mul(*(Pow(base, power) for base, power in powers.items()))


def _exponent(node: Expr) -> Expr | None:
    """u where the node is exp(u), else None."""
    return node.args[0] if isinstance(node, exp) else None


def _exponentials(terms: Iterable[Expr]) -> list[tuple[Expr, Expr, Expr]]:
    """(term, c, u) for each term that is c*exp(u) with a number c."""
    found = []
    for term in terms:
        number, rest = term.as_coeff_Mul()
        u = _exponent(rest)
        if u is not None:
            found.append((term, number, u))
    return found


def _bare_sum(node: Expr) -> tuple[Expr, Expr] | None:
    """(c, v) where the node is c*(1 + v) with v not a number."""
    if not isinstance(node, Add):
        return None
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    return number, Add(*(a / number for a in node.args if a is not number))


# --- logarithms --------------------------------------------------------------------------------------------------------


def _log_of_product(node: Expr) -> Expr | None:
    inside = node.args[0]
    for factor in Mul.make_args(inside):
        base, power = factor.as_base_exp()
        if base is S.Exp1:
            return power + log(inside / factor)
        if isinstance(base, sigmoid) and inside != base:
            return power * log(base) + log(inside / factor)
        if power.is_negative and power.is_odd and not base.is_number:
            return power * log(base) if factor == inside else log(inside / factor) + power * log(base)
    return None


def _log_of_sum(node: Expr) -> Expr | None:
    """Terms c*exp(u) and positive numbers, one after another: log(exp(u) + exp(v)) = u + softplus(v - u)."""
    terms = Add.make_args(node.args[0])
    numbers = [t for t in terms if t.is_number]
    found = _exponentials(t for t in terms if not t.is_number)
    if len(terms) < 2 or not found or len(found) + len(numbers) != len(terms):
        return None
    if len(terms) == 2 and numbers == [S.One] and found[0][1] == -1:
        return log1mexp(-found[0][2])
    if any(c.is_negative for _, c, _ in found) or not all(c.is_positive for c in numbers):
        return None
    exponents = [log(c) for c in numbers] + [u + log(c) for _, c, u in found]
    total = exponents[0]
    for exponent in exponents[1:]:
        total = total + softplus(exponent - total)
    return total


def _log_of_number_times(node: Expr) -> Expr | None:
    number, rest = node.args[0].as_coeff_Mul()
    if number.is_positive and number != 1 and isinstance(rest, Add | cosh):
        return log(number) + log(rest)
    return None


def _log_of_known(node: Expr) -> Expr | None:
    inside = node.args[0]
    if isinstance(inside, sigmoid):
        return -softplus(-inside.args[0])
    if isinstance(inside, cosh):
        return logcosh(inside.args[0])
    if isinstance(inside, Mul) and isinstance(-inside, expm1):
        return log1mexp(-(-inside).args[0])
    return None


def _log_one_plus(node: Expr) -> Expr | None:
    split = _bare_sum(node.args[0])
    if split is None or split[0] != 1 or split[1].is_number:
        return None
    return log1p(split[1])


def _log1p_of_exp(node: Expr) -> Expr | None:
    u = _exponent(node.args[0])
    if u is not None:
        return softplus(u)
    v = _exponent(-node.args[0])
    return log1mexp(-v) if v is not None else None


# --- sums of exponentials ------------------------------------------------------------------------------------------------


def _hyperbolic(node: Expr) -> Expr | None:
    found = _exponentials(node.args)
    for place, (term, c, u) in enumerate(found):
        for other, d, v in found[place + 1 :]:
            if u + v == 0 and abs(c) == abs(d):
                rest = Add(*(a for a in node.args if a not in (term, other)))
                up = u if not u.could_extract_minus_sign() else v
                first = c if up == u else d
                return rest + 2 * first * (cosh(up) if c == d else sinh(up))
    return None


def _exp_minus_one(node: Expr) -> Expr | None:
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term, c, u in _exponentials(node.args):
        if c == -number:
            return Add(*(a for a in node.args if a not in (term, number))) + c * expm1(u)
    return None


def _one_minus_sigmoid(node: Expr) -> Expr | None:
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if isinstance(rest, sigmoid) and c == -number:
            return Add(*(a for a in node.args if a not in (term, number))) + number * sigmoid(-rest.args[0])
    return None


def _tanh_from_sigmoid(node: Expr) -> Expr | None:
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if isinstance(rest, sigmoid) and c == -2 * number:
            return Add(*(a for a in node.args if a not in (term, number))) - number * tanh(rest.args[0] / 2)
    return None


def _softplus_from_parts(node: Expr) -> Expr | None:
    for term in node.args:
        if not isinstance(term, relu):
            continue
        u = term.args[0]
        partner = softplus(-absolute(u))
        if partner in node.args:
            return Add(*(a for a in node.args if a not in (term, partner))) + softplus(u)
    return None


def _one_minus_power(node: Expr) -> Expr | None:
    """1 - c**u, with 0 < c near 1, cancels for small u: the bias correction of Adam."""
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    for term in node.args:
        c, rest = term.as_coeff_Mul()
        if c == -number and isinstance(rest, Pow) and rest.base.is_Rational and rest.base.is_positive:
            return Add(*(a for a in node.args if a not in (term, number))) - number * expm1(rest.exp * log(rest.base))
    return None


# --- products and powers ---------------------------------------------------------------------------------------------------


def _sigmoid_from_power(node: Expr) -> Expr | None:
    if not (node.exp.is_Integer and node.exp.is_negative):
        return None
    split = _bare_sum(node.base)
    if split is None:
        return None
    u = _exponent(split[1])
    return (sigmoid(-u) / split[0]) ** (-node.exp) if u is not None else None


def _exp_over_sum(node: Expr) -> Expr | None:
    """exp(u)/(exp(u) + exp(v)): divide both by exp(u)."""
    if not (node.exp.is_Integer and node.exp.is_negative and isinstance(node.base, Add) and len(node.base.args) == 2):
        return None
    found = _exponentials(node.base.args)
    if len(found) != 2 or found[0][1] != 1 or found[1][1] != 1:
        return None
    (_, _, u), (_, _, v) = found
    return (sigmoid(u - v) * exp(-u)) ** (-node.exp)


def _one_exponential(node: Expr) -> Expr | None:
    exponents = [a.args[0] for a in node.args if isinstance(a, exp)]
    if len(exponents) < 2:
        return None
    return Mul(*(a for a in node.args if not isinstance(a, exp))) * exp(Add(*exponents))


def _fold_exp_sigmoid(node: Expr) -> Expr | None:
    """exp(u)*sigmoid(-u) = sigmoid(u), as often as both powers allow."""
    powers = _powers(node)
    u = powers.get(S.Exp1)
    if u is None:
        return None
    for base, power in powers.items():
        if not isinstance(base, sigmoid | expm1) or not power.is_Integer:
            continue
        v = base.args[0]
        for times in range(1, abs(int(power)) + 1):
            if isinstance(base, sigmoid) and power.is_positive and u + times * v == 0:
                return _product(powers | {S.Exp1: S.Zero, base: power - times}) * sigmoid(-v) ** times
            if isinstance(base, expm1) and power.is_negative and u == times * v:
                return _product(powers | {S.Exp1: S.Zero, base: power + times}) * (-expm1(-v)) ** (-times)
    return None


def _tanh_from_product(node: Expr) -> Expr | None:
    powers = _powers(node)
    for base, power in powers.items():
        if isinstance(base, sinh) and power.is_positive:
            below = cosh(base.args[0])
            if powers.get(below, S.Zero).is_negative:
                times = min(power, -powers[below])
                return _product(powers | {base: power - times, below: powers[below] + times}) * tanh(base.args[0]) ** times
        if isinstance(base, expm1) and power.is_positive:
            other = sigmoid(-base.args[0])
            if powers.get(other, S.Zero).is_positive:
                times = min(power, powers[other])
                rest = _product(powers | {base: power - times, other: powers[other] - times})
                return rest * tanh(base.args[0] / 2) ** times
    return None


def _exprel(node: Expr) -> Expr | None:
    powers = _powers(node)
    for base, power in powers.items():
        if not isinstance(base, expm1) or not power.is_positive:
            continue
        number, v = base.args[0].as_coeff_Mul()
        if powers.get(v, S.Zero).is_negative and not v.is_number:
            times = min(power, -powers[v])
            rest = _product(powers | {base: power - times, v: powers[v] + times})
            return rest * (number * exprel(base.args[0], S.Zero)) ** times
    return None


def _primitive_base(node: Expr) -> Expr | None:
    """(c*u + c*v)**k = c**k*(u + v)**k, so that other laws meet one spelling."""
    if not (isinstance(node.base, Add) and node.exp.is_Integer and node.base.has(exp)):
        return None
    number, rest = node.base.primitive()
    if rest.args and all(a.could_extract_minus_sign() for a in Add.make_args(rest)):
        number, rest = -number, -rest
    return number**node.exp * rest**node.exp if number != 1 else None


# --- tidying -------------------------------------------------------------------------------------------------------------


def _relu_from_max(node: Expr) -> Expr | None:
    a, b = node.args
    if b == 0:
        return relu(a)
    return relu(b) if a == 0 else None


def _own_kinks(node: Expr) -> Expr | None:
    return absolute(node.args[0]) if isinstance(node, sympy.Abs) else sign(node.args[0])


def _merge_where(node: Expr) -> Expr | None:
    """r*where(c, u, 0) with r free of conditions goes inside, where 0*inf cannot arise."""
    choices = [a for a in node.args if isinstance(a, Where) and (a.args[1].is_number or a.args[2] == 0) and a.args[2].is_number]
    if not choices:
        return None
    first = choices[0]
    rest = Mul(*(a for a in node.args if a is not first))
    if first.args[2] == 0 or first.args[1] == 0:
        return Where(first.args[0], rest * first.args[1], rest * first.args[2])
    return None


def _same_condition(node: Expr) -> Expr | None:
    """where(c, where(c, u, v), w) = where(c, u, w), and likewise in the other branch."""
    condition, a, b = node.args
    if isinstance(a, Where) and a.args[0] == condition:
        return Where(condition, a.args[1], b)
    if isinstance(b, Where) and b.args[0] == condition:
        return Where(condition, a, b.args[2])
    if isinstance(b, Where) and b.args[1] == a:
        return Where(sympy.Or(condition, b.args[0]), a, b.args[2])
    return None


def _add_where(node: Expr) -> Expr | None:
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


def _where_is_known(node: Expr) -> Expr | None:
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


def _common_factor(node: Expr) -> Expr | None:
    """u*v + u*w = u*(v + w), for factors that stand in every term; numbers stay where they are."""
    products = [_powers(term.as_coeff_Mul()[1]) for term in node.args]
    shared: Expr = S.One
    for base, power in products[0].items():
        if base.is_number or not power.is_Integer or any(base not in p or not p[base].is_Integer for p in products):
            continue
        powers = [p[base] for p in products]
        if all(q.is_positive for q in powers):
            shared *= base ** min(powers)
        elif all(q.is_negative for q in powers):
            shared *= base ** max(powers)
    return shared * Add(*(term / shared for term in node.args)) if shared != 1 else None


def _sign_into_sum(node: Expr) -> Expr | None:
    """-(u - v - w) = v + w - u: the sign goes into a sum most of whose terms carry one."""
    if not node.as_coeff_Mul()[0].is_negative:
        return None
    for factor in node.args:
        if isinstance(factor, Add):
            minus = sum(1 for term in factor.args if term.could_extract_minus_sign())
            if 2 * minus > len(factor.args):
                return Mul(-1, *(a for a in node.args if a is not factor)) * Add(*(-term for term in factor.args))
    return None


def _number_out_of_sum(node: Expr) -> Expr | None:
    """w*(2*u - 2*v) = 2*w*(u - v)."""
    if sum(1 for factor in node.args if not factor.is_number) < 2:
        return None
    for factor in node.args:
        if isinstance(factor, Add):
            number, rest = factor.primitive()
            if number not in (1, -1):
                return Mul(number, *(a for a in node.args if a is not factor), rest)
    return None


def _both_sigmoids(node: Expr) -> Expr | None:
    """Beside sigmoid(u), sigmoid(-u) costs one subtraction (and is the textbook's a(1 - a))."""
    found = node.atoms(sigmoid)
    for one in sorted(found, key=sympy.default_sort_key):
        mirrored = sigmoid(-one.args[0])
        if mirrored in found and one.args[0].could_extract_minus_sign():
            return node.xreplace({one: 1 - mirrored})
    return None


STABLE: tuple[Law, ...] = (
    Law("own kinks", "sqrt(u**2) = abs(u)", (sympy.Abs, sympy.sign), _own_kinks),
    Law("common number", "1/(2*exp(u) + 2*v) = 1/2/(exp(u) + v)", (Pow,), _primitive_base),
    Law("hyperbolic", "exp(u) + exp(-u) = 2*cosh(u)", (Add,), _hyperbolic, opens=True),
    Law("expm1", "exp(u) - 1 = expm1(u)", (Add,), _exp_minus_one, opens=True),
    Law("bias correction", "1 - c**u = -expm1(u*log(c))", (Add,), _one_minus_power),
    Law("reflected sigmoid", "1 - sigmoid(u) = sigmoid(-u)", (Add,), _one_minus_sigmoid),
    Law("tanh from sigmoid", "2*sigmoid(2*u) - 1 = tanh(u)", (Add,), _tanh_from_sigmoid, opens=True),
    Law("softplus by parts", "relu(u) + softplus(-abs(u)) = softplus(u)", (Add,), _softplus_from_parts),
    Law("sigmoid", "1/(1 + exp(-u)) = sigmoid(u)", (Pow,), _sigmoid_from_power, opens=True),
    Law("two-way softmax", "1/(exp(u) + exp(v)) = sigmoid(u - v)*exp(-u)", (Pow,), _exp_over_sum, opens=True),
    Law("one exponential", "exp(u)*exp(v) = exp(u + v)", (Mul,), _one_exponential, opens=True),
    Law("exponential into sigmoid", "exp(u)*sigmoid(-u) = sigmoid(u)", (Mul,), _fold_exp_sigmoid),
    Law("tanh", "sinh(u)/cosh(u) = tanh(u)", (Mul,), _tanh_from_product, opens=True),
    Law("exprel", "expm1(u)/u = exprel(u)", (Mul,), _exprel, opens=True),
    Law("log of sum", "log(exp(u) + exp(v)) = u + softplus(v - u)", (log,), _log_of_sum, opens=True),
    Law("log of known", "log(sigmoid(u)) = -softplus(-u)", (log,), _log_of_known, opens=True),
    Law("log of product", "log(exp(u)*v) = u + log(v)", (log,), _log_of_product, opens=True),
    Law("log of number times", "log(3*cosh(u)) = log(3) + log(cosh(u))", (log,), _log_of_number_times),
    Law("log1p", "log(1 + v) = log1p(v)", (log,), _log_one_plus, opens=True),
    Law("softplus", "log1p(exp(u)) = softplus(u)", (log1p,), _log1p_of_exp, opens=True),
)

TIDY: tuple[Law, ...] = (
    Law("relu", "max(u, 0) = relu(u)", (maximum,), _relu_from_max),
    Law("nested choice", "where(u > 0, where(u > 0, u, v), w) = where(u > 0, u, w)", (Where,), _same_condition),
    Law("choice of", "where(u > 0, u, 0) = relu(u)", (Where,), _where_is_known),
    Law("factor into choice", "u*where(v > 0, w, 0) = where(v > 0, u*w, 0)", (Mul,), _merge_where),
    Law("sum of choices", "where(u > 0, v, w) + where(u > 0, z, 1) = where(u > 0, v + z, w + 1)", (Add,), _add_where),
    Law("sign into sum", "-z*(u - v - w) = z*(v + w - u)", (Mul,), _sign_into_sum),
    Law("number out of sum", "w*(2*u - 2*v) = 2*w*(u - v)", (Mul,), _number_out_of_sum),
    Law("common factor", "u*v + u*w = u*(v + w)", (Add,), _common_factor),
)

SHORT: tuple[Law, ...] = (
    Law("both sigmoids", "sigmoid(u)*sigmoid(-u) = sigmoid(u)*(1 - sigmoid(u))", (Add, Mul), _both_sigmoids),
)
"""Rows for the last round only: they shorten at the price of what the stable laws keep."""

ALL = STABLE + TIDY
