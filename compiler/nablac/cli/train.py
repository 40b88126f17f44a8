"""cli/train: the command that compiles, or finds what was compiled, and trains."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nablac.cli.shared import DTYPE, Named, network, told

if TYPE_CHECKING:
    from types import ModuleType


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h", "--help"]}
)
@click.argument("spec")
@DTYPE
@click.option(
    "--tensorboard",
    metavar="FOLDER",
    type=Named(file_okay=False),
    help="Event files for TensorBoard, below this folder, in one named as the run's.",
)
@click.option(
    "--start",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Begin with these parameters: a .npz or .safetensors file, a run's folder or a checkpoint.",
)
@click.option("--plots/--no-plots", default=True, help="Draw what the model does on the validation samples (default).")
@click.option(
    "--folds",
    type=click.IntRange(2),
    metavar="K",
    help="Cross-validate: train K times, each time with another part of the training rows held out.",
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@told
def train(
    spec: str,
    dtype: str | None,
    tensorboard: Path | None,
    start: Path | None,
    plots: bool,
    folds: int | None,
    options: tuple[str, ...],
) -> None:
    """Compile SPEC (or take it from the cache) and train on the data that its ``data:`` section names.

    \b
    Every option of the module's own train command can follow:
      --data FILE...      training data: .npz, .npy, .csv, .parquet or IDX files (.gz too), a folder of images
      --val FILE...       validation data, or a fraction of the training rows
      --target COLUMN     the column of a table that is to be learned
      --epochs N  --batch-size N  --lr X  --seed N  --patience N  --checkpoint-every N
      --out FOLDER        the run's folder; without it a new one, runs/NAME, runs/NAME-2, ...
      --resume            go on from the checkpoint in --out, or in the newest of those folders
      --mpi               train by all processes that mpirun has started

    The folder gets checkpoint.npz, history.csv, history.jsonl, record.json, evaluation.json, and as plots the curves,
    and what fits the model: confusion matrix, ROC curve, calibration, samples, predicted beside true numbers.
    """
    from nablac.runs.options import Start
    from nablac.runs.session import train as train_module

    begin = None
    if start is not None:
        from nablac.interchange.parameters import read_parameters

        begin = Start(start, read_parameters(start))
    module, arguments = compiled(spec, dtype)
    options = merged(arguments, options)
    sys.exit(train_module(module, spec, options, start=begin, tensorboard=tensorboard, folds=folds, plots=plots))


def compiled(spec: str, dtype: str | None) -> tuple[ModuleType, tuple[str, ...]]:
    """The module of a spec, compiled now or before, and the arguments that its data section stands for."""
    from nablac.emit.write import import_file
    from nablac.store import Stored, find_or_make

    def make(folder: Path) -> Stored:
        from nablac.frontend.load import train_arguments

        net = network(spec, dtype)
        path = net.write(folder / f"{net.compiled.model.name}.py")
        data = net.compiled.model.data
        return Stored(path, tuple(train_arguments(net.compiled.model)), data.found if data else ())

    stored = find_or_make(spec, dtype or "", make)
    return import_file(stored.path), stored.arguments


def merged(arguments: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    """The spec's arguments, less those that the command line gives anew."""
    given = {o.partition("=")[0] for o in options if o.startswith("--")}
    kept: list[str] = []
    keep = True
    for argument in arguments:
        if argument.startswith("--"):
            keep = argument not in given
        if keep:
            kept.append(argument)
    return (*kept, *options)
