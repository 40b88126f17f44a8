"""plan/schedule: Program -> Schedule, the door of this package.

*Requires*: a checked program; reductions outermost, one an equation.
*Ensures*: every equation is computed by one nest, after what it reads; products are ``Gemm`` statements; registers
have no memory.
It does not say where buffers lie in the arena (``plan/memory``) nor what anything is called in the module.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from sympy import Expr, Integer

from nablac.ir.equation import Equation, Program
from nablac.ir.functions import accesses
from nablac.ir.tensor import Kind, Role
from nablac.plan.check import check_schedule
from nablac.plan.fuse import Group, Names, grouped, statements
from nablac.plan.gemm import Product, as_product
from nablac.plan.item import make_item
from nablac.plan.localise import forwarded, localised
from nablac.plan.loops import Buffer, Loop, Nest, Number, Pick, Schedule, Space, Statement, Store, stored, walk
from nablac.plan.tidy import tidied

SPACES = {
    Role.INPUT: Space.INPUT,
    Role.COUNTER: Space.INPUT,
    Role.PARAM: Space.PARAM,
    Role.STATE: Space.STATE,
    Role.RESULT: Space.WORK,
}


@dataclass(frozen=True)
class Homes:
    """Where results go that must outlive the call, and how they accumulate.

    ``spaces`` gives results their space; ``wide`` names the 0-d results that accumulate in float64.
    """

    spaces: Mapping[str, Space] = field(default_factory=dict)
    wide: Collection[str] = ()


def schedule(program: Program, homes: Homes = Homes()) -> Schedule:
    """The program's loop nests in order; what leads to no result is left out."""
    program = program.with_equations(_live(program))
    wide = wide_scalars(program, homes.wide)
    buffers = {t.name: _declared(program, t.name) for t in program.tensors if t.role is not Role.RESULT}
    for e in program.equations:
        buffers[e.target] = _computed(e, homes.spaces.get(e.target, Space.WORK), e.target in wide)
    products = {e.target: p for e in program.equations if (p := as_product(e)) and worthwhile(p, e)}
    items = [make_item(e, number) for number, e in enumerate(program.equations)]
    groups = grouped(items, strangers=False, alone=products)
    groups = _results_early(groups, program.results)
    builder = _Builder(program, buffers, _readers(groups))
    nests: list[Nest] = []
    for run in _runs(groups, products):
        name = next(iter(run[0].members))
        if name in products:
            equation = program.defined[name]
            nests.append(Nest((equation,), (products[name].statement(equation.ranges),)))
        else:
            nests.append(builder.nest(run))
    return check_schedule(Schedule(program.name, program.dtype, buffers, tuple(nests), program.results))


def _live(program: Program) -> list[Equation]:
    """The equations that lead to a result."""
    needed = set(program.results)
    live: list[Equation] = []
    for equation in reversed(program.equations):
        if equation.target in needed:
            live.append(equation)
            needed.update(equation.sources)
    return live[::-1]


def _results_early(groups: list[Group], results: Collection[str]) -> list[Group]:
    """The groups with those that only make results right after what they need: their operands are free sooner."""
    readers = _readers(groups)
    made_by = {name: at for at, g in enumerate(groups) for name in g.members}

    def place(at: int) -> tuple[int, int, int]:
        group, here = groups[at], {id(groups[at])}
        if group.extent is not None or not all(n in results and readers.get(n, here) <= here for n in group.members):
            return at, 0, at
        needs = {made_by.get(a.tensor, 0) for item, _ in group.members.values() for a in item.needs}
        return max(needs, default=0), 1, at

    return [groups[at] for at in sorted(range(len(groups)), key=place)]


def _runs(groups: list[Group], products: Collection[str]) -> list[list[Group]]:
    """The groups that make one nest each: neighbouring scalars together, all else alone."""
    runs: list[list[Group]] = []
    scalar = False
    for group in groups:
        is_scalar = group.extent is None and next(iter(group.members)) not in products
        if is_scalar and scalar:
            runs[-1].append(group)
        else:
            runs.append([group])
        scalar = is_scalar
    return runs


