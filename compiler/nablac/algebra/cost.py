"""algebra/cost: the operation count of a scalar body and of an equation, the measure that rewriting may not raise."""

from __future__ import annotations

import math

import sympy
from sympy import Expr, Mul

from nablac.algebra.scatter import scattered
from nablac.ir import functions as f
from nablac.ir.equation import Equation

TRANSCENDENTAL = 20
"""What one exp, log or tanh counts, in additions: 5 to 17 ns against about 0.5 ns in a scalar loop."""
DIVISION = 4
SIMPLE = (f.Where, f.Delta, f.maximum, f.minimum, f.relu, f.absolute, f.sign, f.floor)
"""What counts as one operation."""


def operations(expression: Expr) -> int:
    """Arithmetic operations in one evaluation of a body, each counted as one; a function counts as one.

    >>> from nablac.ir.functions import Access
    >>> a = Access("a")
    >>> operations(a * (1 - a))
    2
    """
    return _count(expression, transcendental=1, division=1)


def weight(expression: Expr) -> int:
    """The same count with divisions and transcendental functions at their price."""
    return _count(expression, TRANSCENDENTAL, DIVISION)


def depth(expression: Expr) -> int:
    """How many operations stand one inside the other.

    >>> from nablac.ir.functions import Access
    >>> a = Access("a")
    >>> depth(a * (1 + a))
    2
    """
    if isinstance(expression, f.Access) or not expression.args:
        return 0
    return 1 + max(map(depth, expression.args))


def size(expression: Expr) -> int:
    """How many nodes an expression has when it is written out, an element counting as one."""
    return 1 if isinstance(expression, f.Access) else 1 + sum(map(size, expression.args))


def equation_work(equation: Equation) -> tuple[int, tuple[Expr, ...]]:
    """Operations in one turn of the equation's loops, and how often each loop turns; a reduction counts one a term.

    What is added at places that a gather names runs over the terms alone, as the loops that are made of it do.

    >>> from nablac.ir.index import extent, index
    >>> from nablac.ir.equation import Reduction
    >>> c, i = index("c"), index("i")
    >>> body = f.Access("d", i) * f.Delta(c, f.IntAccess("y", i))
    >>> equation_work(Equation("b", (c,), body, ((c, extent(50)), (i, extent("n"))), Reduction("sum", (i,))))
    (1, (n,))
    """
    body, loops = equation.body, list(equation.ranges)
    if equation.reduction and equation.reduction.kind == "sum":
        body, _, loops = scattered(body, equation.indices, loops)
    return operations(body) + (1 if equation.reduction else 0), tuple(equation.ranges[i] for i in loops)


def equation_operations(equation: Equation) -> Expr:
    """Operations of the whole equation, as an expression in its extents."""
    each, extents = equation_work(equation)
    return sympy.Mul(each, *extents)


def _count(node: Expr, transcendental: int, division: int) -> int:
    return _Count(transcendental, division).of(node)


class _Count:
    """One count; a function of equal arguments is evaluated once, however often it stands there."""

    def __init__(self, transcendental: int, division: int) -> None:
        self.transcendental, self.division = transcendental, division
        self.seen: set[Expr] = set()

    def of(self, node: Expr) -> int:
        if isinstance(node, f.Access) or node.is_Atom or node.is_number:
            return 0
        if node.is_Add:
            return sum(map(self.of, node.args)) + len(node.args) - 1
        if node.is_Mul:
            return self.product(node)
        if node.is_Relational:
            return sum(map(self.of, node.args))
        if node in self.seen:
            return 0
        if isinstance(node, f.Random):  # some forty operations on integers
            self.seen.add(node)
            return self.transcendental
        if node.is_Pow and node.base is not sympy.E:
            return self.power(*node.args)
        self.seen.add(node)
        inside = sum(map(self.of, node.args))
        return inside + (1 if node.is_Boolean or isinstance(node, SIMPLE) else self.transcendental)

    def product(self, node: Expr) -> int:
        number = Mul(*(a for a in node.args if a.is_number))
        factors = [a for a in node.args if not a.is_number]
        below = [1 / a for a in factors if a.is_Pow and a.exp.is_negative]
        above = [a for a in factors if not (a.is_Pow and a.exp.is_negative)]
        inverse = number.is_Rational and abs(number.p) == 1 and number.q != 1
        divisors = len(below) + (1 if inverse else 0)
        multipliers = len(above) + (1 if not inverse and abs(number) != 1 else 0)
        inside = sum(map(self.of, above)) + sum(map(self.of, below))
        return inside + max(multipliers - 1, 0) + (self.division + divisors - 1 if divisors else 0)

    def power(self, base: Expr, exponent: Expr) -> int:
        below = self.of(base)
        if exponent.is_Integer:
            size = abs(int(exponent))
            multiplications = math.ceil(math.log2(size)) if size > 1 else 0
            return below + multiplications + (self.division if exponent.is_negative else 0)
        if abs(exponent) == sympy.S.Half:
            return below + self.division + (self.division if exponent.is_negative else 0)
        return below + self.of(exponent) + self.transcendental
