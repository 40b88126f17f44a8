"""Specs whose sizes are open, and one cache of modules for all tests of estimators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

HEAD = """\
model: {name}
dtype: float64
inputs: {{{inputs}}}
optimizer: {{adam: {{lr: 0.05}}}}
train: {{epochs: 20, batch_size: 32}}
"""

SPECS = {
    "softmax": (
        'x: "real[n, d]", y: "label[n, C]"',
        "network:\n  - linear: C\nloss: cross_entropy\n",
    ),
    "shares": (
        'x: "real[n, d]", y: "label[n, C]"',
        "network:\n  - linear: C\n  - softmax\nloss: {nll: [logs, y]}\n"
        'equations: ["logs[i, c] = log(softmax_1[i, c])"]\noutputs: softmax_1\n',
    ),
    "weighted": (
        'x: "real[n, d]", y: "label[n, C]", w: "real[n]"',
        "network:\n  - linear: C\nloss: {cross_entropy: [linear_1, y, w]}\n",
    ),
    "binary": (
        'x: "real[n, d]", y: "label[n, 2]"',
        "network:\n  - linear: 1\n  - sigmoid\nequations:\n  - p[i] = sigmoid_1[i, 0]\noutputs: p\n"
        "loss: {binary_cross_entropy: [p, y]}\n",
    ),
    "line": (
        'x: "real[n, d]", y: "real[n]"',
        "params: {w: \"real[d] ~ zeros\", b: real}\nequations:\n  - p[i] = sum[k](w[k]*x[i,k]) + b\n"
        "loss: {mse: [p, y]}\n",
    ),
    "lines": (
        'x: "real[n, d]", y: "real[n, k]"',
        "network:\n  - linear: k\nloss: mse\n",
    ),
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled modules and kernels lie."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="session")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the specs' files."""
    folder = tmp_path_factory.mktemp("specs")
    for name, (inputs, rest) in SPECS.items():
        (folder / f"{name}.yaml").write_text(HEAD.format(name=name, inputs=inputs) + rest)
    return folder


@pytest.fixture
def workers(_own_cache: None) -> Iterator[None]:
    """Processes of this test's own: they are started with its environment, and end with it."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)
    yield
    get_reusable_executor().shutdown(wait=True, kill_workers=True)
