"""report/matrix: an equation in matrix form, where it has one: ``dW = δᵀ x`` for ``dW[j,k] = sum[i](δ[i,j]*x[i,k])``.

A body over a row and a column index is translated node by node (``_Frame``); a sum of products is a network of
matrices whose summed indices are taken out one after the other (``_Network``).  What has no form raises ``_NoForm``
inside and gives None: three axes, an index that is computed with, a choice one of whose branches may be undefined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr, Integer, Mul, Pow, S, Symbol, exp

from nablac.ir import functions as f
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Delta, IntAccess, Where
from nablac.ir.index import is_index
from nablac.ir.text import fraction_in_order, terms_in_order
from nablac.report.boxes import Box, Operator, row
from nablac.report.formula import plainly_spelled, relation_of
from nablac.report.matrix_boxes import tree_box
from nablac.report.matrix_tree import (
    ONE,
    Apply,
    Diagonal,
    DiagonalOf,
    Extremum,
    Hadamard,
    Identity,
    Indicator,
    Leaf,
    OneHot,
    Ones,
    Power,
    Shape,
    SquaredNorm,
    Sum,
    Trace,
    Transposed,
    Tree,
    Value,
    hadamard,
    is_scalar,
    leaves_of,
    product,
    replaced,
    scaled,
    transposed,
)
from nablac.report.notation import Notation

TOTAL = (f.relu, f.sign, f.absolute, f.maximum, f.minimum, f.sigmoid, f.softplus, f.logcosh, f.expm1, f.exprel, exp,
         sympy.sin, sympy.cos, sympy.tanh, sympy.sinh, sympy.cosh, sympy.atan, sympy.asinh, sympy.erf)  # fmt: skip
"""Functions with a value at every number, so that 0 times them is 0."""


class _NoForm(Exception):
    """The equation has no matrix form."""


def matrix_form(equation: Equation, program: Program, notation: Notation) -> Box | None:
    """The equation between matrices, or None where it is none."""
    return _equation_box(equation, matrix_tree(equation, program), notation)


def composed_matrix_form(equation: Equation, program: Program, notation: Notation) -> Box | None:
    """The matrix form in which products that nothing else reads stand where they are read."""
    return _equation_box(equation, composed_tree(equation, program), notation)


def _equation_box(equation: Equation, tree: Tree | None, notation: Notation) -> Box | None:
    if tree is None:
        return None
    return row(notation.symbol(equation.target), Operator("="), tree_box(tree, notation))


def matrix_tree(equation: Equation, program: Program) -> Tree | None:
    """The right side as a tree of the target's shape, a vector as a column; None where there is none."""
    if len(equation.indices) > 2:
        return None
    try:
        return _Frame(equation, program).whole()
    except _NoForm:
        return None


def composed_tree(equation: Equation, program: Program) -> Tree | None:
    """The tree with those of single-use contractions in place of their targets."""
    tree = matrix_tree(equation, program)
    if tree is None:
        return None
    inner = {}
    for name in set(leaves_of(tree)):
        source = program.defined.get(name)
        if source is None or not _is_private_product(source, program):
            continue
        if leaves_of(tree).count(name) == 1 and (found := composed_tree(source, program)) is not None:
            inner[name] = found
    return replaced(tree, inner) if inner else tree


def _is_private_product(equation: Equation, program: Program) -> bool:
    """Whether an equation sums products of elements, and one equation alone reads it."""
    factors = [x for x in Mul.make_args(equation.body) if x.has(Access)]
    contracts = equation.reduction is not None and equation.reduction.kind == "sum" and len(factors) > 1
    readers = program.readers.get(equation.target, ())
    return contracts and len(readers) == 1 and equation.target not in program.results


@dataclass(frozen=True)
class _Labelled:
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
        raise _NoForm


