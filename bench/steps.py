"""bench/steps: a training step of a generated module against PyTorch's eager step, in paired rounds of one process.

Both start each round from the same weights (a network that trains for long on little data drifts into denormal
numbers, whose arithmetic is slow) and see the same batches.  PyTorch's batches are cut before the clock starts; the
generated module gathers its own while the clock runs.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from bench.cases import Case, take_weights

CHECKED_STEPS, TOLERANCE = 3, 1e-5


def generated(case: Case, directory: Path) -> ModuleType:
    """The case's spec, compiled and imported."""
    path = directory / f"{case.spec.stem}.py"
    subprocess.run(
        [sys.executable, "-m", "nablac.cli", "compile", str(case.spec), "-o", str(path)], check=True, stdout=2
    )
    spec = importlib.util.spec_from_file_location(case.spec.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[case.spec.stem] = module
    spec.loader.exec_module(module)
    return module


class Pair:
    """The same network twice, ready to run the same steps from the same weights."""

    def __init__(self, case: Case, directory: Path) -> None:
        self.case, self.module = case, generated(case, directory)
        self.x, self.y = case.data()
        order = np.random.default_rng(1).permutation(np.resize(np.arange(len(self.x)), case.steps * case.batch))
        self.order = order.astype(np.int64)
        parts = self.order.reshape(case.steps, case.batch)
        self.batches = [(torch.tensor(self.x[part]), torch.tensor(self.y[part])) for part in parts]
        self.start = self.module.init(seed=0)

    def run_module(self, steps: int) -> tuple[float, np.ndarray]:
        """Seconds and losses of so many steps of the generated module."""
        params, state = self.start.copy(), self.module.init_state()
        order = self.order[: steps * self.case.batch]
        begin = time.perf_counter()
        losses = self.module.train_steps(
            params, state, x=self.x, y=self.y, order=order, batch_size=self.case.batch, lr=self.case.lr
        )
        return time.perf_counter() - begin, np.asarray(losses)

    def run_torch(self, steps: int) -> tuple[float, list[torch.Tensor]]:
        """Seconds and losses of so many eager steps."""
        network = self.case.network()
        take_weights(network, self.module.unpack(self.start))
        optimizer = self.case.optimizer(network, self.case.lr)
        loss_of, losses = self.case.loss, []
        begin = time.perf_counter()
        for x, y in self.batches[:steps]:
            optimizer.zero_grad()
            loss = loss_of(network(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return time.perf_counter() - begin, losses

    def check(self) -> float:
        """The largest relative difference of the first losses; too large a one ends the benchmark."""
        ours = self.run_module(CHECKED_STEPS)[1]
        theirs = np.array([float(loss) for loss in self.run_torch(CHECKED_STEPS)[1]])
        worst = float(np.max(np.abs(ours - theirs) / np.abs(theirs)))
        if not worst <= TOLERANCE:
            raise SystemExit(f"{self.case.name}: losses differ by {worst:.1e}: {ours} and PyTorch's {theirs}")
        return worst


def measure(pair: Pair, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds a step of both, round by round; who goes first alternates."""
    steps = pair.case.steps
    runs: tuple[Callable[[int], tuple[float, object]], ...] = (pair.run_module, pair.run_torch)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            seconds = runs[which](steps)[0] / steps
            if number:  # the first round warms up
                times[which].append(seconds)
    return times


def report(cases: tuple[Case, ...], rounds: int, directory: Path) -> list[str]:
    """The table, a row for each case."""
    torch.set_num_threads(1)
    lines = [
        "| training step, float32 | nablac, µs | PyTorch eager, µs | ratio: median | min | aim | losses differ by |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in cases:
        pair = Pair(case, directory)
        worst = pair.check()
        ours, theirs = measure(pair, rounds)
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        lines.append(
            f"| {case.name} | {min(ours) * 1e6:.1f} | {min(theirs) * 1e6:.1f} | {statistics.median(ratios):.3f} "
            f"| {min(ratios):.3f} | {case.limit} | {worst:.0e} |"
        )
        print(lines[-1], file=sys.stderr)
    return lines
