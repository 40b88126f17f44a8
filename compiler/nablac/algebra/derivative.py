"""algebra/derivative: the local derivative of a body with respect to one element that it reads.

SymPy differentiates; the laws tidy; and where the derivative is cheaper in terms of the value that was computed
anyway, it is rewritten through that saved output.  sigmoid' = a(1 - a) and tanh' = 1 - a**2 are found here, by
inverting the body, and stand in no table.
"""

from __future__ import annotations

from functools import lru_cache

import sympy
from sympy import Add, Expr, Mul, Pow, S, Symbol, cancel, exp, expand_mul, factor, fraction, log, together

from nablac.algebra.cost import weight
from nablac.algebra.laws import ALL
from nablac.algebra.rewrite import rewrite
from nablac.errors import DerivativeError
from nablac.ir.functions import Access, Where, accesses, expm1, log1p, sigmoid, softplus

LEFTOVERS = (sympy.Derivative, sympy.Subs, sympy.DiracDelta, sympy.Heaviside)


@lru_cache(maxsize=10_000)
def local_derivative(body: Expr, access: Access) -> tuple[Expr, tuple[str, ...]]:
    """d(body)/d(access), at rest under the laws, and the names of the laws that fired.

    >>> from nablac.ir.functions import sigmoid
    >>> z = Access("z")
    >>> local_derivative(z**2 * Access("w"), z)[0]
    2*w*z
    """
    return rewrite(plain_derivative(body, access), ALL)


def plain_derivative(body: Expr, access: Access) -> Expr:
    """d(body)/d(access) as SymPy finds it; raises ``DerivativeError`` where it finds none."""
    element = Symbol("element", real=True)
    derived = body.xreplace({access: element}).diff(element)
    if derived.has(*LEFTOVERS) or derived.has(S.NaN, S.ComplexInfinity, S.ImaginaryUnit):
        raise DerivativeError(f"SymPy finds no derivative of {body} with respect to {access}", found=str(derived))
    return derived.xreplace({element: access})


@lru_cache(maxsize=10_000)
def through_output(body: Expr, derivative: Expr, output: Access) -> Expr | None:
    """The derivative in terms of the body's own value, where that is cheaper or reads less; else None.

    >>> z = Access("z")
    >>> a = Access("a")
    >>> from nablac.ir.text import print_expression
    >>> print_expression(through_output(sigmoid(z), local_derivative(sigmoid(z), z)[0], a))
    'a*(1 - a)'
    """
    best = None
    for candidate in (
        _by_exact_value(body, derivative, output),
        _by_power(body, derivative, output),
        _by_terms(body, derivative, output),
        _by_branch(body, derivative, output),
        _by_inversion(body, derivative, output),
    ):
        if candidate is None or not _is_better(candidate, derivative, output):
            continue
        if best is None or weight(candidate) < weight(best):
            best = candidate
    return best


def _is_better(new: Expr, old: Expr, output: Access) -> bool:
    if not _divisors(new) <= _divisors(old):  # (1 + z - a)*a/z for silu' is 0/0 at 0
        return False
    if weight(new) != weight(old):
        return weight(new) < weight(old)
    return set(accesses(new)) - {output} < set(accesses(old))


def _divisors(expression: Expr) -> set[Expr]:
    return {power.base for power in expression.atoms(Pow) if power.exp.is_negative and not power.base.is_number}


def _by_exact_value(body: Expr, derivative: Expr, output: Access) -> Expr | None:
    """The body itself, or a product that it is a part of, stands in the derivative: exp' = a, (e/s)' = a/e."""
    if body.is_Atom or isinstance(body, Access):
        return None
    replaced = derivative.xreplace({body: output})
    if replaced != derivative:
        return replaced
    ratio = derivative / body if isinstance(body, Mul) else S.Zero
    return ratio * output if ratio and weight(ratio) < weight(derivative) else None


def _by_power(body: Expr, derivative: Expr, output: Access) -> Expr | None:
    """Another power of the same base: sqrt' = 1/(2*a), (1/u)' = -a**2."""
    if not (isinstance(body, Pow) and body.exp.is_Rational):
        return None
    ratios = {p: p.exp / body.exp for p in derivative.atoms(Pow) if p.base == body.base and p.exp.is_Rational}
    replaced = derivative.xreplace({p: output**r for p, r in ratios.items() if r.is_Integer})
    return replaced if replaced != derivative else None


def _by_terms(body: Expr, derivative: Expr, output: Access) -> Expr | None:
    """A product is a part of some terms of the derivative, multiplied out: silu' = a*(1 - s) + s."""
    if not isinstance(body, Mul):
        return None
    terms = Add.make_args(expand_mul(derivative, deep=False))
    held = [_divisors(term / body) <= _divisors(term) and weight(term / body) < weight(term) for term in terms]
    if len(terms) < 2 or not any(held):
        return None
    return Add(*(term / body * output if whole else term for term, whole in zip(terms, held, strict=True)))


