"""interchange/onnx_functions: the scalar functions of the language in ONNX's operators.

Most are one operator.  The others, ``expm1`` and its kin, ONNX has not, or onnxruntime computes them in float32 only;
they are written in operators that are there, accurate over the whole range, in formulas that keep small differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

from nablac.interchange.onnx_graph import Value
from nablac.ir import functions as f

OPERATORS: dict[type, str] = {
    sympy.exp: "Exp",
    sympy.log: "Log",
    sympy.sin: "Sin",
    sympy.cos: "Cos",
    sympy.tan: "Tan",
    sympy.asin: "Asin",
    sympy.acos: "Acos",
    sympy.atan: "Atan",
    sympy.sinh: "Sinh",
    sympy.cosh: "Cosh",
    sympy.tanh: "Tanh",
    sympy.asinh: "Asinh",
    sympy.acosh: "Acosh",
    sympy.atanh: "Atanh",
    sympy.erf: "Erf",
    sympy.floor: "Floor",
    sympy.Abs: "Abs",
    sympy.sign: "Sign",
    f.absolute: "Abs",
    f.sign: "Sign",
    f.floor: "Floor",
    f.maximum: "Max",
    f.minimum: "Min",
    f.relu: "Relu",
    f.sigmoid: "Sigmoid",
    f.softplus: "Softplus",
}
"""Functions that are one operator."""


def log1p(x: Value) -> Value:
    """log(1 + x): the error of 1 + x is made good by what is left of x in it (Kahan)."""
    u = x + 1
    return u.equal(1).choose(x, u.op("Log") * x / (u - 1))


def expm1(x: Value) -> Value:
    """exp(x) - 1: by log(exp(x)), whose error is that of exp(x) (Kahan); far from 0 there is nothing to mend."""
    u = x.op("Exp")
    near = u.equal(1).choose(x, (u - 1) * x / u.op("Log"))
    return x.op("Abs").less(1).choose(near, u - 1)


def logcosh(x: Value) -> Value:
    """log(cosh(x)) = log(1 + 2 sinh(x/2)^2) near 0, and |x| + log(1 + exp(-2|x|)) - log 2."""
    a = x.op("Abs")
    e = expm1(a.op("Min", 1))
    return a.less(1).choose(log1p(e * e / (2 * (e + 1))), a + log1p((-2 * a).op("Exp")) - math.log(2))


def log1mexp(x: Value) -> Value:
    """log(1 - exp(-x)) for x > 0."""
    return x.less(math.log(2)).choose((-expm1(-x)).op("Log"), log1p(-(-x).op("Exp")))


def sigmoid(x: Value) -> Value:
    """1/(1 + exp(-x)), for x < 0 as exp(x)/(1 + exp(x))."""
    e = (-x.op("Abs")).op("Exp")
    return x.less(0).choose(e, x.like(1)) / (1 + e)


def softplus(x: Value) -> Value:
    """log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|))."""
    return x.op("Max", 0) + log1p((-x.op("Abs")).op("Exp"))


def tan(x: Value) -> Value:
    """sin/cos."""
    return x.op("Sin") / x.op("Cos")


def sinh(x: Value) -> Value:
    """Half of e + e/(e + 1), e being exp|x| - 1; from 20 on the half of exp|x|, in two factors against overflow."""
    a = x.op("Abs")
    e = expm1(a.op("Min", 20))
    half = (a / 2).op("Exp")
    return x.op("Sign") * a.less(20).choose((e + e / (e + 1)) / 2, half / 2 * half)


def cosh(x: Value) -> Value:
    """(exp|x| + exp(-|x|))/2, in two factors against overflow."""
    half = (x.op("Abs") / 2).op("Exp")
    return half / 2 * half + 0.5 / half / half


def asinh(x: Value) -> Value:
    """log(a + sqrt(1 + a^2)) for a = |x|, as log(1 + (a + a/(1/a + sqrt(1 + 1/a^2))))."""
    a = x.op("Abs")
    over = 1 / a
    return x.op("Sign") * log1p(a + a / (over + (1 + over * over).op("Sqrt")))


def acosh(x: Value) -> Value:
    """log(x + sqrt(x^2 - 1)), by x - 1."""
    t = x - 1
    return log1p(t + t.op("Sqrt") * (t + 2).op("Sqrt"))


def atanh(x: Value) -> Value:
    """Half of log((1 + a)/(1 - a)) for a = |x|."""
    a = x.op("Abs")
    return x.op("Sign") * log1p(2 * a / (1 - a)) / 2


def atan(x: Value) -> Value:
    """The angle in float32, then the small angle that it is off by; beyond 1 that of 1/x from a right one."""
    a = x.op("Abs")
    outside = a.more(1)
    t = outside.choose(1 / a, a)
    rough = x.graph.real(x.graph.op("Atan", x.graph.real(t, np.float32)))
    sine, cosine = rough.op("Sin"), rough.op("Cos")
    angle = rough + (t * cosine - sine) / (cosine + t * sine)
    return x.op("Sign") * outside.choose(math.pi / 2 - angle, angle)


def asin(x: Value) -> Value:
    """The angle of the tangent x/sqrt(1 - x^2)."""
    return atan(x / ((1 - x).op("Sqrt") * (1 + x).op("Sqrt")))


def acos(x: Value) -> Value:
    """Twice the angle of the tangent sqrt((1 - x)/(1 + x))."""
    return 2 * atan(((1 - x) / (1 + x)).op("Sqrt"))


def erf(x: Value) -> Value:
    """Below 1 the Taylor polynomial; above, 1 less the midpoint sum of erfc's integral (Matta and Reichel, 1971)."""
    a = x.op("Abs")
    near, far = a.op("Min", 1), a.op("Max", 1).op("Min", 6)
    square, total = near * near, x.like(0)
    for m in reversed(range(20)):
        total = total * square + (-1) ** m / (math.factorial(m) * (2 * m + 1))
    taylor = 2 / math.sqrt(math.pi) * near * total
    step, square, total = 0.5, far * far, x.like(0)
    for k in range(13):
        t = ((k + 0.5) * step) ** 2
        total = total + math.exp(-t) / (square + t)
    pole = 2 / (1 + (2 * math.pi / step * far).op("Exp"))
    rest = 2 * step / math.pi * far * (-square).op("Exp") * total + pole
    return x.op("Sign") * a.less(1).choose(taylor, 1 - rest)


