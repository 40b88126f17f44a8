"""The library's rows mean what their formulas say: every one against NumPy, its value and its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from sympy import Expr

from nablac.errors import NablacError, Place, SpecError
from nablac.frontend.build import Builder
from nablac.frontend.definition import Definition, Request
from nablac.frontend.library import MEASURES, NODES
from nablac.frontend.optimizers import make_optimizer
from nablac.frontend.schedules import SCHEDULES, formula_schedule, named_schedule, one_after_another
from nablac.frontend.update_rules import RULES
from nablac.ir.check import check
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.functions import Access, IntAccess
from nablac.ir.interpret import interpret
from nablac.ir.mode import in_training
from nablac.ir.parse import parse_expression
from nablac.ir.random import counters
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.ir.tokens import Line
from nablac.pipeline import gradient_program
from tests.frontend.library_cases import ACTIVATIONS, LOSS_CASES, METRIC_CASES, NODE_CASES, Array, Case

RANDOM = np.random.default_rng(0)


def built(case: Case) -> tuple[Program, str, dict[str, Array], Definition]:
    """A program of one row, whose real inputs but the target are parameters, and its total with random factors."""
    builder = Builder("test", "float64", Place("test"))
    for formal, (declaration, _) in case.inputs.items():
        real = declaration.startswith("real") and formal != "y"
        builder.declare(parse_declaration(formal, declaration, Role.PARAM if real else Role.INPUT))
    rows = {**NODES, **MEASURES}[case.name]
    node = builder.apply(rows, list(case.inputs), Request(case.options, {"": Place("test", 1, 1)}, "node"))
    values = {formal: value for formal, (_, value) in case.inputs.items()}
    for tensor in list(builder.tensors.values()):
        if tensor.role is Role.PARAM and tensor.name not in values:
            values[tensor.name] = RANDOM.normal(size=[int(e) for e in tensor.shape])
    shape = builder.tensors[node].shape
    indices = [f"i{axis}" for axis in range(len(shape))]
    at = f"[{', '.join(indices)}]" if shape else ""
    declared = "real" + (f"[{', '.join(map(str, shape))}]" if shape else "")
    builder.declare(parse_declaration("factor", declared, Role.INPUT))
    values["factor"] = RANDOM.normal(size=[int(e) for e in shape])
    total = f"sum{at}(factor{at}*node{at})" if shape else "factor*node"
    builder.write([Line(f"total = {total}", Place("test"))])
    tensors = (*builder.tensors.values(), *counters(builder.equations))
    program = in_training(Program("test", tensors, tuple(builder.equations), (node, "total"), "float64"))
    check(program)
    return program, node, values, builder.layers[node].definition


def reference(case: Case, values: Mapping[str, Array]) -> Array:
    return case.reference(**{name.removeprefix("node."): v for name, v in values.items() if name != "factor"})


@pytest.mark.parametrize("case", [*NODE_CASES, *LOSS_CASES, *METRIC_CASES], ids=str)
def test_values(case: Case) -> None:
    program, node, values, _ = built(case)
    found = interpret(program, values)[node]
    np.testing.assert_allclose(found, reference(case, values), rtol=1e-11, atol=1e-13)


SLOPE = {1: 45 / 60, 2: -9 / 60, 3: 1 / 60}
"""The central difference of sixth order."""


@pytest.mark.parametrize("case", [*NODE_CASES, *LOSS_CASES], ids=str)
def test_gradients(case: Case) -> None:
    """What the whole pipeline derives, against differences of the reference in NumPy."""
    program, _, values, _ = built(case)
    names = [t.name for t in program.having(Role.PARAM)]
    if not names:
        return
    records, derived = gradient_program(program, "total", names)
    found = interpret(records[-1].program, values)
    step = 2e-4
    for name in names:
        expected = np.zeros_like(values[name])
        for place in np.ndindex(expected.shape):
            for far, factor in SLOPE.items():
                for sign in (1, -1):
                    moved = values[name].copy()
                    moved[place] += sign * far * step
                    total = (reference(case, {**values, name: moved}) * values["factor"]).sum()
                    expected[place] += sign * factor * total / step
        np.testing.assert_allclose(found[derived.names[name]], expected, rtol=1e-8, atol=1e-9, err_msg=name)


def test_every_row_has_a_case() -> None:
    used = {id(built(case)[3]) for case in (*NODE_CASES, *LOSS_CASES, *METRIC_CASES)}
    rows = [row for versions in (*NODES.values(), *MEASURES.values()) for row in versions]
    assert [row.name for row in rows if id(row) not in used] == []


@pytest.mark.parametrize("declaration", ["real[4]", "real[n, 4]", "real[n, 3, 4]"])
@pytest.mark.parametrize(("name", "formula", "options"), ACTIVATIONS)
def test_at_several_ranks(
    name: str, formula: Callable[..., Array], options: Mapping[str, object], declaration: str
) -> None:
    shape = {"real[4]": (4,), "real[n, 4]": (5, 4), "real[n, 3, 4]": (5, 3, 4)}[declaration]
    x = RANDOM.normal(size=shape)
    builder = Builder("test", "float64", Place("test"))
    builder.declare(parse_declaration("x", declaration, Role.INPUT))
    builder.apply(NODES[name], ["x"], Request(options, {"": Place("test", 1, 1)}, "node"))
    program = Program("test", tuple(builder.tensors.values()), tuple(builder.equations), ("node",), "float64")
    check(program)
    learned = {t.name: RANDOM.normal(size=[int(e) for e in t.shape]) for t in program.having(Role.PARAM)}
    found = interpret(program, {"x": x, **learned})["node"]
    expected = formula(x, **{key.removeprefix("node."): value for key, value in learned.items()})
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


KINKS = [
    ("relu", {}, {0: 0}),
    ("leaky_relu", {}, {0: 0.01}),
    ("elu", {"alpha": 2}, {0: 2}),
    ("celu", {"alpha": 2}, {0: 1}),
    ("selu", {}, {0: 1.0507009873554805 * 1.6732632423543772}),
    ("relu6", {}, {0: 0, 6: 0}),
    ("hardtanh", {}, {-1: 0, 1: 0}),
    ("hardsigmoid", {}, {-3: 0, 3: 0}),
    ("hardswish", {}, {-3: 0, 3: 1}),
    ("hardshrink", {}, {-0.5: 0, 0.5: 0}),
    ("softshrink", {}, {-0.5: 0, 0.5: 0}),
    ("threshold", {"at": 1}, {1: 0}),
    ("softsign", {}, {0: 1}),
]
"""The derivatives that PyTorch has at kinks."""


@pytest.mark.parametrize(("name", "options", "slopes"), KINKS)
def test_kinks(name: str, options: Mapping[str, object], slopes: Mapping[float, float]) -> None:
    x = np.array(list(slopes), float)
    program, _, values, _ = built(Case(name, {"x": (f"real[{len(x)}]", x)}, np.positive, options))
    records, derived = gradient_program(program, "total", ["x"])
    found = interpret(records[-1].program, {**values, "factor": np.ones(len(x))})
    np.testing.assert_allclose(found[derived.names["x"]], list(slopes.values()), rtol=1e-14)


def test_weights_of_samples_and_of_classes_are_one_thing() -> None:
    """A weight by the label is the mean that is divided by the sum of the weights, as PyTorch's is."""
    z, y, by_class = RANDOM.normal(size=(6, 3)), np.array([0, 1, 2, 2, 1, 0]), np.array([1.0, 2, 5])
    inputs = {"z": ("real[6, 3]", z), "y": ("label[6, 3]", y), "w": ("real[6]", by_class[y])}
    program, node, values, _ = built(Case("cross_entropy", inputs, np.mean))
    e = np.exp(z)
    terms = -np.log((e / e.sum(1, keepdims=True))[np.arange(6), y]) * by_class[y]
    np.testing.assert_allclose(interpret(program, values)[node], terms.sum() / by_class[y].sum(), rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("hardtanh", {"low": 1, "high": 1}, "'low' is not below 'high'"),
        ("celu", {"alpha": 0}, "'alpha' cannot be 0"),
        ("glu", {"each": True}, "has no option 'each'"),
        ("gelu", {"approximate": 1}, "'approximate' cannot be 1"),
    ],
)
def test_wrong_options(name: str, options: Mapping[str, object], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        built(Case(name, {"x": ("real[5, 4]", np.zeros((5, 4)))}, np.positive, options))


def test_an_odd_number_of_features_has_no_halves() -> None:
    with pytest.raises(NablacError):
        built(Case("glu", {"x": ("real[5, 3]", np.zeros((5, 3)))}, np.positive))


# --- optimizers: a hundred steps against the textbook, written out ----------------------------------------------------


def run(name: str, options: Mapping[str, object], lr: float = 0.05) -> Array:
    """The path of theta from 1 over the gradients."""
    rule = make_optimizer(RULES[name], {"lr": lr, **options}, dtype="float64")
    check(rule.program)
    values = {kept: np.zeros(3) for kept, _ in rule.updates} | {"theta": np.ones(3)}
    path = []
    for step, gradient in enumerate(GRADIENTS, 1):
        new = interpret(rule.program, {**values, "g": gradient, "lr": lr, "t": step})
        values = {kept: new[made] for kept, made in rule.updates}
        path.append(values["theta"])
    return np.array(path)


GRADIENTS = RANDOM.normal(size=(100, 3))

Memory = dict[str, Any]
Step = Callable[[Array, Array, int, Memory], Array]
"""The next theta from theta, the gradient, the step from 1, and what is remembered."""


def followed(step: Step, decay: float = 0.0, sign: float = 1.0) -> Array:
    theta, memory, path = np.ones(3), {}, []
    for t, g in enumerate(GRADIENTS, 1):
        theta = step(theta, sign * g + decay * theta, t, memory)
        path.append(theta)
    return np.array(path)


def averaged(memory: Memory, key: str, kept: float, value: Array) -> Array:
    memory[key] = kept * memory.get(key, 0) + (1 - kept) * value
    return memory[key]


def by_momentum(
    theta: Array, g: Array, t: int, memory: Memory, dampening: float = 0.0, nesterov: bool = False
) -> Array:
    v = memory["v"] = g if t == 1 else 0.8 * memory["v"] + (1 - dampening) * g
    return theta - 0.05 * (g + 0.8 * v if nesterov else v)


def by_heavy_ball(theta: Array, g: Array, t: int, memory: Memory) -> Array:
    v = memory["v"] = 0.8 * memory.get("v", 0) + 0.05 * g
    return theta - v


def by_adam(theta: Array, g: Array, t: int, memory: Memory, amsgrad: bool = False) -> Array:
    m, v = averaged(memory, "m", 0.9, g), averaged(memory, "v", 0.99, g**2)
    if amsgrad:
        v = memory["s"] = np.maximum(memory.get("s", 0), v)
    return theta - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)


