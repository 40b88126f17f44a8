"""frontend/sample: a random point of a model: its inputs and parameters, for checks and for reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nablac.frontend.model import Model
from nablac.ir.tensor import Role, Tensor


def random_point(model: Model, seed: int, batch: int) -> dict[str, NDArray[Any]]:
    """Inputs and parameters drawn from normal distributions, labels evenly; named extents are ``batch``, +1, +2, ...

    Frozen parameters that start at a number have it: a variance is no negative number.
    """
    rng = np.random.default_rng(seed)
    names = sorted({str(e) for t in model.program.tensors for e in t.shape if not e.is_Integer})
    sizes = {name: batch + place for place, name in enumerate(names)}
    return {t.name: _draw(t, rng, sizes) for t in model.program.tensors if t.role in (Role.INPUT, Role.PARAM)}


def _draw(tensor: Tensor, rng: np.random.Generator, sizes: Mapping[str, int]) -> NDArray[Any]:
    shape = tuple(int(e) if e.is_Integer else sizes[str(e)] for e in tensor.shape)
    if tensor.bound is not None:
        bound = int(tensor.bound) if tensor.bound.is_Integer else sizes[str(tensor.bound)]
        return rng.integers(0, bound, shape)
    if tensor.kind.value == "int":
        return rng.integers(0, 2, shape)
    if tensor.frozen and tensor.initialiser is not None and tensor.initialiser.name == "constant":
        return np.full(shape, float(tensor.initialiser.arguments[0]))
    scale = 1.0 if tensor.role is Role.INPUT else 1 / np.sqrt(max(int(np.prod(shape[1:])), 1))
    return np.asarray(rng.normal(size=shape) * scale)
