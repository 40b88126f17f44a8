"""algebra/expsum: sums of exponentials, as they are written: under names, with factors, behind conditions."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

from sympy import Add, Expr, Integer, Mul, Not, S, exp

from nablac.algebra.rename import index_symbols, inlined
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Where, accesses

LOWEST = Integer(-(10**30))
"""In place of an exponent that does not count: below all others, and finite, so that the difference of two is."""


@dataclass(frozen=True)
class Split:
    """A sum's body exp(inside + outside)*rest, where the condition holds, else 0; the sum runs over what is inside."""

    inside: Expr
    outside: Expr
    rest: Expr
    condition: Expr = S.true

    @property
    def exponent(self) -> Expr:
        """What the largest is taken of."""
        return Where(self.condition, self.inside, LOWEST)

    def scaled(self, largest: Expr) -> Expr:
        """The body divided by exp(largest + outside)."""
        return Where(self.condition, exp(self.inside - largest) * self.rest, S.Zero)


def split_sum(equation: Equation) -> Split | None:
    """How a sum of exponentials is shifted, if it is one."""
    condition, body = masked(equation.body)
    for factor in Mul.make_args(body):
        if isinstance(factor, exp):
            terms = Add.make_args(factor.args[0])
            over = set(equation.bound)
            inside = Add(*(t for t in terms if index_symbols(t) & over))
            if inside != 0:
                return Split(inside, factor.args[0] - inside, without(body, factor), condition)
    return None


def masked(body: Expr) -> tuple[Expr, Expr]:
    """The condition under which a body is other than 0, and what it is then."""
    if isinstance(body, Where):
        condition, yes, no = body.args
        if no == 0:
            return condition, yes
        if yes == 0 and not isinstance(opposite := Not(condition), Not):
            return opposite, no
    return S.true, body


def is_sum_of_exponentials(equation: Equation, program: Program) -> bool:
    """Whether it is a sum of exponentials that depend on what it runs over, each times a positive number at most."""
    if equation.reduction is None or equation.reduction.kind != "sum":
        return False
    split = split_sum(replace(equation, body=written_out(equation, program)))
    return split is not None and bool(split.rest.is_positive)


def written_out(equation: Equation, program: Program, but: Container[str] = ()) -> Expr:
    """The body with elementwise definitions that are products with an exponential put in."""
    body = equation.body
    for _ in range(4):
        hidden = [a for a in accesses(body) if a.tensor not in but and is_exponential(a.tensor, program)]
        if not hidden:
            return body
        for access in hidden:
            body = inlined(body, program.defined[access.tensor], access)
    return body


def is_exponential(tensor: str, program: Program) -> bool:
    """Whether a tensor is defined as a product with an exponential, maybe under a name, maybe behind a condition."""
    definition = program.defined.get(tensor)
    if definition is None or definition.reduction is not None:
        return False
    factors = Mul.make_args(masked(definition.body)[1])
    return any(isinstance(f, exp) or (isinstance(f, Access) and is_exponential(f.tensor, program)) for f in factors)


def without(body: Expr, *gone: Expr) -> Expr:
    """The product without some of its factors; SymPy's quotient may leave exp(w)*exp(-w)."""
    return Mul(*(factor for factor in Mul.make_args(body) if factor not in gone))
