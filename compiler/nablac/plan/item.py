"""plan/item: an equation on its way into a nest: what is left of its loops, in the order they should run.

Scheduling opens one loop after another; an item remembers the indices still to open, which of them are reduced, and
whether a reduced one is open already, so that its stores accumulate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from sympy import Add, Expr, S, Symbol, default_sort_key

from nablac.algebra.scatter import scattered
from nablac.ir.equation import Equation
from nablac.ir.functions import Access, accesses
from nablac.ir.index import index


@dataclass(frozen=True)
class Item:
    """One equation with its loops to come."""

    equation: Equation
    target: Access
    """The element that is stored, or the register that accumulates it."""
    body: Expr
    loops: tuple[Symbol, ...]
    """The indices still to open, outermost first."""
    bound: frozenset[Symbol]
    """Those of all its indices that are reduced."""
    ranges: Mapping[Symbol, Expr]
    element: tuple[Expr, ...]
    """The target's indices without scattering: where the initial value of an accumulation goes."""
    open: bool = False
    """Whether a loop over a reduced index is open: the target is then incomplete."""
    picked: tuple[Access, Symbol] | None = None
    """For argmax and argmin inside their loop: the register of the best value and the loop's index."""

    @property
    def name(self) -> str:
        """The tensor the item defines."""
        return self.equation.target

    @property
    def kind(self) -> str | None:
        """The kind of reduction, if there is one over more than one term."""
        return self.equation.reduction.kind if self.equation.reduction and self.bound else None

    @property
    def candidates(self) -> tuple[Symbol, ...]:
        """The indices whose loop may be opened next, the preferred one first."""
        free = tuple(i for i in self.loops if i not in self.bound)
        return free if free and self.kind in ("argmax", "argmin") else self.loops

    @property
    def starting(self) -> tuple[Symbol, ...]:
        """The free indices not entered yet: the initial value of an accumulation has to run over them."""
        return tuple(i for i in self.element if i in self.ranges)

    @cached_property
    def needs(self) -> tuple[Access, ...]:
        """Every element the item reads."""
        return tuple(dict.fromkeys(a for e in (self.body, *self.target.indices) for a in accesses(e)))

    def enter(self, chosen: Symbol, loop: Symbol) -> Item:
        """The item inside the loop over its index ``chosen``, which is called ``loop`` there."""
        renaming = {chosen: loop}
        return replace(
            self,
            target=self.target.xreplace(renaming),
            body=self.body.xreplace(renaming),
            loops=tuple(i for i in self.loops if i != chosen),
            element=tuple(e.xreplace(renaming) for e in self.element),
            open=self.open or chosen in self.bound,
        )


def make_item(equation: Equation, number: int) -> Item:
    """The equation with indices of its own, its loops in order, a delta of a summed gather made a place to add to.

    An index of extent 1 is 0 and has no loop.
    """
    searched = equation.bound if equation.reduction and equation.reduction.kind.startswith("arg") else ()
    single = {i for i, extent in equation.extents if extent == 1 and i not in searched}
    own: dict[Symbol, Expr] = {i: S.Zero if i in single else index(f"{i.name}#{number}") for i in equation.ranges}
    element = tuple(own[i] for i in equation.indices)
    bound = frozenset(own[i] for i in equation.bound if i not in single)
    loops = [own[i] for i in (*equation.indices, *equation.bound) if i not in single]
    body, place = equation.body.xreplace(own), element
    if equation.reduction and equation.reduction.kind == "sum":
        body, place, loops = scattered(body, element, loops)
    ranges = {own[i]: extent for i, extent in equation.extents if i not in single}
    target = Access(equation.target, *place)
    return Item(equation, target, body, _order(target, body, loops), bound, ranges, element)


def _order(target: Access, body: Expr, loops: list[Symbol]) -> tuple[Symbol, ...]:
    """The loops as declared, free before reduced, but innermost the one that walks the most last axes."""
    if not loops:
        return ()
    votes = dict.fromkeys(loops, 0)
    for access in sorted(body.atoms(Access) | {target}, key=default_sort_key):
        last = access.indices[-1] if access.indices else None
        for i in loops:
            votes[i] += last == i or (isinstance(last, Add) and i in last.args)
    inner = max(loops, key=lambda i: (votes[i], loops.index(i)))
    return (*(i for i in loops if i != inner), inner)
