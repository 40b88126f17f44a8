"""The trainer in the generated module: against NumPy, across interruptions, and where the loss breaks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.emit.small_models import samples


class Reference:
    """The classifier's training in NumPy float64: forward, backward, momentum, in the module's order of rows."""

    def __init__(self, params: Any, momentum: float = 0.5) -> None:
        self.theta, self.momentum = params.astype(np.float64), momentum
        self.velocity = np.zeros_like(self.theta)

    def gradient(self, x: Any, y: Any) -> tuple[float, Any]:
        w1, b1, w2, b2 = np.split(self.theta, [20, 25, 40])
        w1, w2 = w1.reshape(5, 4), w2.reshape(3, 5)
        h = np.tanh(x @ w1.T + b1)
        z = h @ w2.T + b2
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = -np.log(p[rows, y]).mean()
        p[rows, y] -= 1
        p /= len(y)
        d = (p @ w2) * (1 - h**2)
        return loss, np.concatenate([(d.T @ x).ravel(), d.sum(0), (p.T @ h).ravel(), p.sum(0)])

    def step(self, x: Any, y: Any, lr: float) -> float:
        loss, grad = self.gradient(x, y)
        self.velocity = self.momentum * self.velocity + grad
        self.theta = self.theta - lr * self.velocity
        return loss


def order_of(seed: int, epoch: int, rows: int) -> Any:
    """The rows of an epoch, a function of seed and epoch alone."""
    bits = np.random.Philox(key=np.array([seed, 2**32 + epoch], np.uint64))
    return np.random.Generator(bits).permutation(rows)


# --- steps ------------------------------------------------------------------------------------------------------------


def test_steps_are_those_of_numpy(m: ModuleType) -> None:
    x, y = samples(50)
    params, state, reference = m.init(1), m.init_state(), Reference(m.init(1))
    order = np.random.default_rng(5).permutation(50)
    losses = m.train_steps(params, state, x=x, y=y, order=order, batch_size=16, lr=0.2)
    expected = [reference.step(x[rows], y[rows], 0.2) for rows in np.split(order, [16, 32, 48])]
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(params, reference.theta, atol=1e-5)
    assert state[-1] == 4


def test_steps_in_pieces_are_the_same_steps(m: ModuleType) -> None:
    x, y = samples(48)
    whole, pieces = m.init(), m.init()
    states = m.init_state(), m.init_state()
    m.train_steps(whole, states[0], x=x, y=y, batch_size=8, lr=0.1)
    for first in range(0, 48, 16):
        m.train_steps(pieces, states[1], x=x, y=y, order=np.arange(first, first + 16), batch_size=8, lr=0.1)
    assert (whole == pieces).all() and (states[0] == states[1]).all()


def test_no_steps(m: ModuleType, c: ModuleType) -> None:
    params = c.init()
    assert c.train_steps(params, c.init_state(), steps=0).size == 0
    assert (params == c.init()).all()
    x, y = samples(8)
    run = m.fit(x=x, y=y, epochs=0, progress=False)
    assert (run.params == m.init()).all() and run.history == []


def test_steps_stop_at_the_first_loss_that_is_not_finite(m: ModuleType) -> None:
    x, y = samples(40)
    x[17, 2] = np.nan
    params, state, before = m.init(), m.init_state(), m.init()
    losses = m.train_steps(params, state, x=x, y=y, batch_size=8, lr=0.1)
    assert len(losses) == 3 and np.isfinite(losses[:2]).all() and np.isnan(losses[2])
    m.train_steps(before, m.init_state(), x=x[:16], y=y[:16], batch_size=8, lr=0.1)
    assert (params == before).all() and state[-1] == 2


def test_a_model_of_parameters_alone(c: ModuleType) -> None:
    params, state = c.init(), c.init_state()
    losses = c.train_steps(params, state, steps=3, lr=1e-3)
    x, y, z = -2.0, 5.0, -4.0
    for loss in losses:
        f = (x + y) * z
        assert loss == pytest.approx(f * f, rel=1e-12)
        x, y, z = x - 2e-3 * f * z, y - 2e-3 * f * z, z - 2e-3 * f * (x + y)
    np.testing.assert_allclose(params, [x, y, z], rtol=1e-12)
    run = c.fit(steps=40, lr=1e-3, progress=False)
    again = c.init()
    c.train_steps(again, c.init_state(), steps=40, lr=1e-3)
    assert (run.params == again).all() and len(run.history) == 40


# --- fit --------------------------------------------------------------------------------------------------------------


def test_fit_is_that_of_numpy(m: ModuleType) -> None:
    x, y = samples(50)
    run = m.fit(x=x, y=y, validation=samples(20, 1), epochs=5, batch_size=16, seed=3, lr=0.2, progress=False)
    reference = Reference(m.init(3))
    for epoch, row in enumerate(run.history):
        lr = 0.2 * 0.5 ** (epoch // 2)
        for rows in np.split(order_of(3, epoch, 50), [16, 32, 48]):
            reference.step(x[rows], y[rows], lr)
        assert row["train_loss"] == pytest.approx(reference.gradient(x, y)[0], rel=1e-5)
        assert row["val_loss"] == pytest.approx(reference.gradient(*samples(20, 1))[0], rel=1e-5)
        assert (row["epoch"], row["lr"]) == (epoch + 1, pytest.approx(lr))
        assert 0 <= row["val_accuracy"] <= 1
    assert run.state[-1] == 20
    np.testing.assert_allclose(run.params, reference.theta, atol=1e-5)


def test_fit_takes_what_it_is_given(m: ModuleType) -> None:
    x, y = samples(50)
    run = m.fit(x=x.astype(np.float64), y=y.astype(np.uint8), epochs=1, batch_size=500, progress=False)
    assert run.state[-1] == 1 and run.params.dtype == np.float32
    by_hand, state = m.init(), m.init_state()
    m.train_steps(by_hand, state, x=x, y=y, order=order_of(0, 0, 50), batch_size=500, lr=0.1)
    assert (run.params == by_hand).all() and (run.state == state).all()


def test_a_fraction_is_held_out(m: ModuleType) -> None:
    x, y = samples(50)
    parts = m._split({"x": x, "y": y}, 0.2, 4)
    assert len(parts["train"]["x"]) == 40 and len(parts["val"]["y"]) == 10
    both = np.concatenate([parts["train"]["x"], parts["val"]["x"]])
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, x.tolist()))
    again, other = (m._split({"x": x, "y": y}, 0.2, seed)["val"]["x"] for seed in (4, 5))
    assert (again == parts["val"]["x"]).all() and (other != parts["val"]["x"]).any()
    one = m.fit(x=x, y=y, validation=0.2, seed=4, epochs=1, progress=False)
    held_out = tuple(parts["val"].values())
    two = m.fit(**parts["train"], validation=held_out, seed=4, epochs=1, progress=False)
    assert (one.params == two.params).all() and one.history == two.history


def test_progress_goes_to_stderr(m: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = samples(50)
    m.fit(x=x, y=y, epochs=60)
    out, err = capsys.readouterr()
    assert out == "" and "classifier: 100%" in err and "60/60" in err and "train_loss=" in err
    m.fit(x=x, y=y, epochs=2, progress=False)
    assert capsys.readouterr() == ("", "")


def test_without_tqdm_and_matplotlib(
    m: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = samples(50)
    for name in ("tqdm", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    run = m.fit(x=x, y=y, epochs=2, out=tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.npz", "history.csv", "record.json"]
    out, err = capsys.readouterr()
    lines = ["  ".join(f"{name} {value:.6g}" for name, value in row.items()) for row in run.history]
    assert out == "" and err.splitlines() == lines and lines[1].startswith("epoch 2  train_loss 0.")
    m.fit(x=x, y=y, epochs=2, progress=False)
    assert capsys.readouterr() == ("", "")


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_plain_arrays(m: ModuleType, tmp_path: Path) -> None:
    x, y = samples(50)
    folder = tmp_path / "deep" / "run"
    run = m.fit(x=x, y=y, epochs=2, out=folder, progress=False)
    with np.load(folder / "checkpoint.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["facts", "params", "state"] and (file["params"] == run.params).all()
    again = m.Run.load(folder)
    assert (again.state == run.state).all() and again.history == run.history
    assert sorted(os.listdir(folder)) == ["checkpoint.npz", "curves.png", "history.csv", "record.json"]


@pytest.mark.parametrize("validation", [None, 0.2])
def test_resuming_changes_nothing(m: ModuleType, tmp_path: Path, validation: float | None) -> None:
    x, y = samples(50)
    given = {"x": x, "y": y, "validation": validation, "seed": 5, "progress": False}
    m.fit(epochs=7, out=tmp_path / "a", **given)
    for epochs in (2, 3, 7):
        m.fit(epochs=epochs, out=tmp_path / "b", resume=epochs > 2, **given)
    for name in ("checkpoint.npz", "history.csv", "curves.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


CHILD = """
import signal, sys, time; sys.path.insert(0, {folder!r}); sys.path.insert(0, {root!r})
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children are born deaf to it
import classifier as m
from tests.emit.small_models import samples
x, y = samples(50)
real_epoch = m._epoch
def slow(*arguments):
    time.sleep(0.1)
    return real_epoch(*arguments)
