"""Specs of every kind as whole modules: value, gradient, outputs, metrics and steps against the interpreter.

The same specs agree with PyTorch's modules of the same networks to 1e-14 in float64; that is no test, since the tests
do without it.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nablac.frontend.load import load_model
from nablac.frontend.model import Model
from nablac.ir.interpret import interpret
from nablac.ir.tensor import Role
from tests.endtoend.modules import as_python, imported, text_of
from tests.endtoend.specs import SPECS, spec
from tests.endtoend.test_random import check_module

EXTENTS = {"n": 3, "t": 5}
NATIVE = ("smoothed",)


def model_of(name: str, folder: Path, dtype: str = "float64") -> Model:
    path = folder / f"{name}.yaml"
    path.write_text(spec(name, dtype))
    return load_model(path)


def values_of(module: ModuleType, seed: int, rows: int) -> dict[str, Any]:
    """Inputs and parameters of normal size."""
    rng, drawn = np.random.default_rng(seed), {}
    for name, (shape, dtype) in module.INPUTS.items():
        sizes = [(EXTENTS | {"n": rows}).get(e, e) for e in shape]
        whole = rng.integers(0, module.LABELS.get(name, 2), sizes)
        drawn[name] = whole if dtype == "int64" else rng.normal(size=sizes).astype(dtype).astype(float)
    params = (module.init(seed) + 0.1 * rng.normal(size=module.SIZE)).astype(module.DTYPE)
    return drawn | {name: view.astype(float) for name, view in module.unpack(params).items()}


def check_metrics(module: ModuleType, model: Model, values: dict[str, Any]) -> None:
    expected = interpret(model.program, values)
    inputs = {t.name: values[t.name] for t in model.program.having(Role.INPUT)}
    params = module.pack({t.name: values[t.name] for t in model.program.having(Role.PARAM)})
    found = module.evaluate(params, **inputs)
    assert list(found) == ["loss", *(shown for shown, _ in model.metrics)]
    for shown, tensor in model.metrics:
        assert found[shown] == pytest.approx(expected[tensor].item(), rel=1e-9, abs=1e-12), shown


def check_steps(module: ModuleType, model: Model, values: dict[str, Any], steps: int = 3) -> None:
    """Some steps of the trainer, against the optimizer's equations in the interpreter."""
    rule = model.optimizer
    inputs = {t.name: values[t.name] for t in model.program.having(Role.INPUT)}
    params = module.pack({t.name: values[t.name] for t in model.program.having(Role.PARAM)})
    theta, state = params.copy(), module.init_state()
    kept = {name: np.zeros(module.SIZE) for name in rule.state} | {"theta": params.copy()}
    module.train_steps(theta, state, **inputs, order=np.tile(np.arange(3), steps), batch_size=3, lr=float(rule.lr))
    for step in range(1, steps + 1):
        grad = module.loss_and_grad(kept["theta"], **inputs)[1]
        after = interpret(rule.program, kept | {"g": grad, "lr": float(rule.lr), "t": step})
        kept = {name: after[new] for name, new in rule.updates}
    np.testing.assert_allclose(theta, kept["theta"], rtol=1e-11, atol=1e-13)
    assert state[-1] == steps


@pytest.mark.parametrize("name", SPECS)
def test_as_python(name: str, tmp_path: Path) -> None:
    model = model_of(name, tmp_path)
    module = as_python(text_of(model), tmp_path, name)
    for seed, rows in enumerate((1, 3)):
        values = values_of(module, seed, rows)
        check_module(module, model, values, 1e-10)
        check_metrics(module, model, values)
    check_steps(module, model, values)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in NATIVE else pytest.mark.deep) for n in SPECS])
def test_by_numba(name: str, folder: Path) -> None:
    for dtype, tolerance in (("float64", 1e-10), ("float32", 2e-4)):
        model = model_of(name, folder, dtype)
        module = imported(text_of(model), folder, f"{name}_{dtype}")
        check_module(module, model, values_of(module, 2, 17), tolerance)
        if name in NATIVE:
            break


def test_schedules(tmp_path: Path) -> None:
    halved = as_python(text_of(model_of("multi_label", tmp_path)), tmp_path, "halved")
    assert [halved.learning_rate(epoch, 0.1) for epoch in (0, 9, 10, 25)] == [0.1, 0.1, 0.05, 0.025]


def test_schedule_with_pi(tmp_path: Path) -> None:
    cosine = as_python(text_of(model_of("own_optimizer", tmp_path)), tmp_path, "cosine")
    assert [cosine.learning_rate(epoch, 2.0) for epoch in (0, 5, 10)] == pytest.approx([2.0, 1.0, 0.0])
