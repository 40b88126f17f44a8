"""Schedules and their text against the interpreter: random programs first, then the shapes of equations by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nablac.emit.code import Programs
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.pipeline import forward_program, gradient_program
from tests.emit.native import build, call, plain
from tests.random_programs import random_program

TOLERANCE = {"float64": 1e-11, "float32": 3e-4}


def written(
    declarations: dict[str, str], lines: Sequence[str], results: Sequence[str], dtype: str = "float64"
) -> Program:
    """A program from text; capital letters and names with dots are parameters."""
    tensors = tuple(
        parse_declaration(name, text, Role.PARAM if name[0].isupper() else Role.INPUT)
        for name, text in declarations.items()
    )
    parsed = parse_equations(lines, {t.name: t for t in tensors})
    return Program("test", tensors + parsed.tensors, parsed.equations, tuple(results), dtype)


def random_values(program: Program, sizes: dict[str, int], seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {}
    for t in program.tensors:
        if t.role is not Role.RESULT:
            shape = tuple(int(e) if e.is_Integer else sizes[str(e)] for e in t.shape)
            values[t.name] = rng.integers(0, int(t.bound), shape) if t.bound is not None else rng.normal(size=shape)
    return values


def agrees(program: Program, values: dict[str, Any], module: Any = None, code: Any = None) -> None:
    """The predict entry gives every result that the interpreter gives."""
    if module is None:
        module, code = plain(Programs(program))
    expected = interpret(program, values)
    found = call(module, code, "predict", program, {**values, **expected})
    for name in program.results:
        tolerance = TOLERANCE[program.dtype]
        np.testing.assert_allclose(found[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_keep_their_meaning(seed: int) -> None:
    program, values = random_program(seed)
    agrees(program, values)
    every = tuple(e.target for e in program.equations)
    agrees(replace(program, results=every[-4:] if seed % 2 else every), values)


@pytest.mark.parametrize("seed", range(30))
def test_random_gradients_keep_their_meaning(seed: int) -> None:
    program, values = random_program(seed)
    wrt = [t.name for t in program.having(Role.PARAM)]
    records, names = gradient_program(program, "loss", wrt)
    final = records[-1].program
    evaluate = forward_program(program, ("loss",))[-1].program
    module, code = plain(Programs(evaluate, evaluate, final, loss="loss", gradients=names))
    expected = interpret(final, values)
    found = call(module, code, "gradient", final, values)
    wanted = np.concatenate([np.ravel(expected[names[p]]) for p in wrt])
    np.testing.assert_allclose(found["grad"], wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-11)
    np.testing.assert_allclose(
        call(module, code, "evaluate", evaluate, values)["values"][0], expected["loss"], rtol=1e-11
    )


MODELS: dict[str, tuple[dict[str, str], list[str], dict[str, int]]] = {
    "convolution": (
        {"x": "real[n, 3, 9]", "W": "real[4, 3, 3]", "B": "real[4]", "V": "real[4, 4]"},
        [
            "h[i,o,p] = sum[c,u](W[o,c,u]*x[i,c,2*p+u]) for p in 4",
            "a[i,o,p] = relu(h[i,o,p] + B[o])",
            "loss = mean[i,o,p](a[i,o,p]*V[o,p])",
        ],
        {"n": 3},
    ),
    "embedding": (
        {"w": "label[n, 6, 11]", "E": "real[11, 5]", "W": "real[3, 5]", "y": "label[n, 3]"},
        [
            "h[i,d] = mean[t](E[w[i,t], d])",
            "z[i,j] = sum[d](W[j,d]*h[i,d])",
            "loss = mean[i](-log(exp(z[i, y[i]])/sum[j](exp(z[i,j]))))",
        ],
        {"n": 4},
    ),
    "attention": (
        {"x": "real[n, 5, 6]", "Q": "real[6, 6]", "K": "real[6, 6]", "V": "real[6, 6]"},
        [
            "query[i,t,d] = sum[c](Q[d,c]*x[i,t,c])",
            "key[i,t,d] = sum[c](K[d,c]*x[i,t,c])",
            "value[i,t,d] = sum[c](V[d,c]*x[i,t,c])",
            "s[i,t,u] = sum[d](query[i,t,d]*key[i,u,d])/sqrt(6)",
            "a[i,t,u] = exp(s[i,t,u])/sum[r](exp(s[i,t,r]))",
            "h[i,t,d] = sum[u](a[i,t,u]*value[i,u,d])",
            "loss = mean[i,t,d](h[i,t,d]**2)",
        ],
        {"n": 3},
    ),
    "pooling": (
        {"x": "real[n, 8]", "W": "real[8, 8]"},
        [
            "h[i,j] = sum[k](W[j,k]*x[i,k])",
            "m[i,p] = max[u](h[i,2*p+u]) for p in 4, u in 2",
            "loss = mean[i,p](m[i,p]**2)",
        ],
        {"n": 5},
    ),
    "two extents": (
        {"x": "real[n, 3]", "z": "real[m, 3]", "L": "real"},
        ["k[i,j] = exp(-sum[d]((x[i,d] - z[j,d])**2)*L**2)", "loss = mean[i,j](k[i,j])"],
        {"n": 4, "m": 6},
    ),
    "circuit": (
        {"X": "real", "Y": "real", "Z": "real"},
        ["loss = (X + Y)*Z + 1/(1 + exp(-X*Y)) + sqrt(1 + X**2)"],
        {},
    ),
    "regression": (
        {"x": "real[n, 13]", "y": "real[n]", "W": "real[13]", "B": "real"},
        ["p[i] = sum[k](W[k]*x[i,k]) + B", "loss = mean[i](log(cosh(y[i] - p[i]))) + 0.01*sum[k](W[k]**2)"],
        {"n": 7},
    ),
    "guards": (
        {"x": "real[n, 4]", "W": "real[4]"},
        ["h[i,k] = where(x[i,k] > 0, log(abs(x[i,k]*W[k]) + 1), sqrt(1 + W[k]**2))", "loss = mean[i,k](h[i,k])"],
        {"n": 5},
    ),
}
"""Declarations, equations, extents; capitals are parameters."""


def model(name: str, dtype: str = "float64") -> tuple[Program, dict[str, Any]]:
    declarations, lines, sizes = MODELS[name]
    program = written(declarations, lines, ("loss",), dtype)
    return program, random_values(program, sizes)


def derived(program: Program) -> tuple[Programs, dict[str, str]]:
    records, names = gradient_program(program, "loss", [t.name for t in program.having(Role.PARAM)])
    final = records[-1].program
    evaluate = forward_program(program, ("loss",))[-1].program
    return Programs(evaluate, evaluate, final, loss="loss", gradients=names), names


def check_gradient(programs: Programs, values: dict[str, Any], module: Any, code: Any) -> None:
    final = programs.gradient
    assert final is not None
    expected = interpret(final, values)
    found = call(module, code, "gradient", final, values)
    wanted = np.concatenate([np.ravel(expected[programs.gradient_of(t.name)]) for t in final.having(Role.PARAM)])
    tolerance = TOLERANCE[final.dtype]
    np.testing.assert_allclose(found["grad"], wanted, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_models_by_hand(name: str) -> None:
    program, values = model(name)
    programs, _ = derived(program)
    check_gradient(programs, values, *plain(programs))


@pytest.mark.parametrize(
    ("name", "dtype"), [("convolution", "float32"), ("attention", "float64"), ("embedding", "float32")]
)
def test_models_compiled(name: str, dtype: str, tmp_path: Path) -> None:
    program, values = model(name, dtype)
    programs, _ = derived(program)
    check_gradient(programs, values, *build(programs, tmp_path / "functions.py"))
