"""ir/scope: what the names in an equation's text mean, and what is in force at one of its nodes."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sympy import Expr, Symbol

from nablac.ir.extents import Binder
from nablac.ir.functions import ELEMENTARY
from nablac.ir.syntax import REDUCERS, FunctionText
from nablac.ir.tensor import Tensor
from nablac.ir.tokens import Line

BUILT_IN = frozenset(
    {"where", "delta", "clamp", "max", "min", "pi", "uniform", "training", *REDUCERS, *ELEMENTARY}
)
"""Names that an equation may not give to anything else."""


@dataclass(frozen=True)
class Names:
    """What the names in a text mean: tensors (by the name they are written with), numbers, and functions.

    ``rename`` gives a target another name than it is written with; ``taken`` holds names that are used elsewhere; a
    ``sealed`` text, such as the library's, does not see the extents' names.
    """

    tensors: Mapping[str, Tensor]
    constants: Mapping[str, Expr] = field(default_factory=dict)
    functions: Mapping[str, FunctionText] = field(default_factory=dict)
    rename: Callable[[str], str] = str
    taken: frozenset[str] = frozenset()
    layer: str | None = None
    sealed: bool = False
    named: Mapping[str, Expr] | None = None

    def all_extents(self) -> Mapping[str, Expr]:
        """The named extents of all shapes; ``named`` keeps them, since results have no others."""
        if self.named is not None:
            return self.named
        axes = dict.fromkeys(axis for tensor in self.tensors.values() for axis in tensor.shape)
        return {s.name: s for axis in axes for s in axis.free_symbols if isinstance(s, Symbol)}

    def extents(self) -> Mapping[str, Expr]:
        """Those that the text may use: they are integers."""
        return {} if self.sealed else self.all_extents()

    def reserved(self) -> frozenset[str]:
        """Names that no index's symbol gets, so that a name has one meaning in the whole program."""
        own = {tensor.name for tensor in self.tensors.values()}
        return self.taken | own | set(self.tensors) | set(self.all_extents())


@dataclass(frozen=True)
class Scope:
    """What is in force at a node: the text it stands in, the indices, and a function's arguments, not yet read."""

    line: Line
    indices: Mapping[str, Binder]
    arguments: Mapping[str, tuple[ast.expr, Scope]] = field(default_factory=dict)
    called: tuple[str, ...] = ()


def numbered(name: str) -> Iterator[str]:
    """The name, then name2, name3, ..."""
    yield name
    number = 2
    while True:
        yield f"{name}{number}"
        number += 1


def counted(number: int, noun: str) -> str:
    """A number of things, in words."""
    plural = {"index": "indices"}.get(noun, f"{noun}s")
    return f"{number or 'no'} {noun if number == 1 else plural}"


def declared_at(tensor: Tensor) -> str:
    """Where a tensor is declared, as the end of a sentence."""
    return f", declared at {tensor.where}" if tensor.where is not None else ""


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """A remedy that names the nearest known word."""
    close = difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else None
