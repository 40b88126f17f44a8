"""algebra/laws/looking: a product as powers, a sum as exponentials: what the laws look at."""

from __future__ import annotations

from collections.abc import Iterable

from sympy import Add, Expr, Mul, Pow, S, cosh, exp, log


def powers_of(node: Expr) -> dict[Expr, Expr]:
    """A product as base -> exponent."""
    powers: dict[Expr, Expr] = {}
    for factor in Mul.make_args(node):
        base, power = factor.as_base_exp()
        powers[base] = powers.get(base, S.Zero) + power
    return powers


def product_of(powers: dict[Expr, Expr]) -> Expr:
    return Mul(*(Pow(base, power) for base, power in powers.items()))


def exponent(node: Expr) -> Expr | None:
    """u where the node is exp(u), or 2**v with u = v*log(2), else None."""
    if isinstance(node, exp):
        return node.args[0]
    if isinstance(node, Pow) and node.base.is_Rational and node.base.is_positive and not node.exp.is_number:
        return node.exp * log(node.base)
    return None


def exponentials(terms: Iterable[Expr]) -> list[tuple[Expr, Expr, Expr]]:
    """(term, c, u) for each term that is c*exp(u) with a number c."""
    found = []
    for term in terms:
        number, rest = term.as_coeff_Mul()
        u = exponent(rest)
        if u is not None:
            found.append((term, number, u))
    return found


def positive_exponentials(node: Expr) -> list[tuple[Expr, Expr]] | None:
    """(c, u) for each term c*exp(u) of a sum, the numbers first; None if a term is anything else or c is not positive.

    A number is c*exp(0), and 2*c*cosh(u) is c*exp(u) + c*exp(-u).
    """
    if not isinstance(node, Add):
        return None
    found: list[tuple[Expr, Expr]] = []
    for term in sorted(node.args, key=lambda t: not t.is_number):
        c, rest = (term, S.One) if term.is_number else term.as_coeff_Mul()
        if not c.is_positive:
            return None
        if term.is_number:
            found.append((c, S.Zero))
        elif isinstance(rest, cosh):
            found += [(c / 2, rest.args[0]), (c / 2, -rest.args[0])]
        elif (u := exponent(rest)) is not None:
            found.append((c, u))
        else:
            return None
    return found


def bare_sum(node: Expr) -> tuple[Expr, Expr] | None:
    """(c, v) where the node is c*(1 + v) with v not a number."""
    if not isinstance(node, Add):
        return None
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    return number, Add(*(a / number for a in node.args if a is not number))
