"""Every pass preserves meaning, and every gradient is right: properties over random programs."""

from __future__ import annotations

import numpy as np
import pytest

from nablac.ir.equation import Program
from nablac.ir.interpret import COMPLEX128, interpret
from nablac.ir.tensor import Role
from nablac.passes.differentiate import forward, reverse
from nablac.pipeline import gradient_program, loss_program
from tests.random_programs import random_program

SEEDS = range(40)
DEEP_SEEDS = range(1000, 1600)


def slope(program: Program, values: dict[str, np.ndarray], name: str, direction: np.ndarray) -> float:
    """The loss's derivative along a direction of one tensor, by a complex step (Squire and Trapp, 1998)."""
    moved = values | {name: values[name] + 1e-30j * direction}
    return float(interpret(program, moved, COMPLEX128)["loss"].imag / 1e-30)


def check_program(seed: int) -> None:
    program, values = random_program(seed)
    wrt = [t.name for t in program.having(Role.PARAM)]
    rng = np.random.default_rng(seed)
    expected = interpret(program, values)["loss"]
    for record in loss_program(program, ("loss",)):
        np.testing.assert_allclose(interpret(record.program, values)["loss"], expected, rtol=1e-10, err_msg=record.name)
    records, derived = gradient_program(program, "loss", wrt)
    names = derived.names
    derived = next(r.program for r in records if r.name == "differentiate")
    gradients = interpret(derived, values)
    for name in wrt:
        direction = rng.normal(size=values[name].shape)
        np.testing.assert_allclose(
            np.sum(gradients[names[name]] * direction),
            slope(program, values, name, direction),
            rtol=1e-9,
            atol=1e-11,
            err_msg=f"seed {seed}: {name}",
        )
    for record in records[records.index(next(r for r in records if r.name == "differentiate")) :]:
        after = interpret(record.program, values)
        for name in names.values():
            np.testing.assert_allclose(
                after[name], gradients[name], rtol=1e-9, atol=1e-11, err_msg=f"seed {seed}: {name} after {record.name}"
            )


@pytest.mark.parametrize("seed", SEEDS)
def test_passes_preserve_meaning_and_gradients_are_right(seed: int) -> None:
    check_program(seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", DEEP_SEEDS)
def test_many_more_programs(seed: int) -> None:
    check_program(seed)


@pytest.mark.parametrize("seed", range(8))
def test_hessian_vector_products_two_ways(seed: int) -> None:
    program, values = random_program(seed, steps=4)
    derived = reverse(program, "loss", ["W"])
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=values["W"].shape)
    pushed = forward(derived.program, ["W"], list(derived.names.values()))
    product = interpret(pushed.program, values | {"t_W": direction})[pushed.names[derived.names["W"]]]
    moved = values | {"W": values["W"] + 1e-30j * direction}
    stepped = interpret(derived.program, moved, COMPLEX128)[derived.names["W"]].imag / 1e-30
    np.testing.assert_allclose(product, stepped, rtol=1e-8, atol=1e-10, err_msg=f"seed {seed}")
