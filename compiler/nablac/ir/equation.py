"""ir/equation: the equation and the program, immutable data that every pass reads and makes anew.

An equation states ``target[indices] = reduce over K of body``; a program is a list of them in single assignment,
each after what it reads.

Cannot be said here: an order of loops, a buffer, an in-place store.  Those belong to ``plan/loops``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from sympy import Expr, Symbol

from nablac.errors import Place
from nablac.ir.functions import COUNTERS, Access, accesses
from nablac.ir.tensor import Role, Tensor

REDUCTIONS = ("sum", "prod", "max", "min", "argmax", "argmin")
"""Kinds of reduction.  argmax and argmin take one index and give an integer tensor: the first extremum's place."""


@dataclass(frozen=True)
class Reduction:
    """A reduction over named indices; data on the equation, never a ``sympy.Sum``."""

    kind: str
    indices: tuple[Symbol, ...]


@dataclass(frozen=True)
class Origin:
    """Where an equation comes from: the user's line, the layer, the rule that made it, the laws that touched it.

    ``of`` names, for an equation that a transform derived, the tensor whose equation it came from.  ``laws`` only
    grows, so that what one pass did is what it appended.
    """

    where: Place | None = None
    layer: str | None = None
    rule: str = "forward"
    of: str | None = None
    laws: tuple[str, ...] = ()

    def touched(self, *laws: str) -> Origin:
        """The same origin with laws added."""
        return replace(self, laws=self.laws + laws) if laws else self

    @property
    def distinct_laws(self) -> tuple[str, ...]:
        """The laws, each once, in the order in which they first fired."""
        return tuple(dict.fromkeys(self.laws))


@dataclass(frozen=True)
class Equation:
    """``target[indices] = reduction(body)``; indices are local symbols, each with its extent in ``extents``."""

    target: str
    indices: tuple[Symbol, ...]
    body: Expr
    extents: tuple[tuple[Symbol, Expr], ...]
    reduction: Reduction | None = None
    origin: Origin = field(default_factory=Origin, compare=False)

    @cached_property
    def ranges(self) -> Mapping[Symbol, Expr]:
        """The extent of each index, free and reduced."""
        return dict(self.extents)

    @property
    def bound(self) -> tuple[Symbol, ...]:
        """The indices the reduction runs over."""
        return self.reduction.indices if self.reduction else ()

    @cached_property
    def reads(self) -> tuple[Access, ...]:
        """The distinct elements the body reads."""
        return accesses(self.body)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The names of the tensors the body reads, each once; the counters of random numbers are none."""
        return tuple(dict.fromkeys(a.tensor for a in self.reads if a not in COUNTERS))

    @property
    def shape(self) -> tuple[Expr, ...]:
        """The target's shape."""
        return tuple(self.ranges[i] for i in self.indices)

    @property
    def is_derived(self) -> bool:
        """Whether a reverse sweep made the equation."""
        return self.origin.rule == "reverse"

    def with_body(self, body: Expr, *laws: str) -> Equation:
        """The equation with another body (the same object if nothing changed), laws noted in its origin."""
        if body == self.body:
            return self
        return replace(self, body=body, origin=self.origin.touched(*laws))


@dataclass(frozen=True)
class Program:
    """Declared tensors, equations in order, and the results that must be kept.

    ``dtype`` is ``float32`` or ``float64``: the width of every real tensor.
    """

    name: str
    tensors: tuple[Tensor, ...]
    equations: tuple[Equation, ...]
    results: tuple[str, ...]
    dtype: str = "float32"

    @cached_property
    def declared(self) -> Mapping[str, Tensor]:
        """Every tensor by its name."""
        return {t.name: t for t in self.tensors}

    @cached_property
    def defined(self) -> Mapping[str, Equation]:
        """The equation that defines each result."""
        return {e.target: e for e in self.equations}

    @cached_property
    def readers(self) -> Mapping[str, tuple[Equation, ...]]:
        """The equations that read each tensor."""
        found: dict[str, list[Equation]] = {}
        for equation in self.equations:
            for name in equation.sources:
                found.setdefault(name, []).append(equation)
        return {name: tuple(equations) for name, equations in found.items()}

    def having(self, role: Role) -> tuple[Tensor, ...]:
        """The tensors of one role, in order of declaration."""
        return tuple(t for t in self.tensors if t.role is role)

    def with_equations(
        self,
        equations: Iterable[Equation],
        tensors: Iterable[Tensor] | None = None,
        results: Iterable[str] | None = None,
    ) -> Program:
        """The program with other equations (the same object if nothing changed)."""
        new = tuple(equations)
        same = len(new) == len(self.equations) and all(a is b for a, b in zip(new, self.equations, strict=True))
        if same and tensors is None and results is None:
            return self
        return replace(
            self,
            equations=new,
            tensors=self.tensors if tensors is None else tuple(tensors),
            results=self.results if results is None else tuple(results),
        )
