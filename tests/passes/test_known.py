"""Gradients of well-known programs: right against complex steps, and as short as the textbook's (goldens)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nablac.ir.interpret import COMPLEX128, interpret
from nablac.ir.tensor import Role
from nablac.ir.text import print_program
from nablac.passes.differentiate import forward, reverse
from nablac.pipeline import gradient_program
from tests.programs import KNOWN, known_program
from tests.random_programs import random_values


@pytest.mark.parametrize("name", KNOWN)
def test_gradient(name: str, golden: Callable[[str], None]) -> None:
    program = known_program(name)
    values = random_values(program.tensors[: len(program.tensors) - len(program.equations)], 3)
    wrt = [t.name for t in program.having(Role.PARAM)]
    records, derived = gradient_program(program, "loss", wrt)
    names = derived.names
    found = interpret(records[-1].program, values)
    for parameter in wrt:
        expected = np.empty_like(values[parameter])
        for place in np.ndindex(expected.shape):
            moved = values[parameter].astype(complex)
            moved[place] += 1e-30j
            expected[place] = interpret(program, values | {parameter: moved}, COMPLEX128)["loss"].imag / 1e-30
        np.testing.assert_allclose(found[names[parameter]], expected, rtol=1e-11, atol=1e-13)
    golden(print_program(records[-1].program))


@pytest.mark.parametrize("name", KNOWN)
def test_tangent_and_gradient_agree(name: str) -> None:
    """<gradient, direction> of the reverse sweep is the tangent of the forward one."""
    program = known_program(name)
    values = random_values(program.tensors[: len(program.tensors) - len(program.equations)], 4)
    wrt = [t.name for t in program.having(Role.PARAM)]
    rng = np.random.default_rng(5)
    directions = {p: rng.normal(size=values[p].shape) for p in wrt}
    pushed = forward(program, wrt)
    tangent = interpret(pushed.program, values | {f"t_{p}": d for p, d in directions.items()})[pushed.names["loss"]]
    pulled = reverse(program, "loss", wrt)
    gradients = interpret(pulled.program, values)
    inner = sum(np.sum(gradients[pulled.names[p]] * d) for p, d in directions.items())
    np.testing.assert_allclose(tangent, inner, rtol=1e-11)


@pytest.mark.parametrize("spelling", ["by hand", "in many steps"])
def test_cross_entropy_is_p_minus_y_and_finite_at_huge_logits(spelling: str) -> None:
    program = known_program(f"softmax cross-entropy {spelling}")
    records, derived = gradient_program(program, "loss", ["z"])
    names = derived.names
    z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [0.0, 1e-17, -1e-17]])
    labels = np.array([1, 1, 0])
    found = interpret(records[-1].program, {"z": z, "y": labels})
    shifted = np.exp(z - z.max(axis=1, keepdims=True))
    expected = (shifted / shifted.sum(axis=1, keepdims=True) - np.eye(3)[labels]) / 3
    np.testing.assert_allclose(found[names["z"]], expected, rtol=1e-14)
    assert np.isclose(found["loss"], (2e4 + np.log(2) + np.log(3)) / 3, rtol=1e-14)