def exprel(x: Value, order: int) -> Value:
    """The derivative of the given order of (exp(x) - 1)/x, the integral of t**order * exp(x*t) over [0, 1]: within 20
    of 0 a series of positive terms on either side; beyond, the recurrence by integration by parts."""
    near, far = x.op("Max", -20).op("Min", 20), x.op("Abs").less(20).choose(x.like(20), x)
    rise, fall = x.like(1), x.like(1 / (order + 1))
    grown = decay = fall
    for m in range(1, 90):
        rise = rise * near / m
        grown = grown + rise / (m + order + 1)
        fall = -fall * near / (order + 1 + m)
        decay = decay + fall
    parts = expm1(far) / far
    for k in range(1, order + 1):
        parts = (far.op("Exp") - k * parts) / far
    return x.op("Abs").less(20).choose(near.less(0).choose(near.op("Exp") * decay, grown), parts)


SPELLED: dict[type, Callable[[Value], Value]] = {
    f.log1p: log1p,
    f.expm1: expm1,
    f.logcosh: logcosh,
    f.log1mexp: log1mexp,
}
"""Functions that ONNX has not, besides ``exprel``."""

SPELLED_IN_DOUBLE: dict[type, Callable[[Value], Value]] = {
    sympy.tan: tan,
    sympy.asin: asin,
    sympy.acos: acos,
    sympy.atan: atan,
    sympy.sinh: sinh,
    sympy.cosh: cosh,
    sympy.asinh: asinh,
    sympy.acosh: acosh,
    sympy.atanh: atanh,
    sympy.erf: erf,
    f.sigmoid: sigmoid,
    f.softplus: softplus,
}
"""Functions that onnxruntime computes in float32 alone; the last two in float64 too, but no better, or not for large
arguments.  In float32 their operators, which every tool knows, are right to the last digit of 1, not of less."""


def operation(function: type, dtype: np.dtype[Any]) -> Callable[..., Value] | None:
    """What makes the nodes of a function of values; None for one that is not known."""
    spelled = SPELLED_IN_DOUBLE.get(function) if dtype == np.float64 else None
    spelled = spelled or SPELLED.get(function)
    if spelled is None and function in OPERATORS:
        return lambda first, *others: first.op(OPERATORS[function], *others)
    return spelled
