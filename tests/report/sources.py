"""Programs with their gradients, compiled once for all tests of this folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from nablac.frontend.load import load_model
from nablac.ir.equation import Program
from nablac.ir.tensor import Role
from nablac.pipeline import Compiled, compile_model, gradient_program
from nablac.report.formulas.notation import Notation
from tests.programs import known_program
from tests.random_programs import random_program, random_values

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
RANDOM = range(16)

Source = tuple[Program, dict[str, np.ndarray], Program, dict[str, str]]
"""A program, values for what it reads, the program with its gradients, and their names."""


def with_gradients(program: Program) -> tuple[Program, dict[str, str]]:
    wrt = [t.name for t in program.having(Role.PARAM)]
    records, derived = gradient_program(program, "loss", wrt)
    return records[-1].program, dict(derived.names)


def given(program: Program, seed: int) -> dict[str, np.ndarray]:
    return random_values(tuple(t for t in program.tensors if t.role is not Role.RESULT), seed)


@cache
def known(name: str) -> Source:
    program = known_program(name)
    return program, given(program, 3), *with_gradients(program)


@cache
def drawn(seed: int) -> Source:
    program, values = random_program(seed)
    return program, values, *with_gradients(program)


@cache
def example(path: Path) -> Compiled:
    return compile_model(load_model(path))


def notation_of(compiled: Compiled) -> Notation:
    return Notation.of(compiled.programs["gradient"], compiled.gradients, *compiled.programs.values())