def by_nadam(theta: Array, g: Array, t: int, memory: Memory) -> Array:
    mu, ahead = (0.9 * (1 - 0.5 * 0.96 ** (n * 0.004)) for n in (t, t + 1))
    product = memory["product"] = memory.get("product", 1.0) * mu
    m, v = averaged(memory, "m", 0.9, g), averaged(memory, "v", 0.999, g**2)
    step = (1 - mu) * g / (1 - product) + ahead * m / (1 - product * ahead)
    return theta - 0.05 * step / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def by_radam(theta: Array, g: Array, t: int, memory: Memory) -> Array:
    m, v = averaged(memory, "m", 0.9, g) / (1 - 0.9**t), averaged(memory, "v", 0.999, g**2)
    last = 2 / (1 - 0.999) - 1
    rho = last - 2 * t * 0.999**t / (1 - 0.999**t)
    if rho <= 5:
        return theta - 0.05 * m
    r = np.sqrt((rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho))
    return theta - 0.05 * m * r * np.sqrt(1 - 0.999**t) / (np.sqrt(v) + 1e-8)


def by_adamax(theta: Array, g: Array, t: int, memory: Memory) -> Array:
    m = averaged(memory, "m", 0.9, g)
    u = memory["u"] = np.maximum(0.999 * memory.get("u", 0), np.abs(g) + 1e-8)
    return theta - 0.05 / (1 - 0.9**t) * m / u


