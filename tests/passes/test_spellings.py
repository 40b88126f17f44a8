"""Naive spellings come out right in value and gradient, against 60 digits and more (the interpreter on mpmath)."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import MPMATH, interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.ir.text import print_expression
from nablac.pipeline import gradient_program
from tests.spellings import POINTS, ROUNDED, SPELLINGS, is_close


def program_of(text: str) -> Program:
    x = parse_declaration("x", "real", Role.PARAM)
    parsed = parse_equations([f"loss = {text}"], {"x": x})
    return Program("spelling", (x, *parsed.tensors), parsed.equations, ("loss",), "float64")


def exact(program: Program, point: float) -> tuple[float, float]:
    """Value and derivative by central differences with far more digits than the step takes."""
    with mpmath.workdps(1500):
        step, x = mpmath.mpf(10) ** -400, mpmath.mpf(point)

        def value(at: mpmath.mpf) -> mpmath.mpf:
            return interpret(program, {"x": np.array(at, dtype=object)}, MPMATH)["loss"].item()

        return float(value(x)), float((value(x + step) - value(x - step)) / (2 * step))


@pytest.mark.parametrize("name", SPELLINGS)
def test_value_and_gradient_are_right_everywhere(name: str) -> None:
    plain = program_of(SPELLINGS[name])
    records, derived = gradient_program(plain, "loss", ["x"])
    names = derived.names
    for point in POINTS:
        found = interpret(records[-1].program, {"x": point})
        value, slope = exact(plain, point)
        assert is_close(found["loss"].item(), value, point, 2.3e-16), (name, point, value)
        assert is_close(found[names["x"]].item(), slope, point, 2.3e-16, name in ROUNDED), (name, point, slope)


@pytest.mark.parametrize("name", SPELLINGS)
def test_formulas(name: str, golden) -> None:  # type: ignore[no-untyped-def]
    records, derived = gradient_program(program_of(SPELLINGS[name]), "loss", ["x"])
    names = derived.names
    defined = records[-1].program.defined
    golden("\n".join(f"{t} = {print_expression(defined[t].body)}" for t in ("loss", names["x"])))


def test_derivatives_through_saved_outputs_are_found() -> None:
    for text, expected in (
        ("sigmoid(x)", "loss*(1 - loss)"),
        ("tanh(x)", "1 - loss**2"),
        ("exp(x)", "loss"),
        ("relu(x)", "where(loss > 0, 1, 0)"),
        ("1/(1 + exp(-3*x))", "3*loss*(1 - loss)"),
    ):
        records, derived = gradient_program(program_of(text), "loss", ["x"])
        names = derived.names
        assert print_expression(records[-1].program.defined[names["x"]].body) == expected
