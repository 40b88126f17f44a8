"""cli/export: the command that writes parameters, or the forward pass, into files for other tools."""

from __future__ import annotations

import re
from pathlib import Path

import click

from nablac.cli.shared import DTYPE, Named, told
from nablac.errors import CompileError


@click.command()
@click.argument("spec")
@click.option(
    "--params",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A run's folder or checkpoint.npz, or a .npz or .safetensors file with an array for each parameter.",
)
@click.option(
    "--to",
    "target",
    metavar="FILE",
    required=True,
    type=Named(),
    help="NAME.safetensors, NAME.npz or NAME.onnx; without an ending, a run's folder.",
)
@click.option(
    "--size",
    "sizes",
    metavar="NAME=N",
    multiple=True,
    help="A number for an extent that SPEC only names, as C in label[n, C].",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@DTYPE
@told
def export(
    spec: str, params: Path | None, target: Path, sizes: tuple[str, ...], force: bool, dtype: str | None
) -> None:
    """Write the parameters of SPEC's model, or its forward pass with them, for other tools.

    \b
      nablac export digits.yaml --params runs/digits --to digits.safetensors
      nablac export digits.yaml --params runs/digits --to digits.onnx         compared with onnxruntime
      nablac export digits.yaml --params digits.safetensors --to runs/again   a run, for predict and evaluate

    Names, shapes and numbers are checked against the model.  Files are written whole or not at all.
    """
    from nablac.interchange.export import export as write

    click.echo(write(spec, params, target, dtype=dtype, sizes=dict(map(_size, sizes)), force=force))


def _size(text: str) -> tuple[str, int]:
    """The name and the number of an extent."""
    name, _, number = text.partition("=")
    if not re.fullmatch(r"[1-9][0-9]{0,9}", number):
        raise CompileError("this is no size", found=f"--size {text:.60}", expected="--size C=10")
    return name, int(number)
