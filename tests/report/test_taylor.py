"""The expansion along the negative gradient: its numbers, its formulas, and the order of what it misses."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from nablac.frontend.model import Model
from nablac.ir.interpret import interpret
from nablac.ir.tensor import Role
from nablac.report.drawings.plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, can_be_drawn, plot
from nablac.report.numbers.point import Point, read_point
from nablac.report.numbers.taylor import Expansion, expansion, taylor_sheets
from tests.report.models import FAN, RESIDUAL, SMOOTH, example, model_of

SVG = "{http://www.w3.org/2000/svg}"


def missed(expanded: Expansion, orders: int) -> list[float]:
    """How far the prediction is off, at learning rates that double."""
    rates = [s for s in expanded.rows if s.rate in {expanded.rate / 2**k for k in range(4)}]
    return [abs((s.second if orders == 2 else s.first) - s.actual) for s in rates]


@pytest.mark.parametrize("spec", [SMOOTH, RESIDUAL, "chain", "circuit_neuron"], ids=["smooth", "residual", "c", "n"])
def test_what_is_missed_falls_as_the_cube_and_as_the_square(spec: str, tmp_path: Path) -> None:
    model = model_of(spec, tmp_path) if "\n" in spec else example(spec)
    expanded = expansion(model, read_point("random", model, seed=5))
    for order, slope in ((1, 2), (2, 3)):
        errors = missed(expanded, order)
        found = [math.log2(b / a) for a, b in zip(errors, errors[1:], strict=False)]
        assert found[0] == pytest.approx(slope, abs=0.25), errors


def test_the_product_by_hand() -> None:
    """f = (x + y)*z: g = (z, z, x + y), so g'g = 2*z**2 + q**2 and g'Hg = 4*q*z."""
    model = example("circuit_product")
    expanded = expansion(model, read_point(None, model))
    assert (expanded.loss, expanded.slope, expanded.curvature) == (-12.0, 41.0, -48.0)
    assert expanded.best is None
    assert expanded.formulas is not None
    assert (expanded.formulas.slope, expanded.formulas.curvature) == ("q² + 2·z²", "4·q·z")
    assert expanded.predicted(0.01, 2) == pytest.approx(-12 - 0.41 - 0.0024)


def test_the_neuron_has_short_formulas() -> None:
    model = example("circuit_neuron")
    formulas = expansion(model, read_point(None, model)).formulas
    assert formulas is not None
    assert formulas.slope.replace(" ", "") in ("(1-f)²·f²·(w₀²+w₁²+x₀²+x₁²+1)", "f²·(1-f)²·(w₀²+w₁²+x₀²+x₁²+1)")
    assert len(formulas.curvature) < 90 and "σ" not in formulas.curvature


def along(model: Model, point: Point, rate: float, gradient: dict[str, float]) -> float:
    moved = {n: point.values[n] - rate * g for n, g in gradient.items()}
    return float(interpret(model.program, {**point.values, **moved})[model.loss])


@pytest.mark.parametrize("at", ["a=0.3,b=-1.25", "a=1,b=0.5,c=-1"])
def test_a_circuit_with_many_operations(at: str, tmp_path: Path) -> None:
    """The curvature is the second difference of the loss along the gradient that differences give."""
    model = model_of(FAN, tmp_path)
    point = read_point(at, model)
    expanded = expansion(model, point)
    names, h = [t.name for t in model.program.having(Role.PARAM)], 1e-4
    unit = {n: (along(model, point, -h, {n: 1.0}) - along(model, point, h, {n: 1.0})) / (2 * h) for n in names}
    ends = [along(model, point, r, unit) for r in (-h, 0.0, h)]
    assert expanded.slope == pytest.approx(sum(g * g for g in unit.values()), rel=1e-5)
    assert expanded.curvature == pytest.approx((ends[0] - 2 * ends[1] + ends[2]) / h**2, rel=1e-4)


def test_the_bottom_of_the_parabola_is_in_the_table() -> None:
    model = example("digits")
    expanded = expansion(model, read_point("random", model))
    assert expanded.best == pytest.approx(expanded.slope / expanded.curvature)
    step = next(s for s in expanded.rows if s.rate == expanded.best)
    assert step.second == pytest.approx(step.first / 2)
    assert expanded.rate in [s.rate for s in expanded.rows]


def test_large_values_do_not_overflow() -> None:
    model = example("digits")
    point = read_point("random", model)
    large = Point("large", {n: v * 3000 if n == "linear_2.W" else v for n, v in point.values.items()})
    expanded = expansion(model, large)
    assert np.isfinite([expanded.loss, expanded.slope, expanded.curvature]).all()


@pytest.mark.parametrize("name", ["circuit_product", "circuit_neuron", "digits", "chain"])
def test_the_plot(name: str) -> None:
    model = example(name)
    expanded = expansion(model, read_point("random", model))
    root = ElementTree.fromstring(plot(expanded))
    curves = [p for p in root.iter(f"{SVG}path") if (p.get("d") or "").count("L") > 5]
    assert len(curves) == 3
    for curve in curves:
        for point in (curve.get("d") or "").replace("M", "L").split("L")[1:]:
            x, y = map(float, point.split())
            assert LEFT - 1 <= x <= WIDTH - RIGHT + 1 and TOP - 1 <= y <= HEIGHT - BOTTOM + 1
    words = list(root.iter(f"{SVG}text"))
    assert "learning rate η" in {t.text for t in words}
    for text in words:  # nothing is written over the curves, nor cut at the edges
        x, y, long = float(text.get("x", 0)), float(text.get("y", 0)), 7.5 * len(text.text or "")
        begin = {"start": x, "middle": x - long / 2, "end": x - long}[text.get("text-anchor", "")]
        assert begin >= 0 and begin + long <= WIDTH + 8
        assert y <= TOP or y >= HEIGHT - BOTTOM or text.get("text-anchor") == "end" and x < LEFT


def test_a_loss_that_is_nearly_straight_is_not_plotted_to_the_end_of_the_world() -> None:
    """log(cosh(r)) is as good as |r| for large r: its parabola is 1e10 wide."""
    model = example("robust_regression")
    far = {"w": np.zeros(12), "b": np.asarray(13.0)}
    expanded = expansion(model, read_point("random", model, lambda seed: far))
    assert expanded.best is not None and expanded.best > 1e6
    assert expanded.curve[-1][0] < 100 and expanded.rows[-1].rate < 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("x", "the loss is straight along the step: to second order, longer is better"),
        ("-x**4", "the loss bends down along the step: to second order, longer is better"),
        ("(x - 1)**2", "the gradient is zero here: to first order, no step wins anything"),
        ("log(x - 2)", None),
        ("1/(x - 1)", None),
        ("exp(705*x)", None),
        ("1e300*x", "the loss is straight along the step: to second order, longer is better"),
    ],
)
def test_where_the_parabola_has_no_bottom(body: str, told: str | None, tmp_path: Path) -> None:
    model = model_of(f"model: m\nparams: {{x: real ~ constant(1)}}\nequations: ['f = {body}']\nloss: f\n", tmp_path)
    expanded = expansion(model, read_point(None, model))
    assert [row[1] for row in taylor_sheets(expanded)[0].rows[3:]] == ([told] if told else [])
    assert can_be_drawn(expanded) == (told is not None and body != "1e300*x")
    if can_be_drawn(expanded):
        ElementTree.fromstring(plot(expanded))


def test_the_sheets() -> None:
    model = example("circuit_product")
    first, second = taylor_sheets(expansion(model, read_point(None, model)))
    assert first.rows[1] == ("g′g", "q² + 2·z²", "41")
    assert len(second.rows) == 9 and all(len(r) == len(second.columns) for r in second.rows)
    assert [r[3] for r in second.rows if r[0] == "0.01"] == ["0.4124"]


def test_a_step_into_where_the_loss_has_no_value(tmp_path: Path) -> None:
    text = "model: m\nparams: {w: real ~ constant(0.5)}\nequations: [f = -log(1 - w) + w**2]\nloss: f\n"
    model = model_of(text + "optimizer: {sgd: {lr: 1.0}}\n", tmp_path)
    expanded = expansion(model, read_point("w=-0.6", model))
    _, second = taylor_sheets(expanded)
    assert any(row[3] == "not finite" for row in second.rows)
    ElementTree.fromstring(plot(expanded))


def test_a_deep_circuit_has_numbers_and_no_formula(tmp_path: Path) -> None:
    """Written out, each value holds the one before it twice: what is written out is counted first."""
    lines = "".join(f"  - t{k} = exp(-t{k - 1}) + sin(t{k - 1})*x\n" for k in range(1, 60))
    spec = f"model: deep\nparams: {{x: real ~ constant(0.3)}}\nequations:\n  - t0 = x**2\n{lines}loss: t59\n"
    model = model_of(spec, tmp_path)
    expanded = expansion(model, read_point(None, model))
    assert expanded.formulas is None
    assert expanded.rows[0].second == pytest.approx(expanded.rows[0].actual, rel=1e-3)
