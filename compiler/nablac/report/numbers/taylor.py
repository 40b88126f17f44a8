"""numbers/taylor: why a step down the gradient makes the loss smaller, and when it does not.

With g the gradient and H the Hessian at theta:

    L(theta - eta*g) = L - eta*g'g + eta**2/2*g'Hg + O(eta**3)

Hg is ``forward`` applied to ``reverse``'s result, in the direction g.  Of circuits the two numbers are formulas too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Mul, PolynomialError, S, count_ops, div, factor, factor_terms, preorder_traversal

from nablac.errors import DerivativeError
from nablac.frontend.model import Model
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access
from nablac.ir.interpret import interpret
from nablac.ir.tensor import Role, Tensor
from nablac.passes.canonicalise import without_dead
from nablac.passes.differentiate import forward, reverse
from nablac.passes.shift import shift
from nablac.pipeline import BEFORE, gradient_program
from nablac.report.content import Sheet
from nablac.report.drawings.circuit import MINUS, expressed, is_circuit
from nablac.report.formulas.formula import expression_form
from nablac.report.formulas.notation import Notation
from nablac.report.formulas.plain import plain
from nablac.report.numbers.point import Point

FACTORS = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""The learning rates of the table, as multiples of the model's own."""
SAMPLES = 33
"""The points of the curve that is drawn."""
LARGEST_FORMULA = 400
"""No formula of more operations is brought into factors, or shown."""
LARGEST_WRITTEN = 10 * LARGEST_FORMULA
"""And none of more nodes is written out, to count its operations."""


@dataclass(frozen=True)
class Step:
    """One step: how much smaller the loss is predicted to become, to first and to second order, and becomes."""

    rate: float
    first: float
    second: float
    actual: float


@dataclass(frozen=True)
class Formulas:
    """g'g and g'Hg of a circuit as text, in its variables."""

    slope: str
    curvature: str


@dataclass(frozen=True)
class Expansion:
    """The loss along the negative gradient: ``loss - rate*slope + rate**2/2*curvature``, and what it really is.

    ``slope`` is g'g, ``curvature`` g'Hg.  ``curve`` pairs learning rates from 0 on with the loss there.
    """

    of: str
    point: Point
    rate: float
    loss: float
    slope: float
    curvature: float
    rows: tuple[Step, ...]
    curve: tuple[tuple[float, float], ...]
    formulas: Formulas | None

    @property
    def best(self) -> float | None:
        """The rate at the bottom of the parabola, if it opens upwards."""
        finite = all(map(math.isfinite, (self.loss, self.slope, self.curvature)))
        return self.slope / self.curvature if finite and self.curvature > 0 else None

    def predicted(self, rate: float, order: int) -> float:
        """The loss after a step, by the expansion's terms up to that order."""
        return self.loss - rate * self.slope + (rate**2 / 2 * self.curvature if order > 1 else 0.0)


def expansion(model: Model, point: Point) -> Expansion:
    """The expansion at a point with respect to all parameters, with steps around the model's own learning rate."""
    names = list(model.trained)
    if not names:
        raise DerivativeError("the model has no parameters, so there is no step to expand")
    records, derived = gradient_program(model.in_training, model.loss, names)
    twice = forward(derived.program, names, list(derived.names.values()))
    directions = [t.name for t in twice.program.having(Role.INPUT) if t.name not in derived.program.declared]
    arrays = interpret(shift(derived.program), point.values)
    gradient = {name: arrays[derived.names[name]] for name in names}
    curved = interpret(
        shift(twice.program), {**point.values, **dict(zip(directions, gradient.values(), strict=True))}
    )
    slope = _inner(gradient.values(), gradient.values())
    curvature = _inner(gradient.values(), [curved[twice.names[derived.names[name]]] for name in names])
    loss_after = _loss_along(model, point, gradient)
    loss, rate = loss_after(0.0), float(model.optimizer.lr)
    reach = _reach(rate, loss, slope, curvature)
    rows = tuple(
        Step(r, r * slope, r * slope - r**2 / 2 * curvature, loss - loss_after(r))
        for r in _rates(rate, slope, curvature, reach)
    )
    curve = tuple((r, loss_after(r)) for r in np.linspace(0.0, reach, SAMPLES).tolist())
    formulas = _formulas(records[-1].program, names, derived.names) if is_circuit(model.program) else None
    return Expansion(model.loss, point, rate, loss, slope, curvature, rows, curve, formulas)


