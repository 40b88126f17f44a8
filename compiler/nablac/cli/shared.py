"""cli/shared: what the commands have in common: how a mistake is told, options, the model that a command is given."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nablac.errors import CompileError, InternalError, NablacError

if TYPE_CHECKING:
    from nablac.network import Network

MISTAKE = 2
DEFECT = 70


def told(command: Callable[..., Any]) -> Callable[..., Any]:
    """A user's mistake is told in the project's form and ends with exit code 2; a defect of ours says so."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        with telling():
            return command(*args, **kwargs)

    return run


@contextmanager
def telling() -> Iterator[None]:
    """The same of whatever is done within."""
    try:
        yield
    except NablacError as error:
        click.echo(str(error), err=True)
        sys.exit(MISTAKE)
    except InternalError as error:
        click.echo(f"a defect of nablac, not of your model: {error}\n  please report it with the spec", err=True)
        sys.exit(DEFECT)


class Named(click.Path):
    """A path that has a name: an empty one would be the folder that one is in."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("it names nothing", param, ctx)
        return super().convert(value, param, ctx)


DTYPE = click.option(
    "--dtype", type=click.Choice(["float32", "float64"]), help="Width of the numbers, over the spec's own."
)
DUMP = click.option(
    "--dump",
    metavar="PASS",
    multiple=True,
    help="Print the gradient program after a pass (trace, canonicalise, select, stabilise, logsum, "
    "differentiate, resolve, scale, contract, inline, shift, shorten, share).",
)


def refuse_spec(spec: str, output: Path | None) -> None:
    """The model itself is no place to write to, whatever is forced."""
    source = spec if os.path.isfile(spec) else spec.rpartition(":")[0]
    if output is not None and os.path.isfile(source) and os.path.isfile(output) and os.path.samefile(source, output):
        raise CompileError(f"{output} is the model itself", remedy="choose another name with -o")


def network(spec: str, dtype: str | None) -> Network:
    from nablac.network import compile as compile_network

    return compile_network(spec, dtype=dtype)


def dump_passes(net: Network, passes: tuple[str, ...]) -> None:
    from nablac.ir.text import print_program

    for name in passes:
        click.echo(f"after {name}\n{print_program(net.compiled.program_after(name))}\n")
