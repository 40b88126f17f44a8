"""sweep/trial: one run of a sweep, in a process of its own, maybe on another machine: a task -> what came out.

The module, which is imported from its text, does the training; nothing here loads SymPy.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from nablac.emit.write import import_file, write
from nablac.errors import NablacError
from nablac.runs.data import read
from nablac.store import root

NOT_FINITE = "the loss is not finite"
"""How a module's error begins when training has diverged."""

WARM_ROWS = 2


@dataclass(frozen=True)
class Task:
    """What a run needs: the module by name and text, the arguments that name its data, and the trainer's numbers."""

    name: str
    text: str
    arguments: tuple[str, ...]
    training: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came out.  A run is ``done``, ``diverged``, ``refused`` (a mistake in data or settings) or ``crashed``.

    ``measures`` are those of the parameters it gave; ``files`` the checkpoint and the history, by name.
    """

    status: str
    reason: str = ""
    epochs: int = 0
    measures: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    files: Mapping[str, bytes] = field(default_factory=dict)


def run(task: Task) -> Outcome:
    """Train once."""
    module = _module(task.name, task.text)
    start = time.perf_counter()
    try:
        data, validation = _data(task.name, task.text, task.arguments)
        run = module.fit(**data, **_numbers(module, task.training), validation=validation, progress=False)
    except (module.InputError, NablacError) as error:
        status = "diverged" if str(error).startswith(NOT_FINITE) else "refused"
        return Outcome(status, str(error), seconds=time.perf_counter() - start)
    seconds = time.perf_counter() - start
    with TemporaryDirectory() as folder:
        run.save(folder)
        files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    row = _learned(module, run, task)
    measures = {name: value for name, value in row.items() if name.startswith(("train_", "val_"))}
    return Outcome("done", "", len(run.history), measures, seconds, files)


def _learned(module: ModuleType, run: Any, task: Task) -> Mapping[str, float]:
    """The row of the history that the run's parameters belong to: the last, or with early stopping the best."""
    if not task.training.get("patience"):
        return run.history[-1] if run.history else {}
    return min(run.history, key=module._score, default={})


def warm(task: Task) -> str:
    """Read the data and compile the kernels, once for all runs that follow; what is wrong with the data, if anything.

    Two rows are enough for a kernel to be compiled, and it is then found on the disk.
    """
    module = _module(task.name, task.text)
    try:
        data, validation = _data(task.name, task.text, task.arguments)
    except (module.InputError, NablacError) as error:
        return str(error)
    few = {name: array[:WARM_ROWS] if name in module.BATCHED else array for name, array in data.items()}
    once = {**task.training, "epochs": 1}
    with suppress(module.InputError):  # two rows may be too few for a loss; what it compiles is there
        module.fit(**few, **_numbers(module, once), progress=False)
    return ""


def _numbers(module: ModuleType, training: Mapping[str, Any]) -> dict[str, Any]:
    """The trainer's numbers that this module takes; where there are no batches, an epoch is a step."""
    known = {**training, "steps": training["epochs"]}
    return {name: known[name] for name in inspect.signature(module.fit).parameters if name in known}


@lru_cache(maxsize=4)
def _module(name: str, text: str) -> ModuleType:
    path = root() / hashlib.sha256(text.encode()).hexdigest()[:32] / f"{name}.py"
    write(text, path)
    return import_file(path)


@lru_cache(maxsize=1)
def _data(name: str, text: str, arguments: tuple[str, ...]) -> tuple[dict[str, Any], Any]:
    """The training data and the validation data, as the module's own ``train`` command reads them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", default=[])
    parser.add_argument("--val", nargs="+", default=[])
    parser.add_argument("--target")
    module = _module(name, text)
    return read(module, parser.parse_args(arguments, argparse.Namespace(target=module.TARGET)))
