"""Known sums are read or stated without a sum, and only those."""

from __future__ import annotations

import numpy as np
import pytest

from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.ir.text import print_equation
from nablac.passes.resolve import resolve
from tests.random_programs import random_values


def resolved(declarations: dict[str, str], lines: list[str], result: str) -> str:
    """The equation of the result after the pass, whose value is checked to be the same."""
    tensors = tuple(parse_declaration(n, d, Role.INPUT) for n, d in declarations.items())
    parsed = parse_equations(lines, {t.name: t for t in tensors})
    program = Program("known", (*tensors, *parsed.tensors), parsed.equations, (result,), "float64")
    after = resolve(program)
    values = random_values(tensors, 2)
    np.testing.assert_allclose(
        interpret(after, values)[result], interpret(program, values)[result], rtol=1e-12, atol=1e-12
    )
    return print_equation(after.defined[result])


X = {"x": "real[n, 4]", "z": "real[n, 4]"}
KNOWN = {
    "deviations from the mean": (
        X, ["m[i] = mean[k](x[i,k])", "t[i] = sum[j](x[i,j] - m[i])"], "t", "t[i] = 0",
    ),
    "normalised deviations, two definitions deep": (
        X,
        ["m[i] = mean[k](x[i,k])", "r[i] = sqrt(1 + m[i]**2)", "u[i,k] = (x[i,k] - m[i])/r[i]", "v[i,k] = 2*u[i,k]",
         "t[i] = sum[j](3*v[i,j])"],
        "t", "t[i] = 0",
    ),
    "over the batch": (
        X, ["m[k] = mean[i](x[i,k])", "t[k] = sum[i](x[i,k] - m[k])"], "t", "t[k] = 0",
    ),
    "a softmax": (
        X, ["s[i] = sum[k](exp(x[i,k]))", "p[i,k] = exp(x[i,k])/s[i]", "t[i] = sum[l](p[i,l])"], "t", "t[i] = 1",
    ),
    "a delta and a constant": (
        X | {"y": "label[n, 4]"}, ["t[i] = sum[k](9*delta(k, y[i]) + 1) for k in 4"], "t", "t[i] = 13",
    ),
    "a known sum and the softmax": (
        X,
        ["s[i] = sum[k](exp(x[i,k]))", "p[i,k] = exp(x[i,k])/s[i]", "r[i] = sum[k](p[i,k]*z[i,k])",
         "t[i] = sum[l](p[i,l]*(z[i,l] + 1))"],
        "t", "t[i] = r[i] + 1",
    ),
    "a contraction known from the other side": (
        {"p": "real[n, 6]", "w": "real[6, 4]", "v": "real[n, 4]"},
        ["o[i,c] = sum[j](p[i,j]*w[j,c])", "d[i,j] = sum[c](v[i,c]*w[j,c])", "t[i] = sum[j](d[i,j]*p[i,j])"],
        "t", "t[i] = sum[c](o[i, c]*v[i, c])",
    ),
}  # fmt: skip
LEFT = {
    "another range": (X, ["m[i] = sum[k](x[i,k]) for k in 3", "t[i] = sum[k](x[i,k]) for k in 4"], "t"),
    "other places": (X, ["m[i] = sum[k](x[i,k]) for k in 3", "t[i] = sum[k](x[i,k+1]) for k in 3"], "t"),
    "the other axis": (
        {"x": "real[4, 4]"}, ["m[i] = sum[k](x[i,k])", "t[i] = sum[k](x[k,i])"], "t",
    ),
    "products of differences, where the known sums cancel in rounding": (
        X,
        ["m[i] = mean[k](x[i,k])", "w[i] = mean[k](z[i,k])", "q[i] = sum[k](x[i,k]*z[i,k])",
         "t[i] = sum[k]((x[i,k] - m[i])*(z[i,k] - w[i]))"],
        "t",
    ),
    "squares of differences": (
        X, ["m[i] = mean[k](x[i,k])", "q[i] = sum[k](x[i,k]**2)", "t[i] = sum[k]((x[i,k] - m[i])**2)"], "t",
    ),
    "a contraction, where the exchange costs more": (
        {"p": "real[n, 3]", "w": "real[3, 4]", "v": "real[n, 4]"},
        ["o[i,c] = sum[j](p[i,j]*w[j,c])", "d[i,j] = sum[c](v[i,c]*w[j,c])", "t[i] = sum[j](d[i,j]*p[i,j])"],
        "t",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_known(name: str) -> None:
    declarations, lines, result, expected = KNOWN[name]
    assert resolved(declarations, lines, result) == expected


@pytest.mark.parametrize("name", LEFT)
def test_left_as_it_is(name: str) -> None:
    declarations, lines, result = LEFT[name]
    assert resolved(declarations, lines, result).startswith("t[i] = sum[")


def test_a_variance_far_from_zero_keeps_its_digits() -> None:
    """x**2 and its sum are known too, but their difference would lose every digit."""
    x = parse_declaration("x", "real[5]", Role.INPUT)
    lines = ["m = mean[k](x[k])", "q = sum[k](x[k]**2)", "v = sum[k]((x[k] - m)**2)"]
    parsed = parse_equations(lines, {"x": x})
    program = resolve(Program("v", (x, *parsed.tensors), parsed.equations, ("v", "q"), "float64"))
    found = interpret(program, {"x": 1e9 + np.arange(5.0)})["v"]
    np.testing.assert_allclose(found, 10.0, rtol=1e-15)