def by_adagrad(theta: Array, g: Array, t: int, memory: Memory) -> Array:
    s = memory["s"] = memory.get("s", 0.1) + g**2
    return theta - 0.05 / (1 + (t - 1) * 0.01) * g / (np.sqrt(s) + 1e-10)


def by_rmsprop(theta: Array, g: Array, t: int, memory: Memory, centered: bool = False, momentum: float = 0) -> Array:
    v = averaged(memory, "v", 0.99, g**2)
    if centered:
        v = v - averaged(memory, "m", 0.99, g) ** 2
    step = memory["b"] = momentum * memory.get("b", 0) + g / (np.sqrt(v) + 1e-8)
    return theta - 0.05 * step


def by_adadelta(theta: Array, g: Array, t: int, memory: Memory) -> Array:
    v = averaged(memory, "v", 0.9, g**2)
    step = np.sqrt(memory.get("u", 0) + 1e-6) / np.sqrt(v + 1e-6) * g
    averaged(memory, "u", 0.9, step**2)
    return theta - 0.05 * step


def by_rprop(theta: Array, g: Array, t: int, memory: Memory) -> Array:
    turn = g * memory.get("h", 0)
    factor = np.where(turn > 0, 1.2, np.where(turn < 0, 0.5, 1))
    step = memory["step"] = np.clip(memory.get("step", 0.05) * factor, 1e-3, 0.2)
    memory["h"] = np.where(turn < 0, 0, g)
    return theta - np.sign(memory["h"]) * step


