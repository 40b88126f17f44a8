"""numbers/differences: each derived gradient beside a numerical one, computed from the model as it was written.

The derived one is the compiled program's, after all passes.  The numerical one is a central difference in 400 digits
for circuits, and for networks the complex step, which is exact to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from nablac.frontend.model import Model
from nablac.ir.equation import Program
from nablac.ir.interpret import COMPLEX128, MPMATH, interpret
from nablac.ir.tensor import Kind, Role
from nablac.passes.canonicalise import without_dead
from nablac.pipeline import gradient_program
from nablac.report.content import Sheet
from nablac.report.drawings.circuit import is_circuit
from nablac.report.numbers.point import Point
from nablac.report.numbers.values import exactly

STEP = 1e-30
"""The complex step; nothing is subtracted, so it may be this small.  Of differences, as a part of what is moved."""
DIGITS = 400
"""So many that numbers as large as floats can be may be subtracted, and the step's effect is left."""
ENTRIES = 12
"""How many entries of an array are compared."""
SMALLEST = 1e-6
"""A gradient so much smaller than the model's largest may be all rounding, as of a bias that a softmax cancels."""

Slope = Callable[[int], float]


@dataclass(frozen=True)
class Difference:
    """The entry at which a tensor's two gradients differ most.

    ``error`` is relative to the largest that is compared of the tensor, or to ``SMALLEST`` times the largest of all.
    """

    name: str
    entries: int
    worst: str
    derived: float
    numerical: float
    error: float


def differences(model: Model, point: Point, seed: int = 0, wrt: Sequence[str] | None = None) -> tuple[Difference, ...]:
    """The comparison for each tensor of ``wrt``: unless given each parameter, and in circuits each input too."""
    circuit = is_circuit(model.program)
    roles = (Role.INPUT, Role.PARAM) if circuit else (Role.PARAM,)
    usual = [t.name for t in model.program.tensors if t.role in roles and t.kind is Kind.REAL and not t.frozen]
    names = usual if wrt is None else list(dict.fromkeys(wrt))
    records, made = gradient_program(model.in_training, model.loss, list(dict.fromkeys([*names, *usual])))
    derived = interpret(records[-1].program, point.values)
    slope = _central if circuit else _complex_step
    rng = np.random.default_rng(seed)
    gradients = {name: derived[made.names[name]] for name in names}
    pairs = {name: _pairs(gradient, slope(model, point, name), rng) for name, gradient in gradients.items()}
    largest = np.nanmax([0.0, *(abs(value) for found in pairs.values() for pair in found.values() for value in pair)])
    if wrt is not None:  # what is small is so beside the others, whether or not they are asked for
        largest = np.nanmax([largest, *(np.max(np.abs(derived[made.names[name]]), initial=0) for name in usual)])
    return tuple(_compared(name, gradients[name].shape, found, SMALLEST * largest) for name, found in pairs.items())


def _pairs(gradient: NDArray[Any], slope: Slope, rng: np.random.Generator) -> dict[int, tuple[float, float]]:
    """Derived and numerical gradient at some places of a tensor."""
    places = np.sort(rng.choice(gradient.size, min(ENTRIES, gradient.size), replace=False))
    return {int(place): (float(gradient.flat[place]), slope(int(place))) for place in places}


def _compared(
    name: str, shape: tuple[int, ...], pairs: Mapping[int, tuple[float, float]], smallest: float
) -> Difference:
    scale = max(smallest, *(abs(value) for pair in pairs.values() for value in pair)) or 1.0
    errors = {place: abs(a - b) / scale for place, (a, b) in pairs.items()}
    worst = list(errors)[int(np.argmax(list(errors.values())))]  # the first NaN, if there is one
    where = ", ".join(str(i) for i in np.unravel_index(worst, shape))
    return Difference(name, len(pairs), f"{name}[{where}]" if where else name, *pairs[worst], errors[worst])


def _complex_step(model: Model, point: Point, name: str) -> Slope:
    """The imaginary part that a tiny imaginary step leaves in the loss; none where the loss has no real value."""
    program, values = _downstream(model, point, name)
    has_value = bool(np.isfinite(interpret(program, values)[model.loss]))

    def slope(place: int) -> float:
        if not has_value:
            return math.nan
        moved = values[name].astype(np.complex128)
        moved.flat[place] += STEP * 1j
        return float(interpret(program, {**values, name: moved}, COMPLEX128)[model.loss].imag / STEP)

    return slope


def _central(model: Model, point: Point, name: str) -> Slope:
    """(L(x + h) - L(x - h))/(2*h) with digits to spare for what the subtraction loses."""
    program, given = _downstream(model, point, name)

    def slope(_: int) -> float:
        with mpmath.workdps(DIGITS):
            values = {n: v if v.dtype.kind == "i" else np.asarray(mpmath.mpf(float(v)), object)
                      for n, v in given.items()}  # fmt: skip
            step = STEP * min(1, abs(mpmath.mpf(float(given[name]))) or 1)
            ends = [
                interpret(program, {**values, name: np.asarray(values[name] + shift, object)}, MPMATH)[model.loss]
                for shift in (step, -step)
            ]
            return float((ends[0].item() - ends[1].item()) / (2 * step))

    return slope


def _downstream(model: Model, point: Point, name: str) -> tuple[Program, Mapping[str, NDArray[Any]]]:
    """The program that makes the loss of a tensor's value and what else is given; an intermediate one is given, too."""
    program = replace(model.in_training, results=(model.loss,))
    if name not in program.defined:
        return without_dead(program), point.values
    value = interpret(program, point.values)[name]
    given = tuple(replace(t, role=Role.INPUT) if t.name == name else t for t in program.tensors)
    rest = program.with_equations((e for e in program.equations if e.target != name), given)
    return without_dead(rest), {**point.values, name: value}


def differences_sheet(found: tuple[Difference, ...]) -> Sheet:
    """The table."""
    many = any(d.entries > 1 for d in found)
    note = "the worst of the entries compared; errors relative to the largest of them" if many else ""
    columns = ("worst entry of" if many else "tensor", "entries", "gradient, derived", "gradient, numerical", "error")
    rows = tuple((d.worst, str(d.entries), exactly(d.derived), exactly(d.numerical), f"{d.error:.1e}") for d in found)
    return Sheet("Gradients beside their numerical values", note, columns, rows)
