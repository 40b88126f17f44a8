"""emit/kernels: loop nests -> kernels, one function for all nests that differ only in names and extents.

A nest is printed twice: first with canonical names, and that text says which nests are equal; then once for each
group, with the names of its first nest.  An extent on which all nests of the group agree is printed as a number, the
others are read off an array's shape or passed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sympy import Expr, Integer, Symbol

from nablac.emit.naming import NameSpace, stem
from nablac.emit.nests import indented, listed, nest_lines
from nablac.emit.printer import Printer
from nablac.errors import InternalError
from nablac.ir.functions import Access, accesses
from nablac.plan.loops import Loop, Nest, Number, Pick, Schedule, Space, Store, expressions, stored, walk


@dataclass(frozen=True)
class Signature:
    """What a nest takes and gives: arrays and scalars in order, extents with the array and axis that tell them."""

    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    extents: tuple[Expr, ...]
    shown_by: tuple[tuple[int, int] | None, ...]
    returns: tuple[str, ...]


@dataclass(frozen=True)
class Site:
    """One nest in its schedule, with its signature."""

    schedule: Schedule
    nest: Nest
    signature: Signature


@dataclass(frozen=True)
class Kernel:
    """A printed function and, for each nest it serves, the extents that a call must pass."""

    name: str
    text: str
    sites: tuple[Site, ...]
    passed: tuple[int, ...]
    """Which of the signature's extents are arguments."""
    length: int
    """How many lines the nest itself has."""


def site_of(schedule: Schedule, nest: Nest) -> Site:
    """The nest with its signature."""
    arrays: list[str] = []
    scalars: list[str] = []
    written: set[str] = set()
    made: list[str] = []
    extents: list[Expr] = []
    for s in walk(nest.body):
        for e in expressions(s):
            for a in _in_order(e):
                if a.indices:
                    arrays.append(a.tensor)
                elif a.tensor not in written:
                    scalars.append(a.tensor)
            extents += [x for x in sorted(e.free_symbols, key=str) if x.is_positive]
        for a in (s.target,) if isinstance(s, Store) else (s.best, s.place) if isinstance(s, Pick) else ():
            if a.indices:
                arrays.append(a.tensor)
            else:
                written.add(a.tensor)
                made.append(a.tensor)
        if isinstance(s, Loop):
            extents.append(s.extent)
    returns = tuple(m for m in dict.fromkeys(made) if m in schedule.results or schedule.read_elsewhere(m, nest))
    stores = {name for s in walk(nest.body) for name in stored(s)}
    unique = tuple(sorted(dict.fromkeys(arrays), key=lambda name: name in stores))
    sizes = tuple(dict.fromkeys(extents))
    shown = tuple(_shown(e, unique, schedule) for e in sizes)
    return Site(schedule, nest, Signature(unique, tuple(dict.fromkeys(scalars)), sizes, shown, returns))


def _in_order(e: Expr) -> list[Access]:
    """The accesses of an expression, deterministic and independent of names as far as can be."""
    return sorted(
        accesses(e), key=lambda a: (-len(a.indices), [str(i) for i in a.indices if not i.has(Access)], str(a))
    )


def _shown(extent: Expr, arrays: Sequence[str], schedule: Schedule) -> tuple[int, int] | None:
    for at, name in enumerate(arrays):
        shape = schedule.buffers[name].shape
        if extent in shape:
            return at, shape.index(extent)
    return None


def canonical(site: Site) -> str:
    """The nest's text with canonical names: equal texts can share a kernel."""
    signature, buffers = site.signature, site.schedule.buffers
    names = {name: f"a{at}" for at, name in enumerate(signature.arrays)}
    names |= {name: f"s{at}" for at, name in enumerate(signature.scalars)}
    sizes = {e: f"e{at}" for at, e in enumerate(signature.extents)}
    lines = _body(site, names, sizes, loops=True)
    kinds = [
        buffers[name].number.value + str(len(buffers[name].shape)) for name in (*signature.arrays, *signature.scalars)
    ]
    return "\n".join(
        [site.schedule.dtype, *kinds, *map(str, signature.shown_by), *lines, *(names[r] for r in signature.returns)]
    )


def _body(site: Site, names: dict[str, str], sizes: Mapping[Expr, str], loops: bool = False) -> list[str]:
    """The nest's lines; registers get names as they come, into ``names``."""
    space = NameSpace({*names.values(), *sizes.values(), *(i.name for i in _loops(site.nest))})
    buffers = site.schedule.buffers
    for s in walk(site.nest.body):
        for a in (s.target,) if isinstance(s, Store) else (s.best, s.place) if isinstance(s, Pick) else ():
            if a.tensor not in names:
                names[a.tensor] = f"r{len(names)}" if loops else space.take(stem(a.tensor))
    order = {i: f"i{at}" for at, i in enumerate(dict.fromkeys(_loops(site.nest)))}

    def symbol(s: Symbol) -> str:
        return sizes.get(s) or (order.get(s, s.name) if loops else str(s.name))

    printer = Printer(site.schedule.dtype, lambda a: (names[a.tensor], buffers[a.tensor].number), symbol)
    return nest_lines(site.nest.body, printer, buffers, sizes)


