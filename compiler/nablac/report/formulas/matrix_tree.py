"""formulas/matrix_tree: linear algebra as a tree: what a matrix form is before it is written down.

Every node is a matrix; a vector has one column and a scalar one row and column.  The makers below keep trees plain:
transposes at the leaves of products, products flat, factors of 1 dropped.

Cannot be said here: anything with three axes, and an element by its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Expr, Integer, Mul

from nablac.ir.text import decimal

Shape = tuple[Expr, Expr]
ONE = Integer(1)


@dataclass(frozen=True)
class Leaf:
    """A tensor of the program, by its name."""

    name: str
    shape: Shape
    axes: int


@dataclass(frozen=True)
class OneHot:
    """The matrix whose row i is 1 at the label of i, else 0."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Ones:
    """A column of ones."""

    shape: Shape


@dataclass(frozen=True)
class Identity:
    """The unit matrix."""

    shape: Shape


@dataclass(frozen=True)
class Value:
    """A number, in which extents may stand; beside a matrix in a sum it is meant for every element."""

    value: Expr
    shape: Shape = (ONE, ONE)


@dataclass(frozen=True)
class Transposed:
    """Rows for columns."""

    of: Tree

    @property
    def shape(self) -> Shape:
        """The shape, turned."""
        return (self.of.shape[1], self.of.shape[0])


@dataclass(frozen=True)
class Product:
    """The product of matrices."""

    factors: tuple[Tree, ...]

    @property
    def shape(self) -> Shape:
        """Rows of the first, columns of the last."""
        return (self.factors[0].shape[0], self.factors[-1].shape[1])


@dataclass(frozen=True)
class Scaled:
    """Scalars times a matrix, over other scalars."""

    above: tuple[Tree, ...]
    of: Tree
    below: tuple[Tree, ...]

    @property
    def shape(self) -> Shape:
        """The matrix's."""
        return self.of.shape


@dataclass(frozen=True)
class Hadamard:
    """The elementwise product of matrices of one shape, elementwise over others."""

    above: tuple[Tree, ...]
    below: tuple[Tree, ...] = ()

    @property
    def shape(self) -> Shape:
        """That of each."""
        return (self.above or self.below)[0].shape


@dataclass(frozen=True)
class Sum:
    """Terms, each with whether it is subtracted.  A ``Value`` among matrices is added to every element."""

    terms: tuple[tuple[bool, Tree], ...]

    @property
    def shape(self) -> Shape:
        """That of the terms that are no numbers."""
        return next((t.shape for _, t in self.terms if not isinstance(t, Value)), (ONE, ONE))


@dataclass(frozen=True)
class Power:
    """Each element to a constant power."""

    of: Tree
    exponent: Expr

    @property
    def shape(self) -> Shape:
        """The base's."""
        return self.of.shape


@dataclass(frozen=True)
class Apply:
    """A function of each element, or of the elements of several matrices of one shape."""

    function: type
    arguments: tuple[Tree, ...]

    @property
    def shape(self) -> Shape:
        """That of the arguments that are no numbers."""
        return next((a.shape for a in self.arguments if not isinstance(a, Value)), (ONE, ONE))


@dataclass(frozen=True)
class Indicator:
    """1 where a condition holds, else 0: ``kind`` is a relation between two matrices, or and, or, not of others."""

    kind: str
    parts: tuple[Tree, ...]

    @property
    def shape(self) -> Shape:
        """That of the parts that are no numbers."""
        return next((p.shape for p in self.parts if not isinstance(p, Value)), (ONE, ONE))


@dataclass(frozen=True)
class Diagonal:
    """The matrix with a vector on its diagonal, or its inverse."""

    of: Tree
    inverse: bool = False

    @property
    def shape(self) -> Shape:
        """Square."""
        return (self.of.shape[0], self.of.shape[0])


@dataclass(frozen=True)
class DiagonalOf:
    """The diagonal of a matrix as a vector."""

    of: Tree

    @property
    def shape(self) -> Shape:
        """A column."""
        return (self.of.shape[0], ONE)


@dataclass(frozen=True)
class Trace:
    """The sum of the diagonal."""

    of: Tree
    shape: Shape = (ONE, ONE)


@dataclass(frozen=True)
class SquaredNorm:
    """The sum of the squares of all elements."""

    of: Tree
    shape: Shape = (ONE, ONE)


@dataclass(frozen=True)
class Extremum:
    """A reduction (``max min prod argmax argmin``) of each row, or of all elements."""

    kind: str
    of: Tree
    rows: bool

    @property
    def shape(self) -> Shape:
        """A column with an element for each row, or a scalar."""
        return (self.of.shape[0] if self.rows else ONE, ONE)


Tree = (
    Leaf
    | OneHot
    | Ones
    | Identity
    | Value
    | Transposed
    | Product
    | Scaled
    | Hadamard
    | Sum
    | Power
    | Apply
    | Indicator
    | Diagonal
    | DiagonalOf
    | Trace
    | SquaredNorm
    | Extremum
)


def is_scalar(tree: Tree) -> bool:
    """Whether a tree has one row and one column."""
    return tree.shape == (ONE, ONE)


