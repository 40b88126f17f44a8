"""Sums of exponentials in many spellings: value and gradient at logits that overflow, against 200 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import MPMATH, interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.pipeline import gradient_program

NAMED = ["e[i,k] = exp(z[i,k])", "r[i,k] = e[i,k]/sum[j](e[i,j])"]
MASKED = ["e[i,k] = where(v[i,k] > 1, exp(z[i,k]), 0)", "r[i,k] = e[i,k]/sum[j](e[i,j])"]
MIXED = ["r[i,k] = exp(z[i,k])/sum[j](exp(z[i,j]))", "q[i,k] = exp(-(z[i,0] - v[i,k])**2/2)"]

CASES = {
    "named, weighted": [*NAMED, "loss = sum[i,k](r[i,k]*v[i,k])"],
    "named, squared": [*NAMED, "loss = mean[i,k]((r[i,k] - v[i,k])**2)"],
    "named, mean squared": [*NAMED, "o[i] = sum[k](r[i,k]*v[i,k])", "loss = mean[i](o[i]**2)"],
    "named, purity": [*NAMED, "loss = sum[i](1 - sum[k](r[i,k]**2))"],
    "radial weights": [NAMED[0].replace("z[i,k]", "-z[i,k]**2/800"), NAMED[1], "loss = sum[i,k](r[i,k]*v[i,k])"],
    "mixture": [*MIXED, "loss = -mean[i](log(sum[k](r[i,k]*q[i,k])))"],
    "masked, weighted": [*MASKED, "loss = sum[i,k](r[i,k]*v[i,k]**2)"],
    "masked, likelihood": [*MASKED, "loss = -sum[i](log(r[i,2]))"],
    "masked, in one": ["loss = sum[i](log(sum[k](where(k != 1, exp(z[i,k]), 0))) - z[i,0])"],
    "masked, the other way": ["loss = sum[i](log(sum[k](where(k == 1, 0, exp(z[i,k])))) - z[i,0])"],
    "beside one": ["loss = sum[i](log(1 + sum[k](exp(z[i,k]))))"],
    "beside one, in steps": [NAMED[0], "s[i] = 2 + 3*sum[k](e[i,k])", "loss = mean[i](v[i,0]*log(s[i])**2)"],
    "beside one, masked": ["loss = sum[i](log(1 + sum[k](where(v[i,k] > 1, exp(-z[i,k]), 0))))"],
    "log of some": [*NAMED, "loss = -sum[i](log(sum[k](where(v[i,k] > 1, r[i,k], 0))))"],
    "all others": ["s[i,j] = sum[k](v[i,k]*z[j,k])", "loss = sum[i](log(sum[j](where(j != i, exp(s[i,j]), 0))))"],
}
BASE = np.array([[1, 2, -1], [-2, 1.5, 0.3]])
V = np.arange(6.0).reshape(2, 3) ** 0.5
POINTS = {
    "small": BASE,
    "high": BASE + 750,
    "low": BASE - 780,
    "wide": 30 * BASE,
    "far": np.array([[2000, 0, -2000], [-500, 900, 901]]),
}


def program_of(lines: list[str]) -> Program:
    given = {name: parse_declaration(name, "real[2, 3]", role) for name, role in (("z", Role.PARAM), ("v", Role.INPUT))}
    parsed = parse_equations(lines, given)
    return Program("sums", (*given.values(), *parsed.tensors), parsed.equations, ("loss",), "float64")


def exact(program: Program, z: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
    """Value and gradient by central differences in numbers of many digits."""
    with mpmath.workdps(200):
        number, step = np.vectorize(mpmath.mpf, otypes=[object]), mpmath.mpf(10) ** -40

        def value(at: np.ndarray[Any, Any]) -> Any:
            return interpret(program, {"z": at, "v": number(V)}, MPMATH)["loss"].item()

        def slope(place: tuple[int, ...]) -> float:
            shift = number(np.zeros_like(z))
            shift[place] = step
            return float((value(number(z) + shift) - value(number(z) - shift)) / (2 * step))

        return float(value(number(z))), np.array([slope(place) for place in np.ndindex(z.shape)]).reshape(z.shape)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name: str, point: str) -> None:
    plain = program_of(CASES[name])
    records, derived = gradient_program(plain, "loss", ["z"])
    found = interpret(records[-1].program, {"z": POINTS[point], "v": V})
    value, slope = exact(plain, POINTS[point])
    assert found["loss"].item() == pytest.approx(value, rel=1e-11, abs=1e-13)
    np.testing.assert_allclose(found[derived.names["z"]], slope, rtol=1e-10, atol=1e-12)
