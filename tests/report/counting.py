"""The operations that equations need when each value is computed once for the indices that it depends on.

The generated loops do so: what does not change in a loop is lifted out of it.  So v[i]/s[i] beside x[i,k] counts once
a row here, whether or not it has an equation of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import sympy
from sympy import Expr, Symbol

from nablac.algebra.rename import index_symbols
from nablac.ir.equation import Equation
from nablac.ir.functions import Access

Indices = frozenset[Symbol]


def lifted_operations(equations: Iterable[Equation], sizes: Mapping[Symbol, int]) -> int:
    """An addition, a product, a division and a function each count one; so does a step of a reduction."""
    return sum(_Count(equation, sizes).total() for equation in equations)


class _Count:
    def __init__(self, equation: Equation, sizes: Mapping[Symbol, int]) -> None:
        self.equation, self.seen = equation, set[Expr]()
        self.extents = {i: int(e.subs(sizes)) for i, e in equation.ranges.items()}

    def total(self) -> int:
        every = frozenset(self.extents)
        return self.of(self.equation.body) + (self.times(every) if self.equation.reduction else 0)

    def times(self, indices: Iterable[Symbol]) -> int:
        return math.prod(self.extents[i] for i in indices)

    def of(self, node: Expr) -> int:
        if isinstance(node, Access) or node.is_Atom or node.is_number:
            return 0
        if node.is_Relational:
            return sum(map(self.of, node.args))
        if node.is_Add:
            return sum(map(self.of, node.args)) + self.joined(node.args)
        if node.is_Mul:
            below = [1 / a for a in node.args if _is_below(a)]
            above = [a for a in node.args if not _is_below(a) and a != -1]
            one = [] if above else [sympy.S.One]
            return sum(map(self.of, [*above, *below])) + self.joined([*above, *below, *one])
        if node in self.seen:
            return 0
        if node.is_Pow and node.base is not sympy.E:
            return self.power(node)
        self.seen.add(node)
        return sum(map(self.of, node.args)) + self.times(self.indices(node))

    def power(self, node: Expr) -> int:
        base, exponent = node.args
        if not exponent.is_Integer:  # a root is a function, evaluated once; below a line it is divided by
            root = base ** abs(exponent)
            first = root not in self.seen
            self.seen.add(root)
            inside = self.of(base) + self.times(self.indices(node)) if first else 0
            return inside + (self.times(self.indices(node)) if exponent.is_negative else 0)
        size = abs(int(exponent))
        steps = math.ceil(math.log2(size)) + (1 if exponent.is_negative else 0)
        return self.of(base) + steps * self.times(self.indices(node))

    def joined(self, parts: Iterable[Expr]) -> int:
        """Parts with the same indices are joined first, then the narrow with the wide."""
        groups: dict[Indices, int] = {}
        for part in parts:
            one = self.indices(part)
            groups[one] = groups.get(one, 0) + 1
        cost, sofar = 0, frozenset[Symbol]()
        order = sorted(groups, key=lambda g: (self.times(g), sorted(map(str, g))))
        for place, group in enumerate(order):
            cost += (groups[group] - 1) * self.times(group)
            sofar |= group
            cost += self.times(sofar) if place else 0
        return cost

    def indices(self, node: Expr) -> Indices:
        return frozenset(index_symbols(node)) & frozenset(self.extents)


def _is_below(factor: Expr) -> bool:
    return bool(factor.is_Pow and factor.exp.is_negative)
