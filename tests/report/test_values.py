"""Values and gradients at a point equal the interpreter's and finite differences; overflow is mended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nablac.frontend.model import Model
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access
from nablac.ir.interpret import interpret
from nablac.ir.tensor import Role, Tensor
from nablac.report.drawings.graph import model_graph
from nablac.report.numbers.differences import differences, differences_sheet
from nablac.report.numbers.point import Point, read_point
from nablac.report.numbers.values import annotate, evaluate, readably, values_sheet
from tests.report.models import FAN, RESIDUAL, SMOOTH, example, model_of


def nudged(program: Program, name: str) -> Program:
    """The program with an input added to a tensor right after it is computed."""
    before = program.defined[name]
    plain = f"{name}_plain"
    nudge = Tensor(f"{name}_nudge", program.declared[name].shape, role=Role.INPUT)
    moved = Access(plain, *before.indices) + Access(nudge.name, *before.indices)
    extents = tuple((i, before.ranges[i]) for i in before.indices)
    equations: list[Equation] = []
    for equation in program.equations:
        both = (replace(equation, target=plain), Equation(name, before.indices, moved, extents))
        equations += both if equation is before else (equation,)
    return program.with_equations(equations, [*program.tensors, nudge, replace(program.declared[name], name=plain)])


@pytest.mark.parametrize("spec", [SMOOTH, RESIDUAL], ids=["smooth", "residual"])
def test_each_intermediate_has_its_value_and_its_gradient(spec: str, tmp_path: Path) -> None:
    model = model_of(spec, tmp_path)
    point = read_point("random", model, seed=2)
    values = evaluate(model, point)
    arrays = interpret(model.program, point.values)
    rng = np.random.default_rng(0)
    for equation in model.program.equations:
        quantity = values.quantities[equation.target]
        assert np.array_equal(quantity.value, arrays[equation.target])
        if equation.target == model.loss:
            continue
        program, direction = nudged(model.program, equation.target), rng.normal(size=quantity.value.shape)
        ends = [
            interpret(program, {**point.values, f"{equation.target}_nudge": h * direction})[model.loss]
            for h in (1e-5, -1e-5)
        ]
        assert quantity.gradient is not None
        assert np.vdot(quantity.gradient, direction) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


def test_what_the_loss_does_not_read_has_no_gradient() -> None:
    model = example("digits")
    values = evaluate(model, read_point("random", model))
    assert values.quantities["accuracy"].gradient is None
    assert values.quantities["y"].gradient is None
    assert values.quantities["x"].gradient is not None


def test_where_the_formula_as_written_overflows_the_stable_one_steps_in() -> None:
    model = example("digits")
    point = read_point("random", model)
    large = Point("large", {n: v * 3000 if n == "linear_2.W" else v for n, v in point.values.items()})
    plain = interpret(model.program, large.values)
    assert not np.isfinite(plain["loss"])
    values = evaluate(model, large)
    assert np.isfinite(values.quantities["loss"].value)
    for name in ("logits", "relu_1", "linear_1.W", "linear_2.b", "x"):
        gradient = values.quantities[name].gradient
        assert gradient is not None and np.all(np.isfinite(gradient)) and np.any(gradient)


@pytest.mark.parametrize("name", ["circuit_product", "circuit_neuron", "chain", "digits", "robust_regression"])
def test_differences_agree(name: str) -> None:
    model = example(name)
    found = differences(model, read_point("random", model))
    roles = (Role.INPUT, Role.PARAM) if name.startswith("circuit") else (Role.PARAM,)
    assert [d.name for d in found] == [t.name for t in model.program.tensors if t.role in roles]
    assert all(d.error < 1e-9 for d in found)


@pytest.mark.parametrize("names", [("tanh_1",), ("x", "out"), ("linear_1", "linear_1.W"), ("loss",)])
def test_differences_of_the_tensors_that_are_asked_for(names: tuple[str, ...], tmp_path: Path) -> None:
    model = model_of(SMOOTH, tmp_path)
    found = differences(model, read_point("random", model), wrt=names)
    assert tuple(d.name for d in found) == names
    assert all(d.error < 1e-12 and d.numerical for d in found)


def test_differences_of_intermediate_values_of_a_circuit() -> None:
    model = example("circuit_product")
    found = differences(model, read_point("x=-2,y=5,z=-4", model), wrt=["q", "f"])
    assert [(d.name, d.derived, d.numerical) for d in found] == [("q", -4, -4), ("f", 1, 1)]


def test_differences_of_a_circuit_with_kinks_beside_the_point(tmp_path: Path) -> None:
    model = model_of(FAN, tmp_path)
    assert all(d.error < 1e-12 for d in differences(model, read_point("a=0.3,b=-1.25", model)))


@pytest.mark.parametrize(
    ("body", "slope"), [("x + 1e300*y - 1e300*y", 1.0), ("log(x)", 1e40), ("1e300*x + y", 1e300), ("sin(x)", 1.0)]
)
def test_differences_of_numbers_far_apart(body: str, slope: float, tmp_path: Path) -> None:
    text = "model: m\nparams: {{x: real ~ constant(1e-40), y: real ~ constant(7)}}\nequations: ['f = {} + y']\n"
    model = model_of(text.format(body) + "loss: f\n", tmp_path)
    found = {d.name: d for d in differences(model, read_point(None, model))}
    assert found["x"].numerical == pytest.approx(slope, rel=1e-15) and found["x"].error < 1e-15


def test_what_cancels_is_no_error_of_the_gradient(tmp_path: Path) -> None:
    """Both gradients of a number added to all logits are rounding alone."""
    spec = """
