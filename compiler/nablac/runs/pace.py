"""runs/pace: how fast a training goes and how long it will take, from the moments at which its epochs ended."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

WINDOW = 20
"""Speed and time left go by so many of the last epochs: the first one also compiles the kernels."""


class Run(Protocol):
    """What a callback is given: the run as a generated module has it, after an epoch."""

    @property
    def params(self) -> Any: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def history(self) -> list[dict[str, float]]: ...
    @property
    def folder(self) -> Path | None: ...


@dataclass
class Pace:
    """The moments at which epochs ended, the last few of them; a run that is resumed starts anew."""

    total: int
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    moments: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW + 1))

    def __post_init__(self) -> None:
        self.start = self.clock()
        self.moments.append(self.start)

    def epoch_ended(self, done: int) -> None:
        self.done = done
        self.moments.append(self.clock())
        if len(self.moments) == 3 and self.moments[0] == self.start:
            self.moments.popleft()

    @property
    def elapsed(self) -> float:
        return self.clock() - self.start

    @property
    def seconds_an_epoch(self) -> float | None:
        """None before the first epoch has ended."""
        spans = len(self.moments) - 1
        return (self.moments[-1] - self.moments[0]) / spans if spans else None

    @property
    def inside(self) -> float:
        """The part of the epoch under way that is likely done, from 0 to 1."""
        each = self.seconds_an_epoch
        return min((self.clock() - self.moments[-1]) / each, 1.0) if each else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until the last epoch, if nothing stops the training before."""
        each = self.seconds_an_epoch
        return None if each is None else max(self.total - self.done - self.inside, 0.0) * each

    def samples_a_second(self, rows: int) -> float | None:
        each = self.seconds_an_epoch
        return rows / each if each else None


def shown_seconds(seconds: float) -> str:
    """A length of time as a person says it.

    >>> [shown_seconds(s) for s in (0.26, 5, 75, 7265)]
    ['0.3 s', '5.0 s', '1:15 min', '2:01 h']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3599.5:
        return f"{round(seconds) // 60}:{round(seconds) % 60:02} min"
    return f"{round(seconds / 60) // 60}:{round(seconds / 60) % 60:02} h"
