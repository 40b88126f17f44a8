"""ir/check: the verifier of the first language, run after every pass.

A program that fails here is a defect of the pass before, so it raises ``InternalError``: users' mistakes are
found by the front-ends, with their places.
"""

from __future__ import annotations

from functools import lru_cache

import sympy
from sympy import Expr, S, Symbol

from nablac.errors import InternalError
from nablac.ir.equation import REDUCTIONS, Equation, Program
from nablac.ir.functions import KEPT, TRAINING, Access, IntAccess
from nablac.ir.index import is_index
from nablac.ir.tensor import Kind, Role, Tensor

FORBIDDEN = (
    sympy.Derivative,
    sympy.Subs,
    sympy.DiracDelta,
    sympy.Heaviside,
    sympy.Piecewise,
    sympy.Sum,
    sympy.Dummy,
    sympy.Float,
)
"""Nodes that no body may hold; with nan, zoo and I, which are atoms."""


def check(program: Program, after: str = "trace") -> Program:
    """The program itself, if it obeys the language; raises ``InternalError`` naming the pass and the equation."""
    known = {t.name: t for t in program.tensors if t.role is not Role.RESULT}
    declared = program.declared
    if len(declared) != len(program.tensors):
        raise InternalError(f"after {after}: a tensor is declared twice")
    for equation in program.equations:
        try:
            _check_equation(equation, known, declared)
        except _Broken as broken:
            from nablac.ir.text import print_equation

            raise InternalError(f"after {after}: {broken} in {print_equation(equation)}") from None
        known[equation.target] = declared[equation.target]
    for name in program.results:
        if name not in known:
            raise InternalError(f"after {after}: nothing defines the result {name}")
    return program


class _Broken(Exception):
    """What an equation breaks."""


def _check_equation(equation: Equation, known: dict[str, Tensor], declared: object) -> None:
    if equation.target in known:
        raise _Broken(f"{equation.target} is defined twice")
    target = declared.get(equation.target)  # type: ignore[attr-defined]
    if target is None:
        raise _Broken(f"{equation.target} is not declared")
    if target.shape != equation.shape:
        raise _Broken(f"{target} is declared, {equation.shape} defined")
    own = equation.indices + equation.bound
    if len(set(own)) != len(own) or set(own) != set(equation.ranges):
        raise _Broken("indices and extents disagree")
    if equation.reduction is not None:
        _check_reduction(equation, target)
    fault = _body_fault(equation.body, frozenset(own))
    if fault is not None:
        raise _Broken(fault)
    for access in equation.reads:
        _check_access(access, known)


@lru_cache(maxsize=KEPT)
def _body_fault(body: Expr, own: frozenset[Symbol]) -> str | None:
    """What in a body is no part of the language, its own indices being these; most bodies outlive many passes."""
    symbols = body.free_symbols
    loose = {s for s in symbols if is_index(s)} - own
    if loose:
        return f"unbound index {sorted(map(str, loose))}"
    if any(isinstance(s, Symbol) and not s.is_integer for s in symbols - {TRAINING}):
        return "a free real symbol"
    if body.has(*FORBIDDEN) or body.has(S.NaN, S.ComplexInfinity, S.ImaginaryUnit):
        return "a node that is no part of the language"
    return None


def _check_reduction(equation: Equation, target: Tensor) -> None:
    kind, indices = equation.reduction.kind, equation.reduction.indices  # type: ignore[union-attr]
    if kind not in REDUCTIONS or not indices:
        raise _Broken(f"unknown reduction {kind} over {len(indices)} indices")
    if kind.startswith("arg") and (len(indices) != 1 or target.kind is not Kind.INT):
        raise _Broken(f"{kind} takes one index and gives an integer tensor")
    if kind in ("max", "min") and len(indices) != 1:
        raise _Broken(f"{kind} takes one index")


def _check_access(access: Access, known: dict[str, Tensor]) -> None:
    tensor = known.get(access.tensor)
    if tensor is None:
        raise _Broken(f"{access.tensor} is read before it is defined")
    if len(access.indices) != len(tensor.shape):
        raise _Broken(f"{access} has {len(access.indices)} indices, {tensor} has {len(tensor.shape)}")
    if isinstance(access, IntAccess) != (tensor.kind is Kind.INT):
        raise _Broken(f"{access} does not fit the kind of {tensor}")
    for expression in access.indices:
        if not _is_index_expression(expression):
            raise _Broken(f"{expression} is not an index expression")


@lru_cache(maxsize=KEPT)
def _is_index_expression(expression: Expr) -> bool:
    return bool(expression.is_integer) and all(
        isinstance(atom, Symbol | sympy.Integer | IntAccess) or not isinstance(atom, Access)
        for atom in expression.atoms(Symbol, sympy.Integer, Access)
    )
