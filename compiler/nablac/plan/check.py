"""plan/check: the verifier of the second language; what fails here is a defect of the scheduler's.

It holds that every index is bound by one loop around it, every buffer is known, read with as many indices as it has
axes and only after something was stored in it, every accumulation has a start, and the sides of a product agree.
"""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Expr, Mul, Symbol

from nablac.errors import InternalError
from nablac.ir.functions import Access, accesses
from nablac.ir.index import is_index
from nablac.plan.loops import (
    Buffer,
    Gemm,
    Loop,
    Mode,
    Operand,
    Pick,
    Schedule,
    Space,
    Statement,
    Store,
    expressions,
)

GIVEN = (Space.PARAM, Space.STATE, Space.INPUT)


def check_schedule(schedule: Schedule) -> Schedule:
    """The schedule itself, or ``InternalError``."""
    checker = _Checker(schedule.buffers)
    for nest in schedule.nests:
        checker.body(nest.body, {})
    missing = [r for r in schedule.results if r not in checker.stored]
    if missing:
        raise InternalError(f"nothing computes {', '.join(missing)}")
    return schedule


class _Checker:
    def __init__(self, buffers: Mapping[str, Buffer]) -> None:
        self.buffers = buffers
        self.stored = {name for name, b in buffers.items() if b.space in GIVEN}

    def body(self, body: tuple[Statement, ...], ranges: Mapping[Symbol, Expr]) -> None:
        for s in body:
            match s:
                case Loop(index=index, extent=extent, body=inner):
                    if index in ranges:
                        raise InternalError(f"two loops over {index}, one inside the other")
                    self.body(inner, {**ranges, index: extent})
                case Gemm():
                    self.product(s, ranges)
                case _:
                    self.statement(s, ranges)

    def statement(self, s: Store | Pick, ranges: Mapping[Symbol, Expr]) -> None:
        for e in expressions(s):
            self.expression(e, ranges)
        started = isinstance(s, Store) and s.mode is Mode.SET
        for target in (s.target,) if isinstance(s, Store) else (s.best, s.place):
            self.access(target)
            if not started and target.tensor not in self.stored:
                raise InternalError(f"{target} accumulates without a start")
            self.stored.add(target.tensor)

    def expression(self, e: Expr, ranges: Mapping[Symbol, Expr]) -> None:
        for symbol in sorted(e.free_symbols, key=str):
            if is_index(symbol) and symbol not in ranges:
                raise InternalError(f"no loop runs over {symbol} in {e}")
        for access in accesses(e):
            self.access(access)
            if access.tensor not in self.stored:
                raise InternalError(f"{access} is read before anything is stored in it")

    def access(self, access: Access) -> None:
        buffer = self.buffers.get(access.tensor)
        if buffer is None:
            raise InternalError(f"no buffer is called {access.tensor}")
        if len(access.indices) != len(buffer.shape):
            raise InternalError(f"{access} has {len(access.indices)} indices, its buffer {len(buffer.shape)} axes")

    def product(self, s: Gemm, ranges: Mapping[Symbol, Expr]) -> None:
        self.expression(s.scale, ranges)
        (rows, columns), left, right = self.sides(s.target), self.sides(s.left), self.sides(s.right)
        a = left[::-1] if s.form[0] == "T" else left
        b = right[::-1] if s.form[1] == "T" else right
        if a[0] != rows or b[1] != columns or a[1] != b[0]:
            raise InternalError(f"the sides of {s.target.buffer} = {s.form}({s.left.buffer}, {s.right.buffer}) differ")
        for operand in (s.left, s.right):
            if operand.buffer not in self.stored:
                raise InternalError(f"{operand.buffer} is multiplied before anything is stored in it")
        self.stored.add(s.target.buffer)

    def sides(self, operand: Operand) -> tuple[Expr, Expr]:
        shape, lead, rows = self.buffers[operand.buffer].shape, len(operand.leading), len(operand.rows)
        if len(shape) != lead + rows + len(operand.columns):
            raise InternalError(f"{operand.buffer} has {len(shape)} axes, its product another number")
        return Mul(*shape[lead : lead + rows]), Mul(*shape[lead + rows :])
