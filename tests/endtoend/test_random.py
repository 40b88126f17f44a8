"""Random programs as whole modules: value, gradient and predictions against the interpreter."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nablac.frontend.model import Model
from nablac.frontend.optimizers import RULES, make_optimizer
from nablac.ir.interpret import interpret
from nablac.ir.mode import has_modes, in_evaluation, in_training
from nablac.ir.tensor import Role
from nablac.passes.differentiate import reverse
from tests.endtoend.modules import as_python, imported, on_numpy, text_of
from tests.random_programs import random_program

PLAIN, NATIVE = range(12), ((0, "float64"), (1, "float32"))
DEEP_PLAIN = range(2000, 2600)
DEEP_NATIVE = tuple((seed, ("float64", "float32")[seed % 2]) for seed in range(3000, 3080))


def random_model(seed: int, dtype: str) -> tuple[Model, dict[str, Any]]:
    """A model of a random program with some of its tensors as outputs, and values as its dtype holds them."""
    program, values = random_program(seed)
    rng = random.Random(seed)
    names = [t.name for t in program.having(Role.RESULT) if t.name != "loss"]
    outputs = tuple(rng.sample(names, rng.randint(1, 3)))
    program = replace(program.with_equations(program.equations, results=("loss", *outputs)), dtype=dtype)
    optimizer = make_optimizer(rng.choice(list(RULES.values())), {"lr": 0.01}, dtype=dtype)
    if optimizer.search and has_modes(program):  # a line search wants one loss; such models are refused
        optimizer = make_optimizer(RULES["adam"], {"lr": 0.01}, dtype=dtype)
    rounded = {n: v.astype(dtype).astype(float) if v.dtype.kind == "f" else v for n, v in values.items()}
    return Model(program.name, program, "loss", outputs, (), optimizer), rounded


def check_module(module: ModuleType, model: Model, values: dict[str, Any], tolerance: float) -> None:
    """Everything that the module says of these values, against the interpreter."""
    program = model.program
    expected = interpret(in_training(program), values)
    seeds = {t.name.removeprefix("random."): values[t.name].item() for t in program.having(Role.COUNTER)[:2]}
    inputs = {t.name: values[t.name] for t in program.having(Role.INPUT)}
    params = module.pack({t.name: values[t.name] for t in program.having(Role.PARAM)})
    value, grad = module.loss_and_grad(params, **inputs, **seeds)
    assert value == pytest.approx(expected[model.loss].item(), rel=tolerance, abs=tolerance)
    expected = interpret(in_evaluation(program), values)
    assert module.loss(params, **inputs) == pytest.approx(expected[model.loss].item(), rel=tolerance, abs=tolerance)
    slopes = reference_gradients(model, values)
    for name, found in module.unpack(grad).items():
        close(found, slopes[name], tolerance, f"d_{name}")
    predictions, plain = module.predict(params, **inputs), on_numpy(module, params, **inputs)
    assert list(predictions) == list(plain) == list(model.outputs)
    for name in model.outputs:
        close(predictions[name], expected[name], tolerance, name)
        close(plain[name], expected[name], tolerance, f"{name} on NumPy")
        assert predictions[name].dtype == plain[name].dtype and predictions[name].shape == plain[name].shape


def reference_gradients(model: Model, values: dict[str, Any]) -> dict[str, Any]:
    """The reverse sweep of the program as written, in the interpreter; other tests prove that."""
    names = [t.name for t in model.program.having(Role.PARAM)]
    derived = reverse(model.program, model.loss, names)
    found = interpret(derived.program, values)
    return {name: found[derived.names[name]] for name in names}


def close(found: Any, expected: Any, tolerance: float, name: str) -> None:
    """Equal to a relative tolerance of the largest element."""
    size = max(1e-3, float(np.max(np.abs(expected))))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * size, err_msg=name)


@pytest.mark.parametrize("seed", PLAIN)
def test_as_python(seed: int, tmp_path: Path) -> None:
    model, values = random_model(seed, "float64")
    print(f"seed {seed}: {model.optimizer.name}, outputs {model.outputs}")
    check_module(as_python(text_of(model), tmp_path, f"random_{seed}"), model, values, 1e-9)


@pytest.mark.parametrize(("seed", "dtype"), NATIVE)
def test_by_numba(seed: int, dtype: str, folder: Path) -> None:
    model, values = random_model(seed, dtype)
    print(f"seed {seed}, {dtype}: {model.optimizer.name}, outputs {model.outputs}")
    module = imported(text_of(model), folder, f"random_native_{seed}")
    check_module(module, model, values, 1e-9 if dtype == "float64" else 2e-4)
    assert all(np.dtype(kind) in (np.dtype(dtype), np.int64) for _, kind in module.OUTPUTS.values())


@pytest.mark.deep
@pytest.mark.parametrize("seed", DEEP_PLAIN)
def test_many_more_as_python(seed: int, tmp_path: Path) -> None:
    test_as_python(seed, tmp_path)


@pytest.mark.deep
@pytest.mark.parametrize(("seed", "dtype"), DEEP_NATIVE)
def test_many_more_by_numba(seed: int, dtype: str, folder: Path) -> None:
    test_by_numba(seed, dtype, folder)
