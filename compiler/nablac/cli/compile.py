"""cli/compile: the command that writes a module."""

from __future__ import annotations

from pathlib import Path

import click

from nablac.cli.shared import DTYPE, DUMP, dump_passes, network, refuse_spec, told


@click.command("compile")
@click.argument("spec")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The module's file (default: NAME.py)."
)
@click.option("--force", is_flag=True, help="Replace a file that nablac has not made.")
@DTYPE
@DUMP
@told
def compile_(spec: str, output: Path | None, force: bool, dtype: str | None, dump: tuple[str, ...]) -> None:
    """Compile SPEC and write its module.

    The module needs NumPy to predict and Numba to train, and never nablac.  It is written whole or not at all.
    """
    refuse_spec(spec, output)
    net = network(spec, dtype)
    dump_passes(net, dump)
    path = net.write(output or Path(f"{net.compiled.model.name}.py"), force=force)
    for finding in net.findings:
        click.echo(str(finding), err=True)
    lines = net.source.count("\n")
    click.echo(
        f"{path}: {lines} lines, {len(net.compiled.programs['gradient'].equations)} equations in the training step"
    )
