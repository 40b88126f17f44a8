"""plan/gemm: the one predicate that says whether an equation is a matrix product, and of which form.

An equation is a product when it sums a product of two plain accesses (times an invariant factor) and its indices
fall into four groups: batch (in all three tensors), rows (target and left), columns (target and right), depth
(summed; left and right).  In each tensor the batch comes first and each group stands together, in one order.

>>> from nablac.ir.index import extent, index
>>> from nablac.ir.functions import Access
>>> from nablac.ir.equation import Equation, Reduction
>>> i, j, k = map(index, "ijk")
>>> sizes = ((i, extent("n")), (j, extent(4)), (k, extent(5)))
>>> e = Equation("h", (i, j), Access("W", j, k) * Access("x", i, k), sizes, Reduction("sum", (k,)))
>>> product = as_gemm(e)
>>> product.form, product.left.buffer, product.right.buffer
('NT', 'x', 'W')
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sympy import Expr, Integer, Mul, S, Symbol

from nablac.ir.equation import Equation
from nablac.ir.functions import Access, IntAccess
from nablac.plan.loops import Gemm, Loop, Operand, Statement


@dataclass(frozen=True)
class Product:
    """A recognised product: the loops of its batch and the call inside them."""

    batch: tuple[Symbol, ...]
    gemm: Gemm

    def statement(self, ranges: Mapping[Symbol, Expr]) -> Statement:
        """The product under its loops."""
        inner: Statement = self.gemm
        for index in reversed(self.batch):
            inner = Loop(index, ranges[index], (inner,))
        return inner


def as_gemm(equation: Equation) -> Gemm | None:
    """The product's call if the equation is one (its batch loops apart), else None."""
    product = as_product(equation)
    return product.gemm if product else None


def as_product(equation: Equation) -> Product | None:
    """The recognised product, or None."""
    if equation.reduction is None or equation.reduction.kind != "sum":
        return None
    factors = _split(equation)
    if factors is None:
        return None
    scale, first, second = factors
    free, bound = set(equation.indices), set(equation.bound)
    in_first, in_second = set(first.indices), set(second.indices)
    if in_first & bound != bound or in_second & bound != bound or (in_first | in_second) - bound != free:
        return None
    batch = in_first & in_second & free
    for left, right in ((first, second), (second, first)):
        rows, columns = set(left.indices) - bound - batch, set(right.indices) - bound - batch
        if not rows or not columns:
            return None
        gemm = _arranged(equation, left, right, (batch, rows, columns, bound), scale)
        if gemm is not None:
            return Product(equation.indices[: len(batch)], gemm)
    return None


def _split(equation: Equation) -> tuple[Expr, Access, Access] | None:
    """The body as an invariant factor and two plain accesses."""
    scale: list[Expr] = []
    tensors: list[Access] = []
    for factor in Mul.make_args(equation.body):
        base, exponent = factor.as_base_exp()
        if isinstance(base, Access) and base.indices and exponent == 2 and isinstance(exponent, Integer):
            tensors += [base, base]
        elif isinstance(factor, Access) and factor.indices:
            tensors.append(factor)
        elif factor.free_symbols & set(equation.ranges):
            return None
        else:
            scale.append(factor)
    if len(tensors) != 2:
        return None
    for access in tensors:
        plain = all(i in equation.ranges for i in access.indices)
        if not plain or isinstance(access, IntAccess) or len(set(access.indices)) != len(access.indices):
            return None
    return Mul(*scale) if scale else S.One, tensors[0], tensors[1]


def _arranged(
    equation: Equation,
    left: Access,
    right: Access,
    groups: tuple[Collection[Symbol], Collection[Symbol], Collection[Symbol], Collection[Symbol]],
    scale: Expr,
) -> Gemm | None:
    """The call with these operands in this order, if every group stands together in each tensor."""
    batch, rows, columns, depth = groups
    target = _cut(equation.indices, batch, rows, columns)
    if target is None:
        return None
    for form, a_groups, b_groups in (
        ("NT", (rows, depth), (columns, depth)),
        ("NN", (rows, depth), (depth, columns)),
        ("TN", (depth, rows), (depth, columns)),
    ):
        a, b = _cut(left.indices, batch, *a_groups), _cut(right.indices, batch, *b_groups)
        if a is None or b is None or a[0] != target[0] or b[0] != target[0]:
            continue
        seen: dict[frozenset[Symbol], tuple[Symbol, ...]] = {}
        cuts = (*zip((rows, columns), target[1:], strict=True), *zip(a_groups, a[1:], strict=True))
        cuts += tuple(zip(b_groups, b[1:], strict=True))
        if all(seen.setdefault(frozenset(group), order) == order for group, order in cuts):
            return Gemm(
                Operand(equation.target, *target), Operand(left.tensor, *a), Operand(right.tensor, *b), form, scale
            )
    return None


def _cut(indices: tuple[Expr, ...], *groups: Collection[Symbol]) -> tuple[tuple[Symbol, ...], ...] | None:
    """The indices cut into consecutive runs, one a group, or None where they do not fall so."""
    runs, at = [], 0
    for group in groups:
        run = indices[at : at + len(group)]
        if set(run) != set(group):
            return None
        runs.append(run)
        at += len(group)
    return tuple(runs) if at == len(indices) else None