def worthwhile(product: Product, equation: Equation) -> bool:
    """Whether a product is large enough for the tiles: no side known to be tiny."""
    gemm = product.gemm
    sides = (gemm.target.rows, gemm.target.columns, equation.bound)
    return all(_size([equation.ranges[i] for i in side]) > 1 for side in sides)


def _size(extents: Collection[Expr]) -> int:
    known = [int(e) for e in extents if isinstance(e, Integer)]
    total = 1 << 20 if len(known) < len(extents) else 1
    for e in known:
        total *= e
    return total


def _declared(program: Program, name: str) -> Buffer:
    tensor = program.declared[name]
    number = Number.INT if tensor.kind is Kind.INT else Number.REAL
    return Buffer(name, tensor.shape, number, SPACES[tensor.role])


def _computed(equation: Equation, space: Space, wide: bool) -> Buffer:
    kind = equation.reduction.kind if equation.reduction else None
    number = Number.INT if kind in ("argmax", "argmin") else Number.WIDE if wide else Number.REAL
    return Buffer(equation.target, equation.shape, number, space if equation.indices else Space.REGISTER)


def wide_scalars(program: Program, roots: Collection[str]) -> frozenset[str]:
    """The 0-d results in ``roots`` and the 0-d results that a formula without indices makes them of."""
    found: list[str] = [name for name in roots if name in program.defined]
    for name in found:
        equation = program.defined[name]
        for source in () if equation.extents else equation.sources:
            inner = program.defined.get(source)
            counts = inner and inner.reduction and inner.reduction.kind.startswith("arg")
            if inner and not inner.indices and not counts and source not in found:
                found.append(source)
    return frozenset(found)


def _readers(groups: list[Group]) -> dict[str, set[int]]:
    readers: dict[str, set[int]] = {}
    for group in groups:
        for item, _ in group.members.values():
            for access in item.needs:
                readers.setdefault(access.tensor, set()).add(id(group))
    return readers


@dataclass
class _Builder:
    """Makes nests of groups; the buffers it knows shrink and grow by registers as it goes."""

    program: Program
    buffers: dict[str, Buffer]
    readers: Mapping[str, set[int]]
    names: Names = field(default_factory=Names)

    def nest(self, groups: list[Group]) -> Nest:
        """One nest: its own values shrunk, its invariants lifted, its repetitions shared."""
        members = {name: item for g in groups for name, (item, _) in g.members.items()}
        body: tuple[Statement, ...] = tuple(s for g in groups for s in statements(g, self.names))
        here = {id(g) for g in groups}
        own = [n for n in members if n not in self.program.results and self.readers.get(n, set()) <= here]
        body, shapes = localised(body, own, {name: self.buffers[name].shape for name in own})
        for name, shape in shapes.items():
            space = self.buffers[name].space if shape else Space.REGISTER
            self.buffers[name] = replace(self.buffers[name], shape=shape, space=space)
        body = tidied(forwarded(body, self.names.register), self.names.register)
        self._declare_registers(body)
        return Nest(tuple(i.equation for i in members.values()), body)

    def _declare_registers(self, body: tuple[Statement, ...]) -> None:
        """Registers that scheduling made hold what is stored into them or what they are stored into."""
        scalar = not any(isinstance(s, Loop) for s in body)
        for s in walk(body):
            for name in stored(s):
                if name not in self.buffers:
                    self.buffers[name] = Buffer(name, (), Number.REAL, Space.REGISTER)
            if isinstance(s, Pick):
                self._declare(s.place.tensor, Number.INT)
            if scalar and isinstance(s, Store) and "#" in s.target.tensor:
                wide = any(self.buffers[a.tensor].number is Number.WIDE for a in accesses(s.value))
                self._declare(s.target.tensor, Number.WIDE if wide else Number.REAL)

    def _declare(self, name: str, number: Number) -> None:
        self.buffers[name] = replace(self.buffers[name], number=number)