class _Frame:
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
        return tuple(ONE if i is None else self.ranges[i] for i in (rows, columns))  # type: ignore[return-value]

    def extremum(self, kind: str, body: Expr, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """A maximum and its like: of each row where a free index is left, else of all."""
        bound = self.equation.bound
        if columns is not None or len(bound) + (rows is not None) > 2:
            raise _NoForm
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
        return _Network(self, body, bound, rows, columns).tree()

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
            return _Network(self, node, (), rows, columns).tree()
        if isinstance(node, Where):
            return self.choice(node, rows, columns)
        if isinstance(node, exp):
            return Apply(exp, (self.value(node.args[0], rows, columns),))
        if node.is_Pow:
            return self.power(node, rows, columns)
        if isinstance(node, Symbol):
            raise _NoForm
        if node.is_Function and not isinstance(node, f.exprel):
            return Apply(node.func, tuple(self.alike([self.value(a, rows, columns) for a in node.args])))
        raise _NoForm

    def power(self, node: Expr, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """A constant power; one over something is an elementwise quotient."""
        base, exponent = node.args
        if not exponent.is_number:
            raise _NoForm
        if exponent.is_negative:
            return _Network(self, node, (), rows, columns).tree()
        return Power(self.value(base, rows, columns), exponent)

    def leaf(self, node: Expr) -> _Labelled:
        """A tensor's elements or a delta, as a matrix with the indices of its rows and columns."""
        if isinstance(node, Delta):
            return self.delta(node)
        tensor = self.program.declared[node.tensor]
        if len(tensor.shape) > 2:
            raise _NoForm
        tree: Tree = Leaf(tensor.name, (*tensor.shape, ONE, ONE)[:2], len(tensor.shape))  # type: ignore[arg-type]
        labels = [self.label(i, e) for i, e in zip(node.indices, tensor.shape, strict=True)]
        first, second = (*labels, None, None)[:2]
        if isinstance(first, _Labelled) or isinstance(second, _Labelled):
            return self.gathered(tree, first, second)
        if first is not None and first == second:
            return _Labelled(DiagonalOf(tree), first)
        return _Labelled(tree, first, second)

    def label(self, place: Expr, extent: Expr) -> Symbol | None | _Labelled:
        """What an index is: a loop's, none (the only place of an axis), or the label of a row, a one-hot matrix."""
        if isinstance(place, Symbol) and is_index(place):
            return place
        if place == 0 and extent == 1:
            return None
        if isinstance(place, IntAccess) and len(place.indices) == 1 and isinstance(place.indices[0], Symbol):
            shape = (self.program.declared[place.tensor].shape[0], extent)
            if self.ranges.get(place.indices[0]) == shape[0]:
                return _Labelled(OneHot(place.tensor, shape), place.indices[0])
        raise _NoForm

    def gathered(self, tree: Tree, first: Any, second: Any) -> _Labelled:
        """Elements at labels: rows of a matrix are picked by a one-hot matrix before it, columns by one behind it."""
        if isinstance(first, _Labelled) and isinstance(second, _Labelled):
            if first.rows == second.rows:
                raise _NoForm
            return _Labelled(product(first.tree, tree, transposed(second.tree)), first.rows, second.rows)
        if isinstance(second, _Labelled):
            tree, first, second = transposed(tree), second, first
        if first.rows == second:
            return _Labelled(product(hadamard([first.tree, transposed(tree)]), Ones((tree.shape[0], ONE))), second)
        return _Labelled(product(first.tree, tree), first.rows, second)

    def delta(self, node: Delta) -> _Labelled:
        """A unit matrix, or the one-hot matrix of labels."""
        a, b = sorted(node.args, key=lambda x: isinstance(x, IntAccess))
        if not (isinstance(a, Symbol) and is_index(a)):
            raise _NoForm
        if isinstance(b, Symbol) and is_index(b) and self.ranges[a] == self.ranges[b]:
            return _Labelled(Identity((self.ranges[a], self.ranges[b])), a, b)
        if isinstance(b, IntAccess):
            found = self.label(b, self.ranges[a])
            if isinstance(found, _Labelled) and found.rows != a:
                return _Labelled(found.tree, found.rows, a)
        raise _NoForm

    def choice(self, node: Where, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """[condition] times one branch plus [not condition] times the other, if both always have a value."""
        condition, a, b = node.args
        terms: list[tuple[bool, Tree]] = []
        for test, branch in ((condition, a), (sympy.Not(condition), b)):
            if branch == 0:
                continue
            if not _is_total(branch):
                raise _NoForm
            minus = branch.could_extract_minus_sign() and bool(terms)
            value = self.value(-branch if minus else branch, rows, columns)
            terms.append((minus, _times(self.indicator(test, rows, columns), value)))
        return terms[0][1] if len(terms) == 1 else self.sum_of(terms)

    def indicator(self, node: Any, rows: Symbol | None, columns: Symbol | None) -> Tree:
        """Iverson's bracket."""
        if node.is_Relational:
            sides = [self.value(side, rows, columns) for side in (node.lhs, node.rhs)]
            return Indicator(relation_of(node), tuple(self.alike(sides)))
        if not isinstance(node, sympy.And | sympy.Or | sympy.Not):
            raise _NoForm
        parts = sorted(node.args, key=sympy.default_sort_key)
        name = type(node).__name__.lower()
        return Indicator(name, tuple(self.alike([self.indicator(p, rows, columns) for p in parts])))

    # --- shapes -------------------------------------------------------------------------------------------------------

    def sum_of(self, terms: Sequence[tuple[bool, Tree]], shape: Shape | None = None) -> Tree:
        """A sum whose terms all have the largest shape; numbers stay numbers."""
        trees = [t for _, t in terms]
        alike = self.alike(trees, shape)
        return Sum(tuple((minus, tree) for (minus, _), tree in zip(terms, alike, strict=True)))

    def alike(self, trees: Sequence[Tree], shape: Shape | None = None) -> list[Tree]:
        """The trees, all but numbers, spread to one shape."""
        if shape is None:
            shape = tuple(next((t.shape[k] for t in trees if t.shape[k] != 1), ONE) for k in (0, 1))  # type: ignore
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
        raise _NoForm


class _Network:
    """A product whose factors are matrices over pairs of indices, and the sum of it over some of them."""

    def __init__(
        self, frame: _Frame, body: Expr, bound: tuple[Symbol, ...], rows: Symbol | None, columns: Symbol | None
    ) -> None:
        self.frame, self.rows, self.columns = frame, rows, columns
        self.order = [i for i in (rows, columns, *bound) if i is not None]
        self.bound = list(bound)
        self.above: list[Tree] = []
        self.below: list[Tree] = []
        self.items: list[_Labelled] = []
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
            item = _Labelled(leaf.tree, leaf.rows, leaf.columns, inverse)
        elif len(labels) > 2:
            raise _NoForm
        else:
            rows, columns = (*labels, None, None)[:2]
            tree = self.frame.value(factor, rows, columns)
            item = _Labelled(self.frame.spread(tree, self.frame.shape(rows, columns)), rows, columns, inverse)
        if item.labels:
            self.items.append(item)
        else:
            (self.below if inverse else self.above).append(item.tree)

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
            raise _NoForm
        self.items = [item for item in self.items if item not in touched]
        vector = _elementwise([i for i in touched if len(i.labels) == 1], index, None)
        if not others:
            self.above.append(self.inner([i for i in touched], index))
        elif len(others) == 1:
            self.take_out_pair(touched, others[0], index, vector)
        else:
            first, second = others
            left = _elementwise([i for i in touched if first in i.labels], first, index)
            right = _elementwise([i for i in touched if second in i.labels], index, second)
            assert left is not None and right is not None
            middle = [] if vector is None else [Diagonal(vector)]
            self.items.append(_Labelled(product(left, *middle, right), first, second))

    def take_out_pair(self, touched: list[_Labelled], other: Symbol, index: Symbol, vector: Tree | None) -> None:
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
        self.items.append(_Labelled(product(matrix, behind), other))

    def inner(self, items: Sequence[_Labelled], index: Symbol) -> Tree:
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


def _elementwise(items: Sequence[_Labelled], rows: Symbol | None, columns: Symbol | None) -> Tree | None:
    """The elementwise product of labelled matrices over the same indices."""
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


def _times(indicator: Tree, value: Tree) -> Tree:
    """An indicator times a branch; a number scales it."""
    if is_scalar(value):
        return scaled([value], indicator)
    return hadamard([indicator, value])


def _full(pairs: Sequence[_Labelled]) -> Tree | None:
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