def _inner(left: Any, right: Any) -> float:
    return float(sum(np.vdot(a, b) for a, b in zip(left, right, strict=True)))


def _loss_along(model: Model, point: Point, gradient: Mapping[str, NDArray[Any]]) -> Callable[[float], float]:
    """The loss as a function of the learning rate."""
    program = replace(model.in_training, results=(model.loss,))
    for one in (*BEFORE, shift, without_dead):
        program = one(program)

    def after(rate: float) -> float:
        with np.errstate(all="ignore"):
            moved = {name: point.values[name] - rate * slope for name, slope in gradient.items()}
        return float(interpret(program, {**point.values, **moved})[model.loss])

    return after


def _rates(rate: float, slope: float, curvature: float, reach: float) -> list[float]:
    """Rates around the model's own and, where it is in reach, that at the bottom of the parabola."""
    rates = {rate * factor for factor in FACTORS}
    return sorted(rates | ({slope / curvature} if 0 < slope <= reach * curvature else set()))


def _reach(rate: float, loss: float, slope: float, curvature: float) -> float:
    """How far the plot goes: past the bottom of the parabola, but not to where the tangent has left all sense."""
    if not all(map(math.isfinite, (loss, slope, curvature))):
        return 4 * rate
    bottom = slope / curvature if curvature > 0 else math.inf
    sensible = 2 * (abs(loss) + 1) / slope if slope > 0 else 8 * rate
    return max(4 * rate, min(2.2 * bottom, sensible))


# --- formulas -------------------------------------------------------------------------------------------------------


def _formulas(program: Program, names: Sequence[str], gradients: Mapping[str, str]) -> Formulas | None:
    """g'g and g'Hg in the circuit's own tensors: what the sweeps made is written out.

    Here Hg is the gradient of g'v, at v = g, since a reverse sweep spells derivatives through the results.
    """
    kept = {e.target for e in program.equations if not e.is_derived}
    slopes = expressed(program, [gradients[name] for name in names], kept, LARGEST_WRITTEN)
    if slopes is None:
        return None
    directions = [Tensor(f"v_{name}", role=Role.INPUT) for name in names]
    product: Expr = Add(*(Access(gradients[n]) * Access(v.name) for n, v in zip(names, directions, strict=True)))
    scalar = Equation("g'v", (), product, ())
    longer = program.with_equations(
        [*program.equations, scalar], [*program.tensors, *directions, Tensor(scalar.target)], [scalar.target]
    )
    twice = reverse(longer, scalar.target, names)
    sizes = {v.name: sum(1 for _ in preorder_traversal(s)) for v, s in zip(directions, slopes, strict=True)}
    written = expressed(twice.program, [twice.names[name] for name in names], kept, LARGEST_WRITTEN, sizes)
    if written is None:
        return None
    given = {Access(v.name): slope for v, slope in zip(directions, slopes, strict=True)}
    bends = [bend.xreplace(given) for bend in written]
    squares: Expr = Add(*(s**2 for s in slopes))
    curves: Expr = Add(*(s * b for s, b in zip(slopes, bends, strict=True)))
    if max(count_ops(squares), count_ops(curves)) > LARGEST_FORMULA:
        return None
    notation = Notation.of(program, gradients)
    slope = _shortest(squares)
    curvature = _shortest(curves, [f for f in Mul.make_args(factor(squares)) if f.is_Add])
    return Formulas(*(plain(expression_form(e, notation)) for e in (slope, curvature)))


