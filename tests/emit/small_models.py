"""Small models with kernels written by hand: the trainer is tested on them apart from the planner and its printers."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from sympy import S

from nablac.emit import header
from nablac.emit.code import Code, Function
from nablac.emit.entries import Entry
from nablac.emit.lower import lower
from nablac.emit.render import render
from nablac.emit.view import ModelView
from nablac.frontend.model import Data, Model, Training
from nablac.frontend.optimizers import RULES, formula_schedule, make_optimizer
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role, Tensor
from nablac.pipeline import compile_model

CLASSIFIER = '''
@kernel
def _forward(params, x, z):
    """Hidden tanh layer of 5, logits of 3."""
    h = np.empty(5, np.float32)
    for i in range(x.shape[0]):
        for j in range(5):
            h[j] = params[20 + j]
            for k in range(4):
                h[j] += params[4 * j + k] * x[i, k]
            h[j] = math.tanh(h[j])
        for c in range(3):
            z[i, c] = params[40 + c]
            for j in range(5):
                z[i, c] += params[25 + 5 * c + j] * h[j]


@kernel
def _predict(params, x, logits, work, iwork):
    _forward(params, x, logits)


@kernel
def _evaluate(params, x, y, values, work, iwork):
    z = work[: 3 * x.shape[0]].reshape((x.shape[0], 3))
    _forward(params, x, z)
    values[:] = 0.0
    for i in range(x.shape[0]):
        s = 0.0
        top = z[i].max()
        for c in range(3):
            s += math.exp(z[i, c] - top)
        values[0] += (math.log(s) + top - z[i, y[i]]) / x.shape[0]
        values[1] += (np.argmax(z[i]) == y[i]) / x.shape[0]


@kernel
def _gradient(params, x, y, grad, work, iwork):
    n = x.shape[0]
    h = np.empty(5, np.float32)
    z = np.empty(3, np.float32)
    loss = 0.0
    grad[:] = real(0)
    for i in range(n):
        for j in range(5):
            h[j] = params[20 + j]
            for k in range(4):
                h[j] += params[4 * j + k] * x[i, k]
            h[j] = math.tanh(h[j])
        s = real(0)
        for c in range(3):
            z[c] = params[40 + c]
            for j in range(5):
                z[c] += params[25 + 5 * c + j] * h[j]
        top = z.max()
        for c in range(3):
            s += math.exp(z[c] - top)
        loss += math.log(s) + top - z[y[i]]
        for c in range(3):
            z[c] = math.exp(z[c] - top) / s / real(n)
        z[y[i]] -= real(1) / real(n)
        for c in range(3):
            grad[40 + c] += z[c]
        for j in range(5):
            d = real(0)
            for c in range(3):
                d += z[c] * params[25 + 5 * c + j]
                grad[25 + 5 * c + j] += z[c] * h[j]
            d *= real(1) - h[j] * h[j]
            grad[20 + j] += d
            for k in range(4):
                grad[4 * j + k] += d * x[i, k]
    return loss / n


@kernel
def _update(params, grad, state, lr, t):
    for p in range(params.size):
        state[p] = real(0.5) * state[p] + grad[p]
        params[p] -= lr * state[p]


def _sizes(entry, n):
    return (3 * n if entry == "evaluate" else 0), 0
'''

CIRCUIT = """
@kernel
def _predict(params, f, work, iwork):
    f[()] = (params[0] + params[1]) * params[2]


@kernel
def _evaluate(params, values, work, iwork):
    values[0] = ((params[0] + params[1]) * params[2]) ** 2


@kernel
def _gradient(params, grad, work, iwork):
    f = (params[0] + params[1]) * params[2]
    grad[0] = 2 * f * params[2]
    grad[1] = 2 * f * params[2]
    grad[2] = 2 * f * (params[0] + params[1])
    return f * f


@kernel
def _update(params, grad, state, lr, t):
    for p in range(params.size):
        params[p] -= lr * grad[p]


def _sizes(entry):
    return 0, 0
