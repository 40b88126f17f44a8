"""cli/check: the command that verifies gradients."""

from __future__ import annotations

import sys

import click

from nablac.cli.shared import DTYPE, network, told


@click.command()
@click.argument("spec")
@click.option(
    "--points", default=3, show_default=True, type=click.IntRange(1, 100), help="Random points to compare at."
)
@click.option(
    "--entries", default=12, show_default=True, type=click.IntRange(1, 10_000), help="Entries of each parameter."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the points.")
@DTYPE
@told
def check(spec: str, points: int, entries: int, seed: int, dtype: str | None) -> None:
    """Compare the emitted module's gradients with complex-step derivatives of the model as it was written.

    Names the worst entry of each parameter; the exit code is 1 if one is off by more than rounding.
    """
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from nablac.verify import LIMITS, check_gradients

    net = network(spec, dtype)
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
