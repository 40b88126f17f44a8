"""pages/view: the variables of the template ``report.html.j2``, all of them finished strings.

A plain ``str`` is escaped by Jinja2; ``Markup`` is HTML that ``page`` has made of escaped parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from nablac.report.pages.drawing import Figure
from nablac.report.pages.listing import Chunk


@dataclass(frozen=True)
class Unfolded:
    """A step of a derivation."""

    title: str
    formula: Markup
    facts: tuple[Markup, ...]


@dataclass(frozen=True)
class Numbered:
    """An equation: its forms, what is to be said of it, and the lines it became (``120-135 240-240``)."""

    number: int
    tensor: str
    forms: tuple[Markup, ...]
    facts: tuple[Markup, ...]
    origins: tuple[tuple[Unfolded, ...], ...]
    lines: str


@dataclass(frozen=True)
class Group:
    """The equations of one pass."""

    id: str
    title: str
    equations: tuple[Numbered, ...]


@dataclass(frozen=True)
class Derived:
    """A stage: how one adjoint came about, and the equations it ended in."""

    id: str
    tensor: str
    symbol: Markup
    facts: tuple[Markup, ...]
    steps: tuple[Unfolded, ...]
    equations: str
    ends: Markup


@dataclass(frozen=True)
class Chain:
    """A gradient: its path from the loss, and the stages and equations that lie on it, by their ids."""

    id: str
    name: str
    symbol: Markup
    formula: Markup
    path: tuple[Markup, ...]
    facts: tuple[tuple[str, Markup], ...]
    stages: str
    equations: str


@dataclass(frozen=True)
class Derivations:
    """All gradients, and each stage once, in an order that goes from the loss to the parameters."""

    chains: tuple[Chain, ...]
    stages: tuple[Derived, ...]


@dataclass(frozen=True)
class Cell:
    """A cell of a table; ``style`` is the class of its column."""

    style: str
    text: Markup


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    id: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table: its columns (class and heading) and its rows."""

    id: str
    title: str
    note: str
    columns: tuple[Cell, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Finding:
    """A warning of lint."""

    rule: str
    subject: str
    where: Markup
    remedy: str


@dataclass(frozen=True)
class Findings:
    """The warnings, with what is said where there are none."""

    note: str
    found: tuple[Finding, ...]


@dataclass(frozen=True)
class Text:
    """The user's own source."""

    title: str
    lines: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class View:
    """The page.  What a report may lack is a tuple of one or none."""

    policy: str
    style: Markup
    script: Markup
    generator: str
    name: str
    title: str
    sections: tuple[tuple[str, str], ...]
    graph: tuple[Figure, ...]
    groups: tuple[Group, ...]
    derivations: tuple[Derivations, ...]
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]
    findings: Findings
    spec: tuple[Text, ...]
    facts: tuple[tuple[str, str], ...]
    module: tuple[Chunk, ...]
    summary: str