m._epoch = slow if {slow} else real_epoch
try:
    m.fit(x=x, y=y, seed=2, epochs=30, out={path!r}, resume={resume})
except KeyboardInterrupt as error:
    print(error.args[0], len(error.args[1].history))
    sys.exit(130)
"""


def child(folder: Path, path: Path, *, slow: bool, resume: bool = False) -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[2])
    script = CHILD.format(folder=str(folder), root=root, path=str(path), slow=slow, resume=resume)
    environment = {**os.environ, "PYTHONPATH": f"{root}/compiler"}
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_stopped_runs_go_on(m: ModuleType, folder: Path, tmp_path: Path, number: signal.Signals) -> None:
    x, y = samples(50)
    whole, path = tmp_path / "whole", tmp_path / "run"
    m.fit(x=x, y=y, seed=2, epochs=30, out=whole, progress=False)
    with child(folder, path, slow=True) as process:
        deadline = time.monotonic() + 60
        while not (path / "history.csv").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    done = len(m.Run.load(path).history)
    assert 0 < done < 30, err
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert out == f"stopped after epoch {done}; go on from {path} with resume=True, or --resume {done}\n"
        assert len((path / "history.csv").read_text().splitlines()) == done + 1
    with child(folder, path, slow=False, resume=True) as process:
        assert process.wait(60) == 0
    assert (path / "checkpoint.npz").read_bytes() == (whole / "checkpoint.npz").read_bytes()


def test_a_checkpoint_that_does_not_fit(m: ModuleType, c: ModuleType, tmp_path: Path) -> None:
    x, y = samples(50)
    path = tmp_path / "checkpoint.npz"
    m.fit(x=x, y=y, epochs=1, out=tmp_path, progress=False)
    with pytest.raises(m.InputError, match="was trained otherwise\n  found:    .*'seed': 0.*\n  expected: .*'seed': 1"):
        m.fit(x=x, y=y, epochs=2, seed=1, out=tmp_path, resume=True, progress=False)
    with pytest.raises(c.InputError, match="found:    parameters .*linear_1.W.*\n  expected: a run of circuit"):
        c.Run.load(tmp_path)
    for content in (b"", b"PK\x03\x04 no more", path.read_bytes()[:200]):
        path.write_bytes(content)
        with pytest.raises(m.InputError, match=f"{tmp_path.name} cannot be used"):
            m.fit(x=x, y=y, epochs=2, out=tmp_path, resume=True, progress=False)
    with pytest.raises(m.InputError, match="cannot be used\n  found:    .* No such file or directory"):
        m.Run.load(tmp_path / "other")
    np.savez(path, facts=np.array([{}], dtype=object))
    with pytest.raises(m.InputError, match="cannot be used\n  found:    Object arrays cannot be loaded"):
        m.Run.load(tmp_path)


# --- where the loss breaks --------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite(m: ModuleType, tmp_path: Path) -> None:
    x, y = samples(48)
    path = tmp_path / "checkpoint.npz"
    m.fit(x=x, y=y, epochs=2, batch_size=8, out=tmp_path, progress=False)
    good = path.read_bytes()
    real = m.learning_rate
    m.learning_rate = lambda epoch, lr: 3.4e38 if epoch == 3 else lr  # type: ignore[attr-defined]
    try:
        with pytest.raises(m.InputError) as error:
            m.fit(x=x, y=y, epochs=9, batch_size=8, out=tmp_path, resume=True, progress=False)
    finally:
        m.learning_rate = real  # type: ignore[attr-defined]
    lines = str(error.value).splitlines()
    assert lines[0].startswith("the loss is not finite in epoch 4, step 2")
    assert re.fullmatch(r"  found:    first in \([1-4]\) [a-z]+(\.sum)?\[i, [jc]\] = .*", lines[1])
    assert lines[3] == "  remedy:   a smaller lr than 3.4e+38, or scaled inputs; epoch 3 is kept"
    assert path.read_bytes() != good and len(m.Run.load(tmp_path).history) == 3
    assert np.isfinite(m.Run.load(tmp_path).params).all()


@pytest.mark.filterwarnings("error")
def test_products_that_overflow_are_told_without_a_warning(c: ModuleType) -> None:
    """A model without an exp or a log, which only products lead out of the finite numbers."""
    with pytest.raises(c.InputError) as error:
        c.fit(steps=99, lr=1.0, progress=False)
    lines = str(error.value).splitlines()
    assert re.match(r"the loss is not finite in step \d+", lines[0])
    assert re.match(r"  found:    first in \(\d\) \w+ = ", lines[1])


def test_the_first_that_is_not_finite(m: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = samples(8)
    bad = m.init()
    bad[30] = np.inf
    monkeypatch.setattr(m, "init", lambda seed: bad)
    with pytest.raises(m.InputError, match="first in linear_2.W\n"):
        m.fit(x=x, y=y, epochs=1, progress=False)


def test_a_wrong_gradient_is_found(m: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = m.loss_and_grad

    def wrong(params: Any, **data: Any) -> Any:
        value, grad = right(params, **data)
        grad[21] *= 1.1
        return value, grad

    monkeypatch.setattr(m, "loss_and_grad", wrong)
    errors = m.selfcheck()
    assert errors["linear_1.b"] > 1e-3 > 1e-5 > errors["linear_1.W"]
