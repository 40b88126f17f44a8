"""formulas/boxes: a formula as a tree of boxes, the one form from which text, LaTeX and MathML are printed.

The builders (``formula``, ``matrix``) decide notation, order and brackets; the printers (``plain``, ``latex``,
``mathml``) decide nothing but the spelling of a box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Name:
    """A letter or a word: italic where it is a quantity of one letter, upright where it is a word."""

    text: str


@dataclass(frozen=True)
class Number:
    """A number, as it is to be read."""

    text: str


@dataclass(frozen=True)
class Operator:
    """A sign between boxes, a key of the printers' tables.

    ``+ - = * / < <= > >= == != and or not ,``, ``odot`` and ``oslash`` (elementwise times and over), ``T``,
    ``minus`` (a sign before a box), ``d`` and, before a word, ``d `` (a differential); ``''`` is a product of matrices.
    ``*`` is the middle dot in plain text and elsewhere a thin space, or a dot where ``is_seen`` asks for one.
    """

    text: str


@dataclass(frozen=True)
class Row:
    """Boxes side by side."""

    parts: tuple[Box, ...]


@dataclass(frozen=True)
class Fraction:
    """One box over another."""

    above: Box
    below: Box


@dataclass(frozen=True)
class Script:
    """A box with a subscript and a superscript."""

    base: Box
    below: Box | None = None
    above: Box | None = None


@dataclass(frozen=True)
class Big:
    """A reduction's sign (``sum prod max min argmax argmin``) over named indices, before its body."""

    kind: str
    indices: tuple[Box, ...]
    body: Box


@dataclass(frozen=True)
class Root:
    """A square root."""

    inside: Box


@dataclass(frozen=True)
class Fenced:
    """Brackets around a box: ``(``, ``[`` (Iverson's), ``|``, ``||`` (a norm) and ``floor``."""

    fence: str
    inside: Box


@dataclass(frozen=True)
class Call:
    """A function's name and its arguments."""

    function: Box
    arguments: tuple[Box, ...]


@dataclass(frozen=True)
class Cases:
    """A choice: rows of a value and the condition it holds under; the last row's condition is None."""

    rows: tuple[tuple[Box, Box | None], ...]


@dataclass(frozen=True)
class Overline:
    """A bar over a box."""

    inside: Box


@dataclass(frozen=True)
class Tensor:
    """A tensor's symbol; ``name`` is what the program and the module call it, for links and colours."""

    name: str
    symbol: Box
    kind: str  # "input", "param", "state", "result", "adjoint"


@dataclass(frozen=True)
class Element:
    """An element of a tensor: indices in brackets in plain text, below the symbol elsewhere."""

    tensor: Tensor
    indices: tuple[Box, ...]


Box = (
    Name
    | Number
    | Operator
    | Row
    | Fraction
    | Script
    | Big
    | Root
    | Fenced
    | Call
    | Cases
    | Overline
    | Tensor
    | Element
)


def row(*parts: Box) -> Box:
    """Boxes side by side, rows within it opened."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, Row) else (part,))]
    return flat[0] if len(flat) == 1 else Row(tuple(flat))


def joined(sign: str, parts: Sequence[Box]) -> Box:
    """Boxes with a sign between each two."""
    between: list[Box] = []
    for part in parts:
        between += [Operator(sign), part] if between else [part]
    return row(*between)


def over(above: Box, below: Box) -> Box:
    """A fraction; simple fractions inside it are written with a slash."""
    return Fraction(slashed(above), slashed(below))


def slashed(box: Box) -> Box:
    """A box with its simple fractions written with a slash, as in an exponent or in another fraction."""
    match box:
        case Fraction(above, below) if _is_product(above) and _is_single(below):
            return row(above, Operator("/"), below)
        case Row(parts):
            return row(*map(slashed, parts))
        case Fenced(fence, inside):
            return Fenced(fence, slashed(inside))
    return box


def _is_product(box: Box) -> bool:
    """Whether a box is a single one or several multiplied."""
    parts = box.parts if isinstance(box, Row) else (box,)
    return all(_is_single(p) or p == Operator("*") for p in parts)


def _is_single(box: Box) -> bool:
    if isinstance(box, Script):
        return _is_single(box.base)
    return isinstance(box, Name | Number | Tensor | Element)


def is_seen(parts: Sequence[Box], place: int) -> bool:
    """Whether a product's sign at this place of a row must be seen, as a digit follows: 20 18 is no product.

    >>> is_seen((Name("n"), Operator("*"), Number("256")), 1), is_seen((Number("2"), Operator("*"), Name("n")), 1)
    (True, False)
    """
    return parts[place] == Operator("*") and 0 < place < len(parts) - 1 and _begins_with_digit(parts[place + 1])


def _begins_with_digit(box: Box) -> bool:
    match box:
        case Row(parts):
            return _begins_with_digit(parts[0])
        case Script(base=base):
            return _begins_with_digit(base)
    return isinstance(box, Number)


def raised(base: Box, above: Box) -> Box:
    """A box with an exponent, in brackets where something stands at that place already or a sign before it."""
    symbol = base.tensor.symbol if isinstance(base, Element) else base.symbol if isinstance(base, Tensor) else base
    taken = isinstance(symbol, Script) and symbol.above is not None
    return Script(Fenced("(", base) if taken or isinstance(symbol, Row) else base, None, above)


def is_tall(box: Box) -> bool:
    """Whether a box is higher than a line, so that brackets around it must grow."""
    match box:
        case Fraction() | Big() | Cases() | Root():
            return True
        case Row(parts):
            return any(is_tall(p) for p in parts)
        case Script(base, below, _):
            return is_tall(base) or (below is not None and is_tall(below))
        case Fenced(_, inside) | Overline(inside):
            return is_tall(inside)
        case Call(function, arguments):
            return is_tall(function) or any(is_tall(a) for a in arguments)
    return False
