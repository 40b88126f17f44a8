"""Stand-ins for generated modules: what they say of themselves, and a predict in a line of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np


def module(
    inputs: dict[str, tuple[tuple[Any, ...], str]],
    outputs: dict[str, tuple[tuple[Any, ...], str]],
    predict: Callable[..., Any],
    labels: dict[str, int] | None = None,
    size: int = 8,
) -> ModuleType:
    """A module whose ``predict`` has the first input's values and the parameters; the first input is what it reads."""
    reads = next(iter(inputs))

    def answers(params: Any, **given: Any) -> dict[str, Any]:
        assert list(given) == [reads]
        with np.errstate(all="ignore"):  # as a generated module
            found = predict(params, given[reads])
        return dict.fromkeys(outputs, found)

    made = SimpleNamespace(
        INPUTS=inputs,
        OUTPUTS=outputs,
        LABELS=labels or {},
        READS={"predict": [reads], "forward": list(inputs)},
        BATCHED=tuple(name for name, (shape, _) in inputs.items() if shape and shape[0] == "n"),
        predict=answers,
        evaluate=lambda params, **given: {"loss": 0.5},
        init=lambda seed=0: np.zeros(size),
    )
    return cast(ModuleType, made)


def run(*rows: dict[str, float], samples: int = 100) -> Any:
    """A run with this history."""
    return SimpleNamespace(
        history=list(rows), settings={"rows": samples}, folder=None, params=np.zeros(3), state=np.zeros(1)
    )


def history(epochs: int) -> list[dict[str, float]]:
    """Rows as ``fit`` makes them."""
    return [
        {
            "epoch": k,
            "train_loss": 2.0 / k,
            "train_accuracy": 1 - 0.5 / k,
            "val_loss": 2.5 / k + 0.01 * k,
            "val_accuracy": 1 - 0.6 / k,
            "lr": 0.1,
        }
        for k in range(1, epochs + 1)
    ]
