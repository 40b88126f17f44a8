"""The costs of a step: closed forms, an independent count, and the sizes that the generated module works with."""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest

from nablac import __version__
from nablac.algebra.cost import equation_operations, equation_work
from nablac.emit.module import module_text
from nablac.frontend.load import load_model, with_dtype
from nablac.ir.tensor import Role
from nablac.ir.text import print_equation, print_expression
from nablac.pipeline import Compiled, compile_model
from nablac.plan.loops import Loop, Mode, Statement, Store
from nablac.plan.schedule import schedule
from nablac.report.content import Cost
from nablac.report.costs import StepCosts, costs, layer_costs, sizes_of
from nablac.report.formulas.boxes import Box, Name, Number, Operator, Row
from tests.report.models import model_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WIDTHS = (784, 256, 128, 64, 20, 10)
PAIRS = list(zip(WIDTHS, WIDTHS[1:], strict=False))
PARAMETERS = sum(a * b + b for a, b in PAIRS)
N = 64


def compiled(name: str, dtype: str | None = None) -> Compiled:
    model = load_model(EXAMPLES / f"{name}.yaml")
    return compile_model(model if dtype is None else with_dtype(model, dtype))


@pytest.fixture(scope="module")
def mlp() -> Compiled:
    return compiled("mnist_mlp")


def by_title(rows: tuple[Cost, ...]) -> dict[str, Cost]:
    return {row.title: row for row in rows}


def test_closed_forms(mlp: Compiled) -> None:
    rows = by_title(costs(mlp))
    assert sizes_of(mlp) == {"n": N}
    assert rows["parameters"].value == PARAMETERS
    assert rows["update"].value == 2 * PARAMETERS
    assert rows["saved activations"].value == N * (256 + 128 + 64 + 20)
    assert rows["parameters in memory"].value == rows["gradient in memory"].value == 4 * PARAMETERS
    assert rows["batch in memory"].value == N * (4 * 784 + 8)
    products = {f"2*n*{a}*{b}" for a, b in PAIRS}
    assert products <= set(rows["forward pass"].text.split(" + "))
    twice = {"2*n*784*256", *(f"4*n*{a}*{b}" for a, b in PAIRS[1:])}
    assert twice <= set(rows["backward pass"].text.split(" + "))
    assert rows["forward pass"].value == sum(2 * N * a * b for a, b in PAIRS) + N * (2 * 468 + 5 * 10 + 5)


@pytest.mark.parametrize("name", ["mnist_mlp", "chain", "robust_regression", "circuit_product"])
def test_operations_are_those_of_the_equations(name: str) -> None:
    one = compiled(name)
    rows, sizes = by_title(costs(one)), sizes_of(one)
    counted = sum(
        int(equation_operations(e).subs({s: sizes[str(s)] for x in e.ranges.values() for s in x.free_symbols}))
        for e in one.programs["gradient"].equations
    )
    assert rows["forward pass"].value + rows["backward pass"].value == counted
    assert rows["step"].value == counted + rows["update"].value


@pytest.mark.parametrize(("name", "dtype", "width"), [("mnist_mlp", "float32", 4), ("chain", "float64", 8)])
def test_memory_is_what_the_module_works_with(name: str, dtype: str, width: int) -> None:
    one = compiled(name, dtype)
    text = module_text(one, __version__)
    start = text.index("def _sizes(")
    scope: dict[str, object] = {}
    exec(text[start : text.index("\n\n\n", start)], scope)  # noqa: S102 - the module's own function
    for n in (1, 64, 1000):
        reals, integers = scope["_sizes"]("gradient", n)  # type: ignore[operator]
        assert by_title(costs(one, {"n": n}))["working memory"].value == width * reals + 8 * integers


@pytest.mark.parametrize("name", ["mnist_mlp", "dnn_sigmoid", "robust_regression", "circuit_neuron"])
def test_layers_add_up(name: str) -> None:
    one = compiled(name)
    rows, layers = by_title(costs(one)), layer_costs(one)
    width = 4 if one.model.program.dtype == "float32" else 8
    assert sum(row.forward.value for row in layers) == rows["forward pass"].value
    assert sum(row.backward.value for row in layers) == rows["backward pass"].value
    assert sum(row.parameters.value for row in layers) == rows["parameters"].value
    assert sum(row.activations.value for row in layers) == width * rows["saved activations"].value


def test_layers(mlp: Compiled) -> None:
    table = [(r.layer, r.parameters.text, r.forward.text, r.activations.text) for r in layer_costs(mlp)]
    assert table[:4] == [
        ("linear_1", "784*256 + 256", "2*n*784*256", "0"),
        ("relu_1", "0", "2*n*256", "4*n*256"),
        ("linear_2", "256*128 + 128", "2*n*256*128", "0"),
        ("relu_2", "0", "2*n*128", "4*n*128"),
    ]
    assert [r.layer for r in layer_costs(compiled("robust_regression"))] == ["p", "loss"]


def test_traffic(mlp: Compiled) -> None:
    rows = by_title(costs(mlp))
    saved, batch = 4 * N * 468, N * (4 * 784 + 8)
    assert rows["forward pass, read and written at least"].value == 4 * PARAMETERS + batch + saved
    weights = sum(a * b for a, b in PAIRS[1:])
    assert rows["backward pass, read and written at least"].value == 4 * (PARAMETERS + weights) + batch + saved
    assert rows["update, read and written at least"].value == 12 * PARAMETERS


def test_an_optimizer_with_state() -> None:
    rows = by_title(costs(compiled("robust_regression")))
    assert rows["state of the optimizer in memory"].text == "8*12 + 8"
    assert rows["update, read and written at least"].text == "28*12 + 28"  # theta, m, v in and out, g in


