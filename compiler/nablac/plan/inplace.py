"""plan/inplace: an update writes each next value over the tensor it replaces, with no copy.

That is right where every read of the old value comes no later than the write: in an earlier nest, or in the same
turn of the same loop, whose in-place stores therefore move to its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nablac.errors import CompileError
from nablac.ir.functions import Access, accesses
from nablac.plan.check import check_schedule
from nablac.plan.localise import mapped
from nablac.plan.loops import Loop, Mode, Nest, Schedule, Statement, Store, expressions, walk


def inplace(schedule: Schedule, updates: Sequence[tuple[str, str]]) -> Schedule:
    """The schedule with each result of ``updates`` (old, new) stored over the old tensor."""
    over = {new: old for old, new in updates if old != new}
    nests: list[Nest] = []
    replaced: set[str] = set()
    for nest in schedule.nests:
        late = replaced & set(nest.read)
        if late:
            raise CompileError(
                f"the update cannot run in place: {', '.join(sorted(late))} is read after its next value is stored",
                remedy="compute what reads the old value before the new one, at the same index",
            )
        body = _moved(nest.body, over)
        replaced |= {over[name] for name in nest.written if name in over}
        body = mapped(body, lambda a: Access(over[a.tensor], *a.indices) if a.tensor in over else a)
        nests.append(replace(nest, body=body))
    buffers = {name: b for name, b in schedule.buffers.items() if name not in over}
    results = tuple(over.get(r, r) for r in schedule.results)
    return check_schedule(replace(schedule, nests=tuple(nests), buffers=buffers, results=results))


def _moved(body: tuple[Statement, ...], over: Mapping[str, str]) -> tuple[Statement, ...]:
    """In-place stores at the end of their loop's turn."""
    kept: list[Statement] = []
    last: list[Store] = []
    for s in body:
        if isinstance(s, Loop):
            kept.append(replace(s, body=_moved(s.body, over)))
        elif isinstance(s, Store) and s.target.tensor in over:
            last.append(s)
        else:
            kept.append(s)
    if not last:
        return tuple(kept)
    _check(kept, last, over)
    return (*kept, *_ordered(last, over))


def _check(kept: list[Statement], last: list[Store], over: Mapping[str, str]) -> None:
    for store in last:
        old = over[store.target.tensor]
        reads = [a for s in (*walk(tuple(kept)), *last) for e in expressions(s) for a in accesses(e) if a.tensor == old]
        if store.mode is not Mode.SET or any(a.indices != store.target.indices for a in reads):
            raise CompileError(
                f"the update of {old} cannot run in place: other elements than the one that changes are read with it",
                remedy="give what reads them an equation of its own before the update",
            )


def _ordered(last: list[Store], over: Mapping[str, str]) -> list[Store]:
    """Each store before those that change what it reads."""
    rest, done = list(last), []
    while rest:
        for s in rest:
            if not any(over[s.target.tensor] in {a.tensor for a in accesses(o.value)} for o in rest if o is not s):
                done.append(s)
                rest.remove(s)
                break
        else:
            raise CompileError("the update cannot run in place: two next values each read the other's old value")
    return done