def _loops(nest: Nest) -> list[Symbol]:
    return [s.index for s in walk(nest.body) if isinstance(s, Loop)]


def kernels(sites: Iterable[Site]) -> list[Kernel]:
    """The kernels that serve the sites, in order of first need."""
    groups: dict[str, list[Site]] = {}
    for site in sites:
        groups.setdefault(canonical(site), []).append(site)
    space = NameSpace()
    return [_kernel(tuple(group), space) for group in groups.values()]


def _kernel(sites: tuple[Site, ...], functions: NameSpace) -> Kernel:
    first = sites[0]
    signature = first.signature
    taken = {i.name for i in _loops(first.nest)} | {str(s) for e in signature.extents for s in e.free_symbols}
    space = NameSpace(taken)
    names: dict[str, str] = {}
    for name in (*signature.arrays, *signature.scalars):
        names[name] = space.take(stem(name))
    sizes: dict[Expr, str] = {}
    shown: dict[tuple[int, int], str] = {}
    passed: list[int] = []
    for at, e in enumerate(signature.extents):
        if isinstance(e, Integer) and all(s.signature.extents[at] == e for s in sites):
            continue
        sizes[e] = str(e) if isinstance(e, Symbol) else space.take(_size_name(first.nest, e))
        place = signature.shown_by[at]
        if place is None:
            passed.append(at)
        else:
            shown[place] = sizes[e]
    heads = _heads(shown, [(names[a], len(first.schedule.buffers[a].shape)) for a in signature.arrays])
    arguments = [names[a] for a in (*signature.arrays, *signature.scalars)]
    arguments += [sizes[signature.extents[at]] for at in passed]
    lines = _body(first, names, sizes)
    returned = listed("return ", [names[r] for r in signature.returns]) if signature.returns else []
    name = "_" + functions.take(f"compute_{_kernel_name(first)}")
    body = indented((*heads, *lines, *returned))
    return Kernel(name, f"@kernel\n{folded(f'def {name}', arguments, '):')}\n{body}", sites, tuple(passed), len(lines))


def _heads(shown: Mapping[tuple[int, int], str], arrays: Sequence[tuple[str, int]]) -> list[str]:
    """The lines that read extents off shapes; ``arrays`` gives each array's name and how many axes it has."""
    heads = []
    for at in dict.fromkeys(array for array, _ in shown):
        name, axes = arrays[at]
        sizes = {axis: size for (array, axis), size in shown.items() if array == at}
        if len(sizes) == axes > 1:
            heads.append(f"{', '.join(sizes[axis] for axis in range(axes))} = {name}.shape")
        else:
            heads += [f"{sizes[axis]} = {name}.shape[{axis}]" for axis in sorted(sizes)]
    return heads


def folded(head: str, arguments: Sequence[str], end: str) -> str:
    """``head(arguments`` and ``end`` in one line, or over several."""
    line = f"{head}({', '.join(arguments)}{end}"
    if len(line) <= 116:
        return line
    return "\n".join([f"{head}(", *(f"    {part}" for part in textwrap.wrap(f"{', '.join(arguments)},", 108)), end])


def call_lines(results: Sequence[str], function: str, arguments: Sequence[str]) -> list[str]:
    """``results = function(arguments)`` in one line, or over several."""
    *above, head = listed("", results, f" = {function}") if results else [function]
    return [*above, *folded(head, arguments, ")").splitlines()]


def _size_name(nest: Nest, extent: Expr) -> str:
    """An extent is called by the capital of the first loop over it."""
    for s in walk(nest.body):
        if isinstance(s, Loop) and s.extent == extent:
            return "size" if s.index.name in "io" else s.index.name.upper()  # I and O look like digits
    return "size"


def _kernel_name(site: Site) -> str:
    kept = [e.target for e in site.nest.equations if _outlives(site, e.target)]
    if not kept:
        raise InternalError("a nest that computes nothing")
    return "_and_".join(dict.fromkeys(stem(k) for k in (kept if len(kept) <= 3 else (kept[0], kept[-1]))))


def _outlives(site: Site, name: str) -> bool:
    if name in site.signature.returns:
        return True
    buffer = site.schedule.buffers.get(name)
    if buffer is None or buffer.space is Space.REGISTER:
        return buffer is None
    return buffer.space is not Space.WORK or site.schedule.read_elsewhere(name, site.nest)


__all__ = ["Kernel", "Number", "Signature", "Site", "canonical", "kernels", "site_of"]
