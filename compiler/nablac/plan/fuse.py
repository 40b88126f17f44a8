"""plan/fuse: items -> statements by a recursive prefix: neighbours that can share their outermost loop share it,
and inside it the same is asked again.

An item may join a loop if what it reads of the loop's other members it reads at the loop's own index, and if no
such member is still being reduced by that loop.  A reduction over the loop's index joins as an accumulation, whose
initial value is stored before the loop.  An item moves up only past items it does not depend on, always to the
first group that takes it, so the result is deterministic.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from sympy import Expr, S, Symbol

from nablac.ir.functions import Access
from nablac.ir.index import fresh_names, index
from nablac.plan.item import Item
from nablac.plan.loops import Loop, Mode, Pick, Statement, Store

MODES = {None: Mode.SET, "sum": Mode.ADD, "prod": Mode.MULTIPLY, "max": Mode.MAXIMUM, "min": Mode.MINIMUM}
STARTS: dict[str, Expr] = {
    "sum": S.Zero,
    "prod": S.One,
    "max": S.NegativeInfinity,
    "min": S.Infinity,
    "argmax": S.NegativeInfinity,
    "argmin": S.Infinity,
}


@dataclass
class Group:
    """Items that share one loop, each with the index it lends to it; an item with no loop left stands alone."""

    extent: Expr | None
    members: dict[str, tuple[Item, Symbol | None]] = field(default_factory=dict)

    def takes(self, item: Item, strangers: bool) -> Symbol | None:
        """The index by which the item may join, or None; ``strangers`` admits items with nothing in common."""
        if self.extent is None or item.name in self.members:
            return None
        for chosen in item.candidates:
            if item.ranges[chosen] == self.extent and self._pointwise(item, chosen):
                depends = any(a.tensor in self.members for a in item.needs)
                if depends or strangers or (chosen == item.candidates[0] and self._related(item)):
                    return chosen
        return None

    def _pointwise(self, item: Item, chosen: Symbol) -> bool:
        """Whether the item reads of each member only what the same turn of the loop has completed."""
        for access in item.needs:
            if access.tensor not in self.members:
                continue
            producer, lent = self.members[access.tensor]
            if producer.open or lent not in producer.target.indices:
                return False
            if access.indices[producer.target.indices.index(lent)] != chosen:
                return False
        return True

    def _related(self, item: Item) -> bool:
        mine = {a.tensor for m, _ in self.members.values() for a in m.needs if a.indices}
        return any(a.tensor in mine for a in item.needs if a.indices)


def grouped(items: Iterable[Item], strangers: bool, alone: Collection[str] = ()) -> list[Group]:
    """The items in groups, each group a loop, in an order that respects what reads what.

    Items named in ``alone`` keep to themselves and open no loop here.
    """
    groups: list[Group] = []
    place: dict[str, int] = {}  # of each item's group
    for item in items:
        lowest = max((place.get(a.tensor, 0) for a in item.needs), default=0)
        for at in range(lowest, len(groups)) if item.name not in alone else ():
            chosen = groups[at].takes(item, strangers)
            if chosen is not None:
                groups[at].members[item.name] = item, chosen
                place[item.name] = at
                break
        else:
            first = item.candidates[0] if item.loops and item.name not in alone else None
            place[item.name] = len(groups)
            groups.append(Group(item.ranges[first] if first else None, {item.name: (item, first)}))
    return groups


class Names:
    """Names of loops and of accumulators inside one nest."""

    def __init__(self) -> None:
        self._count = 0

    def loop(self, like: Symbol, enclosing: tuple[Symbol, ...]) -> Symbol:
        """A loop index named as the equation names it, or by the next letter where that is taken."""
        wish, taken = like.name.partition("#")[0], {i.name for i in enclosing}
        return index(wish if wish not in taken else next(fresh_names(taken)))

    def register(self, stem: str) -> Access:
        """A fresh register; the part of its name before ``#`` says what it is for."""
        self._count += 1
        return Access(f"{stem}#{self._count}")


def nested(items: Iterable[Item], names: Names, enclosing: tuple[Symbol, ...] = ()) -> tuple[Statement, ...]:
    """The statements that compute the items inside the loops ``enclosing``."""
    return tuple(s for g in grouped(items, strangers=bool(enclosing)) for s in statements(g, names, enclosing))


def statements(group: Group, names: Names, enclosing: tuple[Symbol, ...] = ()) -> Iterator[Statement]:
    """The statements of one group: initial values, its loop, last stores."""
    first, lent = next(iter(group.members.values()))
    if lent is None or group.extent is None:
        yield _leaf(first)
        return
    loop = names.loop(lent, enclosing)
    inside: list[Item] = []
    after: list[Statement] = []
    for item, chosen in group.members.values():
        assert chosen is not None
        entered = item.enter(chosen, loop)
        if chosen in item.bound and not item.open:
            before, entered, last = _begun(item, entered, names, enclosing)
            yield before
            after += last
        if entered.kind in ("argmax", "argmin") and chosen in item.bound:
            best = names.register(f":{item.name}:_best")
            yield Store(best, STARTS[entered.kind])
            entered = replace(entered, picked=(best, loop))
        inside.append(entered)
    yield Loop(loop, group.extent, nested(inside, names, (*enclosing, loop)))
    yield from after


def _begun(
    item: Item, entered: Item, names: Names, enclosing: tuple[Symbol, ...]
) -> tuple[Statement, Item, tuple[Statement, ...]]:
    """What an accumulation needs around its loop: its initial value, and a register's store after the loop."""
    assert item.kind is not None
    start = STARTS[item.kind] if item.kind not in ("argmax", "argmin") else S.Zero
    target = Access(item.name, *item.element)
    if not item.starting and target.indices:
        register = names.register(f":{item.name}:_{item.kind}")
        return Store(register, start), replace(entered, target=register), (Store(target, register),)
    renaming: dict[Symbol, Symbol] = {}
    for i in item.starting:
        renaming[i] = names.loop(i, (*enclosing, *renaming.values()))
    first: Statement = Store(target.xreplace(renaming), start)
    for i, loop in reversed(renaming.items()):
        first = Loop(loop, item.ranges[i], (first,))
    return first, entered, ()


def _leaf(item: Item) -> Statement:
    if item.picked:
        best, place = item.picked
        return Pick(best, item.target, item.body, place, largest=item.kind == "argmax")
    return Store(item.target, item.body, MODES[item.kind])
