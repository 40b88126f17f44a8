"""cli: the commands, a file each.  What needs SymPy is imported where it is used."""

from __future__ import annotations

import click

from nablac import __version__
from nablac.cli.check import check
from nablac.cli.compile import compile_
from nablac.cli.export import export
from nablac.cli.import_torch import import_torch
from nablac.cli.inspect import inspect
from nablac.cli.lr_range import lr_range
from nablac.cli.schema import schema
from nablac.cli.sweep import sweep
from nablac.cli.train import train
from nablac.cli.usage import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
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
      nablac lr-range examples/digits.yaml                     try learning rates
      nablac sweep   examples/digits.yaml --set lr=1e-3,1e-2   train under many settings, and compare
      nablac export  examples/digits.yaml --params runs/digits --to digits.onnx    for other tools
      nablac import-torch mymodel.py:mlp -o mlp.yaml           a model of PyTorch's as a spec
    """


for command in (compile_, train, lr_range, check, inspect, schema, sweep, export, import_torch):
    main.add_command(command)
