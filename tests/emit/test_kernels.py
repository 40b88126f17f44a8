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


def written(declarations: dict[str, str], lines: Sequence[str], results: Sequence[str], dtype: str = "float64") -> Program:
    """A program from text; capital letters and names with dots are parameters."""
    tensors = tuple(
        parse_declaration(name, text, Role.PARAM if name[0].isupper() else Role.INPUT) for name, text in declarations.items()
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


@pytest.mark.parametrize("seed", range(80))
def test_random_programs_keep_their_meaning(seed: int) -> None:
    program, values = random_program(seed)
    agrees(program, values)
    every = tuple(e.target for e in program.equations)
    agrees(replace(program, results=every[-4:] if seed % 2 else every), values)


@pytest.mark.parametrize("seed", range(80))
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
    np.testing.assert_allclose(call(module, code, "evaluate", evaluate, values)["values"][0], expected["loss"], rtol=1e-11)
