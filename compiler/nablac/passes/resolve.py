"""passes/resolve: a sum whose value is known is not summed again.

Taken term by term, a sum is known where an earlier equation holds it, where a delta picks one term, or where nothing
depends on the index: the sum of x[i] - m over i is 0 by the definition of the mean m, that of a softmax is 1.  A sum
over a contraction may be the other contraction's: sum[j](p[j]*sum[c](v[c]*w[j,c])) = sum[c](v[c]*o[c]).

Requires: nothing; runs after differentiation.
Ensures: no sum is left that is a combination of earlier sums by elementwise definitions.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> lines = ["m = mean[i](x[i])", "d[i] = x[i] - m", "t = sum[i](3*d[i]) + 2"]
    >>> print(print_equations(resolve(parse_program({"x": "real[5]"}, lines, ["m", "t"]))))
    m = sum[i](x[i]/5)
    d[i] = x[i] - m
    t.sum = 0
    t = t.sum + 2

Leaves to others: sums of squares and of products of differences, where the known sums would cancel in rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from math import prod

from sympy import Add, Expr, Function, Mul, Symbol, exp, expand_mul

from nablac.algebra.choice import choice, is_place
from nablac.algebra.laws import ALL
from nablac.algebra.match import Bindings, match
from nablac.algebra.rename import apart, index_symbols, inlined, taken_names
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program, Reduction
from nablac.ir.functions import Access, Where, accesses

LAW = "known sum"
DEEPEST = 3
"""How many definitions deep a known sum may be hidden."""
MOST_TERMS = 8
NOMINAL = 64
"""What a named extent, such as the batch, counts where two sums are compared."""


def resolve(program: Program) -> Program:
    """The program with known sums read, or stated without a sum."""
    state = _Resolving(program)
    return program.with_equations(state.take(equation) for equation in program.equations)


class _Resolving:
    """The state of the pass: the sums and the elementwise definitions so far."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.sums: dict[str, list[tuple[Equation, Expr, Expr]]] = {}  # by one tensor that they read
        self.heads: set[type] = set()  # the functions in them
        self.defined: dict[str, Equation] = {}

    def take(self, equation: Equation) -> Equation:
        """The equation with its sum resolved, and remembered."""
        if _is_sum(equation):
            equation = self._without_sum(equation) or self._exchanged(equation) or equation
        self.defined[equation.target] = equation
        if _is_sum(equation):
            scale, inside = _apart(equation.body, equation)
            if inside.has(Access) and not scale.has(Access) and not index_symbols(scale):
                self.sums.setdefault(_sources(inside)[0], []).append((equation, scale, inside))
                self.heads.update(_heads(inside))
        return equation

    def _without_sum(self, equation: Equation) -> Equation | None:
        value = self._value(equation.body, equation, DEEPEST)
        if value is None:
            return None
        body, laws = rewrite(value, ALL)
        ranges = tuple((i, equation.ranges[i]) for i in equation.indices)
        return Equation(equation.target, equation.indices, body, ranges, None, equation.origin.touched(LAW, *laws))

    def _value(self, body: Expr, equation: Equation, depth: int) -> Expr | None:
        """The sum of a body over the equation's bound indices without a sum, or None."""
        outside, inside = _apart(body, equation)
        if inside == 1:
            return outside * Mul(*(equation.ranges[k] for k in equation.bound))
        known = self._known(inside, equation)
        if known is not None:
            return outside * known
        terms = _terms(inside, equation)
        if len(terms) > 1:
            values = self._values(terms, equation, depth)
            return None if values is None else outside * Add(*values)
        picked = self._picked(inside, equation)
        if picked is not None:
            return outside * picked
        for access in accesses(inside) if depth else ():
            definition = self.defined.get(access.tensor)
            if definition is None or definition.reduction is not None or not _heads(definition.body) <= self.heads:
                continue
            if index_symbols(access) & set(equation.bound):
                opened, _ = rewrite(inlined(inside, definition, access), ALL)
                value = self._value(opened, equation, depth - 1)
                if value is not None:
                    return outside * value
        return None

    def _values(self, terms: tuple[Expr, ...], equation: Equation, depth: int) -> list[Expr] | None:
        values = []
        for term in terms:
            value = self._value(term, equation, depth)
            if value is None:
                return None
            values.append(value)
        return values

    def _known(self, inside: Expr, equation: Equation) -> Expr | None:
        """The value of a sum that an earlier equation holds, but for a number."""
        for name in _sources(inside):
            for held, scale, pattern in self.sums.get(name, ()):
                if len(held.bound) != len(equation.bound):
                    continue
                for bindings, rest in match(pattern, inside, frozenset(held.ranges)):
                    if rest is None and _same_sum(bindings, held, equation):
                        return Access(held.target, *(bindings[i] for i in held.indices)) / scale
        return None

    def _picked(self, inside: Expr, equation: Equation) -> Expr | None:
        if len(equation.bound) != 1:
            return None
        found = choice(inside, equation.bound[0])
        if found is None or not is_place(found[0], equation.bound[0], equation, self.program):
            return None
        return found[1].xreplace({equation.bound[0]: found[0]})

    def _exchanged(self, equation: Equation) -> Equation | None:
        """sum over k of a*(sum over c of u*w) as sum over c of u*(sum over k of a*w), the latter known."""
        outside, inside = _apart(equation.body, equation)
        for access in accesses(inside):
            definition = self.defined.get(access.tensor)
            if definition is None or not _is_sum(definition) or access not in Mul.make_args(inside):
                continue
            definition = apart(definition, taken_names(equation))
            over = {c: definition.ranges[c] for c in definition.bound}
            if _size(over.values()) >= _size(equation.ranges[k] for k in equation.bound):
                continue
            free, held = _apart(inlined(inside, definition, access), equation)
            known = self._known(held, replace(equation, extents=(*equation.extents, *over.items())))
            if known is None:
                continue
            ranges = tuple((i, equation.ranges[i]) for i in equation.indices) + tuple(over.items())
            summed, origin = Reduction("sum", tuple(over)), equation.origin.touched(LAW)
            return Equation(equation.target, equation.indices, outside * free * known, ranges, summed, origin)
        return None