model: m
inputs: {x: "real[n, 5]", y: "label[n, 3]"}
params: {W: "real[3, 5] ~ normal(0, 1)", b: real}
equations:
  - z[i,c] = sum[k](W[c,k]*x[i,k]) + b
  - loss = mean[i](-log(exp(z[i,y[i]])/sum[c](exp(z[i,c]))))
outputs: z
"""
    model = model_of(spec, tmp_path)
    found = {d.name: d for d in differences(model, read_point("random", model))}
    assert abs(found["b"].derived - found["b"].numerical) > 0 and found["b"].error < 1e-9
    (alone,) = differences(model, read_point("random", model), wrt=["b"])
    assert abs(alone.derived - alone.numerical) > 0 and alone.error < 1e-9


def test_differences_come_from_the_model_and_not_from_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient that is wrong is found out."""
    import nablac.report.numbers.differences as module

    real = module.gradient_program

    def wrong(*arguments: object) -> object:
        records, derived = real(*arguments)  # type: ignore[arg-type]
        program = records[-1].program
        spoiled = [e.with_body(2 * e.body) if e.target == derived.names["x"] else e for e in program.equations]
        return [*records, replace(records[-1], program=program.with_equations(spoiled))], derived

    monkeypatch.setattr(module, "gradient_program", wrong)
    model = example("circuit_product")
    found = {d.name: d.error for d in differences(model, read_point(None, model))}
    assert found["x"] == pytest.approx(0.5) and found["y"] < 1e-12


def test_where_there_are_no_numbers_the_tables_say_so(tmp_path: Path) -> None:
    spec = "model: none\ninputs: {{x: {shape}}}\nparams: {{a: real}}\nequations: [{line}]\n"
    cases = (("real", "loss = floor(log(x))*a + log(a)"), ('"real[n]"', "loss = mean[i](floor(log(x[i]))*a)"))
    for shape, line in cases:
        model = model_of(spec.format(shape=shape, line=f'"{line}"'), tmp_path)
        point = Point("below", {"x": np.full([1] * len(shape.split("n]")[1:]), -1.0), "a": np.asarray(-1.0)})
        values = evaluate(model, point)
        assert values_sheet(values).rows[-1][1 if values.circuit else 2] == "nan"
        assert any(node.value == "nan" for node in annotate(model_graph(model), values).nodes)
        assert {row[-1] for row in differences_sheet(differences(model, point)).rows} == {"nan"}


def sheet(model: Model) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in values_sheet(evaluate(model, read_point(None, model))).rows}


def test_the_tables_have_a_row_a_tensor() -> None:
    assert sheet(example("circuit_product"))["q"] == ("3", "−4")
    digits = sheet(example("digits"))
    assert digits["x"][0] == "8×64" and digits["y"][4:] == ("", "", "")
    assert all(len(row) == 7 for row in digits.values())
    model = example("circuit_neuron")
    rows = differences_sheet(differences(model, read_point(None, model))).rows
    assert rows[1][:4] == ("x0", "1", "0.393223866", "0.393223866")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (-0.0, "0"), (3, "3"), (-0.196612, "−0.20"), (0.0999, "0.1"), (12345.678, "1.2e+04"), (1e-9, "1e−09"),
     (-1e-9, "−1e−09"), (np.nan, "nan"), (-np.inf, "−inf")],
)  # fmt: skip
def test_numbers_as_figures_write_them(number: float, text: str) -> None:
    assert readably(np.asarray(number)) == text
