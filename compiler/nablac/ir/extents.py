"""ir/extents: how far each index of an equation runs, and whether every element it reads exists.

An index that stands alone in an access runs over that axis.  One that only occurs in an affine expression such as
``2*p + u`` runs as far as the axis lasts.  ``for p in 4`` overrides both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy
from sympy import Expr, Integer, Symbol

from nablac.errors import Place, ShapeError
from nablac.ir.functions import IntAccess
from nablac.ir.tensor import Tensor


@dataclass(eq=False)
class Binder:
    """One index of one equation or reduction: its symbol, the name it is written with and, once known, its extent."""

    symbol: Symbol
    name: str
    where: Place
    number: int
    extent: Expr | None = None
    stated: bool = False

    @cached_property
    def placeholder(self) -> Symbol:
        """What stands for the extent until it is known; ``number`` tells the binders of one statement apart."""
        return Symbol(f"extent {self.number}", integer=True, positive=True)


@dataclass(frozen=True)
class Reading:
    """One access as it was written: the tensor, its index expressions, the indices in force, and what a ``where``
    around it guarantees (expressions that are at least 0)."""

    tensor: Tensor
    indices: tuple[Expr, ...]
    text: str
    where: Place
    binders: Mapping[Symbol, Binder]
    guards: tuple[Expr, ...]


def guarantees(condition: sympy.Basic) -> tuple[Expr, ...]:
    """The integer expressions that a condition makes nonnegative.

    >>> i, j = (Symbol(name, integer=True) for name in "ij")
    >>> guarantees(sympy.And(i > 1, j < 4))
    (i - 2, 3 - j)
    """
    if isinstance(condition, sympy.And):
        parts = sorted(condition.args, key=sympy.default_sort_key)
        return tuple(e for part in parts for e in guarantees(part))
    if not isinstance(condition, sympy.core.relational.Relational):
        return ()
    a, b = condition.lhs, condition.rhs
    if not (a.is_integer and b.is_integer):
        return ()
    if isinstance(condition, sympy.Eq):
        return (a - b, b - a)
    rows = {sympy.Ge: a - b, sympy.Gt: a - b - 1, sympy.Le: b - a, sympy.Lt: b - a - 1}
    return tuple(e for kind, e in rows.items() if isinstance(condition, kind))


def solve(binders: Iterable[Binder], readings: Iterable[Reading]) -> dict[Symbol, Expr]:
    """Give every index its extent; the answer maps their placeholders to them."""
    binders, readings = list(binders), list(readings)
    for guarded in (False, True):
        _from_plain_accesses([r for r in readings if bool(r.guards) is guarded])
    _from_affine_accesses([r for r in readings if not r.guards])
    for binder in binders:
        if binder.extent is None:
            raise ShapeError(
                f"the extent of index '{binder.name}' is not known",
                where=binder.where,
                remedy=f"say how far it runs at the end of the equation: for {binder.name} in 4",
            )
    return {b.placeholder: b.extent for b in binders if b.extent is not None}


def _from_plain_accesses(readings: list[Reading]) -> None:
    first: dict[Binder, Reading] = {}
    for reading in readings:
        for position, axis in zip(reading.indices, reading.tensor.shape, strict=True):
            binder = reading.binders.get(position) if isinstance(position, Symbol) else None
            if binder is None or binder.stated:
                continue
            if binder.extent is None:
                binder.extent = axis
                first[binder] = reading
            elif binder.extent != axis and binder in first:
                raise _conflict(binder, axis, reading, first[binder])


def _conflict(binder: Binder, axis: Expr, reading: Reading, other: Reading) -> ShapeError:
    return ShapeError(
        f"index '{binder.name}' has two extents",
        found=f"{axis} in {reading.text}, where {reading.tensor} is declared" + _at(reading.tensor),
        expected=f"{binder.extent}, as in {other.text}, where {other.tensor} is declared" + _at(other.tensor),
        where=reading.where,
        remedy=f"make the axes equal, or name two indices; for fewer elements: for {binder.name} in ...",
    )


def _at(tensor: Tensor) -> str:
    return f" at {tensor.where}" if tensor.where is not None else ""


def _from_affine_accesses(readings: list[Reading]) -> None:
    """An index known only inside affine positions runs as far as the shortest of them lasts."""
    limits: dict[Binder, Expr] = {}
    for reading in readings:
        for position, axis in zip(reading.indices, reading.tensor.shape, strict=True):
            unknown = [b for s, b in reading.binders.items() if b.extent is None and position.has(s)]
            if len(unknown) != 1 or position.atoms(IntAccess):
                continue
            step = position.coeff(unknown[0].symbol)
            rest = _extreme(position - step * unknown[0].symbol, reading, {}, 1)
            if not step.is_positive or rest is None or not (axis - rest).is_Integer:
                continue
            limit = (axis - 1 - rest) // step + 1
            if limit < 1:
                raise ShapeError(
                    f"index '{unknown[0].name}' has no place to run in {reading.text}",
                    found=f"{reading.tensor}",
                    where=reading.where,
                    remedy="the window is longer than the axis",
                )
            limits[unknown[0]] = min(limits.get(unknown[0], limit), limit)
    for binder, limit in limits.items():
        binder.extent = limit


def _extreme(expression: Expr, reading: Reading, bounds: Mapping[str, Expr], side: int) -> Expr | None:
    """The largest (side 1) or smallest (side -1) value of an affine expression; None where none is known."""
    expression = sympy.expand(expression)
    total = expression
    leaves = sorted(expression.atoms(IntAccess), key=sympy.default_sort_key)
    symbols = [s for s in reading.binders if s in expression.free_symbols]
    for leaf in (*leaves, *symbols):
        step = total.coeff(leaf)
        if step == 0:
            continue
        top = bounds.get(leaf.tensor) if isinstance(leaf, IntAccess) else reading.binders[leaf].extent
        if top is None or not step.is_Integer:
            return None
        total = sympy.expand(total - step * leaf + (step * (top - 1) if step * side > 0 else 0))
    return None if total.atoms(IntAccess) or any(s in total.free_symbols for s in reading.binders) else total


def _surely_nonnegative(expression: Expr | None) -> bool:
    """Whether an expression in extents, each at least 1, is at least 0."""
    if expression is None:
        return False
    shifted = {s: Symbol(s.name, integer=True, nonnegative=True) + 1 for s in expression.free_symbols}
    return bool(sympy.expand(expression.xreplace(shifted)).is_nonnegative)


def check_bounds(readings: Iterable[Reading], bounds: Mapping[str, Expr]) -> None:
    """Refuse an access that may lie outside its tensor; ``bounds`` are the numbers of classes of integer tensors."""
    for reading in readings:
        for position, axis in zip(reading.indices, reading.tensor.shape, strict=True):
            for leaf in position.atoms(IntAccess):
                if leaf.tensor not in bounds:
                    raise ShapeError(
                        f"'{leaf.tensor}' cannot be an index: nothing bounds its values",
                        found=reading.text,
                        where=reading.where,
                        remedy=f'declare it as a label, e.g. {leaf.tensor}: "label[n, {axis}]"',
                    )
            low, high = position, axis - 1 - position
            inside = [
                any(
                    _surely_nonnegative(_extreme(side - known, reading, bounds, -1))
                    for known in (Integer(0), *reading.guards)
                )
                for side in (low, high)
            ]
            if not all(inside):
                raise _outside(reading, position, axis, bounds)


def _outside(reading: Reading, position: Expr, axis: Expr, bounds: Mapping[str, Expr]) -> ShapeError:
    low, high = (_extreme(position, reading, bounds, side) for side in (-1, 1))
    span = f", which takes {low} ... {high}" if low is not None and high is not None else ", whose values are not known"
    fixed = not any(position.has(symbol) for symbol in reading.binders) and not position.atoms(IntAccess)
    return ShapeError(
        f"{reading.text} reads outside '{reading.tensor.name}'",
        found=f"the index {position}" + ("" if fixed else span),
        expected=f"0 ... {sympy.expand(axis - 1)}, as {reading.tensor} is declared" + _at(reading.tensor),
        where=reading.where,
        remedy=None
        if fixed
        else "let the index run less far (for i in ...), or guard the access: where(i > 0, x[i-1], 0)",
    )
