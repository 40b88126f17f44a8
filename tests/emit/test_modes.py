"""Modules of models with frozen parameters, chance, statistics and fitted parameters, against formulas in NumPy."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nablac.errors import CompileError
from nablac.frontend.spec import model_of_spec
from nablac.ir.equation import Equation
from nablac.ir.functions import Random
from nablac.ir.index import index
from nablac.ir.random import stream_number, uniform
from nablac.pipeline import compile_model
from nablac.verify import LIMITS, check_gradients
from tests.endtoend.modules import as_python, imported, on_numpy, text_of

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(23, 4)) * 2 + 3, RNG.integers(0, 3, 23)
HEAD = 'model: net\ndtype: float64\nmodule: {estimator: false, mpi: false}\n'
HEAD += 'inputs: {x: "real[n, 4]", y: "label[n, 3]"}\nloss: cross_entropy\n'


def module_of(text: str, folder: Path, native: bool = False) -> ModuleType:
    made = text_of(model_of_spec(HEAD + textwrap.dedent(text)))
    return (imported if native else as_python)(made, folder, "net")


DROPOUT = """
network: [{linear: 5}, tanh, {dropout: 0.4}, {linear: 3}]
optimizer: {sgd: {lr: 0.1}}
"""
NORMS = """
network:
  - standardise
  - linear: 5
  - batch_norm
  - tanh
  - linear: {units: 4, name: last}
  - batch_norm: {affine: false, momentum: 0.2}
  - tanh
  - linear: 3
