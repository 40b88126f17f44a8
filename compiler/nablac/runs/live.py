"""runs/live: a training on the terminal as it goes: curves of the loss, measures, speed, time left."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Self

from nablac.runs.pace import Pace, Run, shown_seconds
from nablac.runs.sparkline import ASCII, BLOCKS, sparkline

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

SHORTEST = 0.5
"""Seconds between two pictures: epochs may be far shorter."""

CURVE, ROOM = 64, 46
"""Characters that a curve takes at most, and those of its line that are left for other things."""


class LiveView:
    """A callback and a context: drawn while it is entered, and left standing with its last picture.

    It is drawn anew once a second, and after an epoch unless the last picture is younger than half a second.
    However the block ends, Ctrl-C among it, the terminal is as it was before.
    """

    def __init__(self, epochs: int, title: str = "", console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console, self.title, self.pace = console or Console(), title, Pace(epochs)
        self.run: Run | None = None
        self.drawn, self.ended = -math.inf, False
        self.live = Live(console=self.console, refresh_per_second=1, get_renderable=self.picture)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended = True
        self.live.stop()

    def on_epoch_end(self, run: Run) -> None:
        self.run = run
        self.pace.epoch_ended(len(run.history))
        if time.monotonic() >= self.drawn + SHORTEST:
            self.live.refresh()
            self.drawn = time.monotonic()

    def picture(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        history = self.run.history if self.run else []
        parts: list[RenderableType] = [Text(self.title, style="bold")] if self.title else []
        parts.append(self._progress(history))
        if history:
            parts += [Text(), self._curves(history), self._measures(history)]
        return Group(*parts)

    def _progress(self, history: list[dict[str, float]]) -> RenderableType:
        """The turn, a bar, the speed, the time it took and the time left."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        pace, turn = self.pace, next(iter(history[0])) if history else "epoch"
        words = [f"{shown_seconds(pace.elapsed)}"]
        speed = pace.samples_a_second(self.run.settings["rows"]) if self.run and turn == "epoch" else None
        if speed:
            words.insert(0, f"{speed:,.0f} samples/s")
        if not self.ended and pace.left is not None:
            words.append(f"about {shown_seconds(pace.left)} left")
        elif not self.ended:
            words.append("the first may also compile the kernels")
        row = Table.grid(padding=(0, 2))
        at = pace.done if self.ended else min(pace.done + pace.inside, pace.total)
        bar = ProgressBar(total=max(pace.total, 1), completed=at, width=24)
        row.add_row(f"{turn} {pace.done:,}/{pace.total:,}", bar, ", ".join(words))
        return row

    def _curves(self, history: list[dict[str, float]]) -> Table:
        """The loss of both parts, on one scale."""
        from rich.table import Table
        from rich.text import Text

        names = {"train": "train_loss", "val": "val_loss"}
        curves = {part: [row[name] for row in history] for part, name in names.items() if name in history[0]}
        everything = [value for values in curves.values() for value in values]
        ramp = ASCII if self.console.options.ascii_only else BLOCKS
        width = max(min(CURVE, self.console.width - ROOM), 8)
        table = Table.grid(padding=(0, 2))
        for (part, values), style in zip(curves.items(), ("cyan", "magenta"), strict=False):
            line = sparkline(values, width, everything, ramp)
            best = min(range(len(values)), key=lambda k: values[k] if math.isfinite(values[k]) else math.inf)
            told = f"{values[-1]:.4g}, lowest {values[best]:.4g} at {best + 1}"
            table.add_row(f"{part} loss", Text(line, style), told)
        return table

    def _measures(self, history: list[dict[str, float]]) -> Table:
        """The metrics of the last epoch, by part, and what changes besides."""
        from rich.table import Table

        last = history[-1]
        metrics = [name.removeprefix("train_") for name in last if name.startswith("train_") and name != "train_loss"]
        table = Table.grid(padding=(0, 2))
        for name in metrics:
            both = [f"train {last[f'train_{name}']:.4g}"]
            both += [f"val {last[f'val_{name}']:.4g}"] if f"val_{name}" in last else []
            table.add_row(name, *both)
        for name in [name for name in list(last)[1:] if not name.startswith(("train_", "val_"))]:
            table.add_row(name, f"{last[name]:.4g}")
        return table
