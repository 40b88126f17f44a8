"""emit/tables: the module's constants as literals, laid out as a person would."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from nablac.frontend.model import Model
from nablac.ir.tensor import Kind, Tensor

WIDTH = 100


def literal(value: Any) -> str:
    """A Python literal with double quotes, of strings, numbers, tuples, lists and dicts.

    >>> literal({"x": (("n", 4), "float32")})
    '{"x": (("n", 4), "float32")}'
    """
    if isinstance(value, str):
        return '"' + repr(f"'{value}")[2:-1].replace('"', '\\"') + '"'
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


def shape_of(tensor: Tensor) -> tuple[int | str, ...]:
    """A shape of ints and names."""
    return tuple(int(e) if e.is_Integer else str(e) for e in tensor.shape)


def shapes(tensors: Sequence[Tensor], dtype: str, one_a_line: bool = False) -> str:
    """Name -> (shape, dtype)."""
    found = {t.name: (shape_of(t), dtype if t.kind is Kind.REAL else "int64") for t in tensors}
    return mapping(found, one_a_line and len(tensors) > 1)


def size(parameters: Sequence[Tensor]) -> int:
    """The length of the flat array of all parameters."""
    return sum(math.prod(int(e) for e in t.shape) for t in parameters)


def initial(parameters: Sequence[Tensor]) -> str:
    """A distribution and its numbers for each parameter."""
    rules = [(t.initialiser.name, *map(float, t.initialiser.arguments)) if t.initialiser else ("constant", 0.0)
             for t in parameters]  # fmt: skip
    line = literal(tuple(rules))
    if len(line) <= WIDTH:
        return line
    # a break may stand between two entries alone, so the spaces inside them are hidden from the wrapping
    entries = [literal(rule).replace(" ", "\0") for rule in rules]
    lines = textwrap.wrap(", ".join(entries) + ",", 112, break_long_words=False, break_on_hyphens=False)
    return "(\n" + "".join(f"    {part}\n" for part in lines).replace("\0", " ") + ")"


def preparation(model: Model) -> str:
    """Input -> (factor, offset), or "standardise"."""
    if model.data is None:
        return "{}"
    rules: dict[str, Any] = {name: (float(a), float(b)) for name, (a, b) in model.data.prepare.items()}
    return literal(rules | dict.fromkeys(model.data.standardise, "standardise"))
