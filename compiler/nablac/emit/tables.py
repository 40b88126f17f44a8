"""emit/tables: the module's constants as literals, laid out as a person would."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nablac.frontend.model import Model
from nablac.ir.tensor import Kind, Role, Tensor

WIDTH = 100


def literal(value: Any) -> str:
    """A Python literal with double quotes, of strings, numbers, tuples, lists and dicts."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        inside = ", ".join(map(literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    return repr(value)


def mapping(value: Mapping[str, Any], one_a_line: bool = False) -> str:
    """A dict, one entry a line where it is wide."""
    line = literal(value)
    if not value or (len(line) <= WIDTH and not one_a_line):
        return line
    return "{\n" + "".join(f"    {literal(k)}: {literal(v)},\n" for k, v in value.items()) + "}"


def dtype_of(tensor: Tensor, dtype: str) -> str:
    """The NumPy dtype of a tensor's elements."""
    return dtype if tensor.kind is Kind.REAL else "int64"


def shape_of(tensor: Tensor) -> tuple[int | str, ...]:
    """A shape of ints and names."""
    return tuple(int(e) if e.is_Integer else str(e) for e in tensor.shape)


def shapes(tensors: Sequence[Tensor], dtype: str, one_a_line: bool = False) -> str:
    """Name -> (shape, dtype)."""
    return mapping({t.name: (shape_of(t), dtype_of(t, dtype)) for t in tensors}, one_a_line and len(tensors) > 1)


def size(parameters: Sequence[Tensor]) -> int:
    """The length of the flat array of all parameters."""
    return sum(math.prod(int(e) for e in t.shape) for t in parameters)


def initial(parameters: Sequence[Tensor]) -> str:
    """Name -> (distribution, its numbers)."""
    rules = {}
    for t in parameters:
        if t.initialiser is None:
            rules[t.name] = ("constant", 0.0)
        else:
            rules[t.name] = (t.initialiser.name, *(float(a) for a in t.initialiser.arguments))
    return mapping(rules)


def columns(model: Model) -> str:
    """Input -> what holds it in a file, where that is not its own name."""
    if model.data is None:
        return "{}"
    found = dict(model.data.columns)
    if model.data.target is not None:
        names = [t.name for t in model.program.having(Role.INPUT) if len(t.shape) == 1]
        found |= {name: model.data.target for name in names[-1:] if name not in found}
    return literal({name: tuple(c) if not isinstance(c, str) else c for name, c in found.items()})


def scaling(model: Model) -> str:
    """Input -> (shift, factor), or "standardise"."""
    if model.data is None:
        return "{}"
    rules: dict[str, Any] = {name: (shift, factor) for name, shift, factor in model.data.scale}
    return literal(rules | {name: "standardise" for name in model.data.standardise})
