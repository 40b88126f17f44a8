"""ir/interpret: the meaning of a program, equation by equation in NumPy.  It is the oracle for every later stage.

Slow and plain on purpose: an equation's body is evaluated on the whole grid of its indices and then reduced.
Numbers may be float64, complex128 (for complex-step derivatives) or mpmath numbers in object arrays (``MPMATH``).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from nablac.errors import InternalError
from nablac.ir import functions as f
from nablac.ir import random
from nablac.ir.equation import Equation, Program
from nablac.ir.tensor import Kind, Role

Array = NDArray[Any]


@dataclass(frozen=True)
class Arithmetic:
    """A kind of number: the dtype of its arrays, its elementary functions, and an exact number made one of its own."""

    dtype: Any
    functions: Mapping[str, Callable[..., Any]]
    number: Callable[[Expr], Any]


def _erf(x: Array) -> Array:
    if np.iscomplexobj(x):  # extra digits: the imaginary part may be far below the real one
        with mpmath.workdps(60):
            return np.vectorize(lambda z: complex(mpmath.erf(z)), otypes=[complex])(x)
    return np.vectorize(math.erf, otypes=[float])(x)


def _logcosh(x: Array) -> Array:
    magnitude = np.where(np.real(x) < 0, -x, x)
    return np.where(
        np.abs(x) < 0.5, np.log1p(2 * np.sinh(x / 2) ** 2), magnitude + np.log1p(np.exp(-2 * magnitude)) - np.log(2)
    )


def _log1mexp(x: Array) -> Array:
    return np.where(np.real(x) < 0.7, np.log(-np.expm1(-x)), np.log1p(-np.exp(-x)))


def _softplus(x: Array) -> Array:
    return np.where(np.real(x) > 0, x, 0) + np.log1p(np.exp(np.where(np.real(x) > 0, -x, x)))


_NUMPY_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        n: getattr(np, n) for n in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "expm1", "log1p")
    },
    **{n: getattr(np, f"arc{n[1:]}") for n in ("asin", "acos", "atan", "asinh", "acosh", "atanh")},
    "erf": _erf,
    "logcosh": _logcosh,
    "log1mexp": _log1mexp,
    "softplus": _softplus,
}


LARGEST = 1 << 17
"""The binary exponent from which on an mpmath number counts as infinite; without a bound, exp(exp(1e20)) never ends."""


def _bounded(function: Callable[..., Any], *arguments: Any) -> Any:
    """A function of mpmath numbers that stays real and in bounds, as floats do."""
    try:
        value = function(*arguments)
    except ZeroDivisionError:
        return mpmath.inf
    if isinstance(value, mpmath.mpc):
        return mpmath.nan
    return mpmath.sign(value) * mpmath.inf if mpmath.isfinite(value) and mpmath.mag(value) > LARGEST else value


def _elementwise(function: Callable[..., Any], arguments: int = 1) -> Callable[..., Any]:
    return np.frompyfunc(partial(_bounded, function), arguments, 1)


_MPMATH_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: _elementwise(getattr(mpmath, name))
    for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
                 "acosh", "atanh", "erf", "expm1", "log1p")
}  # fmt: skip
_MPMATH_POWER = _elementwise(operator.pow, 2)

FLOAT64 = Arithmetic(np.float64, _NUMPY_FUNCTIONS, lambda e: np.float64(e))
COMPLEX128 = Arithmetic(np.complex128, _NUMPY_FUNCTIONS, lambda e: np.complex128(float(e)))
MPMATH = Arithmetic(
    object,
    _MPMATH_FUNCTIONS,
    lambda e: mpmath.mpf(int(e.p)) / int(e.q) if e.is_Rational else mpmath.mpmathify(sympy.N(e, mpmath.mp.dps + 5)),
)


def interpret(program: Program, values: Mapping[str, Any], arithmetic: Arithmetic = FLOAT64) -> dict[str, Array]:
    """Every tensor of the program, given its inputs, parameters and state; seed and step are 0 unless given.

    Raises ``InternalError`` where an extent is inconsistent or a value is missing: callers check users' data first.
    """
    arrays: dict[str, Array] = {}
    sizes: dict[Symbol, int] = {}
    for tensor in program.tensors:
        if tensor.role is Role.RESULT:
            continue
        if tensor.name not in values and tensor.role is not Role.COUNTER:
            raise InternalError(f"interpret: no value for {tensor.name}")
        array = np.asarray(values.get(tensor.name, 0))
        arrays[tensor.name] = array.astype(np.int64 if tensor.kind is Kind.INT else arithmetic.dtype)
        for expected, found in zip(tensor.shape, array.shape, strict=True):
            if isinstance(expected, Symbol) and sizes.setdefault(expected, found) == found:
                continue
            if expected != found:
                raise InternalError(f"interpret: {tensor} has shape {array.shape}")
    with np.errstate(all="ignore"):
        for equation in program.equations:
            result = _Evaluation(equation, arrays, sizes, arithmetic).result()
            whole = program.declared[equation.target].kind is Kind.INT
            arrays[equation.target] = np.real(result).astype(np.int64) if whole else result
    return arrays


class _Evaluation:
    """One equation on the grid of its indices, free ones first, then those reduced."""

    def __init__(
        self, equation: Equation, arrays: Mapping[str, Array], sizes: Mapping[Symbol, int], arithmetic: Arithmetic
    ) -> None:
        self.equation, self.arrays, self.sizes, self.arithmetic = equation, arrays, sizes, arithmetic
        axes = equation.indices + equation.bound
        self.shape = tuple(int(equation.ranges[i].subs(sizes)) for i in axes)
        self.grid: dict[Symbol, Array] = {}
        for axis, symbol in enumerate(axes):
            spread = [1] * len(axes)
            spread[axis] = self.shape[axis]
            self.grid[symbol] = np.arange(self.shape[axis]).reshape(spread)

    def result(self) -> Array:
        values = np.broadcast_to(self.real(self.equation.body), self.shape)
        if self.equation.reduction is None:
            return np.array(values)
        kind = self.equation.reduction.kind
        axes = tuple(range(len(self.equation.indices), len(self.shape)))
        if kind in ("argmax", "argmin"):
            return np.asarray(getattr(np, kind)(values, axis=axes[0]))
        if kind in ("max", "min") and np.iscomplexobj(values):
            place = getattr(np, f"arg{kind}")(values.real, axis=axes[0])
            return np.asarray(np.take_along_axis(values, np.expand_dims(place, axes[0]), axes[0]).squeeze(axes[0]))
        return np.asarray(getattr(np, kind)(values, axis=axes))

    def real(self, node: Expr) -> Any:
        """The value of a scalar expression, as an array that broadcasts over the grid."""
        if isinstance(node, f.IntAccess):
            return self.access(node).astype(self.arithmetic.dtype)
        if isinstance(node, f.Access):
            return self.access(node)
        if isinstance(node, f.Where):
            return np.where(self.condition(node.args[0]), self.real(node.args[1]), self.real(node.args[2]))
        if isinstance(node, f.Delta):
            return self.number(self.integer(node.args[0]) == self.integer(node.args[1]))
        if isinstance(node, f.Random):
            number, seed, step = (self.integer(a) for a in node.args[1:])
            drawn = random.uniform(seed, step, random.stream_number(node.stream), number)
            return drawn.astype(self.arithmetic.dtype) * self.arithmetic.number(sympy.S.One)
        if node.is_Number or isinstance(node, sympy.NumberSymbol):
            return self.arithmetic.number(node)
        if isinstance(node, Symbol):
            return self.number(self.integer(node))
        if node.is_Add:
            return sum((self.real(a) for a in node.args[1:]), self.real(node.args[0]))
        if node.is_Mul:
            product = self.real(node.args[0])
            for factor in node.args[1:]:
                product = product * self.real(factor)
            return product
        if node.is_Pow:
            return self.power(*node.args)
        return self.function(node)

    def number(self, integers: Any) -> Any:
        if self.arithmetic.dtype is object:
            return np.asarray(integers).astype(int).astype(object) * mpmath.mpf(1)
        return np.asarray(integers).astype(self.arithmetic.dtype)

    def power(self, base: Expr, exponent: Expr) -> Any:
        if base is sympy.E:
            return self.arithmetic.functions["exp"](self.real(exponent))
        if exponent == sympy.S.Half:
            return self.arithmetic.functions["sqrt"](self.real(base))
        raised = int(exponent) if exponent.is_Integer else self.real(exponent)
        if self.arithmetic.dtype is object:
            return _MPMATH_POWER(self.real(base), raised)
        return self.real(base) ** raised

    def function(self, node: Expr) -> Any:
        if isinstance(node, f.floor | sympy.floor):
            return self.floor(self.real(node.args[0]))
        if isinstance(node, sympy.Abs):
            return self.real(f.absolute(node.args[0]))
        if isinstance(node, sympy.sign):
            return self.real(f.sign(node.args[0]))
        if isinstance(node, f.exprel):
            return self.exprel(self.real(node.args[0]), int(node.args[1]))
        direct = self.arithmetic.functions.get(node.func.__name__)
        if direct is not None:
            return direct(self.real(node.args[0]))
        if isinstance(node, f.Defined):
            return self.real(node.definition(*node.args))
        raise InternalError(
            f"interpret: unknown function {node.func.__name__} in the equation of {self.equation.target}"
        )

    def floor(self, x: Any) -> Any:
        """The largest integers that are not above the real parts; what is not finite stays as it is."""
        if self.arithmetic.dtype is object:
            return np.vectorize(lambda v: mpmath.floor(mpmath.re(v)), otypes=[object])(x)
        return np.floor(np.real(x)).astype(self.arithmetic.dtype)

    def exprel(self, x: Any, order: int) -> Any:
        """The integral of t**k * exp(x*t) over 0 <= t <= 1, by its power series or, far from 0, by its recurrence."""
        series = sum(
            x**n / (math.factorial(n) * (n + order + 1)) for n in range(80 if self.arithmetic.dtype is object else 25)
        )
        far = np.where(np.abs(x) < 1, self.number(1), x)
        grown, shrunk = self.arithmetic.functions["exp"](far), self.arithmetic.functions["exp"](-far)
        plain, scaled = (grown - 1) / far, (1 - shrunk) / far  # scaled: over exp(x), which alone may overflow
        for k in range(1, order + 1):
            plain, scaled = (grown - k * plain) / far, (1 - k * scaled) / far
        value = np.where(np.real(far) > 0, grown * scaled, plain)
        return np.where(np.abs(x) < 1, series, value)

    def condition(self, node: Any) -> Any:
        if node in (sympy.true, sympy.false):
            return bool(node)
        if node.is_Relational:
            left, right = self.real(node.lhs), self.real(node.rhs)
            if np.iscomplexobj(left) or np.iscomplexobj(right):
                left, right = np.real(left), np.real(right)
            compare: dict[str, Callable[[Any, Any], Any]] = {
                "<": np.less,
                "<=": np.less_equal,
                ">": np.greater,
                ">=": np.greater_equal,
                "==": np.equal,
                "!=": np.not_equal,
            }
            return np.asarray(compare[node.rel_op](left, right)).astype(bool)
        parts = [self.condition(a) for a in node.args]
        if isinstance(node, sympy.Not):
            return np.logical_not(parts[0])
        combine = np.logical_and if isinstance(node, sympy.And) else np.logical_or
        return np.asarray(combine.reduce(np.broadcast_arrays(*parts)))

    def access(self, node: f.Access) -> Array:
        array = self.arrays[node.tensor]
        if not node.indices:
            return array
        places = []
        for axis, expression in enumerate(node.indices):
            place = np.asarray(self.integer(expression))
            # outside the bounds only a branch that is not taken may read: any element will do there
            places.append(np.clip(place, 0, array.shape[axis] - 1))
        return np.asarray(array[tuple(places)])

    def integer(self, node: Expr) -> Any:
        """The value of an index expression."""
        if node.is_Integer:
            return int(node)
        if isinstance(node, f.Access):
            return self.access(node)
        if isinstance(node, Symbol):
            return self.grid[node] if node in self.grid else self.sizes[node]
        parts = [self.integer(a) for a in node.args]
        if node.is_Add:
            return sum(parts[1:], parts[0])
        if node.is_Mul:
            return math.prod(parts[1:], start=parts[0])
        if node.is_Pow:
            return parts[0] ** parts[1]
        raise InternalError(f"interpret: {node} is not an index expression")
