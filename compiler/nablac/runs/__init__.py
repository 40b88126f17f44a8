"""runs: what watches a training and judges its result; a generated module trains without any of it.

    import nablac.runs as nt

    with nt.LiveView(epochs=20) as view:
        run = m.fit(x=x, y=y, epochs=20, validation=0.1, progress=False, callbacks=[view, nt.JsonLines("runs/a")])
    nt.evaluate(m, run.params, x=x_test, y=y_test).save("runs/a")

Names are imported when first used: what only prints lines starts without rich, matplotlib or TensorBoard.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "LiveView": "live",
    "PlainLines": "lines",
    "JsonLines": "logs",
    "TensorBoard": "tensorboard",
    "evaluate": "evaluation",
    "Evaluation": "evaluation",
    "lr_range": "rates",
    "RateRange": "rates",
}

__all__ = [*_HOME]  # noqa: PLE0604  (names that are imported when first used)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"nablac.runs has no '{name}'")
    return getattr(import_module(f"nablac.runs.{_HOME[name]}"), name)