freeze: [last.W]
optimizer: {sgd: {lr: 0.1, weight_decay: 0.1}}
"""


def masked_loss(p: dict[str, Any], keep: np.ndarray, x: np.ndarray = X, y: np.ndarray = Y) -> float:
    h = np.tanh(x @ p["linear_1.W"].T + p["linear_1.b"]) * keep
    z = h @ p["linear_2.W"].T + p["linear_2.b"]
    return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]))


def kept(seed: int, step: int, rows: int) -> np.ndarray:
    drawn = uniform(seed, step, stream_number("dropout_1.draw"), np.arange(5 * rows).reshape(rows, 5))
    return (drawn >= 0.4) / 0.6


@pytest.mark.parametrize("native", [False, True])
def test_dropout_draws_what_the_interpreter_does(tmp_path: Path, native: bool) -> None:
    module = module_of(DROPOUT, tmp_path, native)
    params = module.init(1)
    weights = module.unpack(params)
    value, grad = module.loss_and_grad(params, x=X, y=Y, seed=7, step=11)
    assert value == pytest.approx(masked_loss(weights, kept(7, 11, 23)), rel=1e-13)
    assert value != module.loss_and_grad(params, x=X, y=Y, seed=7, step=12)[0]
    assert value != module.loss_and_grad(params, x=X, y=Y, seed=8, step=11)[0]
    assert value == module.loss_and_grad(params, x=X, y=Y, seed=7, step=11)[0]
    direction = RNG.normal(size=params.size)
    up, down = (masked_loss(module.unpack(params + s * 1e-6 * direction), kept(7, 11, 23)) for s in (1, -1))
    assert grad @ direction == pytest.approx((up - down) / 2e-6, rel=1e-6)
    assert module.loss(params, x=X, y=Y) == pytest.approx(masked_loss(weights, np.ones((23, 5))), rel=1e-13)
    assert max(module.selfcheck().values()) < 1e-5
    for name, answer in module.predict(params, x=X).items():
        np.testing.assert_allclose(answer, on_numpy(module, params, x=X)[name], rtol=1e-12)


def test_steps_draw_by_their_number(tmp_path: Path) -> None:
    """train_steps is loss_and_grad and the update, step by step; a part of a batch draws what the whole batch would."""
    module = module_of(DROPOUT, tmp_path)
    params, state = module.init(1), module.init_state()
    losses = module.train_steps(params, state, batch_size=10, lr=0.1, seed=3, step=4, x=X, y=Y)
    by_hand = module.init(1)
    for k, rows in enumerate((slice(0, 10), slice(10, 20), slice(20, 23))):
        value, grad = module.loss_and_grad(by_hand, x=X[rows], y=Y[rows], seed=3, step=4 + k)
        assert losses[k] == pytest.approx(value, rel=1e-13)
        by_hand -= 0.1 * grad
    np.testing.assert_allclose(params, by_hand, rtol=1e-12)
    pieces = module_of(DROPOUT + "train: {accumulate: 3}\n", tmp_path)
    again, state = module.init(1), pieces.init_state()
    pieces.train_steps(again, state, batch_size=10, lr=0.1, seed=3, step=4, x=X, y=Y)
    np.testing.assert_allclose(again, params, rtol=1e-12)


@pytest.mark.parametrize("text", [DROPOUT, NORMS])
def test_a_resumed_run_has_the_same_bytes(text: str, tmp_path: Path) -> None:
    module = module_of(text, tmp_path)
    module.__version__ = "none"  # it stands for Numba
    settings: dict[str, Any] = {"batch_size": 8, "progress": False, "validation": 0.2, "x": X, "y": Y}
    whole = module.fit(epochs=4, out=tmp_path / "whole", **settings)
    module.fit(epochs=2, out=tmp_path / "parts", **settings)
    parts = module.fit(epochs=4, out=tmp_path / "parts", resume=True, **settings)
    assert whole.params.tobytes() == parts.params.tobytes() and whole.history == parts.history


def normed(z: np.ndarray) -> np.ndarray:
    return (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5)


def test_batch_norm_and_standardise(tmp_path: Path) -> None:
    module = module_of(NORMS, tmp_path)
    x = X.copy()
    x[:, 1] = 0.1  # a feature that never changes
    params, state = module.fitted(module.init(1), x=x), module.init_state()
    p = {name: array.copy() for name, array in module.unpack(params).items()}
    np.testing.assert_allclose(p["standardise_1.mean"], x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(p["standardise_1.variance"], x.var(0), rtol=1e-12, atol=1e-30)
    scaled = (x - x.mean(0)) / np.where(x.var(0) > 1e-20, x.std(0), 1)
    running = {1: [np.zeros(5), np.ones(5)], 2: [np.zeros(4), np.ones(4)]}
    for step in range(100):
        rows = np.random.default_rng(step).permutation(23)[:10]
        q = module.unpack(params)
        first = scaled[rows] @ q["linear_1.W"].T + q["linear_1.b"]
        last = np.tanh(q["batch_norm_1.gain"] * normed(first) + q["batch_norm_1.b"]) @ q["last.W"].T + q["last.b"]
        for number, (z, momentum) in enumerate([(first, 0.1), (last, 0.2)], 1):
            mean, variance = running[number]
            mean, variance = mean + momentum * (z.mean(0) - mean), variance + momentum * (z.var(0, ddof=1) - variance)
            running[number] = [mean, variance]
        _, grad = module.loss_and_grad(params, x=x[rows], y=Y[rows])
        assert not grad[module.TRAINED :].any()
        expected = params[: module.TRAINED] - 0.1 * (grad + 0.1 * params)[: module.TRAINED]
        module.train_steps(params, state, order=rows, batch_size=10, lr=0.1, x=x, y=Y)
        np.testing.assert_allclose(params[: module.TRAINED], expected, rtol=1e-12, atol=1e-15)
    q = module.unpack(params)
    for number, (mean, variance) in running.items():
        np.testing.assert_allclose(q[f"batch_norm_{number}.running_mean"], mean, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(q[f"batch_norm_{number}.running_variance"], variance, rtol=1e-12)
    np.testing.assert_array_equal(q["last.W"], p["last.W"])  # frozen: weight decay leaves it alone too
    used = (scaled @ q["linear_1.W"].T + q["linear_1.b"] - running[1][0]) / np.sqrt(running[1][1] + 1e-5)
    used = np.tanh(q["batch_norm_1.gain"] * used + q["batch_norm_1.b"]) @ q["last.W"].T + q["last.b"]
    used = np.tanh((used - running[2][0]) / np.sqrt(running[2][1] + 1e-5)) @ q["linear_2.W"].T + q["linear_2.b"]
    np.testing.assert_allclose(module.predict(params, x=x)["linear_2"], used, rtol=1e-10, atol=1e-12)


def test_too_few_rows_for_a_variance(tmp_path: Path) -> None:
    module = module_of(NORMS, tmp_path)
    params, state = module.init(), module.init_state()
    told = "a batch has too few rows\n  found:    1\n  expected: 2 or more\n"
    told += "  remedy:   another batch_size, or leave some rows out"
    for wrong in (
        lambda: module.loss_and_grad(params, x=X[:1], y=Y[:1]),
        lambda: module.train_steps(params, state, batch_size=11, x=X, y=Y),  # the last batch has one
        lambda: module.fit(batch_size=11, x=X, y=Y, progress=False),
    ):
        with pytest.raises(module.InputError) as error:
            wrong()
        assert str(error.value) == told
    assert module.predict(params, x=X[:1])["linear_2"].shape == (1, 3)


@pytest.mark.parametrize("text", [DROPOUT, NORMS])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_check_passes(text: str, dtype: str, tmp_path: Path) -> None:
    model = model_of_spec(HEAD.replace("float64", dtype) + textwrap.dedent(text))
    module = as_python(text_of(model), tmp_path, "net")
    found = check_gradients(model, module)
    assert [f.parameter for f in found] == list(model.trained)
    assert all(f.error <= LIMITS[dtype] for f in found)


def test_fitted_by_blocks_is_fitted_at_once(tmp_path: Path) -> None:
    module = module_of(NORMS, tmp_path)
    x = RNG.normal(size=(2**15 + 17, 4)) * 5 + 1e6
    found = module.unpack(module.fitted(module.init(), x=x))
    np.testing.assert_allclose(found["standardise_1.mean"], x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found["standardise_1.variance"], x.var(0), rtol=1e-9)


def test_training_by_numba(tmp_path: Path) -> None:
    """The whole of it compiled, and the same as in Python."""
    text = NORMS.replace("  - tanh\n  - linear: 3", "  - dropout: 0.2\n  - linear: 3")
    runs = []
    for native in (True, False):
        module = module_of(text, tmp_path, native)
        runs.append(module.fit(epochs=3, batch_size=8, x=X, y=Y, progress=False))
    np.testing.assert_allclose(runs[0].params, runs[1].params, rtol=1e-9, atol=1e-12)
    assert runs[0].history[-1]["train_loss"] < runs[0].history[0]["train_loss"]


def test_what_is_no_mean_cannot_be_fitted() -> None:
    text = """
    params: {s: "real[4]"}
    equations:
      - s_rows[k] = sqrt(mean[i](x[i, k]**2))
      - h[i, k] = x[i, k]*s[k]
    network: [{linear: {units: 3, from: h}}]
    fitted: {s: s_rows}
    """
    with pytest.raises(CompileError, match="'s' cannot be found on the training rows"):
        text_of(model_of_spec(HEAD + textwrap.dedent(text)))


def test_a_line_search_wants_the_same_loss_at_every_look() -> None:
    model = model_of_spec(HEAD + textwrap.dedent(DROPOUT).replace("sgd: {lr: 0.1}", "lbfgs: {}"))
    with pytest.raises(CompileError, match="the same at every look"):
        text_of(model)


def test_initialisers(tmp_path: Path) -> None:
    text = """
    network:
      - linear: {units: 100, W: lecun_normal, b: "truncated_normal(1, 0.5)"}
      - linear: {units: 300, W: he_truncated}
      - linear: {units: 200, W: orthogonal(3)}
      - linear: {units: 250, W: orthogonal}
      - linear: {units: 3, W: lecun_uniform}
    """
    module = module_of(text, tmp_path)
    p = module.unpack(module.init(5))
    assert abs(p["linear_1.b"] - 1).max() <= 1 and p["linear_1.b"].std() == pytest.approx(0.44, rel=0.2)
    assert p["linear_2.W"].std() == pytest.approx(np.sqrt(2 / 100), rel=0.02)
    assert abs(p["linear_2.W"]).max() <= 2 * np.sqrt(2 / 100) / 0.8796
    np.testing.assert_allclose(p["linear_3.W"] @ p["linear_3.W"].T, 9 * np.eye(200), atol=1e-12)
    np.testing.assert_allclose(p["linear_4.W"].T @ p["linear_4.W"], np.eye(200), atol=1e-12)
    assert abs(p["linear_5.W"]).max() <= np.sqrt(3 / 250)
    assert module.init(5).tobytes() == module.init(5).tobytes() != module.init(6).tobytes()


def test_what_a_model_has_not_is_not_in_its_module() -> None:
    text = text_of(model_of_spec(HEAD + "network: [{linear: 3}]\n"))
    for word in ("TRAINED", "FOLLOWED", "_fitted_numpy", "_drawn", "_training_numpy", "_check_rows", "_uniform"):
        assert word not in text, word
    assert "def loss_and_grad(params, **inputs):" in text and "step=None, **inputs):" in text


def test_statistics_are_computed_with_the_gradient() -> None:
    compiled = compile_model(model_of_spec(HEAD + textwrap.dedent(NORMS)))
    made = [e.target for e in compiled.programs["gradient"].equations]
    assert sum(name.endswith(".center") for name in made) == 2  # one mean serves the norm and the statistic
    assert not any("center" in e.target for e in compiled.programs["predict"].equations)


def test_a_mask_is_recomputed_and_not_stored() -> None:
    program = compile_model(model_of_spec(HEAD + textwrap.dedent(DROPOUT))).programs["gradient"]
    drawing = [e for e in program.equations if e.body.has(Random)]
    assert [e.target for e in drawing] == ["dropout_1", "d_linear_1"]
    assert len({node for e in drawing for node in e.body.xreplace(to_ij(e)).atoms(Random)}) == 1
    assert all(e.sources for e in drawing)  # none of them is a mask alone


def to_ij(equation: Equation) -> dict[Any, Any]:
    return dict(zip(equation.indices, (index("i"), index("j")), strict=True))


WIDE = """
model: wide
title: a title (of brackets, commas and more) that is as long as the lines of a module, and a little more than that is
inputs: {measurements_of_l: "real[n, 4]", coordinates_of_l: "real[n, 2]", observed_class_of_l: "label[n, 3]"}
params: {l: "real[4] ~ ones", I: "real[4]", O: real}
network:
  - standardise: {from: measurements_of_l}
  - linear: {units: 8, name: trunk}
  - dropout: 0.2
  - linear: {units: 3, name: logits}
  - linear: {units: 2, name: place, from: trunk}
