"""Textbook spellings that naive evaluation gets wrong at hard points, and those points."""

from __future__ import annotations

SPELLINGS: dict[str, str] = {
    "log(1+e^x)": "log(1 + exp(x))",
    "-log sigma": "-log(1/(1 + exp(-x)))",
    "bce by logs": "-(3/10*log(1/(1 + exp(-x))) + 7/10*log(1 - 1/(1 + exp(-x))))",
    "log cosh": "log(cosh(x))",
    "log cosh by exponentials": "log((exp(x) + exp(-x))/2)",
    "silu": "x/(1 + exp(-x))",
    "mask over log": "where(x > 0, log(x), 0)",
    "mask over sqrt": "where(x > 0, sqrt(x), 0)",
    "mask over x log x": "where(x > 0, x*log(x), 0)",
    "mask over 1/x": "where(abs(x) > 1/2, 1/x, 2)",
    "elu": "where(x > 0, x, exp(x) - 1)",
    "(e^x-1)/x": "(exp(x) - 1)/x",
    "log(1-e^-x)": "where(x > 0, log(1 - exp(-x)), 0)",
    "sqrt(x^2)": "sqrt(x**2)",
    "tanh by exponentials": "(exp(x) - exp(-x))/(exp(x) + exp(-x))",
    "tanh by one exponential": "(exp(2*x) - 1)/(exp(2*x) + 1)",
    "tanh by sigmoid": "2/(1 + exp(-2*x)) - 1",
    "sigmoid": "1/(1 + exp(-x))",
    "sigmoid the other way": "exp(x)/(1 + exp(x))",
    "bce on logits": "max(x, 0) - 3/10*x + log(1 + exp(-abs(x)))",
    "log of a quotient": "log(exp(x)/(1 + exp(x)))",
    "log-sum-exp of three": "log(exp(x) + exp(1) + exp(2))",
    "softplus with a slope": "log(1 + exp(-3*x))/3",
    "mish": "x*tanh(log(1 + exp(x)))",
    "log(e^3x-1)": "where(x > 0, log(exp(3*x) - 1), 0)",
    "two-way softmax with a number": "exp(x)/(exp(x) + exp(1))",
    "two-way softmax with weights": "3*exp(x)/(3*exp(x) + 7*exp(1 - x))",
    "three-way softmax": "exp(x)/(exp(x) + exp(1) + exp(-x))",
    "log-sum-exp with cosh": "log(exp(x) + exp(-x) + 3)",
    "mixture": "log(3/10*exp(-x**2/2) + 7/10*exp(-(x - 1)**2/2))",
    "sqrt of sigmoid": "sqrt(1/(1 + exp(-x)))",
    "log of one plus tanh": "log(1 + tanh(x))",
    "log of one less tanh^2": "log(1 - tanh(x)**2)",
    "coth": "where(abs(x) > 1/2, cosh(x)/sinh(x), 0)",
    "log of a choice": "-log(where(x > 2, 1/(1 + exp(-x)), 1 - 1/(1 + exp(-x))))",
    "asinh by log": "log(x + sqrt(x**2 + 1))",
    "atanh by log": "where(abs(x) < 1, log((1 + x)/(1 - x)), 0)",
    "log odds": "log(1/(1 + exp(-x))) - log(1 - 1/(1 + exp(-x)))",
    "one less cosine": "1 - cos(x)",
    "softplus in powers of two": "log(1 + 2**x)",
    "two-way softmax of opposites": "exp(x)/(exp(x) + exp(-x))",
    "two-way softmax of powers": "2**x/(2**x + 3**x)",
    "sigmoid less its mirror": "1/(1 + exp(-x)) - 1/(1 + exp(x))",
}

POINTS = tuple(
    s * v
    for v in (1e-17, 1e-9, 1e-4, 0.1, 0.7, 1.1, 3.0, 20.0, 36.0, 88.5, 100.0, 500.0, 709.5, 745.5, 1e3)
    for s in (1, -1)
)


ROUNDED = frozenset(
    {
        "sigmoid",
        "sigmoid the other way",
        "elu",
        "tanh by exponentials",
        "tanh by one exponential",
        "tanh by sigmoid",
        "mish",
        "two-way softmax with a number",
        "two-way softmax with weights",
        "two-way softmax of opposites",
        "two-way softmax of powers",
        "three-way softmax",
        "log-sum-exp with cosh",
        "coth",
        "log of a choice",
        "sigmoid less its mirror",
    }
)
"""Spellings whose textbook gradient holds 1 - a of the output a: its error is relative to 1, as it is for everyone."""


def is_close(found: float, expected: float, point: float, epsilon: float, absolute: bool = False) -> bool:
    """Whether two numbers agree to some units in the last place, of the value or (absolute) of 1.

    exp(x) itself carries x times the rounding of x; below the smallest normal number nothing is asked.
    """
    size = 1.0 if absolute else abs(expected)
    return found == expected or abs(found - expected) <= (40 + abs(point)) * epsilon * size + 1e-300
