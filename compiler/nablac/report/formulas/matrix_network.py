"""formulas/matrix_network: a product of matrices over pairs of indices, and the sum of it over some of them.

The summed indices are taken out one after the other: what is tied to one other index becomes a vector, to two a
product of matrices, to none an inner product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sympy import Expr, S, Symbol

from nablac.ir.functions import Access, Delta
from nablac.ir.text import fraction_in_order
from nablac.report.formulas.matrix_tree import (
    ONE,
    Diagonal,
    DiagonalOf,
    Hadamard,
    Leaf,
    Ones,
    Power,
    SquaredNorm,
    Trace,
    Tree,
    Value,
    hadamard,
    product,
    scaled,
    transposed,
)

if TYPE_CHECKING:
    from nablac.report.formulas.matrix_frame import Frame


class NoForm(Exception):
    """The equation has no matrix form."""


@dataclass(frozen=True)
class Labelled:
    """A matrix whose rows and columns run over indices; None for an axis of length 1.  ``inverse``: it divides."""

    tree: Tree
    rows: Symbol | None = None
    columns: Symbol | None = None
    inverse: bool = False

    @property
    def labels(self) -> frozenset[Symbol]:
        """The indices."""
        return frozenset(x for x in (self.rows, self.columns) if x is not None)

    def facing(self, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """The matrix with these indices along its rows and columns."""
        if self.rows in (rows, None) and self.columns in (columns, None):
            return self.tree
        if self.rows in (columns, None) and self.columns in (rows, None):
            return transposed(self.tree)
        raise NoForm


class Network:
    """A product whose factors are matrices over pairs of indices, and the sum of it over some of them."""

    def __init__(
        self, frame: Frame, body: Expr, bound: tuple[Symbol, ...], rows: Symbol | None, columns: Symbol | None
    ) -> None:
        self.frame, self.rows, self.columns = frame, rows, columns
        self.order = [i for i in (rows, columns, *bound) if i is not None]
        self.bound = list(bound)
        self.above: list[Tree] = []
        self.below: list[Tree] = []
        self.items: list[Labelled] = []
        sign, above, below = fraction_in_order(body)
        if sign:
            self.above.append(Value(S.NegativeOne))
        for factor in above:
            self.add(factor, False)
        for factor in below:
            self.add(factor, True)

    def add(self, factor: Expr, inverse: bool) -> None:
        """A factor as a matrix over its one or two indices, or as a scalar."""
        labels = [i for i in self.order if i in factor.free_symbols]
        if isinstance(factor, Access | Delta):
            leaf = self.frame.leaf(factor)
            item = Labelled(leaf.tree, leaf.rows, leaf.columns, inverse)
        elif len(labels) > 2:
            raise NoForm
        else:
            rows, columns = (*_as_stored(factor, labels), None, None)[:2]
            tree = self.frame.value(factor, rows, columns)
            item = Labelled(self.frame.spread(tree, self.frame.shape(rows, columns)), rows, columns, inverse)
        self.join(item)

    def join(self, item: Labelled) -> None:
        """One more factor."""
        if item.labels:
            self.items.append(item)
        else:
            (self.below if item.inverse else self.above).append(item.tree)

    def tree(self) -> Tree:
        """The whole."""
        while self.bound:
            left = self.bound
            index = min(left, key=lambda k: (len(self.others(k)), -self.order.index(k)))
            left.remove(index)
            self.take_out(index)
        return scaled(self.above, self.outer(), self.below)

    def others(self, index: Symbol) -> set[Symbol]:
        """The indices that share a factor with this one."""
        return {label for item in self.items if index in item.labels for label in item.labels} - {index}

    def take_out(self, index: Symbol) -> None:
        """Sum over one index: the factors that hold it become one."""
        touched = [item for item in self.items if index in item.labels]
        others = sorted(self.others(index), key=self.order.index)
        if not touched:
            self.above.append(Value(self.frame.ranges[index]))
            return
        if len(others) > 2:
            raise NoForm
        self.items = [item for item in self.items if item not in touched]
        vector = _elementwise([i for i in touched if len(i.labels) == 1], index, None)
        if not others:
            self.above.append(self.inner(touched, index))
        elif len(others) == 1:
            self.take_out_pair(touched, others[0], index, vector)
        else:
            first, second = others
            left = _elementwise([i for i in touched if first in i.labels], first, index)
            right = _elementwise([i for i in touched if second in i.labels], index, second)
            assert left is not None and right is not None
            middle = [] if vector is None else [Diagonal(vector)]
            self.items.append(Labelled(product(left, *middle, right), first, second))

    def take_out_pair(self, touched: list[Labelled], other: Symbol, index: Symbol, vector: Tree | None) -> None:
        """Sum over an index that one other is tied to; over both at once, where that is a trace or a norm."""
        pairs = [i for i in touched if len(i.labels) == 2]
        closed = other in self.bound and not any(other in i.labels for i in self.items)
        if closed and vector is None and (scalar := _full(pairs)) is not None:
            self.bound.remove(other)
            self.above.append(scalar)
            return
        matrix = _elementwise(pairs, other, index)
        assert matrix is not None
        behind = vector if vector is not None else Ones((self.frame.ranges[index], ONE))
        self.items.append(Labelled(product(matrix, behind), other))

    def inner(self, items: Sequence[Labelled], index: Symbol) -> Tree:
        """The sum of a product of vectors."""
        plain = [i for i in items if not i.inverse]
        if len(items) == 1 and plain:
            tree = plain[0].facing(index, None)
            if isinstance(tree, DiagonalOf):
                return Trace(tree.of)
            if isinstance(tree, Power) and tree.exponent == 2:
                return SquaredNorm(tree.of)
        if len(plain) < 2:
            whole = _elementwise(items, index, None)
            assert whole is not None
            ones = Ones((self.frame.ranges[index], ONE))
            return product(transposed(whole), ones) if isinstance(whole, Leaf) else product(transposed(ones), whole)
        first = plain[0]
        rest = _elementwise([i for i in items if i is not first], index, None)
        assert rest is not None
        return product(transposed(first.facing(index, None)), rest)

    def outer(self) -> Tree:
        """What is left, over the free indices."""
        shape = self.frame.shape(self.rows, self.columns)
        facing = [(i.facing(self.rows, self.columns), i.inverse) for i in self.items]
        if all(tree.shape == (ONE, ONE) for tree, _ in facing):
            self.above += [tree for tree, inverse in facing if not inverse]
            self.below += [tree for tree, inverse in facing if inverse]
            return Value(ONE)
        full = [x for x in facing if x[0].shape == shape]
        at_rows = [x for x in facing if x[0].shape != shape and x[0].shape[1] == 1]
        at_columns = [(transposed(t), v) for t, v in facing if t.shape != shape and t.shape[1] != 1]
        down, across, middle = (_quotient(x) for x in (at_rows, at_columns, full))
        if middle is not None:
            left = [] if down is None else [_diagonal(down)]
            right = [] if across is None else [_diagonal(across)]
            return product(*left, middle, *right)
        if across is None:
            assert down is not None
            return down
        return transposed(across) if down is None else product(down, transposed(across))


def _as_stored(factor: Expr, labels: list[Symbol]) -> list[Symbol]:
    """Two indices in the order in which most matrices that the factor reads have them."""
    stored = [a.indices for a in factor.atoms(Access)]
    turned = sum((places == tuple(reversed(labels))) - (places == tuple(labels)) for places in stored)
    return labels[::-1] if turned > 0 else labels


def _elementwise(items: Sequence[Labelled], rows: Symbol | None, columns: Symbol | None) -> Tree | None:
    """The elementwise product of labelled matrices over the same indices; transposed as a whole, if most would be."""
    if columns is not None and sum(1 if i.rows == columns else -1 for i in items) > 0:
        turned = _quotient([(i.facing(columns, rows), i.inverse) for i in items])
        return None if turned is None else transposed(turned)
    return _quotient([(i.facing(rows, columns), i.inverse) for i in items])


def _quotient(factors: Sequence[tuple[Tree, bool]]) -> Tree | None:
    above = [tree for tree, inverse in factors if not inverse]
    below = [tree for tree, inverse in factors if inverse]
    return hadamard(above, below) if factors else None


def _diagonal(vector: Tree) -> Tree:
    """diag(v), or its inverse for 1 over v."""
    if isinstance(vector, Hadamard) and not vector.above:
        return Diagonal(hadamard(vector.below), inverse=True)
    return Diagonal(vector)


def _full(pairs: Sequence[Labelled]) -> Tree | None:
    """The sum over both indices of a product of matrices: a squared norm or a trace."""
    if any(i.inverse for i in pairs):
        return None
    trees = [i.tree for i in pairs]
    if len(trees) == 1 and isinstance(trees[0], Power) and trees[0].exponent == 2:
        return SquaredNorm(trees[0].of)
    if len(trees) == 2:
        first, second = pairs
        if first.rows == second.rows:
            return Trace(product(transposed(trees[0]), trees[1]))
        return Trace(product(trees[0], trees[1]))
    return None