equations:
  - shifted[o, l_of] = measurements_of_l[o, l_of]*l[l_of] + I[l_of] + O
loss:
  - cross_entropy: [logits, observed_class_of_l]
  - mse: [place, coordinates_of_l]
  - mean[o, j](shifted[o, j]**2)
  - {l2: {}, weight: 1e-4}
optimizer: {adam: {clip_norm: 1, ema: 0.9}, schedule: [{warmup: {over: 3, by: step}}, plateau]}
"""


@pytest.mark.parametrize("length", [4, 14, 19, 25])
def test_the_comments_inside_the_training_step_fit(length: int) -> None:
    """Lengths of a name with which an equation and its remark just fit a line that is not indented."""
    text = """
    network:
      - {linear: {units: 4, name: NAME}}
      - tanh
      - {linear: {units: 4, tie: {W: NAME.W.T}}}
      - {linear: {units: 3, name: z}}
    loss: [{cross_entropy: [z, y]}, {l2: {}, weight: 1e-4}]
    """
    head = HEAD.replace("loss: cross_entropy\n", "")
    made = text_of(model_of_spec(head + textwrap.dedent(text).replace("NAME", "a" * length)))
    assert max(map(len, made.splitlines())) <= 120


@pytest.mark.parametrize("rest", ["", "train: {accumulate: 2, patience: 3}", "module: {maps: false}",
                                  "module: {mpi: false}"])  # fmt: skip
def test_the_lines_of_a_module_fit_whatever_parts_it_has(rest: str, tmp_path: Path) -> None:
    path = tmp_path / "wide.py"
    path.write_text(text_of(model_of_spec(WIDE + rest)))
    rules = ["--isolated", "--select", "E,F,W,I,UP,B,C4,SIM", "--line-length", "120"]
    run = subprocess.run([sys.executable, "-m", "ruff", "check", *rules, str(path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    m = as_python(path.read_text(), tmp_path, "wide")
    data = {
        "measurements_of_l": RNG.normal(size=(9, 4)),
        "coordinates_of_l": RNG.normal(size=(9, 2)),
        "observed_class_of_l": RNG.integers(0, 3, 9),
    }
    run = m.fit(**data, epochs=2, batch_size=5, progress=False)
    assert np.isfinite(run.params).all() and len(run.history) == 2
    assert max(m.selfcheck().values()) < 1e-2
