"""The learning-rate range test: on losses whose best rates are known, and what it leaves untouched."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import nablac.runs as nt
from nablac.errors import DataError
from nablac.runs.rates import smooth

STEEP = np.array([4.0, 1.0])
"""Of a bowl: gradient descent diverges from the rate 2/4 on."""


def bowl(start: Any = (1.0, 1.0), curvature: Any = STEEP) -> ModuleType:
    """A model of parameters alone: sum of curvature*theta**2/2, by gradient descent."""

    def train_steps(params: Any, state: Any, *, steps: int, lr: float, step: int) -> Any:
        losses = []
        for _ in range(steps):
            losses.append(0.5 * float(curvature @ params**2))
            params -= lr * curvature * params
            state += 1
        return np.array(losses)

    return cast(
        ModuleType,
        SimpleNamespace(
            BATCHED=(), init=lambda seed=0: np.array(start), init_state=lambda: np.zeros(1), train_steps=train_steps
        ),
    )


def line(noise: float) -> tuple[ModuleType, dict[str, Any]]:
    """Linear regression by batches; the mean of the squares of x is 1, so that it diverges from the rate 1 on."""
    random = np.random.default_rng(0)
    x = random.choice([-1.0, 1.0], size=600)
    y = 3 * x + noise * random.normal(size=600)

    def train_steps(
        params: Any, state: Any, *, x: Any, y: Any, order: Any, batch_size: int, lr: float, step: int
    ) -> Any:
        assert len(order) == batch_size
        error = params[0] * x[order] - y[order]
        params[0] -= lr * float(np.mean(2 * error * x[order]))
        return np.array([float(np.mean(error**2))])

    made = SimpleNamespace(
        BATCHED=("x", "y"), init=lambda seed=0: np.zeros(1), init_state=lambda: np.zeros(1), train_steps=train_steps
    )
    return cast(ModuleType, made), {"x": x, "y": y}


def test_the_rate_lies_below_where_it_diverges() -> None:
    found = nt.lr_range(bowl(), high=100.0)
    assert found.suggested is not None and 1e-3 < found.suggested < 0.5
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 300, "it stops where the loss is lost"
    assert 0.5 < found.rates[-1] < 20
    assert found.reason.startswith(f"at {found.suggested:.2g} the loss falls fastest; it is lowest at ")


@pytest.mark.parametrize("noise", [0.01, 1.0])
@pytest.mark.parametrize("batch", [8, 100])
def test_batches(noise: float, batch: int) -> None:
    module, inputs = line(noise)
    found = nt.lr_range(module, batch_size=batch, **inputs)
    assert found.suggested is not None and 1e-3 < found.suggested < 1.0


def test_small_batches_get_more_steps() -> None:
    module, inputs = line(0.1)
    few, many = (nt.lr_range(module, batch_size=size, high=0.1, **inputs) for size in (100, 8))
    assert (len(few.rates), len(many.rates)) == (300, 1000)


def test_what_is_given_stays_as_it_was() -> None:
    params, state = np.array([2.0, -1.0]), np.array([5.0])
    found = nt.lr_range(bowl(), params=params, state=state, high=0.1)
    assert params.tolist() == [2.0, -1.0] and state.tolist() == [5.0]
    assert found.losses[0] == 0.5 * float(STEEP @ params**2)


def test_equal_seeds_give_equal_answers() -> None:
    module, inputs = line(0.5)
    first, second, other = (nt.lr_range(module, batch_size=8, seed=seed, **inputs) for seed in (1, 1, 2))
    assert first.losses.tolist() == second.losses.tolist() != other.losses.tolist()


def test_where_nothing_falls_no_rate_is_suggested(tmp_path: Path) -> None:
    found = nt.lr_range(bowl(curvature=np.zeros(2)))
    assert found.suggested is None and found.reason == "the loss does not fall at any rate from 1e-06 to 10"
    assert [path.name for path in found.save(tmp_path)] == ["lr_range.csv", "lr_range.png"]


def test_the_files(tmp_path: Path) -> None:
    found = nt.lr_range(bowl())
    folder = tmp_path / "new"
    assert [path.name for path in found.save(folder)] == ["lr_range.csv", "lr_range.png"]
    table = np.genfromtxt(folder / "lr_range.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["loss"], found.losses)
    np.testing.assert_array_equal(table["lr"], found.rates)
    assert (folder / "lr_range.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_no_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert [path.name for path in nt.lr_range(bowl()).save(tmp_path)] == ["lr_range.csv"]


@pytest.mark.parametrize("wrong", [{"low": 0.0}, {"low": 1.0, "high": 0.1}, {"high": np.inf}, {"steps": 3}])
def test_ranges_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="this is no range of rates"):
        nt.lr_range(bowl(), **wrong)


def test_a_loss_that_is_never_finite_is_told() -> None:
    with pytest.raises(DataError, match="not finite before the first step"):
        nt.lr_range(bowl(start=(np.nan, 1.0)))


def test_a_search_for_the_length_of_steps_has_no_rate() -> None:
    module = bowl()
    module._searched = None  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="there is no rate to try"):
        nt.lr_range(module)


def test_what_is_measured_on_the_data_is_measured_first() -> None:
    module, inputs = line(0.1)
    module.fitted = lambda params, **data: params + float(np.mean(data["y"] * data["x"]))  # type: ignore[attr-defined]
    assert nt.lr_range(module, batch_size=100, **inputs).losses[0] == pytest.approx(0.01, rel=0.5)


def test_smoothing_lags_behind_nothing() -> None:
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(smooth(values, 5.0)[20:-20], values[20:-20], atol=1e-12)
    assert smooth(np.ones(30), 3.0) == pytest.approx(np.ones(30))
    step = smooth(np.repeat([0.0, 1.0], 50), 4.0)
    assert step[49] + step[50] == pytest.approx(1)
