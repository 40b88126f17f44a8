"""formulas/matrix_boxes: trees of linear algebra as boxes, as a textbook writes them.

Functions, powers and roots of a matrix are meant for each element; a 1 in boldface is a column of ones; brackets with
a condition are Iverson's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sympy import S, exp

from nablac.ir.functions import NAMES
from nablac.report.formulas.boxes import (
    Box,
    Call,
    Fenced,
    Fraction,
    Name,
    Number,
    Operator,
    Root,
    Row,
    Script,
    joined,
    over,
    raised,
    row,
)
from nablac.report.formulas.formula import expression_form, function_name
from nablac.report.formulas.matrix_tree import (
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
    Product,
    Scaled,
    SquaredNorm,
    Sum,
    Trace,
    Transposed,
    Tree,
    Value,
    is_scalar,
)
from nablac.report.formulas.notation import Notation

LOOSE, ADD, ELEMENTWISE, MUL, ATOM = range(5)
"""How tightly a box holds together: a sum with its sign, sums, elementwise products, products, single things."""

Bound = tuple[Box, int]


def tree_box(tree: Tree, notation: Notation) -> Box:
    """A tree as a box."""
    return _Writer(notation).box(tree, LOOSE)


class _Writer:
    """Writes trees; ``TABLE`` says how each kind is written."""

    def __init__(self, notation: Notation) -> None:
        self.notation = notation

    def box(self, tree: Tree, least: int) -> Box:
        """The tree, in brackets if it holds together less than ``least``."""
        box, bound = TABLE[type(tree)](self, tree)
        return box if bound >= least else Fenced("(", box)

    def leaf(self, tree: Leaf) -> Bound:
        return self.notation.symbol(tree.name), ATOM

    def one_hot(self, tree: OneHot) -> Bound:
        known = self.notation.one_hots.get(tree.name)
        return known or Call(Name("onehot"), (self.notation.symbol(tree.name),)), ATOM

    def value(self, tree: Value) -> Bound:
        box = expression_form(tree.value, self.notation)
        if tree.value.could_extract_minus_sign() or tree.value.is_Add:
            return box, LOOSE
        return box, MUL if isinstance(box, Fraction | Row) else ATOM

    def transposed(self, tree: Transposed) -> Bound:
        return raised(self.box(tree.of, ATOM), Operator("T")), ATOM

    def product(self, tree: Product) -> Bound:
        return joined("", [self.box(f, MUL) for f in tree.factors]), MUL

    def scaled(self, tree: Scaled) -> Bound:
        """Scalars before the matrix; over a line where it is divided."""
        above = list(tree.above)
        minus = bool(above) and above[0] == Value(S.NegativeOne)
        if Value(S.Zero) in above:
            return Number("0"), ATOM
        factors = above[minus:]
        of_one = isinstance(tree.of, Value) and tree.of.value == 1
        shown = [*factors, *([] if of_one and factors else [tree.of])]
        if tree.below:
            below = [self.box(b, MUL) for b in tree.below] if len(tree.below) > 1 else [self.box(tree.below[0], LOOSE)]
            box = over(self.times(shown, LOOSE), joined("*", below))
            return (row(Operator("minus"), box), LOOSE) if minus else (box, MUL)
        bound = ELEMENTWISE if isinstance(tree.of, Hadamard) else MUL
        box = self.times(shown, ELEMENTWISE)
        return (row(Operator("minus"), box), LOOSE) if minus else (box, bound)

    def times(self, factors: Sequence[Tree], least: int) -> Box:
        """Scalars and the matrix they scale."""
        if len(factors) == 1:
            return self.box(factors[0], least)
        *scalars, last = factors
        before = [self.box(s, ATOM if isinstance(s, Product) else MUL) for s in scalars]
        return joined("*", [*before, self.box(last, ELEMENTWISE)])

    def hadamard(self, tree: Hadamard) -> Bound:
        above = [self.box(f, ATOM) for f in sorted(tree.above, key=_reading_order)]
        below = [self.box(f, ATOM) for f in tree.below]
        if all(is_scalar(f) for f in (*tree.above, *tree.below)):
            top = joined("*", above) if above else Number("1")
            return (over(top, joined("*", below)), MUL) if below else (top, MUL)
        top = joined("odot", above) if above else Number("1")
        if not below:
            return top, ELEMENTWISE
        under = joined("odot", below) if len(below) == 1 else Fenced("(", joined("odot", below))
        return row(top, Operator("oslash"), under), ELEMENTWISE

    def sum(self, tree: Sum) -> Bound:
        parts: list[Box] = []
        for minus, term in tree.terms:
            if parts:
                parts.append(Operator("-" if minus else "+"))
            elif minus:
                parts.append(Operator("minus"))
            parts.append(self.box(term, ELEMENTWISE))
        return row(*parts), ADD

    def power(self, tree: Power) -> Bound:
        if tree.exponent == S.Half:
            return Root(self.box(tree.of, LOOSE)), ATOM
        exponent = expression_form(tree.exponent, self.notation)
        sign = exponent if is_scalar(tree) else row(Operator("odot"), exponent)
        return raised(self.box(tree.of, ATOM), sign), ATOM

    def apply(self, tree: Apply) -> Bound:
        arguments = tuple(self.box(a, LOOSE) for a in tree.arguments)
        name = "exp" if tree.function is exp else NAMES.get(tree.function, tree.function.__name__)
        if is_scalar(tree) and name in ("abs", "floor"):
            return Fenced({"abs": "|"}.get(name, name), arguments[0]), ATOM
        return Call(function_name(name, self.notation), arguments), ATOM

    def indicator(self, tree: Indicator) -> Bound:
        return Fenced("[", self.condition(tree)), ATOM

    def condition(self, tree: Tree) -> Box:
        if not isinstance(tree, Indicator):
            return self.box(tree, ADD)
        if tree.kind == "not":
            return row(Operator("not"), Fenced("(", self.condition(tree.parts[0])))
        if tree.kind in ("and", "or"):
            parts = [(self.condition(p), isinstance(p, Indicator) and p.kind in ("and", "or")) for p in tree.parts]
            return joined(tree.kind, [Fenced("(", box) if loose else box for box, loose in parts])
        left, right = (self.box(p, ADD) for p in tree.parts)
        return row(left, Operator(tree.kind), right)

    def diagonal(self, tree: Diagonal) -> Bound:
        box: Box = Call(Name("diag"), (self.box(tree.of, LOOSE),))
        return (Script(box, None, Number("-1")) if tree.inverse else box), ATOM

    def diagonal_of(self, tree: DiagonalOf) -> Bound:
        return Call(Name("diag"), (self.box(tree.of, LOOSE),)), ATOM

    def trace(self, tree: Trace) -> Bound:
        return Call(Name("tr"), (self.box(tree.of, LOOSE),)), ATOM

    def squared_norm(self, tree: SquaredNorm) -> Bound:
        below = None if tree.of.shape[1] == 1 else Name("F")
        return Script(Fenced("||", self.box(tree.of, LOOSE)), below, Number("2")), ATOM

    def extremum(self, tree: Extremum) -> Bound:
        name = f"row{tree.kind}" if tree.rows else tree.kind
        return Call(Name(name), (self.box(tree.of, LOOSE),)), ATOM


def _reading_order(factor: Tree) -> int:
    """Conditions first, then what products bring: (δ W) ⊙ a ⊙ (1 - a)."""
    return 0 if isinstance(factor, Indicator) else 1 if isinstance(factor, Product) else 2


TABLE: dict[type, Callable[[_Writer, Any], Bound]] = {
    Leaf: _Writer.leaf,
    OneHot: _Writer.one_hot,
    Ones: lambda self, tree: (Name("𝟏"), ATOM),
    Identity: lambda self, tree: (Name("I"), ATOM),
    Value: _Writer.value,
    Transposed: _Writer.transposed,
    Product: _Writer.product,
    Scaled: _Writer.scaled,
    Hadamard: _Writer.hadamard,
    Sum: _Writer.sum,
    Power: _Writer.power,
    Apply: _Writer.apply,
    Indicator: _Writer.indicator,
    Diagonal: _Writer.diagonal,
    DiagonalOf: _Writer.diagonal_of,
    Trace: _Writer.trace,
    SquaredNorm: _Writer.squared_norm,
    Extremum: _Writer.extremum,
}
