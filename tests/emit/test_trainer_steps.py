"""Steps with a rate each, and gradients that are computed in pieces."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nablac.errors import CompileError
from nablac.frontend.spec import model_of_spec
from tests.emit.small_models import samples
from tests.endtoend.modules import as_python, imported, text_of

SPEC = """
model: {name}
dtype: float64
inputs: {{x: "real[n, 4]", y: "label[n, 3]"}}
network:
  - linear: 5
  - tanh
  - linear: 3
loss: {loss}
optimizer: {{momentum: {{lr: 0.1, momentum: 0.5}}}}
train: {{batch_size: 16, accumulate: {pieces}}}
module: {{estimator: false}}
"""


def spec(pieces: int, loss: str = "cross_entropy") -> str:
    return SPEC.format(name=f"pieces_{pieces}", pieces=pieces, loss=loss)


# --- one rate a step --------------------------------------------------------------------------------------------------


def test_each_step_has_its_rate(m: ModuleType, c: ModuleType) -> None:
    x, y = samples(40)
    rates = np.array([0.1, 0.0, 0.3, 0.2, 0.05], np.float32)
    params, state = m.init(), m.init_state()
    losses = m.train_steps(params, state, x=x, y=y, batch_size=8, lr=rates)
    by_hand, kept = m.init(), m.init_state()
    for k, rate in enumerate(rates):
        rows = np.arange(8 * k, 8 * k + 8)
        loss = m.train_steps(by_hand, kept, x=x, y=y, order=rows, batch_size=8, lr=float(rate))
        assert loss == losses[k]
    assert (params == by_hand).all() and (state == kept).all()
    params, state = c.init(), c.init_state()
    c.train_steps(params, state, steps=2, lr=np.array([1e-3, 0.0]))
    once = c.init()
    c.train_steps(once, c.init_state(), steps=1, lr=1e-3)
    assert (params == once).all() and state[-1] == 2


def test_rates_that_are_refused(m: ModuleType) -> None:
    x, y = samples(40)
    for rates, message in (
        (np.ones(4), "lr has the wrong shape\n  found:    (4,)\n  expected: (5)"),
        (np.ones((5, 1)), "lr has the wrong shape\n  found:    (5, 1)\n  expected: (5)"),
        (np.array([1, 1, -1, 1, 1.0]), "lr is out of range\n  found:    -1.0 at element 2"),
        (np.array([1, 1, 1, np.nan, 1.0]), "lr is out of range\n  found:    nan at element 3"),
        (np.array(["a"] * 5), "lr has the wrong dtype\n  found:    <U1"),
        (np.nan, "lr is out of range\n  found:    nan"),
    ):
        with pytest.raises(m.InputError) as error:
            m.train_steps(m.init(), m.init_state(), x=x, y=y, batch_size=8, lr=rates)
        assert str(error.value).startswith(message)


def test_fit_follows_a_schedule_by_steps(m: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = samples(41)
    monkeypatch.setattr(m, "learning_rate", lambda epoch, lr: lr * 0.9 ** np.arange(6 * epoch, 6 * epoch + 6))
    run = m.fit(x=x, y=y, epochs=3, batch_size=8, lr=0.2, progress=False)
    assert [row["lr"] for row in run.history] == pytest.approx([0.2 * 0.9**k for k in (5, 11, 17)])
    by_hand, state = m.init(), m.init_state()
    for epoch in range(3):
        bits = np.random.Philox(key=np.array([0, 2**32 + epoch], np.uint64))
        order = np.random.Generator(bits).permutation(41)
        for k, rows in enumerate(np.split(order, range(8, 41, 8))):
            rate = 0.2 * 0.9 ** (6 * epoch + k)
            m.train_steps(by_hand, state, x=x, y=y, order=rows, batch_size=8, lr=rate)
    assert (run.params == by_hand).all()


# --- gradients in pieces ----------------------------------------------------------------------------------------------


def trained(module: Any) -> tuple[Any, Any, list[tuple[str, int]]]:
    """The parameters and losses after two epochs whose last batch is smaller, and the memory that was asked for."""
    x, y = samples(39)
    arena, asked = module._arena, []

    def noted(entry: str, extents: dict[str, int]) -> Any:
        asked.append((entry, extents["n"]))
        return arena(entry, extents)

    module._arena = noted
    params, state = module.init(), module.init_state()
    losses = [module.train_steps(params, state, x=x, y=y, batch_size=16, lr=0.2) for _ in range(2)]
    module._arena = arena
    return params, np.concatenate(losses), asked


@pytest.mark.parametrize("pieces", [2, 3, 16, 100])
def test_pieces_give_what_the_whole_gives(tmp_path: Path, pieces: int) -> None:
    whole = as_python(text_of(model_of_spec(spec(1))), tmp_path, "pieces_1")
    parts = as_python(text_of(model_of_spec(spec(pieces))), tmp_path, f"pieces_{pieces}")
    expected, losses, asked = trained(whole)
    params, found, less = trained(parts)
    np.testing.assert_allclose(params, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found, losses, rtol=1e-13)
    assert asked == [("gradient", 16)] * 2 and less == [("gradient", -(-16 // pieces))] * 2


def test_pieces_in_native_code(folder: Path) -> None:
    parts = imported(text_of(model_of_spec(spec(3))), folder, "pieces_native")
    whole = as_python(text_of(model_of_spec(spec(1))), folder, "pieces_1")
    (expected, losses, _), (params, found, _) = trained(whole), trained(parts)
    np.testing.assert_allclose(params, expected, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found, losses, rtol=1e-12)
    x, y = samples(39)
    x[20, 1] = np.nan
    start, state = parts.init(), parts.init_state()
    losses = parts.train_steps(start, state, x=x, y=y, batch_size=16, lr=0.2)
    assert len(losses) == 2 and np.isnan(losses[1]) and state[-1] == 1


def test_nothing_of_pieces_stands_where_none_are_asked_for() -> None:
    text = text_of(model_of_spec(spec(1)))
    steps = text[text.index("def _train_steps") : text.index("class InputError")]
    assert "piece" not in steps and "total" not in steps


@pytest.mark.parametrize(
    "loss", ["sqrt(mean[i](linear_2[i, 0]**2)) + 0*mean[i](linear_2[i, y[i]])", "sum[i](linear_2[i, y[i]]**2)"]
)
def test_a_loss_that_is_no_mean_over_the_rows_is_refused(loss: str) -> None:
    with pytest.raises(CompileError) as error:
        text_of(model_of_spec(spec(2, f'"{loss}"')))
    assert str(error.value) == (
        "CompileError: the gradient cannot be accumulated\n"
        "  found:    a loss that is no mean over the rows of the batch\n"
        "  expected: mean[i](...), with as many rows in it as in the batch\n"
        "  where:    <spec>:9:8\n"
        "  remedy:   leave out 'train.accumulate'"
    )
