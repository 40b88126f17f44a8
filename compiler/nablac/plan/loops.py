"""plan/loops: the second language, loop nests that store into buffers; immutable data.

It can say: which loops run around which stores, in which order; what a store does with the old value; which
value has a name in a register; which contraction is a call of a matrix product; which buffer lies where.

It cannot say: a reduction as mathematics (a sum is a loop that accumulates), a value without a place, an
equation.  A nest only remembers which equations it computes.  Scalars in it are SymPy expressions over
``Access`` leaves, loop indices and extents, as in the first language; what is read by name with no index is a
register.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from sympy import Expr, S, Symbol

from nablac.ir.equation import Equation
from nablac.ir.functions import Access, accesses


class Space(Enum):
    """Where a buffer lies."""

    PARAM = "param"  # in the flat parameters
    STATE = "state"  # in the optimizer's flat state
    GRAD = "grad"  # in the flat gradient
    INPUT = "input"  # given by the caller
    OUTPUT = "output"  # an array of the caller's that is filled
    WORK = "work"  # in the arena
    REGISTER = "register"  # a scalar with a name, no memory


class Number(Enum):
    """What a buffer's elements are."""

    REAL = "real"  # the program's dtype
    WIDE = "wide"  # float64 whatever the dtype: accumulators of losses and metrics
    INT = "int"  # int64


class Mode(Enum):
    """What a store does with the value that is there."""

    SET = "="
    ADD = "+="
    MULTIPLY = "*="
    MAXIMUM = "max"
    MINIMUM = "min"


@dataclass(frozen=True)
class Buffer:
    """Named storage; a register is a buffer with no axis and no memory."""

    name: str
    shape: tuple[Expr, ...]
    number: Number
    space: Space


@dataclass(frozen=True)
class Store:
    """``target mode value``."""

    target: Access
    value: Expr
    mode: Mode = Mode.SET


@dataclass(frozen=True)
class Pick:
    """If ``value`` is beyond the register ``best``: keep it there, and ``index`` in the register ``place``.

    The first extremum stays at a tie.
    """

    best: Access
    place: Access
    value: Expr
    index: Expr
    largest: bool


@dataclass(frozen=True)
class Operand:
    """A buffer seen as a matrix: leading indices (of a batch), then the axes of the rows, then those of the columns."""

    buffer: str
    leading: tuple[Expr, ...]
    rows: tuple[Expr, ...]
    columns: tuple[Expr, ...]


@dataclass(frozen=True)
class Gemm:
    """``target = scale * op(left) @ op(right)``, where ``form`` says which operand is transposed: NN, NT or TN.

    ``prologue`` and ``epilogue`` are stores over the target's two indices that a tile may do while it holds its
    operands or its sums; the scheduler leaves them empty so far, and the printer refuses them.
    """

    target: Operand
    left: Operand
    right: Operand
    form: str
    scale: Expr = S.One
    prologue: tuple[Store, ...] = ()
    epilogue: tuple[Store, ...] = ()


@dataclass(frozen=True)
class Loop:
    """``for index in range(extent): body``."""

    index: Symbol
    extent: Expr
    body: tuple[Statement, ...]


Statement = Store | Pick | Gemm | Loop


@dataclass(frozen=True)
class Nest:
    """A top-level statement list that runs as one, with the equations it computes.

    Its body is a sequence of loops and stores, or one product (under loops over a batch), or stores into registers.
    """

    equations: tuple[Equation, ...]
    body: tuple[Statement, ...]

    @cached_property
    def written(self) -> tuple[str, ...]:
        """The buffers the nest stores into, in order."""
        return tuple(dict.fromkeys(name for s in walk(self.body) for name in stored(s)))

    @cached_property
    def read(self) -> tuple[str, ...]:
        """The buffers whose values the nest uses, in order."""
        return tuple(dict.fromkeys(name for s in walk(self.body) for name in used(s)))

    @property
    def is_product(self) -> bool:
        """Whether the nest is a matrix product, possibly under loops over a batch."""
        return any(isinstance(s, Gemm) for s in walk(self.body))

    @property
    def is_scalar(self) -> bool:
        """Whether the nest only names scalars, with no loop."""
        return not any(isinstance(s, (Loop, Gemm)) for s in walk(self.body))


@dataclass(frozen=True)
class Schedule:
    """Nests in order and every buffer they touch."""

    name: str
    dtype: str
    buffers: Mapping[str, Buffer]
    nests: tuple[Nest, ...]
    results: tuple[str, ...]

    @cached_property
    def _readers(self) -> Mapping[str, int]:
        return Counter(name for nest in self.nests for name in nest.read)

    def read_elsewhere(self, name: str, nest: Nest) -> bool:
        """Whether a nest of the schedule other than this one uses the buffer's values."""
        return self._readers[name] > (name in nest.read)


def walk(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement, a loop before what it holds."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from walk(statement.body)


def stored(statement: Statement) -> tuple[str, ...]:
    """The buffers that one statement itself writes."""
    match statement:
        case Store(target=target):
            return (target.tensor,)
        case Pick(best=best, place=place):
            return (best.tensor, place.tensor)
        case Gemm(target=operand):
            return (operand.buffer,)
        case _:
            return ()


def expressions(statement: Statement) -> tuple[Expr, ...]:
    """The scalar expressions that one statement itself evaluates, target indices among them."""
    match statement:
        case Store(target=target, value=value):
            return (value, *target.indices)
        case Pick(value=value, index=index):
            return (value, index)
        case Gemm(scale=scale):
            return (scale,)
        case _:
            return ()


def used(statement: Statement) -> tuple[str, ...]:
    """The buffers that one statement itself reads (not the old value of its target)."""
    names = [a.tensor for e in expressions(statement) for a in accesses(e)]
    if isinstance(statement, Gemm):
        names += [statement.left.buffer, statement.right.buffer]
    return tuple(dict.fromkeys(names))


def show(body: tuple[Statement, ...], margin: str = "") -> str:
    """The statements as indented text, for people and for tests."""
    lines = []
    for s in body:
        match s:
            case Loop(index=index, extent=extent, body=inner):
                lines += [f"{margin}for {index} in {extent}:", show(inner, margin + "    ")]
            case Store(target=target, value=value, mode=mode):
                lines.append(f"{margin}{target} {mode.value} {value}")
            case Pick(best=best, place=place, value=value, index=index, largest=largest):
                lines.append(f"{margin}{best}, {place} {'max' if largest else 'min'}= {value}, {index}")
            case Gemm(target=target, left=left, right=right, form=form, scale=scale):
                lines.append(f"{margin}{target.buffer} = {scale} * {form}({left.buffer}, {right.buffer})")
    return re.sub(r":([^:\n]*):(\w*#)", r"\1\2", "\n".join(lines))
