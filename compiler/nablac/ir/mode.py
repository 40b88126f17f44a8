"""ir/mode: a program as it is while the model is trained, and as it is when it is used.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> p = parse_program({"x": "real[n]"}, ["h[i] = where(training and uniform(i) < 1/2, 0, 2*x[i])"], ["h"])
    >>> print(print_equations(in_training(p)))
    h[i] = where(uniform(h.draw, random.row + i) < 1/2, 0, 2*x[i])
    >>> print(print_equations(in_evaluation(p)))
    h[i] = 2*x[i]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympy import S

from nablac.ir.equation import Program
from nablac.ir.functions import ROW, SEED, STEP, TRAINING
from nablac.ir.tensor import Role


def in_training(program: Program) -> Program:
    """The program with ``training`` true: what gradients and steps are of."""
    return _put(program, {TRAINING: S.true})


def in_evaluation(program: Program) -> Program:
    """The program with ``training`` false; what it draws all the same is that of seed, step and row 0."""
    plain = _put(program, {TRAINING: S.false, SEED: S.Zero, STEP: S.Zero, ROW: S.Zero})
    if not plain.having(Role.COUNTER):
        return plain
    return plain.with_equations(plain.equations, (t for t in plain.tensors if t.role is not Role.COUNTER))


def has_modes(program: Program) -> bool:
    """Whether training and evaluation compute different things."""
    return in_training(program) is not program or bool(program.having(Role.COUNTER))


def _put(program: Program, values: Mapping[Any, Any]) -> Program:
    return program.with_equations(e.with_body(e.body.xreplace(values)) for e in program.equations)
