"""lint/association: a product through an intermediate that another order would do without, at a tenth of the cost.

Inside one equation the compiler finds the cheapest order itself.  A tensor that the user named is computed as it
stands: M[i,k] = sum[j](A[i,j]*B[j,k]) and then y[i] = sum[k](M[i,k]*x[k]) costs a matrix product where A*(B*x) costs
two of a matrix and a vector.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import prod

from sympy import Expr, Mul, Symbol

from nablac.algebra.rename import apart, index_symbols, inlined
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Delta, IntAccess
from nablac.ir.text import print_equation
from nablac.lint.finding import Finding
from nablac.lint.study import Study
from nablac.passes.contract import NOMINAL

RULE = "association"
TIMES = 10
MOST = 6
"""Products of more factors are not searched for their best order."""

Group = frozenset[Symbol]


def association(study: Study) -> Iterator[Finding]:
    """Intermediates of products, needed by products alone, that cost more than ten times what is needed."""
    program = _without_scaling(study.measured)
    for equation in program.equations:
        readers = program.readers.get(equation.target, ())
        if equation.target in program.results or not readers or not _is_product(equation):
            continue
        wholes = [_whole(equation, reader) for reader in readers]
        if any(whole is None for whole in wholes):
            continue
        sizes = {s: _length(study, e) for one in (equation, *readers) for s, e in one.extents}
        now = _cost([g.free for g in _factors(equation)], equation, sizes)
        now += sum(_cost([g.free for g in _factors(r)], r, sizes) for r in readers)
        best = sum(_cheapest(whole, study) for whole in wholes if whole is not None)
        if now > TIMES * best:
            names = dict.fromkeys(f"'{study.name(e.target)}'" for e in (equation, *readers))
            take = "take" if len(names) > 1 else "takes"
            yield Finding(
                RULE,
                f"{' and '.join(names)} {take} {now:,} operations, and another order of the same "
                f"product takes {best:,}{_at(study)}",
                equation.origin.where,
                f"write the product in one equation, and its order is found: {print_equation(_first(wholes))}",
            )


def _without_scaling(program: Program) -> Program:
    """The program with what is a number times one element, such as scores over sqrt(d), put into its readers."""
    scaled: dict[str, Equation] = {}
    equations: list[Equation] = []
    for equation in program.equations:
        body = equation.body
        for access in equation.reads:
            if access.tensor in scaled:
                body = inlined(body, scaled[access.tensor], access)
        equation = equation.with_body(body)
        numbers, elements = body.as_independent(Access, as_Add=False)
        if equation.reduction is None and isinstance(elements, Access) and not index_symbols(numbers):
            scaled[equation.target] = equation
        equations.append(equation)
    return program.with_equations(e for e in equations if e.target not in scaled or e.target in program.results)


def _first(wholes: Sequence[Equation | None]) -> Equation:
    return next(whole for whole in wholes if whole is not None)


class _Factor:
    """A factor of a product and the indices it depends on."""

    def __init__(self, body: Expr) -> None:
        self.body, self.free = body, frozenset(index_symbols(body))


def _factors(equation: Equation) -> list[_Factor]:
    """The factors of a body that depend on an index."""
    return [factor for one in Mul.make_args(equation.body) if (factor := _Factor(one)).free]


def _is_product(equation: Equation) -> bool:
    kind = equation.reduction.kind if equation.reduction else "sum"
    factors = _factors(equation)
    return kind == "sum" and len(factors) > 1 and not equation.body.has(Delta) and isinstance(equation.body, Mul)


def _whole(equation: Equation, reader: Equation) -> Equation | None:
    """The reader with the intermediate's definition put in; None where it does not read it as one plain factor."""
    uses = [a for a in reader.reads if a.tensor == equation.target]
    if reader.reduction is None or reader.reduction.kind != "sum" or len(uses) != 1 or isinstance(uses[0], IntAccess):
        return None
    factors = [g.body for g in _factors(reader)]
    if uses[0] not in factors or not _is_product(reader):
        return None
    inner = apart(equation, {s.name for s in reader.ranges} | {str(s) for s in index_symbols(uses[0])})
    places = dict(zip(inner.indices, uses[0].indices, strict=True))
    body = reader.body.xreplace({uses[0]: inner.body.xreplace(places)})
    bound = tuple((i, inner.ranges[i]) for i in inner.bound)
    reduction = type(reader.reduction)("sum", (*reader.bound, *inner.bound))
    return Equation(reader.target, reader.indices, body, (*reader.extents, *bound), reduction, reader.origin)


def _length(study: Study, extent: Expr) -> int:
    """An extent's number: the batch is that of the training."""
    if extent.is_Integer:
        return int(extent)
    return study.model.training.batch_size if extent == study.batch else NOMINAL


def _at(study: Study) -> str:
    return f" ({study.batch} = {study.model.training.batch_size})" if study.batch is not None else ""


def _cost(groups: Sequence[Group], equation: Equation, sizes: dict[Symbol, int]) -> int:
    """Multiplications and additions of an equation as it stands."""
    used = frozenset().union(*groups, equation.indices)
    return (max(len(groups) - 1, 0) + (1 if equation.bound else 0)) * prod(sizes[i] for i in used)


def _cheapest(equation: Equation, study: Study) -> int:
    """The operations of the best order of pairwise products."""
    sizes = {s: _length(study, e) for s, e in equation.extents}
    merged: dict[Group, None] = dict.fromkeys(g.free for g in _factors(equation))
    start = tuple(sorted(merged, key=lambda g: sorted(map(str, g))))
    if len(start) > MOST:
        return _cost(start, equation, sizes)
    target = frozenset(equation.indices)
    best: dict[tuple[Group, ...], int] = {}

    def search(groups: tuple[Group, ...]) -> int:
        if len(groups) == 1:
            return prod(sizes[i] for i in groups[0]) if groups[0] - target else 0
        if groups in best:
            return best[groups]
        found = []
        for a, b in itertools.combinations(range(len(groups)), 2):
            rest = [g for n, g in enumerate(groups) if n not in (a, b)]
            both = groups[a] | groups[b]
            kept = both & frozenset().union(target, *rest)
            each = 2 if both - kept else 1
            after = tuple(sorted([*rest, kept], key=lambda g: sorted(map(str, g))))
            found.append(each * prod(sizes[i] for i in both) + search(after))
        best[groups] = min(found)
        return best[groups]

    return search(start)
