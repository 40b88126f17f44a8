"""runs/session: ``nablac train`` from data to plots: a compiled module trains, and is watched and judged."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from itertools import chain, count
from pathlib import Path
from types import ModuleType
from typing import Any

from nablac.runs.data import balance_lines, class_names, read
from nablac.runs.evaluation import FILES, evaluate
from nablac.runs.lines import PlainLines
from nablac.runs.logs import JsonLines
from nablac.errors import OptionError
from nablac.runs.options import Start, read_options, settings
from nablac.runs.record import Record

INTERRUPTED = 130

APART = {"start": ("resume", "mpi"), "folds": ("resume", "mpi"), "tensorboard": ("mpi", "folds")}
"""New runs are not resumed, of many processes the module alone knows which one writes, and folds are not watched."""


def train(
    module: ModuleType,
    spec: str,
    arguments: Sequence[str],
    *,
    start: Start | None = None,
    tensorboard: Path | None = None,
    folds: int | None = None,
    plots: bool = True,
) -> int:
    """Train as the arguments say, watched; then judge the result on the validation samples.  The exit code."""
    if isinstance(sys.stdout, TextIOWrapper):  # a class may have a name that the terminal has no letters for
        sys.stdout.reconfigure(errors="replace")
    if "--mpi" in arguments and not hasattr(module, "Ranks"):
        raise _unshared(module, spec)
    options = read_options(module, arguments)
    _apart(options, start=start, folds=folds, tensorboard=tensorboard)
    if getattr(options, "mpi", False):  # every process is one of many, and only the module knows which
        code: int = module.main(["train", *arguments])
        return code
    with told_by(module):
        begin = {} if start is None else {"start": start.run(module)}
        record = Record(spec, arguments if start is None else [*arguments, "--start", str(start.path)])
        data, validation = read(module, options)
        names = class_names(module, options.data)
        for line in balance_lines(module, data, names):
            print(line, file=sys.stderr)
        if folds is not None:
            _train_folds(module, options, data, folds, [record], begin)
            return 0
        with run_folder(module, options) as folder, contextlib.ExitStack() as stack:
            _keep_foreign(module, folder)
            watchers: list[Any] = [JsonLines(folder), record]
            if tensorboard is not None:
                from nablac.runs.tensorboard import TensorBoard

                watchers.append(stack.enter_context(TensorBoard(tensorboard / folder.name)))
            watchers.append(stack.enter_context(view(module, options, data, folder)))
            kept = {"out": folder, "resume": options.resume, "progress": False, "callbacks": watchers, **begin}
            run = module.fit(**data, **settings(module, options), validation=validation, **kept)
        tell(module, run.history, options)
        if run.history:
            with kept_anyway(folder):
                judge(module, run, module._split(data, validation, options.seed), names, plots)
        print(f"wrote {', '.join(sorted(path.name for path in folder.iterdir()))} in {folder}")
    return 0


def _apart(options: argparse.Namespace, **given: object) -> None:
    """What is given is refused beside an option that it does not go with."""
    for option, others in APART.items():
        other = next((name for name in others if getattr(options, name, False) or given.get(name) is not None), None)
        if given[option] is not None and other is not None:
            found, remedy = f"--{option} with --{other}", "leave one of them out"
            raise OptionError("these do not go together", found=found, remedy=remedy)


def _unshared(module: ModuleType, spec: str) -> OptionError:
    """Why a model has no part for many processes."""
    from nablac.frontend.load import load_model

    model = load_model(spec)
    if not model.module.mpi:
        why, remedy = "a spec that says module: {mpi: false}", "leave that out of the spec"
    elif not module.BATCHED:
        why, remedy = "a model that takes no rows of samples", "leave out --mpi"
    elif model.optimizer.search:
        why, remedy = f"the optimizer {model.optimizer.name}, which takes all samples in each step", "another optimizer"
    else:
        why, remedy = "a loss that is no mean over the rows of a batch, as none is with batch norm", "leave out --mpi"
    expected = "a mean over the rows, to which each process adds its share"
    return OptionError("this model cannot be shared among processes", found=why, expected=expected, remedy=remedy)


def _keep_foreign(module: ModuleType, folder: Path) -> None:
    """Refuse a folder that is no run and holds what is added to the module's own files, of which it tells itself."""
    added = ("history.jsonl", *FILES, *(() if hasattr(module, "_record") else ("record.json",)))
    held = [name for name in added if (folder / name).exists()]
    if held and not any((folder / name).exists() for name in ("checkpoint.npz", "best.npz")):
        found, remedy = ", ".join(held), "another --out"
        raise OptionError(f"{folder} holds a run's files", found=found, expected="a new folder", remedy=remedy)


