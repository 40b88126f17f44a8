"""What makes gradients as short as by hand: numbers out of sums, factors out of sums, roots and values read again."""

from __future__ import annotations

import numpy as np
import pytest

from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.ir.text import print_equation
from nablac.passes.contract import contract
from nablac.passes.inline import inline
from nablac.passes.share import share
from nablac.passes.shorten import shorten
from nablac.pipeline import Pass, gradient_program


def program_of(declarations: dict[str, str], lines: list[str], *results: str) -> Program:
    tensors = tuple(parse_declaration(n, d, Role.INPUT) for n, d in declarations.items())
    parsed = parse_equations(lines, {t.name: t for t in tensors})
    return Program("shorter", (*tensors, *parsed.tensors), parsed.equations, results, "float64")


PASSES: dict[str, tuple[Pass, dict[str, str], list[str], str]] = {
    "another power of a saved root": (
        share, {"x": "real[n]", "s": "real[n]"},
        ["r[i] = sqrt(s[i] + 1)", "d[i] = x[i]/(s[i] + 1)**(3/2)"], "d[i] = x[i]/r[i]**3",
    ),
    "a quotient inside a higher one": (
        share, {"x": "real[n]", "r": "real[n]", "v": "real[n]"},
        ["u[i] = x[i]/r[i]", "d[i] = v[i]*x[i]/r[i]**2"], "d[i] = u[i]*v[i]/r[i]",
    ),
    "a power between whole ones is left": (
        share, {"x": "real[n]", "s": "real[n]"},
        ["r[i] = sqrt(s[i] + 1)", "d[i] = x[i]/(s[i] + 1)**(1/3)"], "d[i] = x[i]/(s[i] + 1)**(1/3)",
    ),
    "a definition at several places of one body": (
        share, {"e": "real[4]", "s": "real"},
        ["p[j] = e[j]/s", "d[j,k] = e[j]/s*(1 - e[k]/s)"], "d[j, k] = p[j]*(1 - p[k])",
    ),
    "a value at a shifted place": (
        share, {"x": "real[n, 10]", "g": "real[n, 5]"},
        ["y[i,k] = x[i,k]*g[i,k] for k in 5", "d[i,j] = where(j < 5, 0, 2*g[i,j-5]*x[i,j-5]) for j in 10"],
        "d[i, j] = where(j < 5, 0, 2*y[i, j - 5])",
    ),
    "but not where no axis says that the place is there": (
        share, {"x": "real[n, 10]", "g": "real[n, 10]"},
        ["y[i,k] = x[i,k]*g[i,k] for k in 5", "d[i,j] = where(j < 3, 0, 2*g[i,j-3]*x[i,j-3]) for j in 10"],
        "d[i, j] = where(j < 3, 0, 2*g[i, j - 3]*x[i, j - 3])",
    ),
    "a clamp where nothing is cut off": (
        shorten, {"x": "real[n]", "y": "real[n]"},
        ["q[i] = clamp(x[i], 0.5, 1.5)", "d[i] = where(x[i] >= 0.5 and x[i] <= 1.5, x[i]*(q[i] - y[i])/q[i], 0)"],
        "d[i] = where(x[i] >= 1/2 and x[i] <= 3/2, x[i] - y[i], 0)",
    ),
    "but not where only one side is known": (
        shorten, {"x": "real[n]", "y": "real[n]"},
        ["q[i] = clamp(x[i], 0.5, 1.5)", "d[i] = where(x[i] >= 0.5, x[i]*y[i]/q[i], 0)"],
        "d[i] = where(x[i] >= 1/2, x[i]*y[i]/q[i], 0)",
    ),
    "a choice that a value has made": (
        shorten, {"x": "real[n]", "y": "real[n]"},
        ["h[i] = where(y[i] == 1, 0, relu(x[i] - 1))", "d[i] = where(y[i] == 1, 0, where(h[i] > 0, y[i], 0))"],
        "d[i] = where(h[i] > 0, y[i], 0)",
    ),
    "a choice that a factor's factor makes": (
        shorten, {"x": "real[n]", "y": "real[n]"},
        ["h[i] = relu(x[i] - 1)", "g[i] = 2*h[i]", "d[i] = where(h[i] > 0, -g[i]*y[i], 0)"], "d[i] = -g[i]*y[i]",
    ),
    "a number before a sum": (
        inline, {"x": "real[n]", "y": "real[n]"},
        ["h[i] = x[i] + y[i]", "d[i] = where(h[i] > 2, h[i], 3*h[i])"], "d[i] = where(h[i] > 2, h[i], 3*h[i])",
    ),
    "a delta that the sum does not run over": (
        contract, {"v": "real[n, 4]"},
        ["d[i,j] = sum[c](delta(j, 1)*v[i,c]) for j in 3"], "d[i, j] = d.part1[i]*delta(1, j)",
    ),
    "a relu that chooses itself": (
        shorten, {"x": "real[n]", "y": "real[n]"},
        ["h[i] = relu(x[i])", "d[i] = where(h[i] > 0, 2*h[i]*y[i], 0)"], "d[i] = 2*h[i]*y[i]",
    ),
    "but not where the rest may be infinite": (
        shorten, {"x": "real[n]", "y": "real[n]"},
        ["h[i] = relu(x[i])", "d[i] = where(h[i] > 0, h[i]*log(h[i]), 0)"], "d[i] = where(h[i] > 0, h[i]*log(h[i]), 0)",
    ),
    "nor where the value may be negative": (
        shorten, {"x": "real[n]", "y": "real[n]"},
        ["h[i] = tanh(x[i])", "d[i] = where(h[i] > 0, h[i]*y[i], 0)"], "d[i] = where(h[i] > 0, h[i]*y[i], 0)",
    ),
    "a factor of a definition comes out of the sum": (
        contract, {"g": "real[4]", "v": "real[n, 4]"},
        ["e[i,j] = g[j]*v[i,j]", "d[j] = sum[i](e[i,j])"], "d[j] = d.part1[j]*g[j]",
    ),
    "but stays in a matrix product": (
        contract, {"g": "real[4]", "v": "real[n, 4]", "x": "real[n, 3]"},
        ["e[i,j] = g[j]*v[i,j]", "d[j,k] = sum[i](e[i,j]*x[i,k])"], "d[j, k] = sum[i](e[i, j]*x[i, k])",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSES)
def test_pass(name: str) -> None:
    one, declarations, lines, expected = PASSES[name]
    program = program_of(declarations, lines, "d")
    after = one(program)
    assert print_equation(after.defined["d"]) == expected
    rng = np.random.default_rng(1)
    shapes = {n: [int(e) if e.is_Integer else 5 for e in program.declared[n].shape] for n in declarations}
    values = {n: rng.uniform(0.2, 2, shape) for n, shape in shapes.items()}
    np.testing.assert_allclose(interpret(after, values)["d"], interpret(program, values)["d"], rtol=1e-13)


def test_a_result_is_read_and_not_computed_again() -> None:
    lines = ["a[j] = sum[i](v[i,j])", "c[i,j] = v[i,j]*a[j]", "d[j] = sum[i](v[i,j])", "e[j] = sum[i](c[i,j])"]
    program = program_of({"v": "real[n, 4]"}, lines, "c", "d", "e")
    after = share(program)
    assert list(after.defined) == ["d", "c", "e"]
    assert print_equation(after.defined["c"]) == "c[i, j] = d[j]*v[i, j]"


def test_the_gradient_reads_the_probability_that_the_stable_loss_goes_past() -> None:
    lines = ["p[i,j] = exp(z[i,j])/sum[k](exp(z[i,k]))", "loss = mean[i](-log(p[i, y[i]]))"]
    records, derived = gradient_program(program_of({"z": "real[n, 5]", "y": "label[n, 5]"}, lines), "loss", ["z"])
    last = records[-1].program
    assert print_equation(last.defined[derived.names["z"]]) == "d_z[i, k] = (p[i, k] - delta(k, y[i]))/n"
    assert last.results == ("loss", "d_z")


def test_what_the_gradient_does_not_read_is_not_kept() -> None:
    lines = ["p[i] = 1/(1 + exp(-z[i]))", "q[i] = p[i]**3", "loss = mean[i](-log(p[i]) + 0*q[i])"]
    records, _ = gradient_program(program_of({"z": "real[n]"}, lines), "loss", ["z"])
    assert "q" not in records[-1].program.defined


def test_the_loss_of_a_named_probability_is_finite_at_large_logits() -> None:
    """1 - q, with q a sigmoid that has an equation of its own, once left log1p(-1)."""
    lines = ["q[i] = 1/(1 + exp(-z[i]))", "loss = sum[i](-y[i]*log(q[i]) - (1 - y[i])*log(1 - q[i]))"]
    records, derived = gradient_program(program_of({"z": "real[n]", "y": "real[n]"}, lines), "loss", ["z"])
    found = interpret(records[-1].program, {"z": np.array([50.0, -50.0]), "y": np.array([0.0, 1.0])})
    np.testing.assert_allclose(found["loss"], 100.0, rtol=1e-15)
    np.testing.assert_allclose(found[derived.names["z"]], [1.0, -1.0], rtol=1e-15)