"""


def declared(role: Role, **texts: str) -> list[Tensor]:
    """Tensors by their declarations; a double underscore stands for a dot."""
    return [parse_declaration(name.replace("__", "."), text, role) for name, text in texts.items()]


def model(
    name: str,
    tensors: Sequence[Tensor],
    equations: Sequence[str],
    outputs: Sequence[str],
    metrics: Sequence[tuple[str, str]] = (),
    dtype: str = "float32",
    optimizer: str = "sgd",
    options: dict[str, object] | None = None,
    **more: object,
) -> Model:
    """A model by its equations."""
    parsed = parse_equations(equations, {t.name: t for t in tensors})
    results = ("loss", *outputs, *(tensor for _, tensor in metrics))
    program = Program(name, (*tensors, *parsed.tensors), parsed.equations, results, dtype)
    rule = make_optimizer(RULES[optimizer], options or {"lr": 0.1}, dtype=dtype, schedule=more.pop("schedule", None))  # type: ignore[arg-type]
    return Model(name, program, "loss", tuple(outputs), tuple(metrics), rule, **more)  # type: ignore[arg-type]


def classifier(**more: object) -> Model:
    """A 4-5-3 classifier, momentum 0.5, a rate that falls every other epoch."""
    tensors = declared(Role.INPUT, x="real[n, 4]", y="label[n, 3]")
    params = {
        "linear_1__W": "real[5, 4]",
        "linear_1__b": "real[5]",
        "linear_2__W": "real[3, 5]",
        "linear_2__b": "real[3]",
    }
    tensors += declared(Role.PARAM, **params)
    equations = [
        "h[i,j] = tanh(sum[k](linear_1.W[j,k]*x[i,k]) + linear_1.b[j])",
        "logits[i,c] = sum[j](linear_2.W[c,j]*h[i,j]) + linear_2.b[c]",
        "q[i,c] = exp(logits[i,c])/sum[b](exp(logits[i,b]))",
        "loss = mean[i](-log(q[i,y[i]]))",
        "accuracy = mean[i](where(argmax[c](logits[i,c]) == y[i], 1, 0))",
    ]
    given = {"training": Training(epochs=3, batch_size=8), "schedule": formula_schedule("lr0*0.5**floor(epoch/2)", 3)}
    options: dict[str, object] = {"lr": 0.1, "momentum": 0.5}
    metrics = (("accuracy", "accuracy"),)
    return model(
        "classifier", tensors, equations, ["logits"], metrics, optimizer="momentum", options=options, **(given | more)
    )


def circuit() -> Model:
    """f = (x + y)*z, squared: a model of parameters alone."""
    tensors = declared(Role.PARAM, x="real ~ constant(-2)", y="real ~ constant(5)", z="real ~ constant(-4)")
    equations = ["f = (x + y)*z", "loss = f**2"]
    return model(
        "circuit", tensors, equations, ["f"], dtype="float64", options={"lr": 0.01}, training=Training(epochs=50)
    )


def view_of(given: Model, kernels: str) -> ModelView:
    """The view of the module with the hand-written kernels."""
    compiled = compile_model(given)
    entries = {}
    for name in ("predict", "evaluate", "gradient"):
        inputs = tuple(t.name for t in given.program.having(Role.INPUT) if name != "predict" or t.name == "x")
        entries[name] = Entry(f"_{name}", (), inputs, (), "", (), (S.Zero, S.Zero))
    text = Function("", "", kernels.strip())
    code = Code((), (), "", "", (text,), (), "", compiled.numbers, entries, {}, {})
    formulas = header.formulas(compiled.programs, compiled.numbers)
    return lower(given, compiled.programs, code, "0.1.0", formulas)


def text_of(given: Model, kernels: str) -> str:
    """The module's text with the hand-written kernels."""
    return render(view_of(given, kernels))


def samples(rows: int = 50, seed: int = 0) -> tuple[Any, Any]:
    """Points in four dimensions and the quadrant of the first two, three classes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)


def loaded(text: str, folder: Path, name: str) -> ModuleType:
    """The module, written and imported."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


__all__ = [
    "CIRCUIT",
    "CLASSIFIER",
    "Data",
    "circuit",
    "classifier",
    "loaded",
    "replace",
    "samples",
    "text_of",
    "view_of",
]
