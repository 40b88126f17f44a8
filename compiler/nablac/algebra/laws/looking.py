"""algebra/laws/looking: a product as powers, a sum as exponentials: what the laws look at."""

from __future__ import annotations

from collections.abc import Iterable

from sympy import Add, Expr, Mul, Pow, S, exp


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
    """u where the node is exp(u), else None."""
    return node.args[0] if isinstance(node, exp) else None


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
    """(c, u) for each term c*exp(u) of a sum, a positive number being c*exp(0); None if a term is anything else."""
    if not isinstance(node, Add):
        return None
    found = [(term, S.Zero) for term in node.args if term.is_number]
    found += [(c, u) for _, c, u in exponentials(t for t in node.args if not t.is_number)]
    whole = len(found) == len(node.args) and all(c.is_positive for c, _ in found)
    return found if whole else None


def bare_sum(node: Expr) -> tuple[Expr, Expr] | None:
    """(c, v) where the node is c*(1 + v) with v not a number."""
    if not isinstance(node, Add):
        return None
    number = next((a for a in node.args if a.is_Number), None)
    if number is None:
        return None
    return number, Add(*(a / number for a in node.args if a is not number))