def _train_folds(
    module: ModuleType,
    options: argparse.Namespace,
    data: dict[str, Any],
    folds: int,
    watchers: list[Any],
    begin: Mapping[str, Any],
) -> None:
    """Train once for each fold, held out; the table of what they came to."""
    from nablac.data.folds import cross_validate

    def told(number: int, row: Mapping[str, float]) -> None:
        measures = (f"{name} {value:.6g}" for name, value in row.items() if name.startswith("val_"))
        print(f"fold {number}/{folds}", *measures, sep="  ", file=sys.stderr)

    with run_folder(module, options) as folder:
        kept: dict[str, Any] = {"progress": False, "callbacks": watchers, **begin, **settings(module, options)}
        found = cross_validate(module, data, folds, out=folder, told=told, **kept)
    print(found)
    print(f"wrote {', '.join(sorted(path.name for path in folder.iterdir()))} in {folder}")


@contextlib.contextmanager
def told_by(module: ModuleType) -> Iterator[None]:
    """Mistakes that the module finds, and Ctrl-C, end as they do in its own command line."""
    try:
        yield
    except (module.InputError, KeyboardInterrupt) as error:
        print(f"{type(error).__name__}: {error.args[0] if error.args else 'nothing is saved'}", file=sys.stderr)
        sys.exit(2 if isinstance(error, module.InputError) else INTERRUPTED)


@contextlib.contextmanager
def kept_anyway(folder: Path) -> Iterator[None]:
    """Ctrl-C while the run is judged: it says that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the training is done and kept in {folder}, but not judged") from None


@contextlib.contextmanager
def run_folder(module: ModuleType, options: argparse.Namespace) -> Iterator[Path]:
    """The folder that is named, or a new one, which goes again if nothing is left in it."""
    folder: Path = options.out or _own_folder(module, not options.resume)
    try:
        yield folder
    finally:
        if not options.out:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _own_folder(module: ModuleType, new: bool) -> Path:
    """A new folder for the module's runs, or the one with the newest run."""
    if hasattr(module, "_folder"):
        return Path(module._folder(fresh=new))
    folder = Path("runs", module.NAME)
    if new:
        return fresh(folder)
    saved = folder.parent.glob("*/checkpoint.npz")
    own = [file for file in saved if re.fullmatch(rf"{folder.name}(-\d+)?", file.parent.name)]
    return max(own, key=lambda file: file.stat().st_mtime).parent if own else folder


def on_terminal() -> bool:
    """Whether what is printed can be drawn anew."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextlib.contextmanager
def view(module: ModuleType, options: argparse.Namespace, data: Mapping[str, Any], folder: Path) -> Iterator[Any]:
    """What tells of the epochs: a live picture on a terminal, else a line for each."""
    turns = options.epochs if module.BATCHED else options.steps
    if not on_terminal():
        yield PlainLines(turns)
        return
    from nablac.runs.live import LiveView

    rows = "".join(f", {len(data[name]):,} samples" for name in module.BATCHED[:1] if name in data)
    with LiveView(turns, f"{module.NAME}: {module.SIZE:,} parameters{rows}, in {folder}") as live:
        yield live


def tell(module: ModuleType, history: list[dict[str, float]], options: argparse.Namespace) -> None:
    """The last epoch in a line, or the best where that is what is kept; on a terminal the last picture tells it."""
    if not history or (on_terminal() and not getattr(options, "patience", 0)):
        return
    row = min(history, key=module._score) if getattr(options, "patience", 0) else history[-1]
    print(*(f"{name} {value:.6g}" for name, value in row.items()), sep="  ")


def judge(module: ModuleType, run: Any, parts: Mapping[str, Any], names: Sequence[str], plots: bool) -> None:
    """Evaluate on the validation samples (on the training samples where there are none) and write what was found."""
    params = module.averaged(run.params, run.state) if hasattr(module, "averaged") else run.params
    found = evaluate(module, params, names=names, **parts.get("val", parts["train"]))
    found.save(run.folder, plots)
    for number, line in enumerate(found.lines()):
        print(f"\n{'validation' if 'val' in parts else 'training'}, {line}" if number == 0 else line)


def try_rates(module: ModuleType, arguments: Sequence[str], *, low: float, high: float, steps: int | None) -> None:
    """The learning-rate range test on the training data, its files and its result in a line."""
    from nablac.runs.rates import lr_range

    options = read_options(module, arguments)
    with told_by(module):
        data = module._split(*read(module, options), options.seed)["train"]
        start = module.Run.load(options.out or _own_folder(module, False)) if options.resume else None
        given: dict[str, Any] = {"params": start.params, "state": start.state} if start else {}
        given |= {"batch_size": options.batch_size} if "batch_size" in module.TRAINING else {}
        found = lr_range(module, **given, seed=options.seed, low=low, high=high, steps=steps, **data)
    folder = fresh(Path("runs", f"{module.NAME}-lr-range")) if options.resume or not options.out else options.out
    print(found.reason)
    if found.suggested is not None:
        print(f"try --lr {found.suggested:g}")
    print(f"wrote {', '.join(path.name for path in found.save(folder))} in {folder}")


def fresh(folder: Path) -> Path:
    """The folder, or the first of the same name and a number that is not there yet."""
    others = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in chain([folder], others) if not path.exists())
