"""ir/tensor: what is known of a tensor before anything is computed: shape, kind of number, role, initial value."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sympy import Expr, Rational

from nablac.errors import Place


class Role(Enum):
    """Where a tensor's values come from."""

    INPUT = "input"  # given with every call: data, labels, the learning rate
    PARAM = "param"  # learned; all of them lie in one flat array
    STATE = "state"  # the optimizer's memory
    COUNTER = "counter"  # the seed and the step, of which random numbers are a function
    RESULT = "result"  # computed by an equation


class Kind(Enum):
    """What a tensor's elements are; the width in bits is the program's ``dtype``."""

    REAL = "real"
    INT = "int"


@dataclass(frozen=True)
class Initialiser:
    """A parameter's initial distribution, as written after ``~``: a name and its numbers, e.g. ``normal(0, 0.1)``."""

    name: str
    arguments: tuple[Rational, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(str(float(a)) for a in self.arguments)})"


@dataclass(frozen=True)
class Tensor:
    """A declaration.

    ``shape`` holds extents (``sympy.Integer`` or a symbol such as n); ``bound`` is the number of classes of a
    label tensor, whose values lie in 0 ... bound-1.  A ``frozen`` parameter is read as the others, and not learned.
    """

    name: str
    shape: tuple[Expr, ...] = ()
    kind: Kind = Kind.REAL
    role: Role = Role.RESULT
    bound: Expr | None = None
    initialiser: Initialiser | None = None
    where: Place | None = field(default=None, compare=False)
    frozen: bool = False

    def __str__(self) -> str:
        axes = ", ".join(str(e) for e in self.shape)
        return f"{self.name}[{axes}]" if self.shape else self.name