def transposed(tree: Tree) -> Tree:
    """The transpose, carried inside where that reads better."""
    if isinstance(tree, Identity | Diagonal) or (is_scalar(tree) and not (isinstance(tree, Leaf) and tree.axes == 2)):
        return tree
    if isinstance(tree, Transposed):
        return tree.of
    if isinstance(tree, Product):
        return product(*(transposed(f) for f in reversed(tree.factors)))
    if isinstance(tree, Scaled):
        return replace(tree, of=transposed(tree.of))
    return Transposed(tree)


def product(*factors: Tree) -> Tree:
    """The product, flat; scalars among the factors scale the rest."""
    flat: list[Tree] = []
    above: list[Tree] = []
    below: list[Tree] = []
    for factor in factors:
        if isinstance(factor, Scaled):
            above += factor.above
            below += factor.below
            factor = factor.of
        if isinstance(factor, Value):
            above.append(factor)
        elif not isinstance(factor, Identity):
            flat += factor.factors if isinstance(factor, Product) else (factor,)
    if not flat:
        return scaled(above, factors[0] if isinstance(factors[0], Identity) else Value(ONE), below)
    return scaled(above, flat[0] if len(flat) == 1 else Product(tuple(flat)), below)


def scaled(above: Sequence[Tree], of: Tree, below: Sequence[Tree] = ()) -> Tree:
    """Scalars times a tree over scalars: a sign, one number, the rest; without factors of 1, fractions parted."""
    if isinstance(of, Scaled):
        above, below, of = [*above, *of.above], [*below, *of.below], of.of
    number, divisor = _parted([a.value for a in above if isinstance(a, Value)])
    others = [a for a in above if not isinstance(a, Value)]
    sign, number = (-ONE, -number) if number.could_extract_minus_sign() else (ONE, number)
    kept = tuple(a for a in (Value(sign), Value(number), *others) if a != Value(ONE))
    below = [Value(divisor), *below]
    divisors = tuple(b for b in below if b != Value(ONE))
    if isinstance(of, Value) and of.value == ONE and kept:
        *first, of = kept
        kept = tuple(first)
    return Scaled(kept, of, divisors) if kept or divisors else of


def _parted(numbers: Sequence[Expr]) -> tuple[Expr, Expr]:
    """A product of numbers as what stands above and below its line; decimals stay whole."""
    whole = Mul(*numbers)
    coefficient, rest = whole.as_coeff_Mul()
    if decimal(abs(coefficient)) is not None:
        above, below = rest.as_numer_denom()
        return coefficient * above, below
    above, below = whole.as_numer_denom()
    return above, below


def hadamard(above: Sequence[Tree], below: Sequence[Tree] = ()) -> Tree:
    """The elementwise product, flat, scalar factors outside."""
    outer: list[Tree] = []
    under: list[Tree] = []
    flat: list[Tree] = []
    for factor in above:
        if isinstance(factor, Scaled) and not is_scalar(factor):
            outer += factor.above
            under += factor.below
            factor = factor.of
        flat += factor.above if isinstance(factor, Hadamard) and not factor.below else (factor,)
    if not below and len(flat) == 1:
        return scaled(outer, flat[0], under)
    return scaled(outer, Hadamard(tuple(flat), tuple(below)), under)


def total(terms: Sequence[tuple[bool, Tree]]) -> Tree:
    """A sum, flat; the sign of a scaled term is the term's."""
    signed: list[tuple[bool, Tree]] = []
    for minus, term in terms:
        if isinstance(term, Sum):
            signed += [(minus != inner, of) for inner, of in term.terms]
            continue
        if isinstance(term, Scaled) and term.above[:1] == (Value(-ONE),):
            minus, term = not minus, scaled(term.above[1:], term.of, term.below)
        signed.append((minus, term))
    return Sum(tuple(signed))


def replaced(tree: Tree, leaves: Mapping[str, Tree]) -> Tree:
    """The tree with other trees for some of its leaves."""

    def go(node: Tree) -> Tree:
        return replaced(node, leaves)

    def all_of(nodes: Sequence[Tree]) -> tuple[Tree, ...]:
        return tuple(go(n) for n in nodes)

    makers: dict[type, Callable[..., Tree]] = {
        Leaf: lambda t: leaves.get(t.name, t),
        Transposed: lambda t: transposed(go(t.of)),
        Product: lambda t: product(*all_of(t.factors)),
        Scaled: lambda t: scaled(all_of(t.above), go(t.of), all_of(t.below)),
        Hadamard: lambda t: hadamard(all_of(t.above), all_of(t.below)),
        Sum: lambda t: total([(minus, go(x)) for minus, x in t.terms]),
        Apply: lambda t: replace(t, arguments=all_of(t.arguments)),
        Indicator: lambda t: replace(t, parts=all_of(t.parts)),
    }
    maker = makers.get(type(tree))
    if maker is not None:
        return maker(tree)
    if isinstance(tree, Power | Diagonal | DiagonalOf | Trace | SquaredNorm | Extremum):
        return replace(tree, of=go(tree.of))
    return tree


def leaves_of(tree: Tree) -> list[str]:
    """The names of the tensors in a tree, as often as they stand there."""
    if isinstance(tree, Leaf):
        return [tree.name]
    inner: list[Tree] = []
    for key in ("of", "factors", "above", "below", "arguments", "parts", "terms"):
        found = getattr(tree, key, ())
        inner += [x[1] if isinstance(x, tuple) else x for x in found] if isinstance(found, tuple) else [found]
    return [name for node in inner for name in leaves_of(node)]
