"""A compiled model in Python, and the gradient check itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import nablac as nc
from nablac.frontend.spec import model_of_spec
from nablac.verify import check_gradients

SPEC = """
model: small
dtype: float64
inputs: {x: "real[n, 3]", y: "label[n, 2]"}
network:
  - linear: 4
  - tanh
  - linear: 2
loss: cross_entropy
"""


@pytest.fixture(scope="module")
def net() -> nc.Network:
    """A small classifier."""
    return nc.compile(model_of_spec(SPEC))


def test_gradient_is_an_equation(net: nc.Network) -> None:
    formula = net.gradient("linear_2.b")
    assert str(formula).splitlines()[-1].endswith("d_linear_2.b[j] = sum[i](d_linear_2[i, j])")
    assert formula._repr_latex_().startswith("\\begin{align}")


def test_numbers_are_those_of_the_module(net: nc.Network) -> None:
    for number, equation in net.gradient("linear_1.W"):
        assert f"({number}) {equation.target}[" in net.source


def test_unknown_parameter(net: nc.Network) -> None:
    with pytest.raises(nc.NablacError, match="no parameter is called 'W'"):
        net.gradient("W")


def test_the_check_finds_one_wrong_entry(net: nc.Network) -> None:
    model, module = net.compiled.model, net.module
    assert max(f.error for f in check_gradients(model, module)) < 1e-12

    def wrong(params: np.ndarray, **data: np.ndarray) -> tuple[float, np.ndarray]:
        value, grad = module.loss_and_grad(params, **data)
        grad[-1] *= 1 + 1e-6
        return value, grad

    broken = SimpleNamespace(loss_and_grad=wrong, pack=module.pack, unpack=module.unpack)
    findings = check_gradients(model, broken)
    worst = max(findings, key=lambda f: f.error)
    assert worst.worst == "linear_2.b[1]" and worst.error > 1e-7