def _by_branch(body: Expr, derivative: Expr, output: Access) -> Expr | None:
    """A choice, branch by branch; the condition is put to the output where that has the same sign."""
    from nablac.ir.functions import Defined

    if isinstance(body, Defined) and isinstance(body.definition(*body.args), Where):
        body = body.definition(*body.args)
    if not (isinstance(body, Where) and isinstance(derivative, Where) and body.args[0] == derivative.args[0]):
        return None
    condition = body.args[0]
    branches = []
    for value, slope in zip(body.args[1:], derivative.args[1:], strict=True):
        branches.append(through_output(value, slope, output) or slope)
    if isinstance(condition, sympy.Gt) and condition.args[1] == 0 and _keeps_sign(condition.args[0], *body.args[1:]):
        condition = sympy.Gt(output, 0)
    return Where(condition, *branches)


def _keeps_sign(x: Expr, positive: Expr, negative: Expr) -> bool:
    """Whether where(x > 0, positive, negative) is positive exactly where x is."""
    return _has_sign_of(positive, x) and (_has_sign_of(negative, x) or bool(negative.is_nonpositive))


def _has_sign_of(value: Expr, x: Expr) -> bool:
    number, rest = value.as_coeff_Mul()
    if rest == x:
        return bool(number.is_positive)
    odd = (expm1, sympy.tanh, sympy.sinh, sympy.atan, sympy.asinh, sympy.erf)
    return bool(number.is_positive) and isinstance(rest, odd) and _has_sign_of(rest.args[0], x)


def _by_inversion(body: Expr, derivative: Expr, output: Access) -> Expr | None:
    """Solve the body for the one exponential in it, e = phi(a), and put that into the derivative."""
    value, slope = _in_exponentials(body), _in_exponentials(derivative)
    powers = sorted(value.atoms(exp), key=sympy.default_sort_key)
    if not powers:
        return None
    base = powers[0].args[0]
    e, a = Symbol("e", positive=True), Symbol("a", real=True)
    whole, slope = _with_symbol(value, base, e), _with_symbol(slope, base, e)
    if whole.has(exp) or slope.has(exp):
        return None
    value, target = whole, a
    while isinstance(value, log):
        value, target = value.args[0], exp(target)
    above, below = fraction(together(value))
    equation = sympy.expand(above - target * below)
    if not equation.is_polynomial(e) or sympy.degree(equation, e) != 1:
        return None
    inverse = -equation.coeff(e, 0) / equation.coeff(e, 1)
    found = cancel(together(slope.subs(e, inverse)))
    if found.has(e) or _condition(inverse, a, whole.subs(e, 1)) > (2 if _is_bounded(slope, e) else 1):
        return None
    return _factored(found, a).xreplace({a: output})


def _condition(inverse: Expr, a: Symbol, value: Expr) -> Expr:
    """|a phi'(a)/phi(a)| at e = 1: by how much more the exponential had back is rounded than the value.

    It is 0 of exp(z) - 1 and 2 of sigmoid(z); of exp(z) + m it is |1 + m|, whose value may have lost all of exp(z).
    """
    ratio = sympy.simplify(cancel(together(a * inverse.diff(a) / inverse)).subs(a, value))
    return abs(ratio) if ratio.is_number else S.Infinity


def _is_bounded(slope: Expr, e: Symbol) -> bool:
    """Whether the slope stays finite for every exponential, as that of sigmoid does: its error then does too."""
    above, below = (sympy.degree(part, e) for part in fraction(cancel(together(slope))))
    return bool(above <= below)


def _in_exponentials(expression: Expr) -> Expr:
    """Our stable functions written out, so that only exp and log are left."""
    return expression.replace(
        lambda node: isinstance(node, sigmoid | softplus | expm1 | log1p), lambda node: node.definition(*node.args)
    )


def _with_symbol(expression: Expr, base: Expr, e: Symbol) -> Expr:
    """exp(k*base) as e**k, for whole k."""
    ratios = {p: sympy.cancel(p.args[0] / base) for p in expression.atoms(exp)}
    return expression.xreplace({p: e**r for p, r in ratios.items() if r.is_Integer})


def _factored(expression: Expr, a: Symbol) -> Expr:
    """The product form, with signs drawn into the factors: -a*(a - 1) is a*(1 - a)."""
    number, rest = factor(expression).as_coeff_Mul()
    factors = list(Mul.make_args(rest))
    for place, one in enumerate(factors):
        if isinstance(one, Add) and number.is_negative:
            factors[place], number = -one, -number
    return Mul(number, *factors) if not (number != 1 and len(factors) == 1) else number * factors[0]
