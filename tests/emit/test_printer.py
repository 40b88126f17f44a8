"""The scalar printer's text, its types, and the accuracy of the functions that the module carries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Expr, Rational, exp, pi, sqrt

from nablac.emit.printer import Printer
from nablac.emit.stable import IMPORTED, helper_text
from nablac.ir import functions as f
from nablac.ir.functions import Access, Delta, IntAccess, Where
from nablac.ir.index import extent, index

i, j, n = index("i"), index("j"), extent("n")
a, b, c, y = Access("a", i), Access("b", j), Access("c"), IntAccess("y", i)

TEXTS: list[tuple[Expr, str, str]] = [
    (a * (1 - a), "a[i]*(1 - a[i])", "a[i]*(real(1) - a[i])"),
    (-b + a, "a[i] - b[j]", "a[i] - b[j]"),
    (-a * b, "-a[i]*b[j]", "-a[i]*b[j]"),
    (a - (b - 3), "a[i] + 3 - b[j]", "a[i] + real(3) - b[j]"),
    (a / b / c, "a[i]/(c*b[j])", "a[i]/(c*b[j])"),
    (Rational(3, 4) * a / b, "0.75*a[i]/b[j]", "real(0.75)*a[i]/b[j]"),
    (a / 3, "1/3*a[i]", "real(1/3)*a[i]"),
    (a / Rational(10**12), "1e-12*a[i]", "real(1e-12)*a[i]"),
    (sqrt(6) * a / 6, "0.408248290463863*a[i]", "real(0.408248290463863)*a[i]"),
    (pi * a, "3.141592653589793*a[i]", "real(3.141592653589793)*a[i]"),
    (1 / (n * a), "1/(n*a[i])", "real(1)/(real(n)*a[i])"),
    (a * n * i, "i*n*a[i]", "real(i)*real(n)*a[i]"),
    ((a - b) ** 2 / 2, "0.5*(a[i] - b[j])**2", "real(0.5)*(a[i] - b[j])**2"),
    (a**3, "a[i]**3", "a[i]**3"),
    (sqrt(a), "sqrt(a[i])", "sqrt(a[i])"),
    (1 / sqrt(a), "1/sqrt(a[i])", "real(1)/sqrt(a[i])"),
    (a ** Rational(3, 2), "a[i]*sqrt(a[i])", "a[i]*sqrt(a[i])"),
    (Rational(9, 10) ** IntAccess("t"), "0.9**t", "real(0.9)**real(t)"),
    (Where(a > 0, a, -b), "(a[i] if a[i] > 0 else -b[j])", "(a[i] if a[i] > real(0) else -b[j])"),
    (Where(i - 2 * j >= 1, a, 0), "(a[i] if i - 2*j >= 1 else 0)", "(a[i] if i - 2*j >= 1 else real(0))"),
    (Delta(j, y) * a, "(a[i] if j == y[i] else 0)", "(a[i] if j == y[i] else real(0))"),
    (a - Delta(j, y), "a[i] - (1 if j == y[i] else 0)", "a[i] - (real(1) if j == y[i] else real(0))"),
    (a * y, "a[i]*y[i]", "a[i]*real(y[i])"),
    (Access("x", 2 * i + j - 1), "x[2*i + j - 1]", "x[2*i + j - 1]"),
    (Access("z", i, y), "z[i, y[i]]", "z[i, y[i]]"),
    (f.sigmoid(-a) + f.relu(b), "_relu(b[j]) + _sigmoid(-a[i])", "_relu(b[j]) + _sigmoid(-a[i])"),
    (f.exprel(a, 2), "_exprel2(a[i])", "_exprel2(a[i])"),
    (exp(a - c) / b, "exp(a[i] - c)/b[j]", "exp(a[i] - c)/b[j]"),
    (f.absolute(a) * f.sign(b), "abs(a[i])*_sign(b[j])", "abs(a[i])*_sign(b[j])"),
]
"""Expression, its text in a float64 module, its text in a float32 module."""


@pytest.mark.parametrize(("expression", "wide", "narrow"), TEXTS, ids=[t[1] for t in TEXTS])
def test_text(expression: Expr, wide: str, narrow: str) -> None:
    assert Printer("float64").real(expression) == wide
    assert Printer("float32").real(expression) == narrow


@pytest.mark.parametrize(("expression", "wide", "narrow"), TEXTS, ids=[t[1] for t in TEXTS])
def test_float32_text_gives_float32(expression: Expr, wide: str, narrow: str) -> None:
    """NumPy's promotion is at least as eager as Numba's where every number is typed."""
    real = np.float32
    space: dict[str, Any] = {"real": real, "np": np, "i": 2, "j": 0, "n": 5, "t": 3, "c": real(0.5)}
    space |= {"a": np.full(9, 0.3, real), "b": np.full(9, 0.7, real), "x": np.ones(9, real), "z": np.ones((9, 9), real)}
    space |= {"y": np.zeros(9, np.int64), "sqrt": np.sqrt, "exp": np.exp}
    space |= {name: lambda v: v for name in ("_relu", "_sigmoid", "_sign", "_exprel2")}
    assert eval(narrow, space).dtype == np.float32


# --- stable functions -------------------------------------------------------------------------------------------------

REFERENCES: dict[str, Callable[[Any], Any]] = {
    "_sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "_softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "_logcosh": lambda x: mpmath.log(mpmath.cosh(x)),
    "_log1mexp": lambda x: mpmath.log1p(-mpmath.exp(-x)),
    "_relu": lambda x: max(x, 0),
    "_sign": mpmath.sign,
    **{f"_exprel{k}": lambda x, k=k: mpmath.quad(lambda t: t**k * mpmath.exp(x * t), [0, 0.5, 1]) for k in range(3)},
}
POINTS = sorted(
    {s * m * 10.0**e for e in range(-17, 3) for m in (1, 2.5, 7) for s in (1, -1)}
    | {s * p for p in (0.69, 0.7, 0.999, 1.01, 1.99, 2.01, 15, 88, 100, 103, 1000) for s in (1, -1)}
)
ULPS = {"_exprel0": 64, "_exprel1": 64, "_exprel2": 64}


def compiled(name: str, dtype: str) -> Callable[[Any], Any]:
    numba = pytest.importorskip("numba")
    space: dict[str, Any] = {"real": getattr(np, dtype), "np": np, **{m: getattr(math, m) for m in IMPORTED}}
    exec(helper_text(name, Printer(dtype).number, dtype), space)
    flags = {"contract", "reassoc", "nsz", "arcp", "afn"}
    function: Callable[[Any], Any] = numba.njit(error_model="numpy", fastmath=flags)(space[name])
    return function


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", REFERENCES)
def test_stable_functions_are_accurate(name: str, dtype: str) -> None:
    """A few ulps from 1e-17 to 1e3, infinite only where the value is too large; NaN stays NaN."""
    real, limits = getattr(np, dtype), np.finfo(dtype)
    function = compiled(name, dtype)
    assert np.isnan(function(real(np.nan)))
    with mpmath.workdps(90):
        for x in map(real, POINTS):
            if name == "_log1mexp" and x <= 0 or name.startswith("_exprel") and abs(x) > 100:
                continue
            found, wanted = function(x), REFERENCES[name](mpmath.mpf(float(x)))
            if abs(wanted) > float(limits.max):
                assert np.isinf(found), x
                continue
            allowed = ULPS.get(name, 4) * float(limits.eps) * abs(wanted) + 4 * float(limits.smallest_subnormal)
            assert abs(mpmath.mpf(float(found)) - wanted) <= allowed, (x, found, wanted)


def test_maximum_and_minimum_let_nan_through() -> None:
    for name in ("_maximum", "_minimum"):
        text, space = helper_text(name, Printer("float64").number), {}
        exec(text, space)
        function: Any = space[name]
        assert math.isnan(function(math.nan, 1.0)) and math.isnan(function(1.0, math.nan))
        assert function(1.0, 2.0) == (2.0 if name == "_maximum" else 1.0)


def test_names_of_functions_are_gathered() -> None:
    printer = Printer("float64")
    printer.real(f.softplus(a) + sympy.tanh(b))
    assert printer.used == {"_softplus", "tanh"}
