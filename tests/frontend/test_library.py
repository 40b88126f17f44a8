"""The library's rows mean what their formulas say: every one against NumPy, at several ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from nablac.errors import Place
from nablac.frontend.build import Builder
from nablac.frontend.definition import Request
from nablac.frontend.library import MEASURES, NODES
from nablac.frontend.optimizers import RULES, formula_schedule, make_optimizer, named_schedule
from nablac.ir.check import check
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.functions import Access, IntAccess
from nablac.ir.interpret import interpret
from nablac.ir.tensor import Role

Array = np.ndarray
RANDOM = np.random.default_rng(0)


def evaluate(
    rows: Mapping[str, object], name: str, inputs: Mapping[str, tuple[str, Array]], options: Mapping[str, object]
) -> tuple[Array, dict[str, Array]]:
    """The value of a node in float64, and those of its parameters."""
    builder = Builder("test", "float64", Place("test"))
    for formal, (declaration, _) in inputs.items():
        builder.declare(parse_declaration(formal, declaration, Role.INPUT))
    node = builder.apply(rows[name], list(inputs), Request(options, {"": Place("test", 1, 1)}, "node"))
    program = Program("test", tuple(builder.tensors.values()), tuple(builder.equations), (node,), "float64")
    check(program)
    learned = {t.name: RANDOM.normal(size=[int(e) for e in t.shape]) for t in program.having(Role.PARAM)}
    values = interpret(program, {**{f: a for f, (_, a) in inputs.items()}, **learned})
    return values[node], {name.split(".")[1]: array for name, array in learned.items()}


def softmax(x: Array) -> Array:
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


ELEMENTWISE: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
}
PAIRS: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
}


@pytest.mark.parametrize("declaration", ["real[5]", "real[n, 5]", "real[n, 3, 5]"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activations(name: str, declaration: str) -> None:
    x = RANDOM.normal(size=[4, 3, 5][-declaration.count(",") - 1 :] if "3" in declaration else [4, 5])
    x = x[0] if declaration == "real[5]" else x
    found, _ = evaluate(NODES, name, {"x": (declaration, x)}, {})
    np.testing.assert_allclose(found, ELEMENTWISE[name](x), rtol=1e-13)


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(name: str) -> None:
    a, b = RANDOM.normal(size=(2, 4, 3))
    found, _ = evaluate(NODES, name, {"a": ("real[n, 3]", a), "b": ("real[n, 3]", b)}, {})
    np.testing.assert_allclose(found, PAIRS[name](a, b), rtol=1e-13)


@pytest.mark.parametrize(
    ("declaration", "shape"), [("real[5]", (5,)), ("real[n, 5]", (4, 5)), ("real[n, 2, 5]", (4, 2, 5))]
)
def test_linear(declaration: str, shape: Sequence[int]) -> None:
    x = RANDOM.normal(size=shape)
    found, learned = evaluate(NODES, "linear", {"x": (declaration, x)}, {"units": 3})
    np.testing.assert_allclose(found, x @ learned["W"].T + learned["b"], rtol=1e-12)
    found, learned = evaluate(NODES, "linear", {"x": (declaration, x)}, {"units": 3, "bias": False})
    assert list(learned) == ["W"]
    np.testing.assert_allclose(found, x @ learned["W"].T, rtol=1e-12)


def test_options_of_activations() -> None:
    x = RANDOM.normal(size=(4, 3))
    found, _ = evaluate(NODES, "leaky_relu", {"x": ("real[n, 3]", x)}, {"alpha": 0.2})
    np.testing.assert_allclose(found, np.where(x > 0, x, 0.2 * x))
    found, _ = evaluate(NODES, "elu", {"x": ("real[n, 3]", x)}, {"alpha": 2})
    np.testing.assert_allclose(found, np.where(x > 0, x, 2 * np.expm1(x)))


def bce(p: Array, y: Array) -> Array:
    q = np.clip(p, 1e-12, 1 - 1e-12)
    return np.mean(-y * np.log(q) - (1 - y) * np.log(1 - q))


def cross_entropy(z: Array, y: Array) -> Array:
    return -np.mean(np.log(np.take_along_axis(softmax(z), y[..., None], -1)))


PREDICTION, TARGET = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(4, 3))
PROBABILITY, YES = RANDOM.uniform(size=(4,)), RANDOM.integers(0, 2, 4)
LABELS = RANDOM.integers(0, 3, 4)
SIGMOID = ELEMENTWISE["sigmoid"]

MEASURED = [
    ("mse", {"p": ("real[n, 3]", PREDICTION), "y": ("real[n, 3]", TARGET)}, np.mean((PREDICTION - TARGET) ** 2)),
    (
        "rmse",
        {"p": ("real[n, 3]", PREDICTION), "y": ("real[n, 3]", TARGET)},
        np.sqrt(np.mean((PREDICTION - TARGET) ** 2)),
    ),
    ("mae", {"p": ("real[n, 3]", PREDICTION), "y": ("real[n, 3]", TARGET)}, np.mean(np.abs(PREDICTION - TARGET))),
    ("binary_cross_entropy", {"p": ("real[n]", PROBABILITY), "y": ("label[n, 2]", YES)}, bce(PROBABILITY, YES)),
    ("binary_cross_entropy", {"p": ("real[n]", PROBABILITY), "y": ("real[n]", YES * 1.0)}, bce(PROBABILITY, YES)),
    ("binary_cross_entropy", {"p": ("real[n]", YES * 1.0), "y": ("label[n, 2]", 1 - YES)}, bce(YES * 1.0, 1 - YES)),
    (
        "binary_cross_entropy_logits",
        {"z": ("real[n]", TARGET[:, 0]), "y": ("label[n, 2]", YES)},
        bce(SIGMOID(TARGET[:, 0]), YES),
    ),
    (
        "cross_entropy",
        {"z": ("real[n, 3]", PREDICTION), "y": ("label[n, 3]", LABELS)},
        cross_entropy(PREDICTION, LABELS),
    ),
    (
        "cross_entropy",
        {"z": ("real[n, 2, 3]", np.stack([PREDICTION, TARGET], 1)), "y": ("label[n, 2, 3]", np.stack([LABELS] * 2, 1))},
        cross_entropy(np.stack([PREDICTION, TARGET], 1), np.stack([LABELS] * 2, 1)),
    ),
    (
        "accuracy",
        {"z": ("real[n, 3]", PREDICTION), "y": ("label[n, 3]", LABELS)},
        np.mean(PREDICTION.argmax(1) == LABELS),
    ),
    ("accuracy", {"p": ("real[n]", PROBABILITY), "y": ("label[n, 2]", YES)}, np.mean((PROBABILITY >= 0.5) == YES)),
]


@pytest.mark.parametrize(("name", "inputs", "expected"), MEASURED)
def test_measures(name: str, inputs: Mapping[str, tuple[str, Array]], expected: float) -> None:
    found, _ = evaluate(MEASURES, name, inputs, {})
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_every_row_is_tested_here() -> None:
    assert set(NODES) == {"linear", *ELEMENTWISE, *PAIRS}
    assert set(MEASURES) == {name for name, _, _ in MEASURED}


def test_accuracy_of_logits_by_a_threshold() -> None:
    z = TARGET[:, 0]
    found, _ = evaluate(MEASURES, "accuracy", {"p": ("real[n]", z), "y": ("label[n, 2]", YES)}, {"threshold": 0})
    np.testing.assert_allclose(found, np.mean((z >= 0) == YES))


# --- optimizers: three steps against the textbook, written out --------------------------------------------------------


def run(name: str, options: Mapping[str, object], gradients: Sequence[Array], lr: float) -> Array:
    rule = make_optimizer(RULES[name], {"lr": 123.0, **options}, dtype="float64")
    check(rule.program)
    values = {kept: np.zeros(3) for kept, _ in rule.updates}
    for step, gradient in enumerate(gradients, 1):
        new = interpret(rule.program, {**values, "g": gradient, "lr": lr, "t": step})
        values = {kept: new[made] for kept, made in rule.updates}
    return values["theta"]


GRADIENTS = RANDOM.normal(size=(4, 3))


def by_sgd(lr: float) -> Array:
    theta = np.zeros(3)
    for g in GRADIENTS:
        theta = theta - lr * (g + 0.1 * theta)
    return theta


def by_momentum(lr: float, nesterov: bool) -> Array:
    theta, v = np.zeros(3), np.zeros(3)
    for g in GRADIENTS:
        v = 0.8 * v + g
        theta = theta - lr * (g + 0.8 * v if nesterov else v)
    return theta


def by_adam(lr: float) -> Array:
    theta, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        theta = theta - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
    return theta


def test_optimizers() -> None:
    np.testing.assert_allclose(run("sgd", {"weight_decay": 0.1}, GRADIENTS, 0.5), by_sgd(0.5), rtol=1e-13)
    np.testing.assert_allclose(run("momentum", {"momentum": 0.8}, GRADIENTS, 0.5), by_momentum(0.5, False), rtol=1e-13)
    np.testing.assert_allclose(run("nesterov", {"momentum": 0.8}, GRADIENTS, 0.5), by_momentum(0.5, True), rtol=1e-13)
    np.testing.assert_allclose(run("adam", {"beta2": 0.99}, GRADIENTS, 0.5), by_adam(0.5), rtol=1e-13)


def test_schedules() -> None:
    lr0, epoch = Access("lr0"), IntAccess("epoch")
    step = named_schedule("step", {"every": 10, "gamma": 0.5}, {})
    rates = [float(step.xreplace({lr0: 1, epoch: e}).doit().replace(lambda f: hasattr(f, "definition"),
                   lambda f: f.definition(*f.args))) for e in (0, 9, 10, 25)]
    assert rates == [1.0, 1.0, 0.5, 0.25]
    assert named_schedule("constant", {}, {}) == lr0
    half = formula_schedule("lr0*(1 - epoch/epochs)", epochs=4)
    assert half.xreplace({lr0: 8, epoch: 2}) == 4
