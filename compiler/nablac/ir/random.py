"""ir/random: random numbers as a function: Philox2x32 with 10 rounds, of a seed, a step, a stream and a number in it.

The generator is of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): it passes
TestU01's BigCrush, needs no state, and works in words of 32 bits.  Its counter is (number in the stream, step), its key
the seed's and the stream's bits.  What is printed into modules computes the same bits (``emit/stable``,
``emit/numpy_helpers``).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nablac.ir import functions as f
from nablac.ir.equation import Equation
from nablac.ir.tensor import Kind, Role, Tensor

MULTIPLIER, WEYL, ROUNDS = 0xD256D193, 0x9E3779B9, 10
BITS = 24
"""How many bits a number has, so that float32 holds it exactly."""

COUNTERS = tuple(Tensor(access.tensor, (), Kind.INT, Role.COUNTER) for access in f.COUNTERS)
"""The declarations of what random numbers read."""


def counters(equations: Iterable[Equation]) -> tuple[Tensor, ...]:
    """The declarations of the counters, where an equation draws."""
    return COUNTERS if any(equation.body.has(f.Random) for equation in equations) else ()


def stream_number(name: str) -> int:
    """A stream's 32 bits, of its name alone: what else a model holds does not change its numbers."""
    return zlib.crc32(name.encode())


def uniform(seed: Any, step: Any, stream: int, number: Any) -> NDArray[np.float64]:
    """Numbers from [0, 1), multiples of 2**-24, elementwise.

    >>> float(uniform(seed=0, step=0, stream=0, number=0)) == (0xFF1DAE59 >> 8) / 2**24  # the authors' known answer
    True
    """
    seeds = np.asarray(seed).astype(np.uint64)
    low, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    key = (seeds ^ (seeds >> low) ^ np.uint64(stream)) & mask
    one, two = np.asarray(number).astype(np.uint64) & mask, np.asarray(step).astype(np.uint64) & mask
    for _ in range(ROUNDS):
        product = one * np.uint64(MULTIPLIER)
        one, two = (product >> low) ^ key ^ two, product & mask
        key = (key + np.uint64(WEYL)) & mask
    return np.asarray((one >> np.uint64(32 - BITS)) / 2.0**BITS)
