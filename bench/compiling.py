"""bench/compiling: what compiling costs: the symbolic part, the way to the first training step, and how both grow.

Each figure is the least of several fresh processes, because SymPy's caches and Numba's make a second time in the same
process cheaper.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MNIST = ROOT / "examples" / "mnist_mlp.yaml"

SYMBOLIC = """
import sys, time
import nablac.network, nablac.frontend.spec
begin = time.perf_counter()
nablac.network.compile(sys.argv[1]).source
print(time.perf_counter() - begin)
"""

FIRST_STEP = """
import os, sys, time
import nablac.cli as cli, nablac.emit.write as write

def load(path, imported=write.import_file):
    module = imported(path)
    steps = module.train_steps
    def first(*arguments, **given):
        losses = steps(*arguments, **given)
        print(time.time(), len(losses), flush=True)
        os._exit(0)
    module.train_steps = first
    return module

write.import_file = load
cli.main(["train", *sys.argv[1:]])
"""
"""``nablac train`` until its first native call has come back."""


def child(code: str, *arguments: str, cache: str | None = None) -> list[str]:
    """The words that a fresh process prints."""
    environment = os.environ | ({"XDG_CACHE_HOME": cache} if cache else {})
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=ROOT).stdout.split()


def symbolic(spec: Path, times: int) -> float:
    """Seconds from a spec to the text of its module, imports excluded."""
    return min(float(child(SYMBOLIC, str(spec))[0]) for _ in range(times))


def first_step(spec: Path, cold: int, warm: int) -> tuple[float, float]:
    """Seconds from the start of ``nablac train`` to the end of its first call, without and with its cache."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(cold):
        with tempfile.TemporaryDirectory() as cache:
            for again in range(1 + warm):
                begin = time.time()
                end = child(FIRST_STEP, str(spec), "--out", f"{cache}/run", cache=cache)[0]
                times[again == 0].append(float(end) - begin)
    return min(times[True]), min(times[False])


def deep_spec(folder: Path, layers: int) -> Path:
    """A network of so many hidden layers, each of its own width, so that nothing is shared."""
    rows = "".join(f"  - linear: {20 + place}\n  - tanh\n" for place in range(layers))
    path = folder / f"deep_{layers}.yaml"
    path.write_text(
        f'model: deep_{layers}\ninputs: {{x: "real[n, 64]", y: "label[n, 10]"}}\nnetwork:\n{rows}  - linear: 10\n'
        "loss: cross_entropy\nmetrics: [accuracy]\noptimizer: {sgd: {lr: 0.1}}\n"
    )
    return path


def report() -> list[str]:
    """The table."""
    cold, warm = first_step(MNIST, 2, 3)
    lines = [
        "| compiling | seconds | aim |",
        "|---|---|---|",
        f"| symbolic part of mnist_mlp, from spec to text | {symbolic(MNIST, 3):.2f} | 2 |",
        f"| `nablac train examples/mnist_mlp.yaml` to its first step, cold | {cold:.2f} | 8 |",
        f"| the same again, from the cache | {warm:.2f} | 1.5 |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        specs = [deep_spec(Path(folder), layers) for layers in (8, 16)]
        rounds = [[symbolic(spec, 1) for spec in specs] for _ in range(4)]
    one, two = (min(times) for times in zip(*rounds, strict=True))
    return [*lines, f"| symbolic part, 16 layers over 8 layers ({two:.2f} s / {one:.2f} s) | {two / one:.2f} | 2.1 |"]
