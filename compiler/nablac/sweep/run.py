"""sweep/run: a plan and workers -> what came out of each run, kept in a folder as it comes.

A run that was kept is not made again, so that a sweep that was stopped goes on where it was.  A run whose worker died
is made once more, alone, so that no other can be blamed.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nablac.emit.write import replace
from nablac.errors import CompileError, DataError
from nablac.sweep.plan import Plan, Trial, facts_of
from nablac.sweep.trial import Outcome, Task, run, warm
from nablac.sweep.workers import Workers

Told = Callable[[Trial, Outcome], None]

TABLES = ("settings.csv", "runs.csv", "sweep.html")
"""What a sweep leaves beside its runs."""

KEPT = ("done", "diverged")
"""What is not tried again when a sweep goes on."""


def run_plan(
    plan: Plan, workers: Workers, folder: Path, told: Told = lambda trial, outcome: None
) -> dict[str, Outcome]:
    """The outcome of every run by its key; ``told`` hears of each as it comes, and of those that were kept before."""
    _check_folder(folder)
    outcomes: dict[str, Outcome] = {}
    waiting = []
    for trial in plan.trials:
        known = _kept(folder, trial)
        if known is None:
            waiting.append(trial)
        else:
            outcomes[trial.key] = known
            told(trial, known)
    _warm({(t.task.text, t.task.arguments): t.task for t in waiting}.values(), workers)
    for trial, outcome in _run(waiting, workers):
        _keep(folder, trial, outcome, facts_of(trial, plan))
        outcomes[trial.key] = outcome
        told(trial, outcome)
    return outcomes


def _check_folder(folder: Path) -> None:
    """Make the folder; files that are called as a sweep's are replaced only where a sweep has written them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [] if any(folder.glob("runs/*/run.json")) else [t for t in TABLES if (folder / t).exists()]
    except OSError as error:
        raise CompileError(f"{folder} is no folder for a sweep", found=error.strerror) from None
    if foreign:
        raise CompileError(
            f"{folder} holds files that the sweep would write, and no sweep",
            found=", ".join(foreign),
            expected="a new folder, or one of a sweep",
            remedy="choose another --out",
        )


def _warm(tasks: Iterable[Task], workers: Workers) -> None:
    """The data of every module read once, and its kernels compiled, before the first run."""
    running = {workers.executor().submit(warm, task) for task in tasks}
    while running:
        future = _ended(running, workers).pop()
        running.remove(future)
        wrong = _result(future)
        if isinstance(wrong, str) and wrong:
            subject, *rows = wrong.removeprefix("DataError: ").splitlines()
            facts = dict(row.strip().split(": ", 1) for row in rows if ": " in row)
            told = {name: facts[name].strip() for name in ("found", "expected", "remedy") if name in facts}
            raise DataError(subject, **told)


def _run(trials: list[Trial], workers: Workers) -> Iterable[tuple[Trial, Outcome]]:
    """Each run with its outcome, in the order in which they end."""
    waiting, suspects = deque(trials), deque[Trial]()
    running: dict[Future[Outcome], Trial] = {}
    again: set[str] = set()

    def start(trial: Trial) -> None:
        running[workers.executor().submit(run, trial.task)] = trial

    while waiting or suspects or running:
        if suspects and not running:
            again.add(suspects[0].key)
            start(suspects.popleft())
        elif not suspects and again.isdisjoint(trial.key for trial in running.values()):
            while waiting and len(running) < workers.width:
                start(waiting.popleft())
        for future in _ended(running, workers):
            trial, outcome = running.pop(future), _result(future)
            if isinstance(outcome, Outcome):
                yield trial, outcome
            elif trial.key in again:
                yield trial, Outcome("crashed", f"twice: {outcome}")
            else:
                suspects.append(trial)


def _ended(running: Collection[Future[Any]], workers: Workers) -> set[Future[Any]]:
    """Those that ended; that takes as long as it takes, as long as there is a worker."""
    while True:
        ended = wait(running, timeout=workers.patience, return_when=FIRST_COMPLETED).done
        if ended:
            return ended
        if not workers.alive():
            raise CompileError("no worker is left", remedy="start workers again; the same command goes on")


def _result(future: Future[Any]) -> object:
    """What a worker answered, or what befell it."""
    try:
        return future.result()
    except (Exception, CancelledError) as error:
        return error


def _place(folder: Path, trial: Trial) -> Path:
    return folder / "runs" / trial.key


def _keep(folder: Path, trial: Trial, outcome: Outcome, facts: Mapping[str, object]) -> None:
    """The run's files, and last what says that they are whole."""
    place = _place(folder, trial)
    place.mkdir(parents=True, exist_ok=True)
    for name, data in outcome.files.items():
        replace(place / name, data)
    record = {name: value for name, value in asdict(outcome).items() if name != "files"}
    replace(place / "run.json", (json.dumps({**facts, **record}, indent=1) + "\n").encode())


def _kept(folder: Path, trial: Trial) -> Outcome | None:
    """The outcome of a run that ended before, unless it is to be tried again."""
    try:
        record = json.loads((_place(folder, trial) / "run.json").read_text(encoding="utf-8"))
        outcome = Outcome(**{name: record[name] for name in ("status", "reason", "epochs", "measures", "seconds")})
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return outcome if outcome.status in KEPT else None
