"""frontend/operations: what the operators and functions of traced tensors mean: the equation each of them writes.

They broadcast as NumPy's do.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import TypeVar

from sympy import Expr

from nablac.errors import ShapeError, TraceError
from nablac.frontend.definition import Request, shown
from nablac.frontend.handle import Handle, builder_of, operand
from nablac.frontend.library import NODES
from nablac.frontend.places import user_place
from nablac.ir.functions import ELEMENTARY
from nablac.ir.index import fresh_names
from nablac.ir.tensor import Kind, Tensor
from nablac.ir.tokens import Line

T = TypeVar("T", bound=Handle)


def letters(tensor: Handle, count: int) -> list[str]:
    """Names of indices that no tensor and no extent of the model has."""
    names = fresh_names({*tensor._builder.tensors, *tensor._builder.aliases, *tensor._builder.extents})
    return [next(names) for _ in range(count)]


def access(name: str, indices: Sequence[str]) -> str:
    """An element of a tensor, as text."""
    return f"{name}[{', '.join(indices)}]" if indices else name


def write(kind: str, indices: Sequence[str], body: str, tensors: Sequence[T]) -> T:
    """Add the equation of a new node, whose body reads the tensors."""
    builder = builder_of(tensors)
    name = builder.numbered(kind)
    line = Line(f"{access(name, indices)} = {body}", user_place(), exact=False)
    builder.write([line], reads=[tensor.name for tensor in tensors])
    return tensors[0].like(name)


def binary(kind: str, formula: str, a: object, b: object) -> Handle:
    """An operator of two; of two tensors of equal shapes it is a node of the library where there is one."""
    one, two = operand(a), operand(b)
    if kind in NODES and isinstance(one, Handle) and isinstance(two, Handle):
        real = one.tensor.kind is Kind.REAL and two.tensor.kind is Kind.REAL
        if real and one.tensor.shape == two.tensor.shape:
            builder = builder_of([one, two])
            return one.like(builder.apply(NODES[kind], [one.name, two.name], Request({}, {"": user_place()})))
    return elementwise(kind, formula, [one, two])


def elementwise(kind: str, formula: str, operands: Sequence[Handle | str]) -> Handle:
    """An equation whose body has operands as {0}, {1}, ..., broadcast as in NumPy."""
    tensors = [o for o in operands if isinstance(o, Handle)]
    if not tensors:
        raise TraceError(
            f"'{kind}' takes a traced tensor",
            found=", ".join(map(str, operands)),
            where=user_place(),
            remedy="of plain numbers use Python's own functions",
        )
    builder_of(tensors)
    shape = _broadcast([t.tensor for t in tensors])
    indices = letters(tensors[0], len(shape))
    texts = [_spread(o, shape, indices) if isinstance(o, Handle) else o for o in operands]
    return write(kind, indices, formula.format(*texts), tensors)


def _broadcast(tensors: Sequence[Tensor]) -> tuple[Expr, ...]:
    rank = max((len(t.shape) for t in tensors), default=0)
    found: list[tuple[Expr, Tensor]] = []
    for axis in range(1, rank + 1):
        lengths = [(t.shape[-axis], t) for t in tensors if len(t.shape) >= axis]
        wide = [pair for pair in lengths if pair[0] != 1] or lengths[:1]
        for length, tensor in wide:
            if length != wide[0][0]:
                raise ShapeError(
                    "shapes cannot be broadcast together",
                    found=shown(tensor),
                    expected=f"an extent of {wide[0][0]} or 1, as in {shown(wide[0][1])}",
                    where=user_place(),
                    remedy="axes are aligned from the last; for anything else write an equation",
                )
        found.append(wide[0])
    return tuple(length for length, _ in reversed(found))


def _spread(tensor: Handle, shape: Sequence[Expr], indices: Sequence[str]) -> str:
    """An access to an operand in the indices of the result; an axis of length 1 is read at 0."""
    own = tensor.tensor.shape
    skipped = len(shape) - len(own)
    inside = [
        "0" if axis == 1 and full != 1 else letter
        for axis, full, letter in zip(own, shape[skipped:], indices[skipped:], strict=True)
    ]
    return access(tensor.name, inside)


def matmul(a: object, b: object) -> Handle:
    """The matrix product over the last axis of a and the last but one of b (the only one of a vector)."""
    one, two = operand(a), operand(b)
    if not (isinstance(one, Handle) and isinstance(two, Handle) and one.ndim and 1 <= two.ndim <= 2):
        raise ShapeError(
            "a matrix product takes tensors with axes, the second at most two",
            found=" and ".join(shown(o.tensor) if isinstance(o, Handle) else o for o in (one, two)),
            where=user_place(),
            remedy="write an equation: sum[k](A[i,j,k]*B[i,k,l])",
        )
    if one.tensor.shape[-1] != two.tensor.shape[0]:
        raise ShapeError(
            "the axes of a matrix product do not fit",
            found=f"{two.tensor.shape[0]} as the first extent of {shown(two.tensor)}",
            expected=f"{one.tensor.shape[-1]}, the last extent of {shown(one.tensor)}",
            where=user_place(),
        )
    names = letters(one, one.ndim - 1 + two.ndim)
    outer, inner, last = names[: one.ndim - 1], names[one.ndim - 1], names[one.ndim :]
    left, right = access(one.name, [*outer, inner]), access(two.name, [inner, *last])
    return write("matmul", outer + last, f"sum[{inner}]({left}*{right})", [one, two])


def reduce(kind: str, tensor: T, axis: object) -> T:
    """A reduction over some axes, or all."""
    rank = tensor.ndim
    given = [axis] if isinstance(axis, (numbers.Integral, bool)) else axis
    axes = list(range(rank)) if given is None else list(given) if isinstance(given, (list, tuple)) else [None]
    whole = [int(a) for a in axes if isinstance(a, numbers.Integral) and not isinstance(a, bool)]
    gone = {a % rank for a in whole if -rank <= a < rank}
    if not gone or len(gone) < len(axes):
        both = isinstance(axis, Handle) and kind in ("max", "min")
        raise ShapeError(
            f"'{tensor.name}' has no such axis" if rank else f"'{tensor.name}' has no axes",
            found=f"{axis!r:.60}",
            expected=shown(tensor.tensor),
            where=user_place(),
            remedy=f"the {kind} of two tensors is nc.{kind}imum" if both else None,
        )
    if kind in ("argmax", "argmin") and len(gone) > 1:
        raise ShapeError(
            f"nc.{kind} runs over one axis", found=shown(tensor.tensor), where=user_place(), remedy="say which: axis=1"
        )
    names = letters(tensor, rank)
    kept = [letter for number, letter in enumerate(names) if number not in gone]
    over = [letter for number, letter in enumerate(names) if number in gone]
    return write(kind, kept, f"{kind}[{', '.join(over)}]({access(tensor.name, names)})", [tensor])


def elementary(name: str, argument: object) -> Handle:
    """One of the language's functions, elementwise."""
    value = operand(argument)
    if name not in ELEMENTARY or not isinstance(value, Handle):
        raise TraceError(f"nc.{name} takes a traced tensor", found=repr(argument)[:60], where=user_place())
    return elementwise(name, f"{name}({{0}})", [value])


def extremum(name: str, a: object, b: object) -> Handle:
    """The larger or smaller of two, elementwise."""
    return elementwise({"max": "maximum", "min": "minimum"}[name], f"{name}({{0}}, {{1}})", [operand(a), operand(b)])
