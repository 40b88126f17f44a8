"""algebra/laws/logarithms: the rows whose node is a logarithm."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Add, Expr, Mul, S, asinh, atanh, cosh, exp, log, tanh

from nablac.algebra.laws.looking import bare_sum, exponent, exponentials, positive_exponentials
from nablac.ir.functions import Where, expm1, log1mexp, log1p, logcosh, sigmoid, softplus


def log_of_product(node: Expr) -> Expr | None:
    """Positive factors come out, whatever the sign of the rest; a mere reciprocal becomes a minus sign.

    log(u/v) stays: it is finite where both are negative, and log(u) - log(v) is not.
    """
    inside = node.args[0]
    for factor in Mul.make_args(inside):
        base, power = factor.as_base_exp()
        if base is S.Exp1:
            return power + log(inside / factor)
        if isinstance(base, sigmoid) and inside != base:
            return power * log(base) + log(inside / factor)
    base, power = inside.as_base_exp()
    if power.is_negative and power.is_odd and not base.is_number:
        return power * log(base)
    return None


def log_of_sum(node: Expr) -> Expr | None:
    """Terms c*exp(u) and positive numbers, one after another: log(exp(u) + exp(v)) = u + softplus(v - u)."""
    inside = node.args[0]
    found = exponentials(inside.args) if isinstance(inside, Add) and len(inside.args) == 2 else []
    if len(found) == 1 and found[0][1] == -1 and inside - found[0][0] == 1:
        return log1mexp(-found[0][2])
    terms = positive_exponentials(inside)
    return log_of_terms(terms) if terms and any(u != 0 for _, u in terms) else None


def log_of_terms(terms: Sequence[tuple[Expr, Expr]]) -> Expr:
    """The logarithm of the sum of c*exp(u), each c positive."""
    (first, u), *others = terms
    total = u + log(first)
    for c, v in others:
        total = total + softplus(v + log(c) - total)
    return total


def log_of_number_times(node: Expr) -> Expr | None:
    number, rest = node.args[0].as_coeff_Mul()
    if number.is_positive and number != 1 and isinstance(rest, Add | cosh):
        return log(number) + log(rest)
    return None


def log_of_known(node: Expr) -> Expr | None:
    inside = node.args[0]
    if isinstance(inside, sigmoid):
        return -softplus(-inside.args[0])
    if isinstance(inside, cosh):
        return logcosh(inside.args[0])
    if isinstance(inside, Mul) and isinstance(-inside, expm1):
        return log1mexp(-(-inside).args[0])
    if isinstance(inside, expm1):
        return inside.args[0] + log1mexp(inside.args[0])
    return None


def log_of_squared_sech(node: Expr) -> Expr | None:
    rest = 1 - node.args[0]
    return -2 * logcosh(rest.base.args[0]) if rest.is_Pow and rest.exp == 2 and isinstance(rest.base, tanh) else None


def log_of_twice_sigmoid(node: Expr) -> Expr | None:
    """log(1 + tanh(u)), which is about u for small u."""
    rest = node.args[0] / 2
    return rest.args[0] / 2 - logcosh(rest.args[0] / 2) if isinstance(rest, sigmoid) else None


def log_of_choice(node: Expr) -> Expr | None:
    """Branch by branch, where the laws can see what each is; the logarithm of a number below 0 is left to the data.

    Of a masked exponential, log(where(c, exp(u)*v, 0)), that of exp(u)*v is seen; where c fails, it is log(0).
    """
    choice = node.args[0]
    if not isinstance(choice, Where):
        return None
    condition, *branches = choice.args
    masked = 0 in branches and any(isinstance(factor, exp) for b in branches for factor in Mul.make_args(b))
    if not masked and any(b.is_number and not b.is_positive for b in branches):
        return None
    nothing = log(Where(condition, *(0 if b == 0 else 1 for b in branches)))
    return Where(condition, *(nothing if b == 0 else log(b) for b in branches))


def inverse_hyperbolic(node: Expr) -> Expr | None:
    inside = node.args[0]
    if isinstance(inside, Add) and len(inside.args) == 2:
        for root, u in (inside.args, inside.args[::-1]):
            if root.is_Pow and root.exp == S.Half and root.base == 1 + u**2:
                return asinh(u)
    factors = Mul.make_args(inside)
    below = [1 / f for f in factors if f.is_Pow and f.exp is S.NegativeOne]
    if len(factors) == 2 and len(below) == 1:
        above = inside * below[0]
        return 2 * atanh(above - 1) if above + below[0] == 2 else None
    return None


def log_one_plus(node: Expr) -> Expr | None:
    split = bare_sum(node.args[0])
    if split is None or split[0] != 1 or split[1].is_number:
        return None
    return log1p(split[1])


def log1p_of_exp(node: Expr) -> Expr | None:
    u = exponent(node.args[0])
    if u is not None:
        return softplus(u)
    v = exponent(-node.args[0])
    return log1mexp(-v) if v is not None else None


def log1p_of_minus_sigmoid(node: Expr) -> Expr | None:
    inside = -node.args[0]
    return -softplus(inside.args[0]) if isinstance(inside, sigmoid) else None
