"""runs/logs: the history as JSON lines, one object for each epoch, whole after every epoch."""

from __future__ import annotations

import errno
import json
import math
import os
import weakref
from pathlib import Path

from nablac.emit.write import replace
from nablac.errors import DataError
from nablac.runs.pace import Run


class JsonLines:
    """A callback that keeps ``history.jsonl`` in a folder (or a file of another name that ends in ``.jsonl``).

    The rows are those of ``run.history`` and nothing else, so that a run that was resumed ends with the same bytes as
    one that was not stopped.  At the first epoch the file is written whole, what an earlier part of the run left in
    it replaced; after that a line is added.  A number that is not finite is ``null``.
    """

    def __init__(self, place: str | Path) -> None:
        place = Path(place)
        self.path = place if place.suffix == ".jsonl" else place / "history.jsonl"
        self.written, self.file = 0, -1

    def on_epoch_end(self, run: Run) -> None:
        lines = "".join(_line(row) for row in run.history[self.written :]).encode()
        try:
            if self.written:
                if os.write(self.file, lines) < len(lines):
                    raise OSError(errno.ENOSPC, "it is full")
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                replace(self.path, lines)
                self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
                weakref.finalize(self, os.close, self.file)
        except OSError as error:
            raise DataError(f"{self.path} cannot be written", found=error.strerror) from None
        self.written = len(run.history)


def _line(row: dict[str, float]) -> str:
    return json.dumps({k: v if math.isfinite(v) else None for k, v in row.items()}) + "\n"
