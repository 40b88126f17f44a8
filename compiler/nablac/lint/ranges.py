"""lint/ranges: in which interval the values of each tensor and expression lie, as far as the equations tell.

Inputs and parameters are any real numbers, extents are from 1 on, a label is in its range.  What a ``where`` asks is
known in its branches.  A sum over K of f is the mean of N*f: it lies where N*f lies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sympy
from sympy import Expr, Symbol

from nablac.algebra.rename import index_symbols
from nablac.ir import functions as f
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Where
from nablac.ir.index import is_index
from nablac.ir.tensor import Role
from nablac.lint.interval import ALL, INFINITY, NONNEGATIVE, NOTHING, POSITIVE, Interval, point

Known = Mapping[Expr, Interval]
"""What conditions tell: expressions without a number before or beside them, and where they lie."""

NOTHING_KNOWN: Known = MappingProxyType({})
UNIT = Interval(0.0, 1.0)


def _guarded(function: Callable[[float], float], low: float, high: float) -> Callable[[float], float]:
    """A rising function of floats with its limits, where the float would overflow or leave the domain."""

    def value(x: float) -> float:
        try:
            return function(x) if abs(x) < INFINITY else low if x < 0 else high
        except OverflowError:
            return high if x > 0 else low
        except ValueError:
            return low

    return value


_RISING: dict[type, Callable[[float], float]] = {
    sympy.exp: _guarded(math.exp, 0.0, INFINITY),
    sympy.log: _guarded(math.log, -INFINITY, INFINITY),
    sympy.tanh: _guarded(math.tanh, -1.0, 1.0),
    sympy.sinh: _guarded(math.sinh, -INFINITY, INFINITY),
    sympy.atan: _guarded(math.atan, -math.pi / 2, math.pi / 2),
    sympy.asinh: _guarded(math.asinh, -INFINITY, INFINITY),
    sympy.acosh: _guarded(math.acosh, 0.0, INFINITY),
    sympy.erf: _guarded(math.erf, -1.0, 1.0),
    f.sigmoid: _guarded(lambda x: 1 / (1 + math.exp(-x)), 0.0, 1.0),
    f.softplus: _guarded(lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))), 0.0, INFINITY),
    f.expm1: _guarded(math.expm1, -1.0, INFINITY),
    f.log1p: _guarded(math.log1p, -INFINITY, INFINITY),
    f.relu: lambda x: max(x, 0.0),
    f.floor: _guarded(math.floor, -INFINITY, INFINITY),
}

_FIXED: dict[type, Interval] = {
    sympy.sin: Interval(-1.0, 1.0),
    sympy.cos: Interval(-1.0, 1.0),
    sympy.cosh: Interval(low=1.0),
    sympy.asin: Interval(-math.pi / 2, math.pi / 2),
    sympy.acos: Interval(0.0, math.pi),
    f.sign: Interval(-1.0, 1.0),
    f.logcosh: NONNEGATIVE,
    f.log1mexp: -POSITIVE,
    f.exprel: POSITIVE,
    f.Delta: UNIT,
    f.Random: UNIT,
}

_STRICT = {
    sympy.exp: POSITIVE,
    f.softplus: POSITIVE,
    f.sigmoid: Interval(0.0, 1.0, True, True),
    sympy.tanh: Interval(-1.0, 1.0, True, True),
    sympy.erf: Interval(-1.0, 1.0, True, True),
}
"""Functions that never reach their limits, though a float may."""


@dataclass(frozen=True)
class Share:
    """A term over the sum of all its kind, as in a softmax."""

    term: Expr
    total: Access


class Ranges:
    """The intervals of one program's tensors; ``inputs`` is what is taken for granted of inputs, ``kept`` what of
    some parameters, ``least`` and ``longest`` what of named extents."""

    def __init__(
        self,
        program: Program,
        inputs: Interval = ALL,
        longest: float = INFINITY,
        kept: Mapping[str, Interval] = MappingProxyType({}),
        least: int = 1,
    ) -> None:
        self.program = program
        self.least, self.longest = least, longest
        self.tensors: dict[str, Interval] = dict(kept)
        self._plain: dict[tuple[str, Expr], Interval] = {}
        for tensor in program.tensors:
            if tensor.role is Role.RESULT:
                continue
            if tensor.bound is not None:
                self.tensors[tensor.name] = point(0.0).hull(self._extent(tensor.bound) + point(-1.0))
            elif tensor.role is Role.INPUT:
                self.tensors[tensor.name] = inputs
        for equation in program.equations:
            self.tensors[equation.target] = self._result(equation)

    def _extent(self, extent: Expr) -> Interval:
        return point(float(extent)) if extent.is_Integer else Interval(float(self.least), self.longest)

    def _result(self, equation: Equation) -> Interval:
        kind = equation.reduction.kind if equation.reduction else None
        if kind in ("argmax", "argmin"):
            return point(0.0).hull(self._extent(equation.ranges[equation.bound[0]]) + point(-1.0))
        if kind == "sum":
            return self.of(equation.body * sympy.Mul(*(equation.ranges[i] for i in equation.bound)), equation)
        body = self.of(equation.body, equation)
        if kind == "prod":
            inside = body.is_within(UNIT)
            return UNIT.meet(body.hull(point(0.0))) if inside else _sign_alone(body)
        return body

    def of(self, node: Expr, equation: Equation, known: Known = NOTHING_KNOWN) -> Interval:
        """Where an expression over an equation's indices lies, given what is known of some of its parts."""
        if known:
            return self._visit(node, equation, known)
        key = (equation.target, node)
        if key not in self._plain:
            self._plain[key] = self._visit(node, equation, known)
        return self._plain[key]

    def _visit(self, node: Expr, equation: Equation, known: Known) -> Interval:
        found = self._structure(node, equation, known)
        if known:
            part, number, factor = parts(node)
            found = found.meet(known.get(node, ALL)).meet(-known.get(-node, ALL))
            found = found.meet(known.get(part, ALL) * point(factor) + point(number))
        return found

    def _structure(self, node: Expr, equation: Equation, known: Known) -> Interval:
        if isinstance(node, Access):
            return self.tensors.get(node.tensor, ALL)
        if node.is_number:
            return point(float(node))
        if isinstance(node, Symbol):
            if is_index(node) and node in equation.ranges:
                return point(0.0).hull(self._extent(equation.ranges[node]) + point(-1.0))
            return NONNEGATIVE if is_index(node) else self._extent(node)
        if isinstance(node, Where):
            return self._choice(node, equation, known)
        if node.is_Add:
            return _folded([self.of(a, equation, known) for a in node.args], lambda a, b: a + b)
        if node.is_Mul:
            product = _folded([self.of(a, equation, known) for a in node.args], lambda a, b: a * b)
            return product.meet(UNIT) if self.share(node, equation) else product
        if isinstance(node, sympy.Pow) and node.base is not sympy.E:
            return self._power(node, equation, known)
        return self._function(node, equation, known)

    def _choice(self, node: Where, equation: Equation, known: Known) -> Interval:
        found = NOTHING
        for branch, holds in self.branches(node, equation, known):
            if not any(interval.is_empty for interval in holds.values()):
                found = found.hull(self.of(branch, equation, holds))
        return found

    def branches(self, node: Where, equation: Equation, known: Known) -> Iterator[tuple[Expr, Known]]:
        """Both branches, each with what is known in it."""
        condition = node.args[0]
        for holds, branch in ((condition, node.args[1]), (sympy.Not(condition), node.args[2])):
            yield branch, self.told(holds, equation, known)

    def _power(self, node: Expr, equation: Equation, known: Known) -> Interval:
        base, exponent = self.of(node.base, equation, known), node.exp
        if exponent.is_Integer:
            return base.power(int(exponent))
        inside = base.meet(NONNEGATIVE)
        if exponent.is_Rational:
            raised = inside.rising(_guarded(lambda x: x ** float(abs(exponent)), 0.0, INFINITY))
            return raised.reciprocal() if exponent.is_negative else raised
        return POSITIVE if base.is_positive else NONNEGATIVE if base.is_nonnegative else ALL

    def _function(self, node: Expr, equation: Equation, known: Known) -> Interval:
        kind = type(node)
        if kind in _FIXED:
            return _FIXED[kind]
        arguments = [self.of(a, equation, known) for a in node.args if isinstance(a, Expr)]
        if kind in _RISING:
            image = arguments[0].rising(_RISING[kind])
            return image.meet(_STRICT[kind]) if kind in _STRICT else image
        if kind is f.maximum:
            return _larger(*arguments)
        if kind is f.minimum:
            return -_larger(*(-a for a in arguments))
        if kind in (f.absolute, sympy.Abs):
            return arguments[0].magnitude()
        return ALL

    # --- shares -------------------------------------------------------------------------------------------------------

    def share(self, node: Expr, equation: Equation) -> Share | None:
        """What makes a product a share of a whole: e/s where s is the sum of all such e, none of them negative."""
        for factor in node.args:
            base, power = factor.as_base_exp()
            whole = self.program.defined.get(base.tensor) if isinstance(base, Access) else None
            if power != -1 or whole is None or whole.reduction is None or whole.reduction.kind != "sum":
                continue
            term, (bound, *others) = node / factor, whole.bound
            places = dict(zip(whole.indices, base.indices, strict=True))
            if others or not self.of(whole.body, whole).is_nonnegative:
                continue
            for index in sorted(index_symbols(term), key=str):
                same_range = equation.ranges.get(index) == whole.ranges[bound]
                if same_range and whole.body.xreplace({**places, bound: index}) == term:
                    return Share(term, base)
        return None

    # --- conditions ---------------------------------------------------------------------------------------------------

    def told(self, condition: sympy.Basic, equation: Equation, known: Known) -> Known:
        """What is known where a condition holds."""
        if isinstance(condition, sympy.Not) and isinstance(condition.args[0], sympy.Or):
            condition = sympy.And(*(sympy.Not(part) for part in condition.args[0].args))
        if isinstance(condition, sympy.And):
            for part in sorted(condition.args, key=sympy.default_sort_key):
                known = self.told(part, equation, known)
            return known
        if not isinstance(condition, sympy.core.relational.Relational):
            return known
        told = dict(known)
        left, right, operator = condition.lhs, condition.rhs, condition.rel_op
        _tell(left - right, _side(operator, point(0.0)), told)
        _tell(left, _side(operator, self.of(right, equation, known)), told)
        _tell(right, _side(_MIRRORED.get(operator, operator), self.of(left, equation, known)), told)
        return told


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _tell(node: Expr, interval: Interval, told: dict[Expr, Interval]) -> None:
    """Note where an expression lies, and where that puts what it is made of."""
    part, number, factor = parts(node)
    if part.is_number:
        return
    told[node] = told.get(node, ALL).meet(interval)
    inside = (interval + point(-number)) * point(1 / factor)
    if interval.nonzero and number == 0:
        inside = Interval(nonzero=True)
    told[part] = inside = told.get(part, ALL).meet(inside)
    is_even = isinstance(part, sympy.Pow) and part.exp.is_Integer and part.exp.is_even and part.exp > 0
    if isinstance(part, (f.absolute, sympy.Abs)) or is_even:
        bound = max(inside.high, 0.0) ** (1 / float(part.exp) if is_even else 1.0)
        around = Interval(-bound, bound, inside.high_open, inside.high_open, inside.excludes_zero)
        _tell(part.args[0], around, told)


