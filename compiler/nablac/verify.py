"""verify: what ``check`` does: the emitted module's gradients against derivatives the compiler had no part in.

The reference is the complex step (Squire and Trapp, 1998) on the traced program, as the interpreter computes it before
any pass:  dL/dtheta_k = Im L(theta + i*h*e_k) / h  with h = 1e-30, exact to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nablac.frontend.model import Model
from nablac.frontend.sample import random_point
from nablac.ir.equation import Program
from nablac.ir.interpret import COMPLEX128, interpret
from nablac.ir.tensor import Role

STEP = 1e-30
LIMITS = {"float64": 1e-9, "float32": 2e-3}
"""The largest relative error that passes: rounding, with room for sums of many terms."""
ROUNDINGS = 16
"""So many roundings of the largest of all gradients pass where a parameter's own are smaller: the offset before a batch
norm has the gradient 0, found as a difference of what others have."""


@dataclass(frozen=True)
class Finding:
    """One parameter's comparison: the worst relative error over its entries, and where."""

    parameter: str
    entries: int
    error: float
    worst: str
    emitted: float
    reference: float


def check_gradients(
    model: Model,
    module: Any,
    *,
    seed: int = 0,
    batch: int = 3,
    entries: int = 12,
) -> list[Finding]:
    """Compare some entries of each gradient of the module with the complex step, at one random point."""
    point = random_point(model, seed, batch)
    data = {t.name: point[t.name] for t in model.program.having(Role.INPUT)}
    parameters = [t.name for t in model.program.having(Role.PARAM)]
    _, flat = module.loss_and_grad(module.pack({name: point[name] for name in parameters}), **data)
    gradients = module.unpack(flat)
    program = replace(model.in_training, results=(model.loss,))  # what is drawn is held fixed: seed 0, step 0
    rounded = {
        n: v.astype(model.program.dtype).astype(np.float64) if v.dtype.kind == "f" else v for n, v in point.items()
    }
    rng = np.random.default_rng(seed + 1)
    pairs = {name: _pairs(program, model.loss, rounded, name, gradients[name], rng, entries) for name in model.trained}
    dtype = model.program.dtype
    largest = max(abs(slope) for _, found in pairs.values() for _, slope in found)
    least = max(1e-8, ROUNDINGS * float(np.finfo(dtype).eps) * largest / LIMITS[dtype])
    return [_finding(name, point[name].shape, *pairs[name], least) for name in model.trained]


Pairs = list[tuple[float, float]]


def _pairs(
    program: Program,
    loss: str,
    point: Mapping[str, NDArray[Any]],
    name: str,
    gradient: NDArray[Any],
    rng: np.random.Generator,
    entries: int,
) -> tuple[NDArray[Any], Pairs]:
    """Some places of a parameter, and what its gradient there is by the module and by the complex step."""
    size = point[name].size
    places = np.sort(rng.choice(size, min(entries, size), replace=False))
    found = []
    for place in places:
        moved = point[name].astype(np.complex128)
        moved.flat[place] += STEP * 1j
        slope = interpret(program, {**point, name: moved}, COMPLEX128)[loss].imag / STEP
        found.append((float(gradient.flat[place]), float(slope)))
    return places, found


def _finding(name: str, shape: tuple[int, ...], places: NDArray[Any], found: Pairs, least: float) -> Finding:
    """The worst of a parameter's entries; errors are relative to its largest gradient, or to ``least``."""
    scale = max(least, *(abs(reference) for _, reference in found))
    errors = [abs(emitted - reference) / scale for emitted, reference in found]
    worst = int(np.argmax(errors))  # the first NaN, if there is one
    where = ", ".join(str(i) for i in np.unravel_index(places[worst], shape))
    return Finding(name, len(places), errors[worst], f"{name}[{where}]" if where else name, *found[worst])
