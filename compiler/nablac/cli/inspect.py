"""cli/inspect: the command that shows what was derived."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nablac.cli.shared import DTYPE, DUMP, dump_passes, network, refuse_spec, told


@click.command()
@click.argument("spec")
@click.option("--wrt", metavar="TENSOR", multiple=True, help="Only the gradient of this tensor (may be given again).")
@click.option("--of", metavar="TENSOR", help="The scalar to differentiate; the loss if it is not given.")
@click.option("--steps", is_flag=True, help="Every step of each derivation, with the law it went by.")
@click.option(
    "--at",
    metavar="POINT",
    help="Values and gradients at a point: x=-2,y=5 for scalars, 'random', or a .npz file with the inputs.",
)
@click.option("--finite-differences", is_flag=True, help="Each gradient beside its numerical value, at the point.")
@click.option("--taylor", is_flag=True, help="What a step down the gradient is predicted to win, and what it wins.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of a random point.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "latex", "md", "html", "json", "dot", "svg"]),
    default="text",
    show_default=True,
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the terminal.")
@click.option("--force", is_flag=True, help="Replace a file that is no report of nablac's.")
@DTYPE
@DUMP
@told
def inspect(
    spec: str,
    wrt: tuple[str, ...],
    of: str | None,
    steps: bool,
    at: str | None,
    finite_differences: bool,
    taylor: bool,
    seed: int,
    format_: str,
    output: Path | None,
    force: bool,
    dtype: str | None,
    dump: tuple[str, ...],
) -> None:
    """Explain the derived gradients: the numbered equations of the forward pass and of each gradient.

    The same numbers stand above the loops of the generated module.

    \b
      nablac inspect examples/digits.yaml --wrt linear_1.W --steps
      nablac inspect examples/digits.yaml --format html -o digits.html
      nablac inspect examples/circuit_product.yaml --at x=-2,y=5,z=-4
      nablac inspect examples/digits.yaml --at random --finite-differences --taylor
    """
    from nablac.pipeline import collector_at_rest

    refuse_spec(spec, output)
    with collector_at_rest():
        net = network(spec, dtype)
        if dump:
            dump_passes(net, dump)
            return
        document = net.report(of, wrt or None, at, differences=finite_differences, taylor=taylor, seed=seed)
        if output is not None:
            click.echo(f"{document.write(output, format_, steps=steps, force=force)}")
        elif format_ == "text" and sys.stdout.isatty():
            from rich.console import Console

            console = Console()
            console.print(document.shown(console.width, steps), soft_wrap=True)
        else:
            click.echo(document.render(format_, steps), nl=False)
