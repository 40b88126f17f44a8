"""emit/trainer: a model -> what the templates of its trainer, and of the native loop over steps, are filled with."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace

from nablac.emit import tables
from nablac.errors import CompileError
from nablac.frontend.model import Model
from nablac.ir.equation import Program
from nablac.ir.tensor import Tensor
from nablac.plan.rows import can_be_run_by_rows

FIT = ("validation=None", "out=None", "resume=False", "start=None", "progress=True", "callbacks=()", "**inputs")
"""What fit takes beside the options of the training."""

LOCAL = frozenset(
    {
        "grad", "work", "iwork", "losses", "rows", "row", "size", "rates", "whole", "piece", "first", "share",
        "total", "p", "i", "j", "k", "j1", "j2", "j3", "j4", "j5", "j6",
        "math", "range", "min",
    }
)  # fmt: skip
"""Names that the native loop over steps has of its own: an input of such a name gets another there."""


def trainer(
    model: Model, gradient: Program, batched: Sequence[str], reads: Sequence[str], random: str
) -> dict[str, str]:
    """The fields.  ``gradient`` is the program that is trained by, ``reads`` its inputs; is there chance in it?"""
    options = training_options(model, batched)
    named = {name: f"{name}_in" if name in LOCAL else name for name in reads}
    gathered = tuple(name for name in batched if name in reads)
    mean = bool(batched) and can_be_run_by_rows(replace(gradient, results=(model.loss,)), batched)
    mpi, pieces = model.module.mpi and mean and not model.optimizer.search, _pieces(model, mean)
    fit = [*FIT[:-1], *(["mpi=False"] if mpi else []), FIT[-1]]
    if "batch_size" in options:
        rows = "**_take(data, part)" if model.module.maps else "order=part, **data"
        batch, part = "batch_size", f"batch_size=batch, {rows}"
    else:
        batch, part = (str(2**63 - 1), "steps=1, **data") if batched else ("1", "steps=len(part), **data")
    turn = "epoch" if batched else "step"
    return {
        "training": tables.literal(options),
        "fit_arguments": _folded("fit", ["*", *(f"{name}={value!r}" for name, value in options.items()), *fit]),
        "batch": batch,
        "part": part,
        "batch_size": str(model.training.batch_size),
        "turn": turn,
        "turns": f"{turn}s",
        "train_arguments": _train_arguments(list(named.values()), [named[n] for n in gathered], bool(pieces), random),
        "gather": _gather([(named[name], model.program.declared[name]) for name in gathered]),
        "gathered": tables.literal(gathered),
        "gradient_arguments": "".join(
            f"{named[n]}_batch[:size], " if n in gathered else f"{named[n]}, " for n in named
        ),
        "mpi": "yes" if mpi else "",
        "runs": "yes" if model.module.runs else "",
        "accumulate": str(pieces) if pieces else "",
    }


def training_options(model: Model, batched: Sequence[str]) -> dict[str, int | float]:
    """The trainer's options and their defaults: what ``fit`` and the ``train`` command take."""
    training = model.training
    options: dict[str, int | float] = {"epochs" if batched else "steps": training.epochs}
    options |= {"batch_size": training.batch_size} if batched and not model.optimizer.search else {}
    options |= {"seed": training.seed, "lr": float(model.optimizer.lr)}
    kept = {"patience": training.patience, "checkpoint_every": training.checkpoint_every}
    if not model.module.runs and any(kept.values()):
        raise CompileError(
            "the module has no part for runs, which the training asks for",
            found=", ".join(f"{name}: {value}" for name, value in kept.items() if value),
            expected="module: {runs: true}",
            remedy="leave out one of the two",
        )
    return options | (kept if model.module.runs else {})


def _pieces(model: Model, mean: bool) -> int:
    """In how many pieces a batch's gradient is computed; 0 where it is computed whole."""
    pieces = model.training.accumulate
    if pieces > 1 and not mean:
        raise CompileError(
            "the gradient cannot be accumulated",
            found="a loss that is no mean over the rows of the batch",
            expected="mean[i](...), with as many rows in it as in the batch",
            where=model.program.declared[model.loss].where,
            remedy="leave out 'train.accumulate'",
        )
    if pieces > 1 and model.optimizer.search:
        raise CompileError(
            "the gradient cannot be accumulated",
            found=f"the optimizer {model.optimizer.name}, which takes all samples in each step",
            remedy="leave out 'accumulate', or choose another optimizer",
        )
    return pieces if pieces > 1 else 0


def _train_arguments(reads: Sequence[str], gathered: Sequence[str], pieces: bool, random: str) -> str:
    names = ["params", "state", *reads, *(["order", "rows"] if gathered else []), *(["piece"] if pieces else [])]
    names += ["rates", "step", *(["seed"] if random else []), *(f"{name}_batch" for name in gathered)]
    return _folded("_train_steps", [*names, *(["total"] if pieces else []), "grad", "work", "iwork", "losses"])


def _folded(name: str, arguments: Sequence[str]) -> str:
    """Arguments of a definition, over several lines if one does not hold them."""
    line = ", ".join(arguments)
    if len(f"def {name}({line}):") <= 120:
        return line
    start = f"def {name}("
    return textwrap.fill(f"{line}):", 120, initial_indent=start, subsequent_indent=" " * 8)[len(start) : -2]


def _gather(tensors: Sequence[tuple[str, Tensor]]) -> str:
    """The statements that copy one row of each input into its batch, inside the loop over rows."""
    lines: list[str] = []
    for name, tensor in tensors:
        letters = [f"j{axis}" if axis else "j" for axis in range(len(tensor.shape) - 1)]
        margin = " " * 12
        for axis, letter in enumerate(letters, 1):
            lines.append(f"{margin}for {letter} in range({name}.shape[{axis}]):")
            margin += "    "
        tail = "".join(f", {letter}" for letter in letters)
        lines.append(f"{margin}{name}_batch[i{tail}] = {name}[row{tail}]")
    return "\n".join(lines)
