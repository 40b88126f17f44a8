"""A model of two parameters with its data, and one cache of modules for all tests of sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

LINE = """\
model: line
inputs: {x: "real[n]", y: "real[n]"}
params: {a: real, b: real}
equations:
  - p[i] = a*x[i] + b
loss: mean[i]((p[i] - y[i])**2)
outputs: p
metrics: [mae: [p, y]]
optimizer: {sgd: 0.1}
train: {epochs: 3, batch_size: 8}
data: {train: line.npz, validation: 0.25}
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled modules and kernels lie."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="session", autouse=True)
def _end_workers() -> Iterator[None]:
    """The processes end with the tests."""
    yield
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spec, with 40 points on a line beside it."""
    folder = tmp_path_factory.mktemp("line")
    x = np.linspace(-1, 1, 40)
    np.savez(folder / "line.npz", x=x, y=3 * x + 1 + 0.1 * np.sin(40 * x))
    (folder / "line.yaml").write_text(LINE)
    return folder / "line.yaml"
