"""What is printed can be read back: the text of every program is a program with the same meaning."""

from __future__ import annotations

import numpy as np
import pytest

from nablac.ir.equation import Program
from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.ir.text import print_equation, print_expression
from nablac.pipeline import gradient_program
from tests.programs import KNOWN, known_program
from tests.random_programs import random_program, random_values


def read_back(program: Program) -> Program:
    """The program made anew from its text."""
    given = tuple(t for t in program.tensors if t.role is not Role.RESULT)
    lines = [print_equation(e, ranges=True) for e in program.equations]
    parsed = parse_equations(lines, {t.name: t for t in given})
    return Program(program.name, given + parsed.tensors, parsed.equations, program.results, program.dtype)


def assert_same_text_and_meaning(program: Program, values: dict[str, np.ndarray]) -> None:
    again = read_back(program)
    assert sorted(map(print_equation, again.equations)) == sorted(map(print_equation, program.equations))
    first, second = interpret(program, values), interpret(again, values)
    for name in program.results:
        np.testing.assert_allclose(second[name], first[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", range(15))
def test_random_programs_and_their_gradients(seed: int) -> None:
    program, values = random_program(seed)
    assert_same_text_and_meaning(program, values)
    records, _ = gradient_program(program, "loss", ["W", "b"])
    assert_same_text_and_meaning(records[-1].program, values)


@pytest.mark.parametrize("name", KNOWN)
def test_known_programs(name: str) -> None:
    program = known_program(name)
    values = random_values(program.tensors[: len(program.tensors) - len(program.equations)], 1)
    assert_same_text_and_meaning(program, values)
    records, _ = gradient_program(program, "loss", [t.name for t in program.having(Role.PARAM)])
    assert_same_text_and_meaning(records[-1].program, values)


def test_reading_order() -> None:
    program = known_program("two-layer perceptron")
    assert print_expression(program.defined["h"].body) == "h.sum[i, j] + b[j]"
    records, _ = gradient_program(program, "loss", ["b"])
    bodies = {e.target: print_expression(e.body) for e in records[-1].program.equations}
    assert bodies["d_h"] == "a[i, j]*d_a[i, j]*(1 - a[i, j])"