def by_lion(theta: Array, g: Array, t: int, memory: Memory) -> Array:
    m = memory.get("m", 0)
    memory["m"] = 0.99 * m + 0.01 * g
    return theta - 0.05 * np.sign(0.9 * m + 0.1 * g)


OPTIMIZERS: list[tuple[str, dict[str, object], Step]] = [
    ("sgd", {}, lambda theta, g, t, memory: theta - 0.05 * g),
    ("momentum", {"momentum": 0.8}, by_momentum),
    ("momentum", {"momentum": 0.8, "dampening": 0.3}, partial(by_momentum, dampening=0.3)),
    ("nesterov", {"momentum": 0.8}, partial(by_momentum, nesterov=True)),
    ("heavy_ball", {"momentum": 0.8}, by_heavy_ball),
    ("adam", {"beta2": 0.99}, by_adam),
    ("adam", {"beta2": 0.99, "amsgrad": True}, partial(by_adam, amsgrad=True)),
    ("nadam", {}, by_nadam),
    ("radam", {}, by_radam),
    ("adamax", {}, by_adamax),
    ("adagrad", {"lr_decay": 0.01, "initial": 0.1}, by_adagrad),
    ("rmsprop", {}, by_rmsprop),
    ("rmsprop", {"centered": True}, partial(by_rmsprop, centered=True)),
    ("rmsprop", {"momentum": 0.9}, partial(by_rmsprop, momentum=0.9)),
    ("rmsprop", {"centered": True, "momentum": 0.9}, partial(by_rmsprop, centered=True, momentum=0.9)),
    ("adadelta", {}, by_adadelta),
    ("rprop", {"step_min": 1e-3, "step_max": 0.2}, by_rprop),
    ("lion", {}, by_lion),
]


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(("name", "options", "step"), OPTIMIZERS)
def test_optimizers(name: str, options: Mapping[str, object], step: Step, maximize: bool) -> None:
    """A hundred steps against the recurrence of the paper."""
    found = run(name, {**options, "maximize": maximize})
    np.testing.assert_allclose(found, followed(step, sign=-1 if maximize else 1), rtol=1e-12, atol=1e-12)


