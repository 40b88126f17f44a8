"""Naive spellings come out right in value and gradient, against 60 digits and more (the interpreter on mpmath)."""

from __future__ import annotations

import re

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
    read = [name for name in ("x", "b") if name in re.findall(r"\w+", text)]
    given = {name: parse_declaration(name, "real", Role.PARAM) for name in read}
    parsed = parse_equations([f"loss = {text}"], given)
    return Program("spelling", (*given.values(), *parsed.tensors), parsed.equations, ("loss",), "float64")


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
        assert slope_of(text) == expected


@pytest.mark.parametrize("rest", ["100", "b", "x"])
def test_what_is_added_to_an_exponential_is_not_taken_off_its_value_again(rest: str) -> None:
    """exp(x) + 100 keeps of exp(-10) what is left after rounding: its slope is no difference."""
    assert "loss" not in slope_of(f"exp(x) + {rest}")
    assert "loss" not in slope_of(f"1/(1 + exp(-x)) + {rest}")


def slope_of(text: str) -> str:
    records, derived = gradient_program(program_of(text), "loss", ["x"])
    return print_expression(records[-1].program.defined[derived.names["x"]].body)


KINKS = [("max(x, 0)", 0, 1), ("max(0, x)", 0, 1), ("min(x, 1)", 1, 1),
         ("clamp(x, 0, 1)", 1, 1), ("clamp(x, -1, 1)", 1, 1)]  # fmt: skip


@pytest.mark.parametrize(("text", "at_zero", "at_one"), KINKS)
def test_the_slope_at_a_kink_is_the_one_that_is_told(text: str, at_zero: float, at_one: float) -> None:
    plain = program_of(text)
    records, derived = gradient_program(plain, "loss", ["x"])
    for point, slope in ((0.0, at_zero), (1.0, at_one), (-0.5, interpret(plain, {"x": -0.5})["loss"] == -0.5)):
        assert interpret(records[-1].program, {"x": point})[derived.names["x"]].item() == slope
