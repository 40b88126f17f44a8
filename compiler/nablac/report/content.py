"""report/content: what a report says, as immutable data; the printers of every format read this and nothing else.

All of it is computed from the compiled program (``report/build``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sympy import Expr

from nablac.ir.equation import Equation
from nablac.ir.text import print_equation
from nablac.lint.finding import Finding
from nablac.report.formulas.boxes import Box


@dataclass(frozen=True)
class Span:
    """Lines of the generated module, first and last, from 1, and the function they belong to."""

    first: int
    last: int
    function: str


@dataclass(frozen=True)
class Step:
    """One step of a derivation: what was done, by which law, and what stands there afterwards.

    ``identity`` is the law as text (``log(exp(x)) = x``); ``operations`` counts the body's.  ``equation`` is what
    stands there, where it is one and no local derivative.
    """

    title: str
    formula: Box
    text: str
    identity: str | None = None
    operations: int | None = None
    equation: Equation | None = None


@dataclass(frozen=True)
class Entry:
    """A numbered equation.  ``kind`` is ``forward``, ``backward``, ``metric`` or ``update``.

    ``composed_form`` is the matrix form with products that nothing else reads written out, where that is another one.
    ``steps`` tell how a forward equation came from what the user wrote; those of a derived one are in its ``Stage``.
    """

    number: int
    equation: Equation
    kind: str
    index_form: Box
    matrix_form: Box | None
    operations: Expr
    spans: tuple[Span, ...]
    steps: tuple[Step, ...] = ()
    composed_form: Box | None = None

    @property
    def text(self) -> str:
        """The equation in the grammar of the specs, as it stands in the module's comments."""
        return print_equation(self.equation)


@dataclass(frozen=True)
class Stage:
    """The derivation of one adjoint: from the equation the chain rule went through to the numbered equation.

    ``through`` names the tensors whose equations sent a term.  ``numbers`` are the equations it ended in.
    """

    adjoint: str
    of: str
    through: tuple[str, ...]
    steps: tuple[Step, ...]
    numbers: tuple[int, ...]
    operations_before: Expr
    operations_after: Expr


@dataclass(frozen=True)
class Gradient:
    """The gradient with respect to one tensor: the chain from the loss to it, stage by stage.

    ``path`` names the tensors from the loss to the parameter; ``numbers`` the equations the gradient needs, in order;
    ``shared`` those values of the forward pass that it reads instead of computing them again.
    """

    wrt: str
    adjoint: str
    path: tuple[str, ...]
    numbers: tuple[int, ...]
    stages: tuple[Stage, ...]
    shared: tuple[str, ...]


def distinct_stages(gradients: Iterable[Gradient]) -> tuple[Stage, ...]:
    """The stages of several gradients, each once, in an order in which each follows what it reads."""
    return tuple({stage.adjoint: stage for gradient in gradients for stage in gradient.stages}.values())


@dataclass(frozen=True)
class Cost:
    """A row of the costs: a formula in the batch and the widths, and its number at ``Report.sizes``."""

    title: str
    formula: Box
    text: str
    value: int
    unit: str


MARK = "made by nablac"
"""What every report says of itself, so that a file that is none is not replaced."""


@dataclass(frozen=True)
class Sheet:
    """A table of numbers at one point, finished as text: values, differences, an expansion."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TensorRow:
    """A tensor as the tables show it.  ``layer`` is the layer whose equation defines it, or whose parameter it is."""

    name: str
    symbol: Box
    kind: str  # "input", "param", "frozen", "state", "result", "adjoint"
    shape: tuple[str, ...]
    dtype: str
    layer: str | None = None


@dataclass(frozen=True)
class Report:
    """The whole report of one model and one scalar."""

    name: str
    title: str
    digest: str
    version: str
    dtype: str
    of: str
    tensors: tuple[TensorRow, ...]
    entries: tuple[Entry, ...]
    gradients: tuple[Gradient, ...]
    costs: tuple[Cost, ...]
    sizes: Mapping[str, int]
    warnings: tuple[Finding, ...]
    source: str  # the generated module, whose lines the spans count
    spec: str | None = None  # the user's own source, whose lines the places count
    drawings: Mapping[str, str] = field(default_factory=dict)  # title -> SVG
    sheets: tuple[Sheet, ...] = ()
    one_hots: Mapping[str, Box] = field(default_factory=dict)  # the labels' symbol -> the matrix of their one-hot rows
    whole: bool = True  # whether every gradient of the training is told, and with them the update

    @property
    def about(self) -> str:
        """One line on where the report comes from; every format holds it."""
        return f"{self.dtype}, derivatives of {self.of}, model sha256 {self.digest[:16]}, {MARK} {self.version}"

    def entry(self, number: int) -> Entry:
        """The equation of that number."""
        return next(e for e in self.entries if e.number == number)
