"""Update rules of a user's own whose vectors live across several loops: against the same recurrence in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nablac as nc

SPEC = """
model: own
dtype: float64
inputs: {x: "real[n, 3]", y: "real[n]"}
params: {w: "real[3] ~ normal(0, 1)"}
equations:
  - q[i] = sum[k](w[k]*x[i,k])
loss: mean[i]((q[i] - y[i])**2)
optimizer:
  name: own
  lr: 0.1
  state: [m, u]
  equations:
"""

RULES = {
    "a scalar of the step between": (
        ["d[p] = g[p] + 0.1*theta[p]", "c = 0.9**t", "m_next[p] = 0.9*m[p] + d[p]", "u_next[p] = 0.8*u[p] + d[p]**2",
         "theta_next[p] = theta[p] - lr*(m_next[p]*(1 - c) + d[p]*c)/sqrt(u_next[p] + 1)"],
        lambda theta, g, m, u, t: (0.9 * m + g + 0.1 * theta, 0.8 * u + (g + 0.1 * theta) ** 2,
                                   (0.9 * m + g + 0.1 * theta) * (1 - 0.9**t) + (g + 0.1 * theta) * 0.9**t, 1.0),
    ),
    "clipped by its own norm": (
        ["d[p] = g[p] + 0.1*theta[p]", "s = sqrt(sum[p](d[p]**2))", "m_next[p] = 0.9*m[p] + d[p]*min(1, 1/s)",
         "u_next[p] = 0.8*u[p] + d[p]**2", "theta_next[p] = theta[p] - lr*m_next[p]/sqrt(u_next[p] + 1)"],
        lambda theta, g, m, u, t: (
            0.9 * m + (g + 0.1 * theta) * min(1, 1 / np.linalg.norm(g + 0.1 * theta)),
            0.8 * u + (g + 0.1 * theta) ** 2,
            0.9 * m + (g + 0.1 * theta) * min(1, 1 / np.linalg.norm(g + 0.1 * theta)), 1.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_own_rule_is_its_recurrence(name: str, tmp_path: Path) -> None:
    lines, recurrence = RULES[name]
    spec = tmp_path / "own.yaml"
    spec.write_text(SPEC + "".join(f"    - {line}\n" for line in lines))
    module = nc.compile(spec).module
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    params, state = module.init(0), module.init_state()
    theta, m, u = params.copy(), np.zeros(3), np.zeros(3)
    module.train_steps(params, state, x=x, y=y, order=np.tile(np.arange(20), 10), batch_size=20, lr=0.1)
    for t in range(1, 11):
        g = 2 * x.T @ (x @ theta - y) / 20
        m, u, step, one = recurrence(theta, g, m, u, t)
        theta = theta - 0.1 * step / np.sqrt(u + one)
    np.testing.assert_allclose(params, theta, rtol=1e-12)


def test_an_index_may_have_a_tensor_s_name(tmp_path: Path) -> None:
    spec = tmp_path / "index.yaml"
    spec.write_text(
        'model: index\ninputs: {x: "real[n, 4]"}\nparams: {c: "real[4] ~ constant(2)"}\nequations:\n'
        "  - h[i,c] = x[i,0] for c in 4\n  - loss = mean[i,k](h[i,k]*c[k])\nloss: loss\n"
    )
    module = nc.compile(spec).module
    assert module.loss(module.init(0), x=np.ones((5, 4))) == pytest.approx(2.0, rel=1e-6)
