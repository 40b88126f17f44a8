"""passes/contract: a sum of a product of many factors becomes pairwise contractions in the cheapest order.

Requires: products at rest.
Ensures: a summed product has at most two groups of factors by index set; a factor that the sum does not run over
stands outside it; a group of several factors beside another has an equation of its own.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> declared = {"A": "real[4, 5]", "B": "real[5, 6]", "x": "real[6]"}
    >>> print(print_equations(contract(parse_program(declared, ["y[i] = sum[j,k](A[i,j]*B[j,k]*x[k])"], ["y"]))))
    y.part1[j] = sum[k](x[k]*B[j, k])
    y[i] = sum[j](y.part1[j]*A[i, j])

Leaves to the scheduler: recognising matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import opt_einsum
from sympy import Expr, Mul, S, Symbol

from nablac.algebra.laws import ALL
from nablac.algebra.rename import index_symbols, inlined
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program, Reduction
from nablac.ir.functions import Access, Delta, accesses
from nablac.ir.tensor import Tensor

NOMINAL = 64
"""What a named extent, such as the batch, counts in the search for the cheapest order."""


@dataclass(frozen=True)
class _Group:
    """Factors with one set of indices."""

    factor: Expr
    indices: frozenset[Symbol]


def contract(program: Program) -> Program:
    """The program with its summed products taken apart pairwise."""
    taken = set(program.declared)
    equations: list[Equation] = []
    tensors = list(program.tensors)
    for equation in program.equations:
        parts = _apart(_with_factors(equation, program), taken)
        for part in parts[:-1]:
            tensors.append(Tensor(part.target, part.shape))
        equations += parts
    return program.with_equations(equations, tensors if len(tensors) > len(program.tensors) else None)


def _with_factors(equation: Equation, program: Program) -> Equation:
    """A sum over i of e[i,j]*..., where e[i,j] = g[j]*v[i,j], with that product put in, so that g comes out of the sum.

    Only where the sum keeps no index that e does not have: what comes out then costs less than it did inside.
    """
    if equation.reduction is None or equation.reduction.kind != "sum":
        return equation
    over, kept = set(equation.bound), set(equation.indices)
    body = equation.body
    for access in Mul.make_args(body):
        definition = program.defined.get(access.tensor) if isinstance(access, Access) else None
        if definition is None or definition.reduction is not None or not kept < index_symbols(access):
            continue
        put = inlined(access, definition, access)
        elements = [f for f in Mul.make_args(put) if index_symbols(f)]
        wide = [f for f in elements if index_symbols(f) & over]
        if len(wide) == 1 < len(elements) and all(isinstance(f, Access) for f in elements):
            body = body / access * put
    return equation.with_body(body)


def _apart(equation: Equation, taken: set[str]) -> list[Equation]:
    if equation.reduction is None or equation.reduction.kind != "sum":
        return [equation]
    equation = _without_repetition(equation)
    if equation.reduction is None or not isinstance(equation.body, Mul):
        return [equation]
    outside, groups = _grouped(equation)
    scatters = any(group.factor.has(Delta) for group in groups)
    if scatters and not outside.has(Delta):
        return [equation]
    made: list[Equation] = []
    if outside != 1 and equation.indices:
        name = _fresh(equation.target, taken)
        body = Mul(*(g.factor for g in groups))
        left = tuple(i for i in equation.indices if body.has(i))  # what stands outside may be all that has an index
        extents = tuple((i, e) for i, e in equation.extents if i in (*left, *equation.bound))
        made += _apart(replace(equation, target=name, indices=left, body=body, extents=extents), taken)
        ranges = tuple((i, equation.ranges[i]) for i in equation.indices)
        body, _ = rewrite(outside * Access(name, *left), ALL)
        return [*made, Equation(equation.target, equation.indices, body, ranges, None, equation.origin)]
    # a scatter is one loop; one over the widest has nothing to gain
    if scatters or all(group.indices <= groups[0].indices for group in groups):
        return [equation]
    named = [_named(group, equation, taken, made) for group in groups]
    return made + _pairwise(equation, named, outside, taken)


def _without_repetition(equation: Equation) -> Equation:
    """An index that the body does not depend on only counts: sum[k](b[j]) = K*b[j]."""
    idle = [i for i in equation.bound if not equation.body.has(i)]
    if not idle:
        return equation
    body, _ = rewrite(equation.body * Mul(*(equation.ranges[i] for i in idle)), ALL)
    left = tuple(i for i in equation.bound if i not in idle)
    extents = tuple((i, e) for i, e in equation.extents if i not in idle)
    return replace(equation, body=body, extents=extents, reduction=Reduction("sum", left) if left else None)


def _grouped(equation: Equation) -> tuple[Expr, list[_Group]]:
    """The factors the sum does not run over (but numbers and extents), the others by index set, the widest first."""
    outside: Expr = S.One
    by_indices: dict[frozenset[Symbol], Expr] = {}
    for factor in equation.body.args:
        used = frozenset(index_symbols(factor))
        if used and not used & set(equation.bound):
            outside *= factor
        else:
            by_indices[used] = by_indices.get(used, S.One) * factor
    plain = by_indices.pop(frozenset(), S.One)
    order = sorted(by_indices, key=lambda u: (-len(u), sorted(map(str, u))))
    groups = [_Group(by_indices[used], used) for used in order]
    if groups and plain != 1:
        groups[-1] = _Group(groups[-1].factor * plain, groups[-1].indices)
    return outside, groups


def _named(group: _Group, equation: Equation, taken: set[str], made: list[Equation]) -> _Group:
    """The group as one element, its own or that of a new elementwise equation (a number may stand before it)."""
    if isinstance(group.factor.as_coeff_Mul()[1], Access):
        return group
    if isinstance(group.factor, Mul) and sum(1 for f in group.factor.args if index_symbols(f)) == 1:
        plain = Mul(*(f for f in group.factor.args if not index_symbols(f)))
        if isinstance(group.factor / plain, Access):
            return group
    name = _fresh(equation.target, taken)
    indices = _as_read(group.factor, group.indices)
    ranges = tuple((i, equation.ranges[i]) for i in indices)
    made.append(Equation(name, indices, group.factor, ranges, None, equation.origin))
    return _Group(Access(name, *indices), group.indices)


def _pairwise(equation: Equation, groups: list[_Group], outside: Expr, taken: set[str]) -> list[Equation]:
    if len(groups) == 2:
        return [equation.with_body(outside * groups[0].factor * groups[1].factor)]
    made: list[Equation] = []
    for a, b in _path(equation, groups):
        first, second = groups[a], groups[b]
        rest = [g for n, g in enumerate(groups) if n not in (a, b)]
        used = first.indices | second.indices
        later = frozenset().union(*(g.indices for g in rest), frozenset(equation.indices))
        last = not rest
        wanted = equation.indices if last else _as_read(first.factor * second.factor, used & later)
        bound = tuple(i for i in equation.bound if i in used and i not in wanted)
        # a contraction lies as its target does, a mere product as its factors do
        as_target = tuple(i for i in (*equation.indices, *equation.bound) if i in wanted)
        indices = as_target if bound and not last else wanted
        body = first.factor * second.factor * (outside if last else 1)
        target = equation.target if last else _fresh(f"{equation.target}", taken)
        ranges = tuple((i, equation.ranges[i]) for i in (*indices, *bound))
        reduction = Reduction("sum", bound) if bound else None
        made.append(Equation(target, indices, body, ranges, reduction, equation.origin))
        groups = [*rest, _Group(Access(target, *indices), frozenset(indices))]
    return made


def _as_read(factors: Expr, wanted: frozenset[Symbol]) -> tuple[Symbol, ...]:
    """Indices in the order in which the widest elements have them, so that a part lies in memory as its factors do;
    those that no element has, as in a factor that draws a number for each of them, come last."""
    elements = sorted(accesses(factors), key=lambda a: -len(a.indices))
    found = dict.fromkeys(s for a in elements for i in a.indices for s in sorted(index_symbols(i), key=str))
    return tuple(i for i in found if i in wanted) + tuple(sorted(wanted - found.keys(), key=str))


def _path(equation: Equation, groups: list[_Group]) -> list[tuple[int, ...]]:
    """opt_einsum's order of contraction for nominal sizes."""
    letters = {i: opt_einsum.get_symbol(n) for n, i in enumerate((*equation.indices, *equation.bound))}
    sizes = {letters[i]: int(e) if e.is_Integer else NOMINAL for i, e in equation.extents}
    terms = ["".join(sorted(letters[i] for i in g.indices)) for g in groups]
    result = "".join(letters[i] for i in equation.indices)
    shapes = [tuple(sizes[letter] for letter in term) for term in terms]
    path, _ = opt_einsum.contract_path(",".join(terms) + "->" + result, *shapes, shapes=True, optimize="auto")
    return list(path)


def _fresh(base: str, taken: set[str]) -> str:
    number = 1
    while f"{base}.part{number}" in taken:
        number += 1
    taken.add(f"{base}.part{number}")
    return f"{base}.part{number}"