def spelled(box: Box) -> str:
    """A formula's boxes side by side."""
    match box:
        case Row(parts=parts):
            return "".join(map(spelled, parts))
        case Operator(text="+"):
            return " + "
        case Operator(text=text) | Name(text=text) | Number(text=text):
            return text
        case _:
            raise AssertionError(box)


def test_formulas_say_what_their_text_says(mlp: Compiled) -> None:
    for row in costs(mlp):
        assert spelled(row.formula) == row.text


def test_a_known_schedule_is_taken(mlp: Compiled) -> None:
    first = StepCosts(mlp)
    assert StepCosts(mlp, schedule=first.schedule).rows() == first.rows()


def told(text: str, folder: Path) -> Compiled:
    return compile_model(model_of(text, folder))


EMBEDDING = """
model: embedding
inputs: {w: "label[n, 5000]", y: "label[n, 3]"}
params: {T: "real[5000, 16] ~ normal(0, 0.1)", O: "real[3, 16] ~ normal(0, 0.1)"}
equations:
  - z[i,c] = sum[k](O[c,k]*T[w[i],k])
  - loss = mean[i](-log(exp(z[i,y[i]])/sum[c](exp(z[i,c]))))
optimizer: {sgd: 0.1}
"""

FACTORS = """
model: factors
inputs: {u: "label[n, 50]", v: "label[n, 40]", r: "real[n]"}
params: {U: "real[50, 4] ~ normal(0, 0.1)", V: "real[40, 4] ~ normal(0, 0.1)", b: "real[50]"}
equations:
  - p[i] = sum[k](U[u[i],k]*V[v[i],k]) + b[u[i]]
  - loss = mean[i]((p[i] - r[i])**2)
optimizer: {sgd: 0.1}
"""

FLATTEN = """
model: flat
inputs: {x: "real[n, 6, 8]", y: "label[n, 2]"}
network: [{linear: 8}, flatten, {linear: 2}]
loss: cross_entropy
optimizer: {sgd: 0.1}
"""

HINGE = """
model: hinge
inputs: {x: "real[n, 4]", y: "label[n, 100]"}
params: {W: "real[100, 4] ~ normal(0, 0.1)"}
equations:
  - z[i,c] = sum[k](W[c,k]*x[i,k])
  - loss = mean[i](sum[c](max(0, 1 + z[i,c] - z[i,y[i]])))
optimizer: {sgd: 0.1}
"""


@pytest.mark.parametrize(
    ("text", "target", "count"),
    [
        (EMBEDDING, "d_T", "96*n"),  # for a sample, a class and a place: multiply and add
        (FACTORS, "d_U", "8*n"),
        (FACTORS, "d_b", "n"),
        (FLATTEN, "d_linear_1", "48*n"),
        (HINGE, "d_z.term2.part1", "500*n"),  # for each class, and not for each pair of classes
    ],
)
def test_what_is_scattered_is_counted_once_a_term(text: str, target: str, count: str, tmp_path: Path) -> None:
    one = told(text, tmp_path)
    equation = one.programs["gradient"].defined[target]
    assert print_expression(equation_operations(equation)) == count
    module = module_text(one, __version__)
    above = re.search(rf"# \(\d+\) {re.escape(print_equation(equation)[:30])}[^=]*? (\S+) ops", module)
    assert above is not None and above[1] == count


def turns(body: tuple[Statement, ...], sizes: dict[str, int], times: int = 1) -> int:
    """How often a sum's term is added."""
    total = 0
    for s in body:
        if isinstance(s, Loop):
            total += turns(s.body, sizes, times * int(s.extent.subs({e: sizes[str(e)] for e in s.extent.free_symbols})))
        elif isinstance(s, Store) and s.mode is Mode.ADD:
            total += times
    return total


@pytest.mark.parametrize(
    ("text", "target"),
    [(EMBEDDING, "d_T"), (FACTORS, "d_U"), (FLATTEN, "d_linear_1"), (HINGE, "d_z.term2.part1")],
)
def test_the_loops_turn_as_often_as_is_counted(text: str, target: str, tmp_path: Path) -> None:
    one = told(text, tmp_path)
    program = one.programs["gradient"]
    equation = program.defined[target]
    given = tuple(t if t.name == target else replace(t, role=Role.INPUT) for t in program.tensors)
    (nest,) = schedule(replace(program, equations=(equation,), tensors=given, results=(target,))).nests
    _, extents = equation_work(equation)
    assert turns(nest.body, {"n": 7}) == prod(int(e) if e.is_Integer else 7 for e in extents)


def test_of_a_table_only_the_rows_are_read_that_are_asked_for(tmp_path: Path) -> None:
    rows = by_title(costs(told(EMBEDDING, tmp_path), {"n": 32}))
    forward = rows["forward pass, read and written at least"]
    assert forward.value == 32 * 2 * 8 + 4 * 32 * 16 + 4 * 3 * 16  # two labels, the samples' rows of T, and O
    few = by_title(costs(told(EMBEDDING, tmp_path), {"n": 10**6}))
    assert few["forward pass, read and written at least"].value == 10**6 * 16 + 4 * 5000 * 16 + 4 * 3 * 16


def test_what_follows_the_batches_is_of_the_forward_pass(tmp_path: Path) -> None:
    text = FLATTEN.replace("flatten, {linear: 2}", "flatten, {linear: 4}, batch_norm, relu, {linear: 2}")
    step = StepCosts(told(text, tmp_path))
    assert {"batch_norm_1.mean_next", "batch_norm_1.variance_next"} <= {e.target for e in step.forward}
    assert "batch_norm_1.center" not in {b.name for b in step.saved()}  # the batch's mean, which no gradient reads
