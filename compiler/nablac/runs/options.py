"""runs/options: the words after ``nablac train SPEC`` as options: those of the module's own train command."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from nablac.errors import OptionError


@dataclass(frozen=True)
class Start:
    """Parameters by name to begin with, and the file that they are from."""

    path: Path
    arrays: Mapping[str, Any]

    def run(self, module: ModuleType) -> Any:
        """A run of the module that has these parameters and is not trained yet."""
        try:
            with np.errstate(over="ignore"):
                params = module.pack(self.arrays)
        except module.InputError as error:
            error.args = (f"{error.args[0]}\n  where:    {self.path}",)
            raise
        return module.Run(params, module.init_state(), {})


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(message, remedy="nablac train --help lists the options")


def read_options(module: ModuleType, arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a training: files, the run's folder, and whatever ``TRAINING`` of the module names."""
    parser = _Parser(prog="nablac train", add_help=False)
    parser.add_argument("--data", nargs="+", default=[])
    parser.add_argument("--val", nargs="+", default=[])
    parser.add_argument("--target", default=module.TARGET)
    parser.add_argument("--out", type=_folder)
    parser.add_argument("--resume", action="store_true")
    if hasattr(module, "Ranks"):
        parser.add_argument("--mpi", action="store_true")
    for name, value in module.TRAINING.items():
        parser.add_argument(f"--{name}".replace("_", "-"), type=type(value), default=value)
    return parser.parse_args(arguments)


def _folder(name: str) -> Path:
    """A path that has a name: an empty one would be the folder that one is in."""
    if not name:
        raise argparse.ArgumentTypeError("it names no folder")
    return Path(name)


def settings(module: ModuleType, options: argparse.Namespace) -> dict[str, Any]:
    """What ``fit`` is told beside the data."""
    return {name: getattr(options, name) for name in module.TRAINING}
