"""runs/lines: a plain line for each epoch, for what is no terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from nablac.runs.pace import Run

MOST = 1000
"""Of more epochs than this, every so many-th is told, and the last."""


class PlainLines:
    """A callback that writes a line for each epoch: ``epoch 3  train_loss 0.49  val_loss 0.48  lr 0.1``."""

    def __init__(self, epochs: int, file: TextIO | None = None) -> None:
        self.epochs, self.every, self.file = epochs, -(-epochs // MOST), file

    def on_epoch_end(self, run: Run) -> None:
        done = len(run.history)
        if done % self.every == 0 or done == self.epochs:
            words = (f"{name} {value:.6g}" for name, value in run.history[-1].items())
            print(*words, sep="  ", file=self.file or sys.stderr, flush=True)