def _apart(body: Expr, equation: Equation) -> tuple[Expr, Expr]:
    """The factors that the sum does not run over, numbers too, and the others."""
    over = set(equation.bound)
    split: tuple[list[Expr], list[Expr]] = ([], [])
    for factor in Mul.make_args(body):
        split[bool(index_symbols(factor) & over)].append(factor)
    return Mul(*split[0]), Mul(*split[1])


@lru_cache(maxsize=10_000)
def _heads(body: Expr) -> frozenset[type]:
    """The kinds of functions and choices in a body: a known sum's value is found behind those of known sums only."""
    return frozenset(type(node) for node in body.atoms(Function, Where, exp))


def _terms(inside: Expr, equation: Equation) -> tuple[Expr, ...]:
    """A sum's terms; a product of one sum and factors is multiplied out where no difference of tensors is."""
    if isinstance(inside, Add):
        return inside.args if len(inside.args) <= MOST_TERMS else (inside,)
    sums = [f for f in Mul.make_args(inside) if isinstance(f, Add)]
    if len(sums) != 1 or len(sums[0].args) > MOST_TERMS:
        return (inside,)
    over = set(equation.bound)
    if any(t.has(Access) and not index_symbols(t) & over for t in sums[0].args):
        return (inside,)
    return Add.make_args(expand_mul(inside, deep=False))


def _same_sum(bindings: Bindings, held: Equation, equation: Equation) -> bool:
    """Whether the known sum runs over just the indices that this one runs over, at places it has."""
    if any(i not in bindings for i in held.ranges):
        return False
    over = {bindings[k] for k in held.bound}
    if over != set(equation.bound):
        return False
    for i in held.ranges:
        place = bindings[i]
        if isinstance(place, Symbol) and equation.ranges.get(place) != held.ranges[i]:
            return False
        if isinstance(place, Add) or (i in held.indices and index_symbols(place) & over):
            return False
    return True


def _sources(inside: Expr) -> tuple[str, ...]:
    return tuple(sorted({a.tensor for a in accesses(inside)}))


def _is_sum(equation: Equation) -> bool:
    return equation.reduction is not None and equation.reduction.kind == "sum"


def _size(extents: Iterable[Expr]) -> int:
    sizes: list[int] = [int(e) if e.is_Integer else NOMINAL for e in extents]
    return prod(sizes)