def _side(operator: str, bound: Interval) -> Interval:
    """Where the left side lies when it stands in a relation to something that lies in ``bound``."""
    above = Interval(low=bound.low, low_open=bound.low_open or operator == ">")
    below = Interval(high=bound.high, high_open=bound.high_open or operator == "<")
    if operator == "!=":
        return Interval(nonzero=True) if bound == point(0.0) else ALL
    return {">": above, ">=": above, "<": below, "<=": below}.get(operator, bound)


def parts(node: Expr) -> tuple[Expr, float, float]:
    """The expression as number + factor*part, the part without either and with its sign drawn out."""
    number, rest = node.as_coeff_Add() if node.is_Add else (sympy.S.Zero, node)
    factor, part = rest.primitive() if rest.is_Add else rest.as_coeff_Mul()
    if part.could_extract_minus_sign():
        factor, part = -factor, -part
    return part, float(number), float(factor)


def _folded(intervals: list[Interval], step: Callable[[Interval, Interval], Interval]) -> Interval:
    found = intervals[0]
    for interval in intervals[1:]:
        found = step(found, interval)
    return found


def _larger(a: Interval, b: Interval) -> Interval:
    low, low_open = max((a.low, a.low_open), (b.low, b.low_open))
    high, closed = max((a.high, not a.high_open), (b.high, not b.high_open))
    return Interval(low, high, low_open, not closed)


def _sign_alone(body: Interval) -> Interval:
    """What is left of an interval under products: its sign."""
    if body.is_nonnegative:
        return POSITIVE if body.is_positive else NONNEGATIVE
    return Interval(nonzero=body.excludes_zero)
