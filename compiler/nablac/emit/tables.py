"""emit/tables: the module's constants as literals, laid out as a person would."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
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
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, tuple):
        inside = ", ".join(map(literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    return repr(value)


def _escaped(character: str) -> str:
    """A character as it stands between double quotes."""
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def mapping(value: Mapping[str, Any]) -> str:
    """A dict on one line, or with the entries of a layer on a line of their own where one line does not hold all."""
    return _rows("{}", [(name, f"{literal(name)}: {literal(entry)}") for name, entry in value.items()])


def _rows(brackets: str, entries: Sequence[tuple[str, str]]) -> str:
    """The entries' texts between brackets; where that is wide, a layer's (``linear_1.W``, ``linear_1.b``) on a line."""
    line = ", ".join(text for _, text in entries)
    if len(line) <= WIDTH:
        return f"{brackets[0]}{line}{',' if brackets == '()' and len(entries) == 1 else ''}{brackets[1]}"
    lines: list[str] = []
    for _, group in groupby(entries, lambda entry: entry[0].rpartition(".")[0]):
        # a break may stand between two entries alone, so the spaces inside them are hidden from the wrapping
        whole = ", ".join(text.replace(" ", "\0") for _, text in group) + ","
        lines += textwrap.wrap(whole, 112, break_long_words=False, break_on_hyphens=False)
    return f"{brackets[0]}\n" + "".join(f"    {part}\n" for part in lines).replace("\0", " ") + brackets[1]


def shape_of(tensor: Tensor) -> tuple[int | str, ...]:
    """A shape of ints and names."""
    return tuple(int(e) if e.is_Integer else str(e) for e in tensor.shape)


def shapes(tensors: Sequence[Tensor], dtype: str) -> str:
    """Name -> (shape, dtype)."""
    return mapping({t.name: (shape_of(t), dtype if t.kind is Kind.REAL else "int64") for t in tensors})


def size(parameters: Sequence[Tensor]) -> int:
    """The length of the flat array of all parameters."""
    return sum(math.prod(int(e) for e in t.shape) for t in parameters)


def initial(parameters: Sequence[Tensor]) -> str:
    """A distribution and its numbers for each parameter."""
    rules = {t.name: (t.initialiser.name, *map(float, t.initialiser.arguments)) if t.initialiser else ("constant", 0.0)
             for t in parameters}  # fmt: skip
    return _rows("()", [(name, literal(rule)) for name, rule in rules.items()])


def preparation(model: Model) -> str:
    """Input -> (factor, offset)."""
    return literal(dict(model.data.prepare) if model.data else {})


def columns(model: Model) -> str:
    """What is known of the columns of tables, a statement a line; nothing where the model says nothing of them."""
    data = model.data
    if not data or not (data.columns or data.one_hot or data.index or data.missing or data.images):
        return ""
    tables = {
        "COLUMNS": mapping(data.columns),
        "CATEGORIES": mapping({**data.one_hot, **data.index}),
        "ONE_HOT": literal(tuple(data.one_hot)),
        "FILL": literal(dict(data.missing)),
    }
    if data.images:
        tables["IMAGES"] = literal({key: value for key, value in asdict(data.images).items() if value is not None})
    return "\n".join(f"{name} = {text}" for name, text in tables.items())
