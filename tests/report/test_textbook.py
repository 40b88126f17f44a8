"""Derived gradients against the best known by hand: as short, equal in value, and kept as goldens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

import mpmath
import numpy as np
import pytest

from nablac.errors import Place
from nablac.frontend.build import Builder
from nablac.frontend.definition import Request
from nablac.frontend.library import MEASURES, NODES
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Equation, Program
from nablac.ir.index import extent
from nablac.ir.interpret import FLOAT64, MPMATH, Arithmetic, interpret
from nablac.ir.mode import in_training
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role, Tensor
from nablac.ir.text import print_equation
from nablac.ir.tokens import Line
from nablac.passes.canonicalise import without_dead
from nablac.pipeline import gradient_program
from tests.report.counting import lifted_operations
from tests.report.library_textbook import LIBRARY
from tests.report.textbook import SIZES, Row
from tests.report.textbook import TABLE as BY_HAND

TABLE = BY_HAND | LIBRARY
CASES = [(name, wrt) for name, row in TABLE.items() for wrt in row.hand]
SYMBOLS = {extent(name): size for name, size in SIZES.items()}
DIGITS = 40


def program_of(row: Row, lines: Iterable[str], result: str) -> Program:
    """The program of some lines; its tensors are all data, so that an extent may have a name."""
    builder = Builder("textbook", "float64", Place("test"))
    for name, declaration in {**row.inputs, **row.params}.items():
        builder.declare(parse_declaration(name, declaration, Role.INPUT))
    plain = list(lines)
    for place in [n for n, line in enumerate(plain) if ":=" in line]:
        builder.write(Line(line, Place("test")) for line in plain[:place])
        name, call = plain[place].split(" := ")
        layer, arguments = call.rstrip(")").split("(")
        request = Request(row.options, {"": Place("test", 1, 1)}, name)
        builder.apply({**NODES, **MEASURES}[layer], arguments.split(", "), request)
        plain = plain[place + 1 :]
    data = (replace(t, role=Role.INPUT) if t.role is Role.PARAM else t for t in builder.tensors.values())
    tensors = {t.name: t for t in data}
    parsed = parse_equations(plain, tensors)
    equations = (*builder.equations, *parsed.equations)
    return in_training(Program("textbook", (*tensors.values(), *parsed.tensors), equations, (result,), "float64"))


def declared(row: Row) -> list[Tensor]:
    """What the forward pass of a row reads and does not compute."""
    program = program_of(row, row.forward, "loss")
    return [t for t in program.tensors if t.name not in program.defined]


@cache
def derived_gradient(name: str, wrt: str) -> tuple[Program, str, tuple[Equation, ...]]:
    """The compiled program, the gradient's name, and the equations that only the gradient needs.

    What the user wrote counts to the forward pass, as it does in the hand form.
    """
    plain = program_of(TABLE[name], TABLE[name].forward, "loss")
    records, derived = gradient_program(plain, "loss", [wrt])
    program = records[-1].program
    saved = [e.target for e in plain.equations if e.target in program.defined]
    forward = without_dead(program.with_equations(program.equations, results=("loss", *saved))).defined
    return program, derived.names[wrt], tuple(e for e in program.equations if e.target not in forward)


@cache
def hand_gradient(name: str, wrt: str) -> tuple[Program, tuple[Equation, ...]]:
    """The forward pass and the hand form as one program, and the hand form's own equations."""
    row = TABLE[name]
    before = {e.target for e in program_of(row, (*row.forward, *row.saved), "loss").equations}
    program = program_of(row, (*row.forward, *row.saved, *row.hand[wrt]), f"d_{wrt}")
    return program, tuple(e for e in program.equations if e.target not in before)


def values_of(row: Row, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = {}
    for tensor in declared(row):
        shape = tuple(int(e.subs(SYMBOLS)) for e in tensor.shape)
        match row.ranges.get(tensor.name):
            case _ if tensor.bound is not None:
                values[tensor.name] = rng.integers(0, int(tensor.bound), shape)
            case "unit":
                values[tensor.name] = rng.uniform(0.05, 0.95, shape)
            case "sign":
                values[tensor.name] = rng.choice([-1.0, 1.0], shape)
            case None:
                values[tensor.name] = rng.normal(scale=2, size=shape)
    return values


def both(name: str, wrt: str, seed: int, arithmetic: Arithmetic) -> tuple[np.ndarray, np.ndarray]:
    """The derived gradient and the hand form's, at a random point."""
    values = values_of(TABLE[name], seed)
    if arithmetic is MPMATH:
        values = {
            n: v if v.dtype.kind == "i" else np.vectorize(mpmath.mpf, otypes=[object])(v) for n, v in values.items()
        }
    program, gradient, _ = derived_gradient(name, wrt)
    hand, _ = hand_gradient(name, wrt)
    return interpret(program, values, arithmetic)[gradient], interpret(hand, values, arithmetic)[f"d_{wrt}"]


@pytest.mark.parametrize(("name", "wrt"), CASES)
def test_no_longer_than_by_hand(name: str, wrt: str) -> None:
    _, _, derived = derived_gradient(name, wrt)
    _, hand = hand_gradient(name, wrt)
    found, best = (lifted_operations(equations, SYMBOLS) for equations in (derived, hand))
    assert found <= best, "\n".join([f"{found} operations, by hand {best}", *map(print_equation, (*derived, *hand))])


@pytest.mark.parametrize(("name", "wrt"), CASES)
def test_equal_to_the_hand_form(name: str, wrt: str) -> None:
    for seed in range(3):
        found, expected = both(name, wrt, seed, FLOAT64)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * np.max(np.abs(expected)))


@pytest.mark.parametrize(("name", "wrt"), CASES)
def test_equal_to_forty_digits(name: str, wrt: str) -> None:
    """No term is missing that rounding would hide."""
    with mpmath.workdps(DIGITS):
        found, expected = both(name, wrt, 5, MPMATH)
        size = max(abs(e) for e in expected.flat)
        assert size > 0
        assert all(
            abs(a - b) <= size * mpmath.mpf(10) ** (5 - DIGITS) for a, b in zip(found.flat, expected.flat, strict=True)
        )


@pytest.mark.parametrize(("name", "wrt"), CASES)
def test_printed(name: str, wrt: str, golden: Callable[[str], None]) -> None:
    _, _, derived = derived_gradient(name, wrt)
    _, hand = hand_gradient(name, wrt)
    found, best = (lifted_operations(equations, SYMBOLS) for equations in (derived, hand))
    golden(
        "\n".join(
            [
                f"derived, {found} operations",
                *(f"  {print_equation(e)}" for e in derived),
                f"by hand, {best} operations: {TABLE[name].source}",
                *(f"  {print_equation(e)}" for e in hand),
            ]
        )
    )


def test_counting_lifts_what_does_not_change() -> None:
    """v/s is counted once a row, whether it has an equation of its own or not."""
    tensors = {
        n: parse_declaration(n, d, Role.INPUT) for n, d in {"v": "real[n]", "s": "real[n]", "x": "real[n,5]"}.items()
    }
    inside = parse_equations(["y[i,k] = v[i]*x[i,k]/s[i]"], tensors).equations
    apart = parse_equations(["c[i] = v[i]/s[i]", "y[i,k] = c[i]*x[i,k]"], tensors).equations
    assert lifted_operations(inside, SYMBOLS) == lifted_operations(apart, SYMBOLS) == 7 + 35
