"""Naive spellings in modules that Numba has compiled, in both dtypes: value and gradient against 1,500 digits."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from nablac.frontend.model import Model
from nablac.frontend.optimizers import RULES, make_optimizer
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import MPMATH, interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from tests.endtoend.modules import imported, on_numpy, text_of
from tests.spellings import POINTS, ROUNDED, SPELLINGS, is_close

CHUNKS = tuple(tuple(list(SPELLINGS)[k : k + 12]) for k in (0, 12))
EPSILON = {"float32": 1.2e-7, "float64": 2.3e-16}
SMALLEST = {"float32": 1.2e-38, "float64": 2.3e-308}


def spellings_model(names: tuple[str, ...], dtype: str) -> Model:
    """One output and one parameter a spelling, both along POINTS; the loss is the sum of all outputs' elements."""
    declared = [parse_declaration(f"x{k}", f"real[{len(POINTS)}]", Role.PARAM) for k in range(len(names))]
    lines = [f"u{k}[i] = {SPELLINGS[name].replace('exp', 'EXP').replace('x', f'x{k}[i]').replace('EXP', 'exp')}"
             for k, name in enumerate(names)]  # fmt: skip
    lines = [line.replace(f"max{''}", "max") for line in lines]
    lines += ["loss = " + " + ".join(f"sum[i](u{k}[i])" for k in range(len(names)))]
    parsed = parse_equations(lines, {t.name: t for t in declared})
    outputs = tuple(f"u{k}" for k in range(len(names)))
    program = Program("spellings", (*declared, *parsed.tensors), parsed.equations, ("loss", *outputs), dtype)
    return Model("spellings", program, "loss", outputs, (), make_optimizer(RULES["sgd"], {"lr": 0.1}, dtype=dtype))
