"""The optimizer's side of the trainer in whole modules: against recurrences in NumPy, and across interruptions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nablac as nc
from nablac.errors import CompileError
from nablac.frontend.load import load_model
from nablac.frontend.spec import model_of_spec
from nablac.ir.interpret import interpret
from tests.endtoend.modules import as_python, imported, text_of

LINE = """
model: line
dtype: float64
inputs: {x: "real[n, 3]", y: "real[n]"}
params: {w: "real[3] ~ normal(0, 1)"}
equations: ["q[i] = sum[k](w[k]*x[i,k])"]
loss: mean[i]((q[i] - y[i])**2)
"""
LOGISTIC = """
model: logistic
dtype: float64
inputs: {x: "real[n, 6]", y: "label[n, 2]"}
network: [{linear: {units: 1, name: z}}]
loss: [{binary_cross_entropy_logits: [z, t]}, {l2: z.W, weight: 1e-3}]
equations: ["t[i, j] = where(y[i] == 1, 1, 0) for j in 1"]
"""
RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(50, 3))
Y = X @ [1.0, 2, 3] + RANDOM.normal(size=50)
DATA = {"x": X, "y": Y, "progress": False}


def module_of(text: str, folder: Path, optimizer: str, train: str = "{epochs: 6, batch_size: 8}") -> ModuleType:
    spec = f"{text}optimizer: {optimizer}\ntrain: {train}\nmodule: {{estimator: false, mpi: false}}\n"
    module: Any = as_python(text_of(model_of_spec(spec, "t.yaml")), folder, "rules")
    module.__version__ = "none"  # of what stands for Numba
    return module  # type: ignore[no-any-return]


def batches(m: ModuleType, epochs: int, seed: int = 0) -> list[list[Any]]:
    """The rows of each step of each epoch."""
    orders = [m._random(seed, 2**32 + epoch).permutation(50) for epoch in range(epochs)]
    return [np.split(order, range(8, 50, 8)) for order in orders]


def gradient(w: Any, rows: Any) -> Any:
    return 2 * X[rows].T @ (X[rows] @ w - Y[rows]) / len(rows)


# --- clipping and the mean --------------------------------------------------------------------------------------------


def test_clipped_steps_and_their_mean(tmp_path: Path) -> None:
    m = module_of(LINE, tmp_path, "{momentum: {lr: 0.05, momentum: 0.8, clip_norm: 2.0, clip_value: 1.5, ema: 0.9}}")
    run = m.fit(**DATA, validation=(X[:9], Y[:9]))
    w, v, mean, cut = m.init(0), np.zeros(3), np.zeros(3), 0
    for epoch, parts in enumerate(batches(m, 6)):
        for rows in parts:
            g = np.clip(gradient(w, rows), -1.5, 1.5)
            cut += np.linalg.norm(g) > 2
            v = 0.8 * v + g * min(1, 2 / (np.linalg.norm(g) + 1e-6))
            w = w - 0.05 * v
            mean = 0.9 * mean + 0.1 * w
        shown = mean / (1 - 0.9 ** (7 * (epoch + 1)))
        row = run.history[epoch]
        assert row["train_loss"] == pytest.approx(np.mean((X @ shown - Y) ** 2), rel=1e-12)
        assert row["val_loss"] == pytest.approx(np.mean((X[:9] @ shown - Y[:9]) ** 2), rel=1e-12)
    assert 5 < cut < 42
    np.testing.assert_allclose(run.params, w, rtol=1e-12)
    np.testing.assert_allclose(m.averaged(run.params, run.state), shown, rtol=1e-12)
    assert (m.averaged(w, m.init_state()) == w).all()
    with pytest.raises(m.InputError, match="state has the wrong shape"):
        m.averaged(w, run.state[1:])


def test_the_commands_use_the_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    m = module_of(LINE, tmp_path, "{adam: {lr: 0.1, ema: 0.95}}")
    run = m.fit(**DATA, out=tmp_path / "run")
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    arguments = ["--data", str(tmp_path / "data.npz"), "--out", str(tmp_path / "run")]
    assert m.main(["evaluate", *arguments]) == 0
    assert capsys.readouterr().out == f"loss {run.history[-1]['train_loss']:.6g}\n"
    assert m.main(["predict", *arguments]) == 0
    found = np.loadtxt(tmp_path / "run" / "predicted_q.csv", skiprows=1)
    np.testing.assert_allclose(found, X @ m.averaged(run.params, run.state), rtol=1e-12)


# --- schedules --------------------------------------------------------------------------------------------------------


def test_a_rate_for_each_step(tmp_path: Path) -> None:
    m = module_of(LINE, tmp_path, "{sgd: 0.1, schedule: [{warmup: {over: 10, by: step}}, {cosine: {by: step}}]}")
    run = m.fit(**DATA)
    w, made = m.init(0), 0
    for epoch, parts in enumerate(batches(m, 6)):
        for rows in parts:
            rate = 0.1 * (0.1 + 0.09 * min(made, 10)) * (1 + math.cos(math.pi * made / 42)) / 2
            w, made = w - rate * gradient(w, rows), made + 1
        assert run.history[epoch]["lr"] == pytest.approx(rate, rel=1e-13)
    np.testing.assert_allclose(run.params, w, rtol=1e-12)
    assert m.learning_rate(2, 1.0, steps=7).shape == (7,)


def test_a_formula_of_the_step_in_arrays(tmp_path: Path) -> None:
    formula = "lr0*where(not (step < 3 or epoch == 1), max(0.5, 1/(1 + step), 0.1), floor(step/2)/steps + abs(-1))"
    m = module_of(LINE, tmp_path, f"{{sgd: 1.0, schedule: '{formula}'}}")
    for epoch in (0, 1, 2):
        expected = [
            max(0.5, 1 / (1 + step), 0.1) if not (step < 3 or epoch == 1) else step // 2 / 5 + 1
            for step in range(epoch * 5, epoch * 5 + 5)
        ]
        np.testing.assert_allclose(m.learning_rate(epoch, 2.0, steps=5), 2 * np.array(expected), rtol=1e-14)


class Plateau:
    """How torch.optim.lr_scheduler.ReduceLROnPlateau goes on from epoch to epoch (mode min, threshold rel, eps 0)."""

    def __init__(self, lr: float, factor: float, patience: int, threshold: float, cooldown: int, min_lr: float) -> None:
        self.lr, self.factor, self.patience, self.threshold = lr, factor, patience, threshold
        self.cooldown, self.min_lr = cooldown, min_lr
        self.best, self.bad, self.cooling = math.inf, 0, 0

    def step(self, loss: float) -> None:
        if loss < self.best * (1 - self.threshold):
            self.best, self.bad = loss, 0
        else:
            self.bad += 1
        if self.cooling > 0:
            self.cooling -= 1
            self.bad = 0
        if self.bad > self.patience:
            self.lr = max(self.lr * self.factor, self.min_lr)
            self.cooling, self.bad = self.cooldown, 0


@pytest.mark.parametrize(("patience", "threshold", "cooldown"), [(0, 0.0, 0), (2, 0.05, 1), (3, 1e-4, 4), (1, 0.2, 2)])
def test_plateau_is_a_function_of_the_history(patience: int, threshold: float, cooldown: int, tmp_path: Path) -> None:
    options = f"{{factor: 0.5, patience: {patience}, threshold: {threshold}, cooldown: {cooldown}, min_lr: 0.01}}"
    m = module_of(LINE, tmp_path, f"{{sgd: 0.3, schedule: {{plateau: {options}}}}}")
    for seed in range(8):
        random = np.random.default_rng(seed)
        losses = (3 * np.exp(-np.arange(70) / 15) + 0.2 * random.normal(size=70)) * (1 if seed % 2 else -1)
        history: list[dict[str, float]] = []
        watch = Plateau(0.3, 0.5, patience, threshold, cooldown, 0.01)
        for loss in losses.tolist():
            assert m.learning_rate(len(history), 0.3, history=history) == pytest.approx(watch.lr, rel=1e-14)
            history.append({"train_loss": -1.0, "val_loss": loss})
            watch.step(loss)
        assert watch.lr < 0.3
        known = [{"train_loss": row["val_loss"]} for row in history]
        assert m.learning_rate(70, 0.3, history=known) == m.learning_rate(70, 0.3, history=history)


SCHEDULED = [
    "{sgd: {lr: 0.4, schedule: {plateau: {patience: 1, factor: 0.5, threshold: 0.1}}}}",
    "{adam: {lr: 0.2, clip_norm: 1.0, ema: 0.9, schedule: {one_cycle: {by: step}}}}",
    "{lbfgs: {history: 3}}",
]


@pytest.mark.parametrize("optimizer", SCHEDULED)
def test_resuming_changes_nothing(optimizer: str, tmp_path: Path) -> None:
    m = module_of(LINE, tmp_path, optimizer, "{epochs: 9}")
    m.fit(**DATA, validation=0.2, out=tmp_path / "a")
    for epochs in (2, 3, 9):
        m.fit(**DATA, validation=0.2, epochs=epochs, out=tmp_path / "b", resume=epochs > 2)
    for name in ("checkpoint.npz", "history.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rates = {row["lr"] for row in m.Run.load(tmp_path / "a").history}
    assert len(rates) > 1 or "lbfgs" in optimizer


# --- L-BFGS -----------------------------------------------------------------------------------------------------------

FEATURES = RANDOM.normal(size=(120, 6)) * [1, 3, 0.3, 1, 10, 1]
CLASSES = (FEATURES @ [1, -1, 2, 0, 0.1, 0] + RANDOM.normal(size=120) > 0).astype(int)


def test_the_direction_is_the_equations(tmp_path: Path) -> None:
    spec = LINE + "optimizer: {lbfgs: {history: 4}}\n"
    model = model_of_spec(spec, "t.yaml")
    m = as_python(text_of(model), tmp_path, "direction")
    rule = model.optimizer.program
    state, kept = m.init_state(), {name: np.zeros(3) for name in model.optimizer.state}
    theta = np.ones(3)
    for step in range(9):
        grad = RANDOM.normal(size=3) + 2 * theta * [1, 5, 20]
        direction = m._direction(theta, grad, state[:-1], step)
        new = interpret(rule, {**kept, "theta": theta, "g": grad, "lr": 0.25, "t": step + 1})
        kept = {name: new[f"{name}_next"] for name in kept}
        np.testing.assert_allclose(theta + 0.25 * direction, new["theta_next"], rtol=1e-11)
        np.testing.assert_allclose(state[:-1], np.concatenate(list(kept.values())), rtol=1e-14)
        theta = new["theta_next"]


def test_every_step_meets_the_strong_wolfe_conditions(tmp_path: Path) -> None:
    m = module_of(LOGISTIC, tmp_path, "lbfgs", "{epochs: 45}")
    data = {"x": FEATURES, "y": CLASSES}
    params, state, norms = m.init(1), m.init_state(), []
    for _ in range(45):
        before = params.copy()
        loss, grad = m.loss_and_grad(params, **data)
        (told,) = m.train_steps(params, state, **data)
        after, other = m.loss_and_grad(params, **data)
        step = params - before
        norms.append(np.linalg.norm(other))
        assert told == loss
        if norms[-1] > 1e-7:
            assert after <= loss + 1e-4 * (grad @ step) and abs(other @ step) <= 0.9 * abs(grad @ step)
    assert norms[0] > 1e-2 and min(norms) < 1e-8
    whole, memory = m.init(1), m.init_state()
    m.train_steps(whole, memory, **data, steps=45)
    assert (whole == params).all() and (memory == state).all() and memory[-1] == 45
    run = m.fit(**data, seed=1, progress=False)
    assert (run.params == params).all() and len(run.history) == 45


def test_a_quadratic_takes_about_as_many_steps_as_it_has_parameters(tmp_path: Path) -> None:
    m = module_of(LINE, tmp_path, "lbfgs", "{epochs: 12}")
    run = m.fit(**DATA)
    np.testing.assert_allclose(run.params, np.linalg.lstsq(X, Y, rcond=None)[0], rtol=1e-7)
    assert run.history[7]["train_loss"] == pytest.approx(run.history[11]["train_loss"], rel=1e-12)


def test_a_first_step_that_is_too_long_is_taken_back(folder: Path) -> None:
    text = 'model: wall\ndtype: float64\nparams: {w: "real ~ constant(3)"}\nequations: [loss = w - 2*log(w)]\n'
    spec = f"{text}optimizer: {{lbfgs: {{lr: 100}}}}\ntrain: {{epochs: 20}}\n"
    m = imported(text_of(model_of_spec(spec, "t.yaml")), folder, "wall")
    run = m.fit(progress=False)
    assert run.params[0] == pytest.approx(2, rel=1e-6)
    losses = [row["train_loss"] for row in run.history]
    assert all(one >= other for one, other in zip(losses, losses[1:], strict=False))


def test_batches_and_random_losses_are_refused(tmp_path: Path) -> None:
    m = module_of(LINE, tmp_path, "lbfgs", "{epochs: 3}")
    with pytest.raises(m.InputError, match="each step takes all rows\n  found:    batch_size=8\n  expected: none"):
        m.fit(**DATA, batch_size=8)
    text = LINE.replace("equations:", "network: [dropout: 0.5]\nequations:").replace("x[i,k]", "dropout_1[i,k]")
    with pytest.raises(CompileError, match="lbfgs needs a loss that is the same at every look"):
        module_of(text, tmp_path, "lbfgs", "{epochs: 3}")


def test_by_numba_in_float32(folder: Path) -> None:
    text = LOGISTIC.replace("float64", "float32") + "optimizer: lbfgs\ntrain: {epochs: 40}\n"
    m = imported(text_of(model_of_spec(text, "t.yaml")), folder, "lbfgs_native")
    run = m.fit(x=FEATURES, y=CLASSES, progress=False)
    grad = m.loss_and_grad(run.params, x=FEATURES, y=CLASSES)[1]
    assert np.linalg.norm(grad) < 1e-4 and run.params.dtype == np.float32


# --- what is told, and what is not there ------------------------------------------------------------------------------


def test_inspect_shows_the_update(tmp_path: Path) -> None:
    spec = tmp_path / "line.yaml"
    spec.write_text(LINE + "optimizer: {sgd: {lr: 0.1, clip_norm: 2, ema: 0.9}}\n")
    told = nc.compile(spec).report().text().split("\nupdate\n")[1].split("\n\n")[0].splitlines()
    lines = [" ".join(line.split(")", 1)[1].split()) for line in told]
    assert [line[: len(wanted)] for line, wanted in zip(lines, UPDATE, strict=True)] == UPDATE
    spec.write_text(LINE + "optimizer: {lbfgs: {history: 1}}\n")
    assert "θ_next[p] = θ[p] - lr·" in nc.compile(spec).report().text().split("\nupdate\n")[1]


UPDATE = [
    "s = Σₚ g[p]²",
    "θ_next[p] = θ[p] - lr·g[p]·min(1, 2/(√s + 10⁻⁶))",
    "ema_next[p] = 0.9·ema[p] + 0.1·θ_next[p]",
]


def names_in(text: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name in text]


def test_a_module_has_what_it_needs() -> None:
    parts = ["def averaged", "def _drops", "def _searched", "def _direction", "history=()", "np.arange(float(steps))"]
    root = Path(__file__).resolve().parents[2]
    assert names_in(text_of(load_model(root / "examples" / "mnist_mlp.yaml")), parts) == []
    text = text_of(model_of_spec(LINE + "optimizer: lbfgs\n"))
    assert names_in(text, parts) == ["def _searched", "def _direction"] and "_train_steps" not in text
    for optimizer in SCHEDULED:
        text = text_of(model_of_spec(f"{LINE}optimizer: {optimizer}\n"))
        assert max(map(len, text[text.index("def learning_rate") :].split("\n\n\n")[0].splitlines())) <= 120
        assert max(map(len, text[text.index("def train_steps") :].split("\n# ---")[0].splitlines())) <= 120
