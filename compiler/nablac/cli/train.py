"""cli/train: the command that compiles, or finds what was compiled, and trains."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nablac.cli.shared import DTYPE, network, told


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h", "--help"]}
)
@click.argument("spec")
@DTYPE
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@told
def train(spec: str, dtype: str | None, options: tuple[str, ...]) -> None:
    """Compile SPEC (or take it from the cache) and train on the data that its ``data:`` section names.

    \b
    Every option of the module's own train command can follow:
      --data FILE...      training data: .npz, .csv or IDX files (.gz too)
      --val FILE...       validation data, or a fraction of the training rows
      --target COLUMN     the column of a .csv file that is to be learned
      --epochs N  --batch-size N  --lr X  --seed N
      --out FOLDER        for checkpoint.npz, history.csv and curves.png
      --resume            go on from the checkpoint in --out
    """
    from nablac.emit.write import import_file
    from nablac.store import Stored, find_or_make

    def make(folder: Path) -> Stored:
        from nablac.frontend.load import train_arguments

        net = network(spec, dtype)
        path = net.write(folder / f"{net.compiled.model.name}.py")
        return Stored(path, tuple(train_arguments(net.compiled.model)))

    stored = find_or_make(spec, dtype or "", make)
    sys.exit(import_file(stored.path).main(["train", *_merged(stored.arguments, options)]))


def _merged(arguments: tuple[str, ...], options: tuple[str, ...]) -> list[str]:
    """The spec's arguments, less those that the command line gives anew."""
    given = {o.partition("=")[0] for o in options if o.startswith("--")}
    merged: list[str] = []
    keep = True
    for argument in arguments:
        if argument.startswith("--"):
            keep = argument not in given
        if keep:
            merged.append(argument)
    return [*merged, *options]
