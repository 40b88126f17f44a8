"""cli: the commands compile, train, check and inspect.  What needs SymPy is imported where it is used."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nablac import __version__
from nablac.errors import CompileError, InternalError, NablacError

if TYPE_CHECKING:
    from nablac.network import Network

MISTAKE = 2
DEFECT = 70


def _told(command: Callable[..., Any]) -> Callable[..., Any]:
    """A user's mistake is told in the project's form and ends with exit code 2; a defect of ours says so."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except NablacError as error:
            click.echo(str(error), err=True)
            sys.exit(MISTAKE)
        except InternalError as error:
            click.echo(f"a defect of nablac, not of your model: {error}\n  please report it with the spec", err=True)
            sys.exit(DEFECT)

    return run


_DTYPE = click.option(
    "--dtype", type=click.Choice(["float32", "float64"]), help="Width of the numbers, over the spec's own."
)
_DUMP = click.option(
    "--dump",
    metavar="PASS",
    multiple=True,
    help="Print the gradient program after a pass (trace, canonicalise, stabilise, differentiate, "
    "contract, inline, shift, share, shorten).",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="nablac")
def main() -> None:
    """Compile a model and its loss into one readable Python module that trains it.

    \b
    SPEC is a YAML file, or FILE.py:FUNCTION for a function decorated with @nc.model.
    Mistakes in a spec end with exit code 2 and a message with file, line and column.

    \b
      nablac train   examples/digits.yaml                      compile (cached) and train
      nablac compile examples/digits.yaml -o digits.py         write the module
      nablac inspect examples/digits.yaml --wrt linear_1.W     the derived formulas
      nablac check   examples/digits.yaml                      verify every gradient numerically
    """


@main.command("compile")
@click.argument("spec")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The module's file (default: NAME.py)."
)
@click.option("--force", is_flag=True, help="Replace a file that nablac has not made.")
@_DTYPE
@_DUMP
@_told
def compile_(spec: str, output: Path | None, force: bool, dtype: str | None, dump: tuple[str, ...]) -> None:
    """Compile SPEC and write its module.

    The module needs NumPy to predict and Numba to train, and never nablac.  It is written whole or not at all.
    """
    _refuse_spec(spec, output)
    net = _network(spec, dtype)
    _dump(net, dump)
    path = net.write(output or Path(f"{net.compiled.model.name}.py"), force=force)
    for finding in net.findings:
        click.echo(str(finding), err=True)
    lines = net.source.count("\n")
    click.echo(
        f"{path}: {lines} lines, {len(net.compiled.programs['gradient'].equations)} equations in the training step"
    )


@main.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h", "--help"]}
)
@click.argument("spec")
@_DTYPE
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@_told
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

        net = _network(spec, dtype)
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


@main.command()
@click.argument("spec")
@click.option(
    "--points", default=3, show_default=True, type=click.IntRange(1, 100), help="Random points to compare at."
)
@click.option(
    "--entries", default=12, show_default=True, type=click.IntRange(1, 10_000), help="Entries of each parameter."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the points.")
@_DTYPE
@_told
def check(spec: str, points: int, entries: int, seed: int, dtype: str | None) -> None:
    """Compare the emitted module's gradients with complex-step derivatives of the model as it was written.

    Names the worst entry of each parameter; the exit code is 1 if one is off by more than rounding.
    """
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from nablac.verify import LIMITS, check_gradients

    net = _network(spec, dtype)
    model, module = net.compiled.model, net.module
    limit = LIMITS[model.program.dtype]
    findings = [f for k in range(points) for f in check_gradients(model, module, seed=seed + k, entries=entries)]
    title = f"{model.name} ({model.program.dtype}), {points} random points, relative errors up to {limit:g} allowed"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for heading in ("worst entry of", "entries", "error", "emitted", "complex step"):
        table.add_column(heading, justify="left" if heading == "worst entry of" else "right", no_wrap=True)
    for name in dict.fromkeys(f.parameter for f in findings):
        own = [f for f in findings if f.parameter == name]
        worst = next((f for f in own if f.error != f.error), max(own, key=lambda f: f.error))
        row = (worst.worst, str(sum(f.entries for f in own)), f"{worst.error:.1e}")
        style = None if worst.error <= limit else "bold red"
        table.add_row(*row, f"{worst.emitted:.9g}", f"{worst.reference:.9g}", style=style)
    Console().print(table)
    bad = [f for f in findings if not f.error <= limit]
    if bad:
        click.echo(f"wrong: {bad[0].worst} is {bad[0].emitted:.9g}, not {bad[0].reference:.9g}")
    else:
        worst_error = max(f.error for f in findings)
        click.echo(f"all {sum(f.entries for f in findings)} entries agree, the worst to {worst_error:.1e}")
    sys.exit(1 if bad else 0)


@main.command()
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
@_DTYPE
@_DUMP
@_told
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

    _refuse_spec(spec, output)
    with collector_at_rest():
        net = _network(spec, dtype)
        if dump:
            _dump(net, dump)
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


@main.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    import json

    from nablac.frontend.load import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _refuse_spec(spec: str, output: Path | None) -> None:
    """The model itself is no place to write to, whatever is forced."""
    source = spec if os.path.isfile(spec) else spec.rpartition(":")[0]
    if output is not None and os.path.isfile(source) and os.path.isfile(output) and os.path.samefile(source, output):
        raise CompileError(f"{output} is the model itself", remedy="choose another name with -o")


def _network(spec: str, dtype: str | None) -> Network:
    from nablac.network import compile as compile_network

    return compile_network(spec, dtype=dtype)


def _dump(net: Network, passes: tuple[str, ...]) -> None:
    from nablac.ir.text import print_program

    for name in passes:
        click.echo(f"after {name}\n{print_program(net.compiled.program_after(name))}\n")


if __name__ == "__main__":
    main()
