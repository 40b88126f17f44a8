"""plan/localise: gives a nest's own values the smallest home: a register where one turn of the loops makes and uses
them, a row where only the outer loops are shared.

An axis of a buffer that no other nest sees goes when every access has 0 on it or the index of one common loop.  A value
that is stored and read again in the same turn is named by a register.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from sympy import Expr, S, Symbol

from nablac.ir.functions import Access, accesses
from nablac.plan.loops import Gemm, Loop, Mode, Pick, Statement, Store, expressions


@dataclass(frozen=True)
class Sighting:
    """One access with the loops around it, each with a number of its own."""

    access: Access
    path: tuple[tuple[int, Symbol], ...]


def localised(
    body: tuple[Statement, ...], own: Collection[str], shapes: Mapping[str, tuple[Expr, ...]]
) -> tuple[tuple[Statement, ...], dict[str, tuple[Expr, ...]]]:
    """The body with its ``own`` buffers shrunk, and the shapes they have now."""
    seen: dict[str, list[Sighting]] = {}
    for sighting in _sightings(body, (), iter(range(1 << 30))):
        if sighting.access.tensor in own:
            seen.setdefault(sighting.access.tensor, []).append(sighting)
    kept = {name: _kept_axes(sightings) for name, sightings in seen.items()}
    if all(len(axes) == len(shapes[name]) for name, axes in kept.items()):
        return _merged(body, set(own)), {name: shapes[name] for name in kept}
    body = mapped(body, lambda a: a.func(a.args[0], *(a.indices[p] for p in kept[a.tensor])) if a.tensor in kept else a)
    return _merged(body, set(own)), {name: tuple(shapes[name][p] for p in axes) for name, axes in kept.items()}


def _sightings(
    body: tuple[Statement, ...], path: tuple[tuple[int, Symbol], ...], numbers: Iterator[int]
) -> Iterator[Sighting]:
    for s in body:
        if isinstance(s, Loop):
            yield from _sightings(s.body, (*path, (next(numbers), s.index)), numbers)
            continue
        read = [a for e in expressions(s) for a in accesses(e)]
        for access in [*targets(s), *read]:
            yield Sighting(access, path)


def targets(statement: Statement) -> tuple[Access, ...]:
    """The elements a statement stores into."""
    match statement:
        case Store(target=target):
            return (target,)
        case Pick(best=best, place=place):
            return (best, place)
        case _:
            return ()


def _kept_axes(sightings: list[Sighting]) -> tuple[int, ...]:
    common = sightings[0].path
    for s in sightings[1:]:
        same = (a == b for a, b in zip(common, s.path, strict=False))
        common = common[: next((at for at, equal in enumerate(same) if not equal), min(len(common), len(s.path)))]
    shared: set[Expr] = {index for _, index in common}
    first = sightings[0].access.indices
    return tuple(
        p for p, i in enumerate(first) if i not in shared | {S.Zero} or any(s.access.indices[p] != i for s in sightings)
    )


def mapped(body: tuple[Statement, ...], change: Callable[[Access], Expr]) -> tuple[Statement, ...]:
    """The statements with every access changed, stored ones too (those must stay accesses)."""

    def access(a: Access) -> Expr:
        inside = [expression(i) for i in a.indices]
        same = all(x is y for x, y in zip(inside, a.indices, strict=True))
        return change(a if same else a.func(a.args[0], *inside))

    def expression(e: Expr) -> Expr:
        replacing = {a: access(a) for a in accesses(e)}
        return e.xreplace({a: b for a, b in replacing.items() if a != b})

    def target(a: Access) -> Access:
        changed = expression(a)
        assert isinstance(changed, Access)
        return changed

    def statement(s: Statement) -> Statement:
        match s:
            case Loop():
                return replace(s, body=mapped(s.body, change))
            case Store():
                return Store(target(s.target), expression(s.value), s.mode)
            case Pick():
                return replace(s, best=target(s.best), place=target(s.place), value=expression(s.value))
            case Gemm():
                return replace(s, scale=expression(s.scale))

    return tuple(statement(s) for s in body)


def _merged(body: tuple[Statement, ...], own: set[str]) -> tuple[Statement, ...]:
    """Accumulators that are only copied to a register become that register."""
    renaming: dict[Access, Access] = {}

    def collect(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        kept: list[Statement] = []
        for s in statements:
            if isinstance(s, Loop):
                s = replace(s, body=collect(s.body))
            elif isinstance(s, Store) and _is_copy(s) and s.target.tensor in own:
                renaming[s.value] = s.target
                continue
            kept.append(s)
        return tuple(kept)

    body = collect(body)
    return renamed(body, renaming)


def renamed(body: tuple[Statement, ...], names: Mapping[Access, Access]) -> tuple[Statement, ...]:
    """The statements with registers renamed."""
    return mapped(body, lambda a: names.get(a, a)) if names else body


def _is_copy(s: Store) -> bool:
    plain = isinstance(s.value, Access) and not s.value.indices and "#" in s.value.tensor
    return s.mode is Mode.SET and not s.target.indices and plain


def forwarded(body: tuple[Statement, ...], fresh: Callable[[str], Access]) -> tuple[Statement, ...]:
    """The body where a value that is stored and read again in the same turn is kept in a register in between."""
    out: list[Statement] = []
    known: dict[Access, Access] = {}
    last_read = {a: at for at, s in enumerate(body) for a in _all_reads(s)}
    for at, s in enumerate(body):
        if known:
            (s,) = mapped((s,), lambda a: known.get(a, a)) if not isinstance(s, Store) else (_read_known(s, known),)
        if isinstance(s, Loop):
            s = replace(s, body=forwarded(s.body, fresh))
        if (
            isinstance(s, Store)
            and s.mode is Mode.SET
            and s.target.indices
            and not isinstance(s.value, Access)
            and last_read.get(s.target, at) > at
        ):
            place = "".join(str(i) for i in s.target.indices if isinstance(i, Symbol))
            register = fresh(f":{s.target.tensor}:_{place}")
            known[s.target] = register
            out.append(Store(register, s.value))
            s = Store(s.target, register)
        out.append(s)
    return tuple(out)


def _read_known(s: Store, known: dict[Access, Access]) -> Store:
    return Store(s.target, s.value.xreplace(known), s.mode)


def _all_reads(s: Statement) -> Iterator[Access]:
    if isinstance(s, Loop):
        for inner in s.body:
            yield from _all_reads(inner)
    else:
        yield from (a for e in expressions(s) for a in accesses(e))
