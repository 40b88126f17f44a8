"""emit/stable: the scalar functions that the module carries itself, as text, each accurate over the whole range.

A text is written for any dtype: ``{1}`` stands for a typed number.  Only functions that a module uses are put into
it.  NaN goes through every one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import sympy
from sympy import Integer, Rational, Symbol

TEXTS: dict[str, str] = {
    "_relu": '''
def _relu(x):
    """max(x, 0); NaN stays NaN."""
    return {0} if x <= {0} else x
''',
    "_sign": '''
def _sign(x):
    """-1, 0 or 1."""
    return {1} if x > {0} else ({-1} if x < {0} else x)
''',
    "_maximum": '''
def _maximum(a, b):
    """The larger, the first at a tie; NaN if either is."""
    return a if a >= b or a != a else b
''',
    "_minimum": '''
def _minimum(a, b):
    """The smaller, the first at a tie; NaN if either is."""
    return a if a <= b or a != a else b
''',
    "_sigmoid": '''
def _sigmoid(x):
    """1/(1 + exp(-x)) without overflow."""
    e = exp(-abs(x))
    return ({1} if x >= {0} else e)/({1} + e)
''',
    "_softplus": '''
def _softplus(x):
    """log(1 + exp(x)) without overflow."""
    return ({0} if x <= {0} else x) + log1p(exp(-abs(x)))
''',
    "_logcosh": '''
def _logcosh(x):
    """log(cosh(x)) without overflow, and accurate near 0, where it is x^2/2."""
    a = abs(x)
    if a < {1}:
        e = expm1(a)
        return log1p(e*e/({2}*(e + {1})))
    return a + (log1p(exp({-2}*a)) - {log2})
''',
    "_log1mexp": '''
def _log1mexp(x):
    """log(1 - exp(-x)) for x > 0."""
    return log(-expm1(-x)) if x < {log2} else log1p(-exp(-x))
''',
    "_uniform": '''
def _uniform(seed, step, stream, number):
    """Evenly from [0, 1), a function of its arguments alone: Philox2x32-10 (Salmon et al., SC 2011)."""
    low, mask, seed = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(seed)
    key = (seed ^ (seed >> low) ^ np.uint64(stream)) & mask
    one, two = np.uint64(number) & mask, np.uint64(step) & mask
    for _ in range(10):
        product = np.uint64(0xD256D193)*one
        one, two, key = (product >> low) ^ key ^ two, product & mask, (key + np.uint64(0x9E3779B9)) & mask
    return {uniform}
''',
}
"""Name -> text."""

ORDER = (*TEXTS, "_exprel")
"""The order in which they stand in a module."""

IMPORTED = frozenset(
    [
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "cos",
        "cosh",
        "erf",
        "exp",
        "expm1",
        "log",
        "log1p",
        "sin",
        "sinh",
        "sqrt",
        "tan",
        "tanh",
    ]
)
"""What the texts and the kernels may take from ``math``."""


def helper_text(name: str, number: Callable[[object], str], dtype: str = "float64") -> str:
    """The text of one function for a dtype, its numbers typed by ``number``.

    >>> print(helper_text("_relu", lambda v: f"real({v})"))
    def _relu(x):
        \"""max(x, 0); NaN stays NaN.\"""
        return real(0) if x <= real(0) else x
    """
    text = TEXTS[name] if name in TEXTS else _exprel(int(name.removeprefix("_exprel")))
    values: dict[str, object] = {"log2": sympy.log(2), "large": Integer(700 if dtype == "float64" else 80)}
    scaled = f"real(np.int32(one >> np.uint64(8)))*{number(Rational(1, 2**24))}"
    text = text.strip("\n").replace("{uniform}", scaled)
    return re.sub(r"\{([^}]+)\}", lambda m: number(values.get(m[1]) or Rational(m[1])), text)


def needed(text: str) -> tuple[str, ...]:
    """The ``math`` functions that a text calls, sorted."""
    return tuple(sorted(set(re.findall(r"\b([a-z]\w*)\(", text)) & IMPORTED))


@cache
def _exprel(order: int) -> str:
    """The order-th derivative of (exp(x) - 1)/x: its Taylor polynomial near 0, the recurrence elsewhere."""
    x = Symbol("x")
    terms = 22 if order > 1 else 18
    radius = 2 if order > 1 else 1
    total = terms + order + 1
    series = sympy.diff(sum(x**m / sympy.factorial(m + 1) for m in range(total)), x, order)
    coefficients = [sympy.expand(series).coeff(x, m) for m in range(terms)]
    steps = "\n".join(f"        p = p*x + {{{c}}}" for c in reversed(coefficients[:-1]))
    recurrence = "\n".join(f"    p = e - {{{k}}}/x*p" if k != 1 else "    p = e - p/x" for k in range(1, order + 1))
    last = "p if p == p else e  # inf - inf where the value overflows" if order else "p"
    what = "(exp(x) - 1)/x" if not order else f"derivative {order} of (exp(x) - 1)/x"
    return f'''
def _exprel{order}(x):
    """{what}, whose Taylor polynomial serves near 0."""
    if abs(x) < {{{radius}}}:
        p = {{{coefficients[-1]}}}
{steps}
        return p
    e = exp(x)/x if x < {{large}} else exp(x - log(x))
    p = e - {{1}}/x
{recurrence}
    return {last}
'''.replace("\n\n    return", "\n    return")
