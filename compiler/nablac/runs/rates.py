"""runs/rates: the learning-rate range test: one short training whose rate grows from step to step."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from nablac.emit.write import replace
from nablac.errors import DataError
from nablac.runs.scores import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOW, HIGH = 1e-6, 10.0
STEPS, SAMPLES = (300, 1000), 20_000
"""Unless told, as many steps as so many samples make: small batches are noisy, and need more of them."""
FIRST, LAST, LOST = 20, 5, 2.0
"""The test ends where the last few losses are above the first ones by so many times the way that they had fallen."""
WIDTH = 0.03
"""Of the bell by which the loss is smoothed, as a part of all steps."""


@dataclass(frozen=True)
class RateRange:
    """The loss of each step at its rate, the smoothed loss, and the rate that follows from them, with its reason.

    ``suggested`` is None where the loss falls at none of the rates.
    """

    rates: Array
    losses: Array
    smoothed: Array
    suggested: float | None
    reason: str

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``lr_range.csv`` and, with matplotlib, ``lr_range.png``; each whole or not at all."""
        path, text = Path(folder, "lr_range.csv"), StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(("lr", "loss", "smoothed"))
        lines.writerows(zip(*(a.tolist() for a in (self.rates, self.losses, self.smoothed)), strict=True))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, text.getvalue().encode())
        except (OSError, ValueError) as error:
            found = getattr(error, "strerror", None) or str(error)
            raise DataError(f"{folder} cannot be written to", found=found) from None
        try:
            picture = self.draw()
        except ImportError:
            return [path]
        from nablac.runs.plots import write

        return [path, write(path.with_suffix(".png"), picture)]

    def draw(self) -> Figure:
        """The losses over the rates, the smoothed loss, and the suggested rate."""
        from nablac.runs.plots import BLUE, GREY, RED, figure

        picture = figure(7.2, 4.4)
        axes = picture.subplots()
        axes.plot(self.rates, self.losses, ".", ms=3, color=GREY, label="loss of a step")
        axes.plot(self.rates, self.smoothed, color=BLUE, lw=2, label="smoothed")
        if self.suggested is not None:
            axes.axvline(self.suggested, color=RED, ls="--", lw=1.2, label=f"suggested: {self.suggested:.2g}")
        low, high = float(self.smoothed.min()), float(self.smoothed[0])
        room = max(high - low, 0.05 * abs(high), 1e-12)
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(low - 0.25 * room, high + 0.75 * room))
        axes.set_title(self.reason, fontsize=9.5)
        axes.grid(alpha=0.3)
        axes.legend()
        return picture


def lr_range(
    module: ModuleType,
    *,
    params: Array | None = None,
    state: Array | None = None,
    batch_size: int = 64,
    seed: int = 0,
    low: float = LOW,
    high: float = HIGH,
    steps: int | None = None,
    **inputs: Any,
) -> RateRange:
    """Train for some steps on shuffled batches, from rate ``low`` to rate ``high``, each the same multiple of the last.

    It works on copies: the parameters and the state that are given stay as they are.  Without them it starts as a
    training with this seed does.
    """
    size = batch_size if module.BATCHED else SAMPLES
    steps = min(max(SAMPLES // max(size, 1), STEPS[0]), STEPS[1]) if steps is None else steps
    if not (0 < low < high < math.inf and steps >= 20):
        expected = "0 < low < high, and at least 20 steps"
        raise DataError("this is no range of rates", found=f"{low:g} to {high:g}, {steps} steps", expected=expected)
    if hasattr(module, "_searched"):
        raise DataError("there is no rate to try", found="L-BFGS, which searches for the length of each step")
    if params is None:
        params = module.init(seed)
        params = module.fitted(params, **inputs) if hasattr(module, "fitted") else params
    params = np.array(params)
    state = module.init_state() if state is None else np.array(state)
    rates, losses = np.geomspace(low, high, steps), []
    for step, (rate, batch) in enumerate(zip(rates.tolist(), _batches(module, batch_size, seed, inputs), strict=False)):
        losses.append(float(module.train_steps(params, state, **batch, lr=rate, step=step, **inputs)[-1]))
        if not math.isfinite(losses[-1]) or _is_lost(losses):
            break
    if len(losses) > 1 and not math.isfinite(losses[-1]):
        losses.pop()
    if not math.isfinite(losses[-1]):
        raise DataError("the loss is not finite before the first step", remedy="scale the inputs")
    found = np.array(losses)
    tested, smoothed = rates[: len(found)], smooth(found, max(1.0, WIDTH * steps))
    return RateRange(tested, found, smoothed, *suggestion(tested, smoothed, found))


def _batches(module: ModuleType, batch_size: int, seed: int, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What ``train_steps`` is told for one step after the other, without end."""
    if not module.BATCHED:
        while True:
            yield {"steps": 1}
    rows, turn = len(inputs[module.BATCHED[0]]), 0
    size = min(batch_size, rows)
    while True:
        order = np.random.Generator(np.random.Philox(key=np.array([seed, turn], np.uint64))).permutation(rows)
        turn += 1
        for first in range(0, rows - size + 1, size):
            yield {"order": order[first : first + size], "batch_size": size}


def _is_lost(losses: list[float]) -> bool:
    """Whether the last few losses lie far above the first ones, whose spread is that of the batches."""
    if len(losses) < FIRST + LAST:
        return False
    start, spread = float(np.mean(losses[:FIRST])), float(np.std(losses[:FIRST]))
    fallen = start - float(np.quantile(losses, 0.02))
    return float(np.mean(losses[-LAST:])) > start + max(LOST * fallen, 10 * spread, 0.1 * abs(start))


def smooth(values: Array, width: float) -> Array:
    """The mean of each value's neighbours, weighted by a bell: unlike a running mean it lags behind nothing."""
    bell = np.exp(-0.5 * (np.arange(-int(4 * width), int(4 * width) + 1) / width) ** 2)
    sums, weights = (np.convolve(array, bell) for array in (values, np.ones(len(values))))
    ends = slice(len(bell) // 2, len(bell) // 2 + len(values))
    return sums[ends] / weights[ends]


def suggestion(rates: Array, smoothed: Array, losses: Array) -> tuple[float | None, str]:
    """The rate at which the loss falls most for the same factor of the rate, and why that one."""
    lowest = int(smoothed.argmin())
    fallen, noise = smoothed[0] - smoothed[lowest], float(np.std(losses - smoothed)) / math.sqrt(len(losses))
    if lowest < 2 or fallen <= 4 * noise:
        return None, f"the loss does not fall at any rate from {rates[0]:.2g} to {rates[-1]:.2g}"
    slope = np.gradient(smoothed[: lowest + 1], np.log(rates[: lowest + 1]))
    steepest = float(rates[slope.argmin()])
    end = f"is lowest at {rates[lowest]:.2g}" + (", rises after that" if lowest < len(rates) - 1 else "")
    return float(f"{steepest:.2g}"), f"at {steepest:.2g} the loss falls fastest; it {end}"
