"""Circuits: each body taken apart into the operations a person would draw, with the values of the classic figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_program
from nablac.report.drawings.circuit import MINUS, explode, is_circuit
from nablac.report.drawings.graph import model_graph
from nablac.report.numbers.point import read_point
from nablac.report.numbers.values import annotate, evaluate
from tests.report.models import FAN, example, model_of


def shown(name: str, at: str | None = None) -> dict[str, tuple[str, str | None, str | None]]:
    """Title, value and gradient of each node of an example's graph."""
    model = example(name)
    graph = annotate(model_graph(model), evaluate(model, read_point(at, model)))
    return {n.name: (n.title, n.value, n.gradient) for n in graph.nodes}


def test_product_is_the_classic_figure() -> None:
    assert shown("circuit_product", "x=-2,y=5,z=-4") == {
        "x": ("x", f"{MINUS}2", f"{MINUS}4"),
        "y": ("y", "5", f"{MINUS}4"),
        "q": ("+", "3", f"{MINUS}4"),
        "z": ("z", f"{MINUS}4", "3"),
        "f": ("×", f"{MINUS}12", "1"),
    }


def test_neuron_is_the_classic_figure() -> None:
    found = [(title, value, gradient) for title, value, gradient in shown("circuit_neuron").values()]
    expected = [
        ("w0", "2", "-0.20"), ("x0", "-1", "0.39"), ("×", "-2", "0.20"), ("w1", "-3", "-0.39"), ("x1", "-2", "-0.59"),
        ("×", "6", "0.20"), ("+", "4", "0.20"), ("w2", "-3", "0.20"), ("+", "1", "0.20"), ("×-1", "-1", "-0.20"),
        ("exp", "0.37", "-0.53"), ("+1", "1.37", "-0.53"), ("1/x", "0.73", "1"),
    ]  # fmt: skip
    assert found == [tuple(text.replace("-", MINUS) for text in row) for row in expected]


@pytest.mark.parametrize(
    ("body", "operations"),
    [
        ("a - b", [MINUS]),
        ("1 - a", [f"×{MINUS}1", "+1"]),
        ("-(a + b + c)", ["+", "+", f"×{MINUS}1"]),
        ("a/(b*c)", ["×", "÷"]),
        ("2/a**2", ["x²", "1/x", "×2"]),
        ("(a - 3)**3/7", [f"{MINUS}3", "x³", "÷7"]),
        ("sqrt(a) + 0.25", ["√", "+1/4"]),
        ("max(a, 1)*pi", ["max(·, 1)", "×pi"]),
        ("max(0, a)", ["relu"]),
        ("2**a", ["2ˣ"]),
        ("where(a > b + 1, a, b)", ["+1", "where"]),
        ("a", ["="]),
    ],
)
def test_operations(body: str, operations: list[str]) -> None:
    program = parse_program({"a": "real", "b": "real", "c": "real"}, [f"f = {body}"], ["f"])
    assert sorted(explode(program).operations.values()) == sorted(operations)


def test_taken_apart_it_means_the_same(tmp_path: Path) -> None:
    program = model_of(FAN, tmp_path).program
    exploded = explode(program).program
    rng = np.random.default_rng(1)
    for _ in range(20):
        point = {name: rng.normal() for name in "abc"}
        before, after = interpret(program, point), interpret(exploded, point)
        for equation in program.equations:
            assert after[equation.target] == pytest.approx(before[equation.target], rel=1e-12)
    assert all(len(e.sources) <= 4 for e in exploded.equations)
    assert len(exploded.equations) > 20


def test_what_readers_send_back_adds_up(tmp_path: Path) -> None:
    model = model_of(FAN, tmp_path)
    values = evaluate(model, read_point(None, model))
    for name in ("a", "b", "c", "s", "t"):
        parts = [part for (read, _), part in values.parts.items() if read == name]
        assert len(parts) > 1
        assert sum(parts) == pytest.approx(values.quantities[name].gradient)


def test_only_numbers_make_a_circuit() -> None:
    assert is_circuit(example("circuit_neuron").program)
    assert not is_circuit(example("chain").program)
