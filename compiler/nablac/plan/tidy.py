"""plan/tidy: inside a nest, what does not change in a loop is computed before it, and what occurs twice once.

Only what is evaluated in any case moves: the branches of a ``where`` stay where they are, so that a guarded read
stays guarded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from sympy import Add, Expr, Mul, Pow, S, Symbol
from sympy.logic.boolalg import Boolean

from nablac.ir.functions import Access, Delta, Random, Where, accesses
from nablac.plan.localise import renamed
from nablac.plan.loops import Loop, Mode, Pick, Statement, Store, stored, walk


def tidied(body: tuple[Statement, ...], fresh: Callable[[str], Access]) -> tuple[Statement, ...]:
    """The statements with invariants lifted and repetitions shared, at every level."""
    out: list[Statement] = []
    lifted: dict[Expr, Access] = {}
    for s in body:
        if isinstance(s, Loop):
            loop, lets = _lifted(replace(s, body=tidied(s.body, fresh)), lifted, fresh)
            out += lets
            out.append(loop)
        else:
            out.append(s)
    return _shared(tuple(out), fresh)


def _lifted(loop: Loop, known: dict[Expr, Access], fresh: Callable[[str], Access]) -> tuple[Loop, list[Statement]]:
    """The loop without what does not change in it, and the stores of those values before it."""
    stores = Counter(name for s in walk(loop.body) for name in stored(s))
    changing = set(stores)
    lets: list[Statement] = []
    same: dict[Access, Access] = {}

    def constant(e: Expr) -> bool:
        return loop.index not in e.free_symbols and not any(a.tensor in changing for a in accesses(e))

    def lift(e: Expr) -> Expr:
        if not _worthy(e):
            return e
        if e not in known:
            known[e] = fresh(_stem(e))
            lets.append(Store(known[e], e))
        return known[e]

    def visit(e: Expr) -> Expr:
        if _is_leaf(e):
            return e
        if not isinstance(e, Boolean) and constant(e):
            return lift(e)
        if isinstance(e, Random):
            return e
        if isinstance(e, Where):
            return Where(visit(e.args[0]), *(_branch(a, visit) for a in e.args[1:]))
        if isinstance(e, (Add, Mul)):
            fixed = [a for a in e.args if constant(a) and a is not S.NegativeOne]
            if len(fixed) > 1:
                rest = [a for a in e.args if a not in fixed]
                return e.func(lift(e.func(*fixed)), *map(visit, rest))
        new = [visit(a) for a in e.args]
        return e if all(a is b for a, b in zip(new, e.args, strict=True)) else e.func(*new)

    kept: list[Statement] = []
    for s in loop.body:
        (s,) = renamed((s,), same)
        match s:
            case Store(target=target, value=value) if _is_made(s) and stores[target.tensor] == 1 and constant(value):
                if value in known:
                    same[target] = known[value]
                else:
                    known[value] = target
                    lets.append(s)
                changing.discard(target.tensor)
            case Store(target=target, value=value, mode=mode):
                kept.append(Store(target, visit(value), mode))
            case Pick(value=value):
                kept.append(replace(s, value=visit(value)))
            case _:
                kept.append(s)
    return replace(loop, body=tuple(kept)), lets


def _branch(e: Expr, visit: Callable[[Expr], Expr]) -> Expr:
    """A branch in which only what reads no tensor is lifted: an extent's reciprocal harms nobody."""
    if _is_leaf(e):
        return e
    if not e.has(Access):
        return visit(e)
    if isinstance(e, Random):
        return e
    new = [_branch(a, visit) if isinstance(a, Expr) else a for a in e.args]
    return e if all(a is b for a, b in zip(new, e.args, strict=True)) else e.func(*new)


def _is_made(s: Store) -> bool:
    """Whether a store is a register's single value that this pass introduced."""
    return s.mode is Mode.SET and "#" in s.target.tensor and not s.target.indices


def _is_leaf(e: Expr) -> bool:
    return isinstance(e, (Access, Symbol, Delta)) or not e.args


def _worthy(e: Expr) -> bool:
    """Whether a value costs something: not a leaf, a number or a leaf with its sign changed; not an integer."""
    if _is_leaf(e) or not (e.has(Access) or e.free_symbols):
        return False
    if isinstance(e, Mul) and len(e.args) == 2 and e.args[0] is S.NegativeOne:
        return _worthy(e.args[1])
    return not (e.is_integer and not e.has(Pow) and not any(type(a) is Access for a in accesses(e)))


def _stem(e: Expr) -> str:
    """A name that says what a value is, where that is short."""
    if isinstance(e, Pow) and e.exp is S.NegativeOne and _is_leaf(e.base):
        return f"inv_:{e.base.tensor if isinstance(e.base, Access) else e.base.name}:"
    return "t"


def _shared(body: tuple[Statement, ...], fresh: Callable[[str], Access]) -> tuple[Statement, ...]:
    """The statements of one level with each value that they compute twice named once, before its first use."""
    seen: set[Expr] = set()
    repeated: set[Expr] = set()

    def count(e: Expr) -> None:
        if _is_leaf(e) or isinstance(e, Boolean):
            for a in e.args if isinstance(e, Boolean) else ():
                count(a)
            return
        if _worthy(e):
            if e in seen:
                repeated.add(e)
                return
            seen.add(e)
        last = 1 if isinstance(e, Where) else 0 if isinstance(e, Random) else len(e.args)
        for a in e.args[:last]:
            count(a)

    for s in body:
        if isinstance(s, (Store, Pick)):
            count(s.value)
    if not repeated:
        return body
    named: dict[Expr, Access] = {}
    same: dict[Access, Access] = {}
    out: list[Statement] = []

    def visit(e: Expr) -> Expr:
        if e in named:
            return named[e]
        if _is_leaf(e):
            return e
        last = 1 if isinstance(e, Where) else 0 if isinstance(e, Random) else len(e.args)
        args = [*map(visit, e.args[:last]), *e.args[last:]]
        new = e if all(a is b for a, b in zip(args, e.args, strict=True)) else e.func(*args)
        if e in repeated:
            named[e] = fresh(_stem(e))
            out.append(Store(named[e], new))
            return named[e]
        return new

    for s in body:
        (s,) = renamed((s,), same)
        if isinstance(s, Store):
            if s.value in repeated and _is_made(s):
                if s.value in named:
                    same[s.target] = named[s.value]
                else:
                    named[s.value] = s.target
                    out.append(s)
                continue
            s = Store(s.target, visit(s.value), s.mode)
        elif isinstance(s, Pick):
            s = replace(s, value=visit(s.value))
        out.append(s)
    return tuple(out)
