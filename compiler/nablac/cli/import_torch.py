"""cli/import_torch: the command that makes a spec of a model of PyTorch's."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nablac.cli.shared import told
from nablac.errors import CompileError


def _shape(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """The axes of one sample: 16,64."""
    if value is None:
        return None
    axes = [axis.strip() for axis in value.split(",")]
    if not all(axis.isascii() and axis.isdigit() and 0 < int(axis) < 2**31 for axis in axes):
        raise click.BadParameter(f"{value!r} is no shape such as 16,64")
    return tuple(map(int, axes))


@click.command("import-torch")
@click.argument("reference", metavar="FILE.py:NAME")
@click.option(
    "--weights", metavar="FILE", type=click.Path(path_type=Path), help="A state dict to load: .safetensors, .pt, .pth."
)
@click.option("--input", "shape", metavar="SHAPE", callback=_shape, help="The shape of one sample, such as 16,64.")
@click.option("--loss", metavar="NAME", help="The library's loss to train with; else one that suits the last layer.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The spec's file (default: NAME.yaml)."
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@told
def import_torch(
    reference: str,
    weights: Path | None,
    shape: tuple[int, ...] | None,
    loss: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """Make a spec, and a .npz file of parameters, of an nn.Sequential.

    FILE.py is your own program and is run as one; NAME in it is the model or a function that makes it.  A file of
    weights is only read: of pickles, state dicts alone (weights_only=True).

    \b
      nablac import-torch mymodel.py:mlp --weights mlp.pt --loss cross_entropy -o mlp.yaml
    """
    from nablac.interchange.torch_files import load_torch
    from nablac.interchange.torch_import import from_torch

    name, model = load_torch(reference, weights)
    spec = output or Path(f"{name}.yaml")
    for path in (spec, spec.with_suffix(".npz")):
        if os.path.exists(path) and not force:
            raise CompileError(f"{path} is there already", remedy="choose another name with -o, or give --force")
    made = from_torch(model, name=spec.stem if spec.stem.isidentifier() else name, shape=shape, loss=loss)
    spec, parameters = made.write(spec)
    total = sum(array.size for array in made.parameters.values())
    click.echo(f"{spec}: the model, with the loss {made.loss}")
    click.echo(f"{parameters}: {total:,} numbers in {len(made.parameters)} parameters")
    click.echo(f"PyTorch's answers and the spec's differ by at most {made.difference:.1e}, relative to the largest")
