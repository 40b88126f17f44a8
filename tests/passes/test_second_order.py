"""Derivatives of derivatives: each mode applied to the other's result."""

from __future__ import annotations

import numpy as np
import pytest

from nablac.ir.check import check
from nablac.ir.interpret import COMPLEX128, interpret
from nablac.ir.tensor import Role
from nablac.passes.differentiate import forward, reverse
from tests.programs import KNOWN, known_program
from tests.random_programs import random_values


@pytest.mark.parametrize("name", KNOWN)
def test_hessian_vector_product_three_ways(name: str) -> None:
    """Forward over reverse, reverse over forward, and the complex step of the gradient."""
    program = known_program(name)
    values = random_values(program.tensors[: len(program.tensors) - len(program.equations)], 8)
    wrt = next(t.name for t in program.having(Role.PARAM))
    direction = np.random.default_rng(9).normal(size=values[wrt].shape)
    gradient = reverse(program, "loss", [wrt])
    pushed = forward(gradient.program, [wrt], [gradient.names[wrt]])
    check(pushed.program, "forward over reverse")
    product = interpret(pushed.program, values | {f"t_{wrt}": direction})[pushed.names[gradient.names[wrt]]]
    moved = values | {wrt: values[wrt] + 1e-30j * direction}
    stepped = interpret(gradient.program, moved, COMPLEX128)[gradient.names[wrt]].imag / 1e-30
    np.testing.assert_allclose(product, stepped, rtol=1e-9, atol=1e-12)
    slope = forward(program, [wrt], ["loss"])
    pulled = reverse(slope.program, slope.names["loss"], [wrt])
    check(pulled.program, "reverse over forward")
    again = interpret(pulled.program, values | {f"t_{wrt}": direction})[pulled.names[wrt]]
    np.testing.assert_allclose(again, product, rtol=1e-9, atol=1e-12)
