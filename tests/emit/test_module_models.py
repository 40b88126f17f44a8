"""Whole modules, kernels and all, of small models whose inputs are of every kind."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nablac.emit.module import module_text
from nablac.ir.tensor import Role
from nablac.pipeline import compile_model
from tests.emit.small_models import declared, loaded, model

RNG = np.random.default_rng(0)

MODELS: dict[str, tuple[dict[str, str], dict[str, str], list[str], list[str], dict[str, Any]]] = {
    "two_extents": (
        {"k": "real[m]", "x": "real[n, 3]", "y": "real[n]"},
        {"w": "real[3] ~ normal(0, 1)", "b": "real"},
        ["p[i] = sum[j](w[j]*x[i,j]) + b", "loss = mean[i]((p[i] - y[i])**2) + 0.1*sum[c](k[c])*b"],
        ["p"],
        {"k": RNG.normal(size=4), "x": RNG.normal(size=(9, 3)), "y": RNG.normal(size=9)},
    ),
    "pairs": (
        {"K": "real[n, n]", "y": "real[n]"},
        {"w": "real ~ constant(1)", "b": "real"},
        ["p[i] = sum[j](K[i,j]*y[j])*w + b", "loss = mean[i]((p[i] - y[i])**2)"],
        ["p"],
        {"K": RNG.normal(size=(6, 6)), "y": RNG.normal(size=6)},
    ),
    "scalars": (
        {"x": "real[n]", "c": "real", "y": "int[n]", "d": "label[5]"},
        {"w": "real ~ constant(1)", "b": "real[5] ~ normal(0, 1)"},
        ["loss = mean[i]((w*x[i]*c - y[i]*b[d])**2)", "q = w*c"],
        ["q"],
        {"x": RNG.normal(size=9), "c": 2.5, "y": np.arange(9), "d": 3},
    ),
    "images": (
        {"k": "int[n]", "size": "real[n, 2, 3, 2]"},
        {"w": "real[2, 3, 2]", "b": "real"},
        ["h[i] = sum[a,c,e](size[i,a,c,e]*w[a,c,e])", "loss = mean[i]((h[i] - k[i])**2) + b**2"],
        ["h"],
        {"size": RNG.normal(size=(9, 2, 3, 2)), "k": np.arange(9)},
    ),
    "labels_first": (
        {"unread": "real[n]", "y": "label[n, 3]", "x": "real[n, 2]"},
        {"W": "real[3, 2]"},
        ["z[i,c] = sum[k](W[c,k]*x[i,k])", "loss = mean[i](-log(exp(z[i,y[i]])/sum[c](exp(z[i,c]))))"],
        ["z"],
        {"x": RNG.normal(size=(9, 2)), "y": np.arange(9) % 3},
    ),
    # the results, the function and the arguments of one call each fill a line
    "long_names": (
        {"the_features_of_each_sample": "real[n, 3]", "the_target_that_is_to_be_predicted": "real[n]"},
        {
            "the_weights_of_the_first_and_only_linear_layer": "real[3]",
            "the_bias_of_the_first_and_only_linear_layer": "real",
        },
        [
            "prediction[i] = sum[k](the_weights_of_the_first_and_only_linear_layer[k]*the_features_of_each_sample[i,k])"
            " + the_bias_of_the_first_and_only_linear_layer",
            "loss = mean[i]((prediction[i] - the_target_that_is_to_be_predicted[i])**2)",
        ],
        ["prediction"],
        {
            "the_features_of_each_sample": RNG.normal(size=(9, 3)),
            "the_target_that_is_to_be_predicted": RNG.normal(size=9),
        },
    ),
    # one nest gives the loss and the gradient of every weight: more names than a line holds
    "many_scalars": (
        {"x": "real[n]", "y": "real[n]"},
        {f"weight{at}": "real ~ constant(0.5)" for at in range(12)},
        [
            "p[i] = " + " + ".join(f"tanh(x[i]*weight{at} + {at}/10)" for at in range(12)),
            "loss = mean[i]((p[i] - y[i])**2)",
        ],
        ["p"],
        {"x": RNG.normal(size=9), "y": RNG.normal(size=9)},
    ),
    "output_reads_more": (
        {"extra": "real[n]", "x": "real[n, 2]", "more": "real[n]"},
        {"w": "real[2] ~ normal(0, 1)"},
        ["h[i] = sum[k](w[k]*x[i,k])", "shown[i] = h[i]*extra[i]", "loss = mean[i](h[i]**2*more[i]**2)"],
        ["shown"],
        {"x": RNG.normal(size=(9, 2)), "extra": RNG.normal(size=9), "more": RNG.normal(size=9)},
    ),
    "names_of_the_trainer": (
        {"x": "real[n, 2]"},
        {"row": "real[2] ~ normal(0, 1)", "read": "real"},
        ["take[i] = tanh(sum[k](row[k]*x[i,k]) + read)", "number = mean[i](take[i]**2)", "loss = log(1 + number)"],
        ["take", "number"],
        {"x": RNG.normal(size=(9, 2))},
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def case(request: pytest.FixtureRequest, folder: Path) -> tuple[ModuleType, dict[str, Any]]:
    inputs, params, equations, outputs, data = MODELS[request.param]
    tensors = [*declared(Role.INPUT, **inputs), *declared(Role.PARAM, **params)]
    given = model(request.param, tensors, equations, outputs, dtype="float64", options={"lr": 0.01})
    return loaded(module_text(compile_model(given), "0.1.0"), folder, request.param), data


def test_gradients(case: tuple[ModuleType, dict[str, Any]]) -> None:
    module, data = case
    assert max(module.selfcheck().values()) < 1e-6
    assert module.loss(module.init(), **data) == pytest.approx(
        module.loss_and_grad(module.init(), **data)[0], rel=1e-12
    )


def test_predictions_are_those_of_numpy(case: tuple[ModuleType, dict[str, Any]]) -> None:
    module, data = case
    native, numba = module.predict(module.init(), **data), module.numba
    module.numba = None  # type: ignore[attr-defined]
    try:
        plain = module.predict(module.init(), **data)
    finally:
        module.numba = numba  # type: ignore[attr-defined]
    assert list(native) == list(plain) == list(module.OUTPUTS)
    for name, array in native.items():
        assert array.shape == plain[name].shape and array.dtype == plain[name].dtype
        np.testing.assert_allclose(array, plain[name], rtol=1e-12)


def test_training(case: tuple[ModuleType, dict[str, Any]]) -> None:
    module, data = case
    turns = "epochs" if module.BATCHED else "steps"
    run = module.fit(**data, **{turns: 4}, progress=False)
    rows = len(data[module.BATCHED[0]]) if module.BATCHED else 1
    again, state = module.init(), module.init_state()
    for epoch in range(4):
        options = {"order": np.random.default_rng(epoch).permutation(rows)} if module.BATCHED else {"steps": 1}
        module.train_steps(again, state, **data, **options, lr=0.01)
    assert state[-1] == 4 == run.state[-1]
    np.testing.assert_allclose(run.params, again, rtol=1e-12)
    assert run.history[-1]["train_loss"] < module.loss(module.init(), **data)
