"""algebra/laws/logarithms: the rows whose node is a logarithm."""

from __future__ import annotations

from sympy import Add, Expr, Mul, S, cosh, log

from nablac.algebra.laws.looking import bare_sum, exponent, exponentials
from nablac.ir.functions import expm1, log1mexp, log1p, logcosh, sigmoid, softplus


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
    terms = Add.make_args(node.args[0])
    numbers = [t for t in terms if t.is_number]
    found = exponentials(t for t in terms if not t.is_number)
    if len(terms) < 2 or not found or len(found) + len(numbers) != len(terms):
        return None
    if len(terms) == 2 and numbers == [S.One] and found[0][1] == -1:
        return log1mexp(-found[0][2])
    if any(c.is_negative for _, c, _ in found) or not all(c.is_positive for c in numbers):
        return None
    exponents = [log(c) for c in numbers] + [u + log(c) for _, c, u in found]
    total = exponents[0]
    for other in exponents[1:]:
        total = total + softplus(other - total)
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
