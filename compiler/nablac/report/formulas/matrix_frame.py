"""formulas/matrix_frame: the bodies of one equation, translated node by node into matrices over two of its indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from sympy import Expr, Pow, Symbol, exp

from nablac.ir import functions as f
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Delta, IntAccess, Where
from nablac.ir.index import is_index
from nablac.ir.text import terms_in_order
from nablac.report.formulas.formula import plainly_spelled, relation_of
from nablac.report.formulas.matrix_network import Labelled, Network, NoForm
from nablac.report.formulas.matrix_tree import (
    ONE,
    Apply,
    DiagonalOf,
    Extremum,
    Identity,
    Indicator,
    Leaf,
    OneHot,
    Ones,
    Power,
    Shape,
    Transposed,
    Tree,
    Value,
    hadamard,
    product,
    scaled,
    total,
    transposed,
)

TOTAL = (f.relu, f.sign, f.absolute, f.maximum, f.minimum, f.sigmoid, f.softplus, f.logcosh, f.expm1, f.exprel, exp,
         sympy.sin, sympy.cos, sympy.tanh, sympy.sinh, sympy.cosh, sympy.atan, sympy.asinh, sympy.erf)  # fmt: skip
"""Functions with a value at every number, so that 0 times them is 0."""


class Frame:
    """Translates the bodies of one equation."""

    def __init__(self, equation: Equation, program: Program) -> None:
        self.equation, self.program, self.ranges = equation, program, equation.ranges

    def whole(self) -> Tree:
        """The right side."""
        body = plainly_spelled(self.equation.body)
        rows, columns = (*self.equation.indices, None, None)[:2]
        kind = self.equation.reduction.kind if self.equation.reduction else ""
        if kind in ("", "sum"):
            tree = self.reduced(body, self.equation.bound, rows, columns)
        else:
            tree = self.extremum(kind, body, rows, columns)
        return self.spread(tree, self.shape(rows, columns))

    def shape(self, rows: Symbol | None, columns: Symbol | None) -> Shape:
        """The shape of a matrix over two indices."""
        return tuple(ONE if i is None else self.ranges[i] for i in (rows, columns))

    def extremum(self, kind: str, body: Expr, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """A maximum and its like: of each row where a free index is left, else of all."""
        bound = self.equation.bound
        if columns is not None or len(bound) + (rows is not None) > 2:
            raise NoForm
        first, second = (rows, bound[0]) if rows is not None else (*bound, None)[:2]
        of = self.spread(self.value(body, first, second), self.shape(first, second))
        return Extremum(kind, of, rows is not None)

    def reduced(self, body: Expr, bound: tuple[Symbol, ...], rows: Symbol | None, columns: Symbol | None) -> Tree:
        """The sum of a body over the bound indices (none: the body), over the free ones."""
        if not bound:
            return self.value(body, rows, columns)
        if body.is_Add and len(self.indices_of(body)) > 2:
            return self.sum_of([(m, self.reduced(t, bound, rows, columns)) for m, t in _signed(body)],
                               self.shape(rows, columns))  # fmt: skip
        return Network(self, body, bound, rows, columns).tree()

    def indices_of(self, node: Expr) -> list[Symbol]:
        """The indices a body holds, free ones first."""
        return [i for i in (*self.equation.indices, *self.equation.bound) if i in node.free_symbols]

    # --- one node over rows and columns -------------------------------------------------------------------------------

    def value(self, node: Any, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """A body over a row and a column index; an axis that it does not depend on has length 1."""
        if not node.has(Access) and not any(is_index(s) for s in node.free_symbols):
            return Value(node)
        if isinstance(node, Access | Delta):
            return self.leaf(node).facing(rows, columns)
        if node.is_Add:
            return self.sum_of([(m, self.value(t, rows, columns)) for m, t in _signed(node)])
        if node.is_Mul:
            return Network(self, node, (), rows, columns).tree()
        if isinstance(node, Where):
            return self.choice(node, rows, columns)
        if isinstance(node, exp):
            return Apply(exp, (self.value(node.args[0], rows, columns),))
        if node.is_Pow:
            return self.power(node, rows, columns)
        if isinstance(node, Symbol):
            raise NoForm
        if node.is_Function and not isinstance(node, f.exprel):
            return Apply(node.func, tuple(self.alike([self.value(a, rows, columns) for a in node.args])))
        raise NoForm

    def power(self, node: Expr, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """A constant power; one over something is an elementwise quotient."""
        base, exponent = node.args
        if not exponent.is_number:
            raise NoForm
        if exponent.is_negative:
            return Network(self, node, (), rows, columns).tree()
        return Power(self.value(base, rows, columns), exponent)

    def leaf(self, node: Expr) -> Labelled:
        """A tensor's elements or a delta, as a matrix with the indices of its rows and columns."""
        if isinstance(node, Delta):
            return self.delta(node)
        tensor = self.program.declared[node.tensor]
        if len(tensor.shape) > 2:
            raise NoForm
        tree: Tree = Leaf(tensor.name, (*tensor.shape, ONE, ONE)[:2], len(tensor.shape))
        labels = [self.label(i, e) for i, e in zip(node.indices, tensor.shape, strict=True)]
        first, second = (*labels, None, None)[:2]
        if isinstance(first, Labelled) or isinstance(second, Labelled):
            return self.gathered(tree, first, second)
        if first is not None and first == second:
            return Labelled(DiagonalOf(tree), first)
        return Labelled(tree, first, second)

    def label(self, place: Expr, extent: Expr) -> Symbol | None | Labelled:
        """What an index is: a loop's, none (the only place of an axis), or the label of a row, a one-hot matrix."""
        if isinstance(place, Symbol) and is_index(place):
            return place
        if place == 0 and extent == 1:
            return None
        if isinstance(place, IntAccess) and len(place.indices) == 1 and isinstance(place.indices[0], Symbol):
            shape = (self.program.declared[place.tensor].shape[0], extent)
            if self.ranges.get(place.indices[0]) == shape[0]:
                return Labelled(OneHot(place.tensor, shape), place.indices[0])
        raise NoForm

    def gathered(self, tree: Tree, first: Any, second: Any) -> Labelled:
        """Elements at labels: rows of a matrix are picked by a one-hot matrix before it, columns by one behind it."""
        if isinstance(first, Labelled) and isinstance(second, Labelled):
            if first.rows == second.rows:
                raise NoForm
            return Labelled(product(first.tree, tree, transposed(second.tree)), first.rows, second.rows)
        if isinstance(second, Labelled):
            tree, first, second = transposed(tree), second, first
        if first.rows == second:
            return Labelled(product(hadamard([first.tree, transposed(tree)]), Ones((tree.shape[0], ONE))), second)
        return Labelled(product(first.tree, tree), first.rows, second)

    def delta(self, node: Delta) -> Labelled:
        """A unit matrix, or the one-hot matrix of labels."""
        a, b = sorted(node.args, key=lambda x: isinstance(x, IntAccess))
        if not (isinstance(a, Symbol) and is_index(a)):
            raise NoForm
        if isinstance(b, Symbol) and is_index(b) and self.ranges[a] == self.ranges[b]:
            return Labelled(Identity((self.ranges[a], self.ranges[b])), a, b)
        if isinstance(b, IntAccess):
            found = self.label(b, self.ranges[a])
            if isinstance(found, Labelled) and found.rows != a:
                return Labelled(found.tree, found.rows, a)
        raise NoForm

    def choice(self, node: Where, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """[condition] times one branch plus [not condition] times the other, if both always have a value."""
        condition, a, b = node.args
        terms: list[tuple[bool, Tree]] = []
        for test, branch in ((condition, a), (sympy.Not(condition), b)):
            if branch == 0:
                continue
            if not _is_total(branch):
                raise NoForm
            minus = branch.could_extract_minus_sign() and bool(terms)
            terms.append((minus, self.where(test, -branch if minus else branch, rows, columns)))
        return terms[0][1] if len(terms) == 1 else self.sum_of(terms)

    def where(self, test: Any, branch: Expr, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """[condition] times a branch: one more factor of a product, over those indices that the condition holds."""
        network = Network(self, branch, (), rows, columns)
        first, second = (*(i for i in (rows, columns) if i in test.free_symbols), None, None)[:2]
        network.join(Labelled(self.indicator(test, first, second), first, second))
        return network.tree()

    def indicator(self, node: Any, rows: Symbol | None, columns: Symbol | None, shape: Shape | None = None) -> Tree:
        """Iverson's bracket; the parts of a compound condition are spread to its shape."""
        if node.is_Relational:
            sides = [self.value(side, rows, columns) for side in (node.lhs, node.rhs)]
            return Indicator(relation_of(node), tuple(self.alike(sides, shape)))
        if not isinstance(node, sympy.And | sympy.Or | sympy.Not):
            raise NoForm
        shape = shape or self.shape(*(i if i in node.free_symbols else None for i in (rows, columns)))
        parts = sorted(node.args, key=sympy.default_sort_key)
        return Indicator(type(node).__name__.lower(), tuple(self.indicator(p, rows, columns, shape) for p in parts))

    # --- shapes -------------------------------------------------------------------------------------------------------

    def sum_of(self, terms: Sequence[tuple[bool, Tree]], shape: Shape | None = None) -> Tree:
        """A sum whose terms all have the largest shape; numbers stay numbers."""
        trees = [t for _, t in terms]
        alike = self.alike(trees, shape)
        return total([(minus, tree) for (minus, _), tree in zip(terms, alike, strict=True)])

    def alike(self, trees: Sequence[Tree], shape: Shape | None = None) -> list[Tree]:
        """The trees, all but numbers, spread to one shape."""
        if shape is None:
            shape = tuple(next((t.shape[k] for t in trees if t.shape[k] != 1), ONE) for k in (0, 1))
        numbers_stay = any(not isinstance(t, Value) for t in trees)
        return [t if isinstance(t, Value) and numbers_stay else self.spread(t, shape) for t in trees]

    def spread(self, tree: Tree, shape: Shape) -> Tree:
        """The tree repeated along the axes on which it has length 1."""
        if tree.shape == shape:
            return tree
        rows = Ones((shape[0], ONE))
        columns = Transposed(Ones((shape[1], ONE)))
        if tree.shape[0] == 1 and tree.shape[1] == 1:
            ones = [x for x, extent in ((rows, shape[0]), (columns, shape[1])) if extent != 1]
            return scaled([tree], product(*ones))
        if tree.shape[0] == 1 and tree.shape[1] == shape[1]:
            return product(rows, tree)
        if tree.shape[1] == 1 and tree.shape[0] == shape[0]:
            return product(tree, columns)
        raise NoForm


def _signed(node: Expr) -> list[tuple[bool, Expr]]:
    """The terms of a sum, each with whether it is subtracted."""
    return [(m, -t if m else t) for t in terms_in_order(node) for m in [bool(t.could_extract_minus_sign())]]


def _is_total(node: Any) -> bool:
    """Whether a body has a value whatever it reads."""
    if isinstance(node, Access | Symbol | Delta) or node.is_number:
        return True
    if isinstance(node, Pow) and not isinstance(node, exp):
        base, exponent = node.args
        constant = not base.has(Access)
        return constant or bool(exponent.is_Integer and exponent.is_nonnegative and _is_total(base))
    if isinstance(node, Where):
        return _is_total(node.args[1]) and _is_total(node.args[2])
    if node.is_Add or node.is_Mul or isinstance(node, TOTAL):
        return all(_is_total(a) for a in node.args)
    return False