ADDED = [row for row in OPTIMIZERS if row[0] not in ("rprop", "lion")]


@pytest.mark.parametrize(("name", "options", "step"), ADDED)
def test_weight_decay_is_added_to_the_gradient(name: str, options: Mapping[str, object], step: Step) -> None:
    found = run(name, {**options, "weight_decay": 0.1})
    np.testing.assert_allclose(found, followed(step, decay=0.1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "step"),
    [
        ("adamw", {"beta2": 0.99}, by_adam),
        ("adamw", {"beta2": 0.99, "amsgrad": True}, partial(by_adam, amsgrad=True)),
        ("nadam", {"decoupled": True}, by_nadam),
        ("radam", {"decoupled": True}, by_radam),
        ("lion", {}, by_lion),
    ],
)
def test_weight_decay_shrinks_the_parameters(name: str, options: Mapping[str, object], step: Step) -> None:
    found = run(name, {**options, "weight_decay": 0.1})
    shrunk = followed(lambda theta, g, t, memory: step(theta * (1 - 0.05 * 0.1), g, t, memory))
    np.testing.assert_allclose(found, shrunk, rtol=1e-12, atol=1e-12)


def test_every_optimizer_is_tested_here() -> None:
    assert set(RULES) == {name for name, _, _ in OPTIMIZERS} | {"adamw", "lbfgs"}


