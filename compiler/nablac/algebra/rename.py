"""algebra/rename: index substitution without capture, alpha-equivalence, and inlining of a definition."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import replace

from sympy import Expr, Symbol

from nablac.ir.equation import Equation, Reduction
from nablac.ir.functions import Access
from nablac.ir.index import fresh_names, index, is_index


def rename(equation: Equation, names: Mapping[Symbol, Symbol]) -> Equation:
    """The same equation with its indices renamed, all at once.

    >>> from nablac.ir.index import extent
    >>> i, j = index("i"), index("j")
    >>> e = Equation("a", (i,), Access("x", i, j), ((i, extent("n")), (j, extent(3))), Reduction("sum", (j,)))
    >>> rename(e, {i: j, j: i}).body
    x[j, i]
    """
    if all(old == new for old, new in names.items()):
        return equation
    reduction = equation.reduction
    if reduction is not None:
        reduction = Reduction(reduction.kind, tuple(names.get(i, i) for i in reduction.indices))
    return replace(
        equation,
        indices=tuple(names.get(i, i) for i in equation.indices),
        body=equation.body.xreplace(dict(names)),
        extents=tuple((names.get(i, i), e) for i, e in equation.extents),
        reduction=reduction,
    )


def taken_names(equation: Equation) -> set[str]:
    """Every symbol's name in the equation: its indices, and the extents it mentions."""
    symbols: set[Symbol] = set(equation.ranges)
    for expression in (equation.body, *equation.ranges.values()):
        symbols |= {s for s in expression.free_symbols if isinstance(s, Symbol)}
    return {s.name for s in symbols}


def fresh(name: str, taken: Container[str]) -> str:
    """The name, or the first of name_2, name_3, ... that is not taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def apart(equation: Equation, taken: Collection[str], only: Iterable[Symbol] | None = None) -> Equation:
    """The equation with those of its indices renamed (of ``only``, or of all) whose names are taken elsewhere."""
    clashing = [i for i in (equation.ranges if only is None else only) if i.name in taken]
    if not clashing:
        return equation
    names = fresh_names(taken_names(equation).union(taken))
    return rename(equation, {i: index(next(names)) for i in clashing})


def inlined(body: Expr, definition: Equation, access: Access) -> Expr:
    """``body`` with one element of a tensor replaced by what defines it (``definition`` has no reduction)."""
    places = dict(zip(definition.indices, access.indices, strict=True))
    return body.xreplace({access: definition.body.xreplace(places)})


def normal_form(equation: Equation) -> tuple[object, ...]:
    """A value that is equal for equations that differ only in the names of their target and indices."""
    free = {i: index(f"_{n}") for n, i in enumerate(equation.indices)}
    bound = sorted(equation.bound, key=lambda i: _role_of(i, equation, free))
    names = free | {i: index(f"_{n}") for n, i in enumerate(bound, len(free))}
    same = rename(equation, names)
    kind = same.reduction.kind if same.reduction else None
    ranges = tuple(same.ranges[names[i]] for i in (*equation.indices, *bound))
    return (len(free), kind, len(bound), ranges, same.body)


def _role_of(symbol: Symbol, equation: Equation, free: Mapping[Symbol, Symbol]) -> tuple[str, ...]:
    """Where a reduced index stands in the accesses, whatever the reduced indices are called."""
    marks = {i: index("_other") for i in equation.bound} | dict(free) | {symbol: index("_self")}
    return (str(equation.ranges[symbol]), *sorted(str(a.xreplace(marks)) for a in equation.reads if a.has(symbol)))


def index_symbols(expression: Expr) -> set[Symbol]:
    """The loop indices an expression depends on."""
    return {s for s in expression.free_symbols if is_index(s)}