def _shortest(expression: Expr, known: Sequence[Expr] = ()) -> Expr:
    """The formula, its factors, or these in powers of known sums: whichever has the fewest operations."""
    factors = factor(expression)
    spelled = factors
    for divisor in known:
        spelled = Mul(*(_in_powers(f, divisor) if f.is_Add else f for f in Mul.make_args(spelled)))
    return min((_positive(e) for e in (expression, factors, spelled)), key=count_ops)


def _in_powers(expression: Expr, divisor: Expr) -> Expr:
    """A polynomial divided by another as often as it goes: q*d**2 + r*d + s."""
    try:
        quotient, rest = div(expression, divisor)
    except PolynomialError:
        return expression
    if quotient == 0:
        return factor_terms(expression)
    return factor(_in_powers(quotient, divisor)) * divisor + factor_terms(rest)


def _positive(expression: Expr) -> Expr:
    """A product whose sums have no negative number in front: (f - 1)**3*s is (1 - f)**3*(-s)."""
    factors = []
    sign = 1
    for one in Mul.make_args(expression):
        base, exponent = one.as_base_exp()
        if base.is_Add and base.as_coeff_Add()[0].is_negative and exponent.is_Integer:
            one, sign = (-base) ** exponent, sign * (-1) ** int(exponent)
        factors.append(one)
    if sign < 0:
        place = next((i for i, one in enumerate(factors) if one.is_Add), None)
        factors = [-1 * one if i == place else one for i, one in enumerate(factors)]
        factors += [] if place is not None else [S.NegativeOne]
    return Mul(*factors)


# --- as text --------------------------------------------------------------------------------------------------------


def taylor_sheets(expanded: Expansion) -> tuple[Sheet, Sheet]:
    """The expansion's numbers, and the steps."""
    of, formulas = expanded.of, expanded.formulas
    rows = [(of, "", _digits(expanded.loss))]
    rows.append(("g′g", formulas.slope if formulas else "", _digits(expanded.slope)))
    rows.append(("g′Hg", formulas.curvature if formulas else "", _digits(expanded.curvature)))
    if expanded.best is not None:
        rows.append(("g′g/g′Hg", "the rate that wins most, to second order", _digits(expanded.best)))
        rows.append(("2·g′g/g′Hg", "no rate beyond it wins anything, to second order", _digits(2 * expanded.best)))
    elif expanded.slope == 0:
        rows.append(("", "the gradient is zero here: to first order, no step wins anything", ""))
    elif expanded.curvature <= 0 and math.isfinite(expanded.loss):
        shape = "bends down" if expanded.curvature < 0 else "is straight"
        rows.append(("", f"the loss {shape} along the step: to second order, longer is better", ""))
    first = Sheet(
        f"Why a step goes down: {of}(θ − η·g) ≈ {of} − η·g′g + η²/2·g′Hg",
        f"g is the gradient with respect to all parameters, H the Hessian; at {expanded.point.title}",
        ("quantity", "formula or meaning", "value"),
        tuple(rows),
    )
    steps = tuple(
        (_digits(s.rate), _digits(s.first), _digits(s.second), _digits(s.actual), _missed(s)) for s in expanded.rows
    )
    second = Sheet(
        f"How much smaller {of} becomes in one step",
        f"the model's own learning rate is {_digits(expanded.rate)}; a negative number is a loss that grows",
        ("learning rate", "first order", "second order", "actual", "missed by"),
        steps,
    )
    return first, second


def _missed(step: Step) -> str:
    return f"{abs(step.second - step.actual):.1e}" if np.isfinite(step.actual) else ""


def _digits(number: float) -> str:
    return f"{number:.6g}".replace("-", MINUS) if np.isfinite(number) else "not finite"
