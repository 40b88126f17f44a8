"""report/boxes: a formula as a tree of boxes, the one form from which text, LaTeX and MathML are printed.

The builders (``formula``, ``matrix``) decide notation, order and brackets; the printers (``plain``, ``latex``,
``mathml``) decide nothing but the spelling of a box.
"""

from __future__ import annotations

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
    """A sign between boxes: ``+ - = * (a middle dot) hadamard odot ...``; ``text`` is a key of the printers' tables."""

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
    """Brackets: ``( [ | { [[`` (the last Iverson's) around a box."""

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
    kind: str  # "input", "param", "result", "adjoint"


Box = (
    Name | Number | Operator | Row | Fraction | Script | Big | Root | Fenced | Call | Cases | Overline | Tensor
)
