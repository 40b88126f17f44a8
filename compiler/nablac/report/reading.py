"""report/reading: what a person reads in a formula though no law of the compiler says it: a softmax.

    e[i, k] = exp(z[i, k] - m[i]),  s[i] = sum[k](e[i, k]):  e/s is the softmax of z over k, whatever m

Only the report reads so; the compiled equations keep the values they share.
"""

from __future__ import annotations

from sympy import Add, Expr, Mul, Pow, exp

from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, accesses

SOFTMAX = "exp(z[k])/sum[k](exp(z[k])) = softmax(z)[k]"


def with_softmax(equation: Equation, program: Program) -> Equation | None:
    """The equation with its softmaxes called so; None where it holds none.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equation
    >>> lines = ["e[i,k] = exp(z[i,k] - 1)", "s[i] = sum[k](e[i,k])", "d[i,k] = (e[i,k]/s[i] - delta(k, y[i]))/n"]
    >>> p = parse_program({"z": "real[n, 5]", "y": "label[n, 5]"}, lines, ["d"])
    >>> print_equation(with_softmax(p.defined["d"], p))
    'd[i, k] = (softmax(z)[i, k] - delta(k, y[i]))/n'
    """
    body = equation.body.replace(lambda node: isinstance(node, Mul), lambda node: _read(node, program))
    return None if body == equation.body else equation.with_body(body)


def _read(product: Expr, program: Program) -> Expr:
    """A product with one quotient e/s replaced."""
    divisors = [a.base for a in product.args if isinstance(a, Pow) and a.exp == -1 and isinstance(a.base, Access)]
    for above in [a for a in product.args if isinstance(a, Access)]:
        for below in divisors:
            whole = _softmax_of(above, below, program)
            if whole is not None:
                return product / above * below * whole
    return product


def _softmax_of(above: Access, below: Access, program: Program) -> Expr | None:
    power, total = program.defined.get(above.tensor), program.defined.get(below.tensor)
    if power is None or total is None or total.reduction is None or total.reduction.kind != "sum":
        return None
    if not (isinstance(power.body, exp) and power.reduction is None and len(total.bound) == 1):
        return None
    element = Access(above.tensor, *(*total.indices, *total.bound))
    order = dict(zip(total.indices, below.indices, strict=True))
    if total.body != element or tuple(order[i] for i in total.indices) != above.indices[:-1]:
        return None
    return _named(power.body.args[0], power, above)


def _named(exponent: Expr, power: Equation, at: Access) -> Expr | None:
    """softmax(z) at the place, where the exponent is z and what does not depend on the last index."""
    last = power.indices[-1]
    terms = [t for t in Add.make_args(exponent) if any(a.has(last) for a in accesses(t)) or t.has(last)]
    if len(terms) != 1 or not isinstance(terms[0], Access) or terms[0].indices != power.indices:
        return None
    return Access(f"softmax({terms[0].tensor})", *at.indices)
