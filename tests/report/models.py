"""Models for the tests of drawings and values: specs as text, and the examples."""

from __future__ import annotations

from pathlib import Path

from nablac.frontend.load import load_model
from nablac.frontend.model import Model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

FAN = """
model: fan
params: {a: real ~ constant(1.5), b: real ~ constant(-0.5), c: real ~ constant(2)}
equations:
  - s = tanh(a*b + c)
  - t = log(1 + s**2) - 3*a/4
  - u = where(t > s, sqrt(abs(t)), max(t, 0)*b)
  - f = (s - t)**2/2 + u*a + sin(a*pi) - 1/c**2 + exp(-a - b)
loss: f
optimizer: {sgd: {lr: 0.05}}
"""
"""A circuit in which values are read several times, with every kind of operation."""

SMOOTH = """
model: smooth
inputs: {x: "real[n, 3]", y: "real[n, 2]"}
network:
  - linear: 4
  - tanh
  - linear: {units: 2, name: out}
loss: mean[i,j]((out[i,j] - y[i,j])**2)
optimizer: {sgd: {lr: 0.1}}
"""

RESIDUAL = """
model: residual
inputs: {x: "real[n, 4]", y: "label[n, 4]"}
params: {W: "real[4, 4] ~ normal(0, 0.5)", V: "real[4, 4] ~ normal(0, 0.5)"}
equations:
  - h[i,j] = x[i,j] + tanh(sum[k](W[j,k]*x[i,k]))
  - g[i,j] = h[i,j] + tanh(sum[k](V[j,k]*h[i,k]))
  - p[i,j] = exp(g[i,j])/sum[k](exp(g[i,k]))
loss: mean[i](-log(p[i, y[i]]))
optimizer: {sgd: {lr: 0.1}}
"""


def example(name: str) -> Model:
    """One of the examples."""
    return load_model(EXAMPLES / f"{name}.yaml")


def model_of(text: str, folder: Path) -> Model:
    """A model from a spec's text."""
    path = folder / "spec.yaml"
    path.write_text(text)
    return load_model(path)
