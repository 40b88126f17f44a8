"""runs/tensorboard: the history as event files, which TensorBoard shows.  Needs the extra ``tensorboard``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Self

from nablac.errors import DataError
from nablac.extras import extra
from nablac.runs.pace import Run

PARTS = ("train", "val")


class TensorBoard:
    """A callback that writes ``FOLDER/train`` and ``FOLDER/val``, so that both curves of a measure share one chart.

    The step of an event is the epoch.  A run that is resumed into the same folder goes on there: TensorBoard is told
    to forget what came after the epoch from which it goes on.  Close it at the end, or use it in a ``with``.
    """

    def __init__(self, folder: str | Path) -> None:
        with extra("tensorboard", "writing event files"):
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        self.folder, self.events, self.summaries, self.make = Path(folder), event_pb2, summary_pb2, EventFileWriter
        self.continued = {part: any(self.folder.glob(f"{part}/events.out.tfevents.*")) for part in PARTS}
        self.writers: dict[str, Any] = {}
        self.flushed = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{self.folder} cannot be used for event files", found=error.strerror) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def on_epoch_end(self, run: Run) -> None:
        row = run.history[-1]
        for part in PARTS:
            if f"{part}_loss" not in row:
                continue
            if part not in self.writers:
                self._open(part, run.history)
            else:
                self._add(part, row, len(run.history))
        if time.monotonic() > self.flushed + 1:
            for writer in self.writers.values():
                writer.flush()
            self.flushed = time.monotonic()

    def _open(self, part: str, history: list[dict[str, float]]) -> None:
        """Start a file; with the whole history where the folder holds none of it yet."""
        try:
            self.writers[part] = self.make(str(self.folder / part))
        except OSError as error:
            raise DataError(f"{self.folder / part} cannot be used for event files", found=error.strerror) from None
        first = len(history) if self.continued[part] else 1
        if self.continued[part]:
            log = self.events.SessionLog(status=self.events.SessionLog.START)
            self.writers[part].add_event(self.events.Event(wall_time=time.time(), step=first, session_log=log))
        for number, row in enumerate(history[first - 1 :], first):
            self._add(part, row, number)

    def _add(self, part: str, row: dict[str, float], step: int) -> None:
        values = {name.removeprefix(f"{part}_"): v for name, v in row.items() if name.startswith(f"{part}_")}
        if part == "train":
            values |= {"lr": row["lr"]} if "lr" in row else {}
        made = [self.summaries.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        event = self.events.Event(wall_time=time.time(), step=step, summary=self.summaries.Summary(value=made))
        self.writers[part].add_event(event)

    def close(self) -> None:
        """Write what is left; the files are whole then."""
        for writer in self.writers.values():
            writer.close()
        self.writers = {}
