"""cli/lr_range: the command that tries learning rates."""

from __future__ import annotations

import click

from nablac.cli.shared import DTYPE, told
from nablac.cli.train import compiled, merged


@click.command(
    "lr-range",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h", "--help"]},
)
@click.argument("spec")
@click.option("--low", default=1e-6, show_default=True, help="The rate of the first step.")
@click.option("--high", default=10.0, show_default=True, help="The rate of the last step.")
@click.option("--tries", metavar="N", type=int, help="Steps in all; 300 to 1,000, by the batch's size, unless given.")
@DTYPE
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@told
def lr_range(
    spec: str, low: float, high: float, tries: int | None, dtype: str | None, options: tuple[str, ...]
) -> None:
    """Find a learning rate for SPEC: a short training whose rate grows from step to step, and its plot.

    No run is changed: it starts from new parameters, or with --resume from copies of those of the run in --out.

    \b
      --data FILE...  --target COLUMN  --batch-size N  --seed N      as for train
      --out FOLDER    where lr_range.csv and lr_range.png go (default: runs/NAME-lr-range)
    """
    from nablac.runs.session import try_rates

    module, arguments = compiled(spec, dtype)
    try_rates(module, merged(arguments, options), low=low, high=high, steps=tries)