def test_state_that_the_options_leave_idle_is_not_kept() -> None:
    states = {
        (): ("v",),
        ("centered",): ("v", "m"),
        ("momentum",): ("v", "b"),
        ("centered", "momentum"): ("v", "m", "b"),
    }
    for options, state in states.items():
        given = {"lr": 0.1, **{key: {"centered": True, "momentum": 0.5}[key] for key in options}}
        assert make_optimizer(RULES["rmsprop"], given).state == state
    assert make_optimizer(RULES["adam"], {}).state == ("m", "v")
    assert make_optimizer(RULES["adam"], {"amsgrad": True}).state == ("m", "v", "s")


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("nesterov", {"momentum": 0}, "'momentum' cannot be 0"),
        ("nesterov", {"dampening": 0.5}, "has no option 'dampening'"),
        ("adam", {"beta1": 1}, "'beta1' cannot be 1"),
        ("sgd", {"lr": -1}, "'lr' cannot be -1"),
        ("rprop", {"eta_plus": 0.9}, "'eta_plus' cannot be 0.9"),
        ("rprop", {"step_min": 2, "step_max": 1}, "'step_min' is not below 'step_max'"),
        ("radam", {"beta2": 0.5}, "'beta2' cannot be 0.5"),
        ("adam", {"maximize": 1}, "'maximize' cannot be 1"),
    ],
)
def test_wrong_optimizers(name: str, options: Mapping[str, object], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        make_optimizer(RULES[name], {"lr": 0.1, **options})


# --- schedules: the whole curve of forty epochs -----------------------------------------------------------------------


def half_wave(part: float) -> float:
    return (1 + math.cos(math.pi * part)) / 2


def restarted(epoch: int, length: int, longer: int) -> float:
    while epoch >= length:
        epoch, length = epoch - length, length * longer
    return half_wave(epoch / length)


def one_cycle(epoch: int) -> float:
    rise = 0.3 * 40 - 1
    if epoch <= rise:
        return 1 + (0.04 - 1) * half_wave(epoch / rise)
    return 4e-6 + (1 - 4e-6) * half_wave((epoch - rise) / (39 - rise))


CURVES: list[tuple[str, dict[str, object], Callable[[int], float]]] = [
    ("constant", {}, lambda e: 1),
    ("step", {"every": 7, "gamma": 0.5}, lambda e: 0.5 ** (e // 7)),
    ("multi_step", {"at": [3, 10, 30]}, lambda e: 0.1 ** ((e >= 3) + (e >= 10) + (e >= 30))),
    ("multi_step", {"at": 4, "gamma": 0.3}, lambda e: 0.3 if e >= 4 else 1),
    ("exponential", {"gamma": 0.9}, lambda e: 0.9**e),
    ("cosine", {}, lambda e: half_wave(e / 40)),
    ("cosine", {"low": 0.1, "over": 20}, lambda e: 0.1 + 0.9 * half_wave(min(e, 20) / 20)),
    ("restarts", {"every": 7}, lambda e: restarted(e, 7, 1)),
    ("restarts", {"every": 3, "longer": 2}, lambda e: restarted(e, 3, 2)),
    ("restarts", {"every": 1, "longer": 3, "low": 0.1}, lambda e: 0.1 + 0.9 * restarted(e, 1, 3)),
    ("warmup", {"over": 5}, lambda e: 0.1 + 0.9 * min(e, 5) / 5),
    ("polynomial", {}, lambda e: 1 - e / 40),
    ("polynomial", {"power": 2, "over": 20, "low": 0.1}, lambda e: 0.1 + 0.9 * (1 - min(e, 20) / 20) ** 2),
    ("one_cycle", {}, one_cycle),
]


def rates(schedule: Expr, epochs: int, lr0: float = 1.0) -> list[float]:
    """The rate of each epoch, in the interpreter."""
    tensors = (Tensor("lr0", role=Role.INPUT), Tensor("epoch", (), Kind.INT, Role.INPUT), Tensor("lr"))
    equation = replace(parse_expression("lr0", "lr", {"lr0": tensors[0]}).equations[0], body=schedule)
    program = Program("schedule", tensors, (equation,), ("lr",), "float64")
    return [float(interpret(program, {"lr0": lr0, "epoch": epoch})["lr"]) for epoch in range(epochs)]


@pytest.mark.parametrize(("name", "options", "curve"), CURVES)
def test_schedules(name: str, options: Mapping[str, object], curve: Callable[[int], float]) -> None:
    found = rates(named_schedule(name, options, {}, 40), 40)
    np.testing.assert_allclose(found, [curve(epoch) for epoch in range(40)], rtol=1e-13, atol=1e-15)


def test_every_schedule_is_tested_here() -> None:
    assert set(SCHEDULES) == {name for name, _, _ in CURVES} | {"plateau"}


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("name", ["cosine", "polynomial", "one_cycle"])
def test_schedules_of_few_epochs(name: str, epochs: int) -> None:
    found = rates(named_schedule(name, {}, {}, epochs), epochs)
    assert max(found) == 1 and all(0 <= rate <= 1 for rate in found)


def test_schedules_one_after_another() -> None:
    both = one_after_another([named_schedule("warmup", {"over": 5}, {}, 40), formula_schedule("lr0*0.9**epoch", 40)])
    np.testing.assert_allclose(rates(both, 40, 0.2), [0.2 * (0.1 + 0.18 * min(e, 5)) * 0.9**e for e in range(40)])


def test_a_schedule_by_formula() -> None:
    half = formula_schedule("lr0*(1 - epoch/epochs)", epochs=4)
    assert half.xreplace({Access("lr0"): 8, IntAccess("epoch"): 2}) == 4
    assert named_schedule("constant", {}, {}, 4) == Access("lr0")
