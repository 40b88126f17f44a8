"""frontend/traced: the tensors of a traced Python function; every operation on one adds to the model being built.

Operators broadcast as NumPy's do.  What tracing cannot follow (a branch on a value, a loop over one, its conversion to
a number) is a TraceError at the user's own line.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from sympy import Expr

from nablac.errors import ShapeError, TraceError
from nablac.frontend.build import Builder
from nablac.frontend.definition import Request, shown
from nablac.frontend.library import NODES
from nablac.frontend.places import user_place
from nablac.ir.functions import ELEMENTARY
from nablac.ir.index import fresh_names
from nablac.ir.tensor import Kind, Tensor
from nablac.ir.tokens import Line


@dataclass(frozen=True, eq=False)
class Condition:
    """A comparison of traced values; what ``where`` chooses by.  ``text`` has its operands as {0}, {1}, ..."""

    text: str
    operands: tuple[Traced | str, ...]

    def _with(self, other: object, word: str) -> Condition:
        if not isinstance(other, Condition):
            raise TraceError(f"'{word}' joins two comparisons", found=repr(other)[:60], where=user_place())
        return Condition(f"({self.text} {word} {_shifted(other.text, len(self.operands), len(other.operands))})",
                         (*self.operands, *other.operands))

    def __and__(self, other: object) -> Condition:
        return self._with(other, "and")

    def __or__(self, other: object) -> Condition:
        return self._with(other, "or")

    def __invert__(self) -> Condition:
        return Condition(f"(not {self.text})", self.operands)

    def __bool__(self) -> bool:
        raise TraceError(
            "a branch depends on a traced value",
            found="the truth of a comparison, which is known only when the model runs",
            where=user_place(),
            remedy="choose elementwise: nc.where(h > 0, a, b); join comparisons by & | ~",
        )


def _shifted(text: str, by: int, count: int) -> str:
    for number in range(count - 1, -1, -1):
        text = text.replace(f"{{{number}}}", f"{{{number + by}}}")
    return text


class Traced:
    """A tensor of the model being traced."""

    __array_ufunc__ = None  # arrays leave operators to us

    def __init__(self, builder: Builder, name: str) -> None:
        self._builder, self._name = builder, name

    @property
    def tensor(self) -> Tensor:
        """What is known of it."""
        return self._builder.tensor(self._name, None)

    @property
    def name(self) -> str:
        """Its name in the model."""
        return self.tensor.name

    @property
    def shape(self) -> tuple[int | str, ...]:
        """Its extents: numbers, and names of those known only at run time."""
        return tuple(int(axis) if axis.is_Integer else str(axis) for axis in self.tensor.shape)

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.tensor.shape)

    def __repr__(self) -> str:
        return f"<traced {shown(self.tensor)}>"

    # --- what cannot be traced ----------------------------------------------------------------------------------------

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        raise TraceError(what, found=f"{shown(self.tensor)}, whose values are known only when the model runs",
                         where=user_place(), remedy=remedy)

    def __bool__(self) -> bool:
        self._refuse("a branch depends on a traced value", "choose elementwise: nc.where(h > 0, a, b)")

    def __iter__(self) -> NoReturn:
        self._refuse("a traced tensor cannot be iterated over", "write an equation: nc.equations('s = sum[i](x[i])')")

    def __len__(self) -> int:
        self._refuse("a traced tensor has no len()", "its extents are in .shape")

    def __float__(self) -> float:
        self._refuse("a traced tensor is no float", "use the functions of nablac (nc.exp, nc.sqrt, ...)")

    def __int__(self) -> int:
        self._refuse("a traced tensor is no int", "an integer tensor may be an index in an equation")

    def __index__(self) -> int:
        self._refuse("a traced tensor is no index of Python's", "gather in an equation: z[i, y[i]]")

    def __complex__(self) -> complex:
        self._refuse("a traced tensor is no complex number", "use the functions of nablac (nc.exp, nc.sqrt, ...)")

    def __array__(self, *arguments: object, **options: object) -> NoReturn:
        self._refuse("a traced tensor is no NumPy array", "use the functions of nablac (nc.exp, nc.sum, ...)")

    def __contains__(self, item: object) -> bool:
        self._refuse("'in' depends on a traced value", "write an equation")

    def __setitem__(self, key: object, value: object) -> None:
        self._refuse("a traced tensor cannot be changed", "make a new one: nc.where(condition, a, b)")

    __hash__ = object.__hash__

    # --- operators ----------------------------------------------------------------------------------------------------

    def __add__(self, other: object) -> Traced:
        return _binary("add", "{0} + {1}", self, other)

    def __radd__(self, other: object) -> Traced:
        return _binary("add", "{0} + {1}", other, self)

    def __sub__(self, other: object) -> Traced:
        return _binary("sub", "{0} - {1}", self, other)

    def __rsub__(self, other: object) -> Traced:
        return _binary("sub", "{0} - {1}", other, self)

    def __mul__(self, other: object) -> Traced:
        return _binary("mul", "{0}*{1}", self, other)

    def __rmul__(self, other: object) -> Traced:
        return _binary("mul", "{0}*{1}", other, self)

    def __truediv__(self, other: object) -> Traced:
        return _binary("div", "{0}/{1}", self, other)

    def __rtruediv__(self, other: object) -> Traced:
        return _binary("div", "{0}/{1}", other, self)

    def __pow__(self, other: object) -> Traced:
        return _binary("pow", "{0}**{1}", self, other)

    def __rpow__(self, other: object) -> Traced:
        return _binary("pow", "{0}**{1}", other, self)

    def __neg__(self) -> Traced:
        return elementwise("neg", "-{0}", [self])

    def __pos__(self) -> Traced:
        return self

    def __abs__(self) -> Traced:
        return elementwise("abs", "abs({0})", [self])

    def __matmul__(self, other: object) -> Traced:
        return matmul(self, other)

    def __rmatmul__(self, other: object) -> Traced:
        return matmul(other, self)

    def __lt__(self, other: object) -> Condition:
        return _comparison("<", self, other)

    def __le__(self, other: object) -> Condition:
        return _comparison("<=", self, other)

    def __gt__(self, other: object) -> Condition:
        return _comparison(">", self, other)

    def __ge__(self, other: object) -> Condition:
        return _comparison(">=", self, other)

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return _comparison("==", self, other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return _comparison("!=", self, other)

    # --- axes ---------------------------------------------------------------------------------------------------------

    @property
    def T(self) -> Traced:  # noqa: N802 - as in NumPy
        """The tensor with its axes reversed."""
        letters = _letters(self.ndim)
        if not letters:
            return self
        inside, turned = ", ".join(letters), ", ".join(reversed(letters))
        return _write("transpose", f"[{turned}] = a[{inside}]", {"a": self})

    def __getitem__(self, key: object) -> Traced:
        """Whole axes and single places: ``x[:, 0]``."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if keys.count(...) == 1:
            at = keys.index(...)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        letters = iter(_letters(self.ndim))
        inside, kept = [], []
        for axis, part in zip(self.tensor.shape, keys, strict=False):
            if part == slice(None):
                kept.append(next(letters))
                inside.append(kept[-1])
            elif isinstance(part, int) and not isinstance(part, bool) and (part >= 0 or axis.is_Integer):
                inside.append(str(part if part >= 0 else int(axis) + part))
            else:
                self._refuse(f"an index may be a number or ':', not {part!r}"[:100], "write an equation: z[i, y[i]]")
        if len(keys) != self.ndim:
            raise ShapeError(f"'{self.name}' has {self.ndim} axes", found=f"{len(keys)} indices", where=user_place())
        target = f"[{', '.join(kept)}]" if kept else ""
        return _write("slice", f"{target} = a[{', '.join(inside)}]", {"a": self})

    def sum(self, axis: int | Sequence[int] | None = None) -> Traced:
        """The sum over some axes, or all."""
        return reduce("sum", self, axis)

    def mean(self, axis: int | Sequence[int] | None = None) -> Traced:
        """The mean over some axes, or all."""
        return reduce("mean", self, axis)

    def max(self, axis: int | Sequence[int] | None = None) -> Traced:
        """The largest over some axes, or all."""
        return reduce("max", self, axis)

    def min(self, axis: int | Sequence[int] | None = None) -> Traced:
        """The smallest over some axes, or all."""
        return reduce("min", self, axis)


def _letters(count: int) -> list[str]:
    names = fresh_names(("a", "b", "c", "d"))
    return [next(names) for _ in range(count)]


def number_text(value: object) -> str | None:
    """A Python number as exact text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if isinstance(value, numbers.Integral):
        text = str(int(value))
    elif isinstance(value, Fraction):
        text = f"({value.numerator}/{value.denominator})"
    else:
        if not math.isfinite(float(value)):
            raise TraceError("a number in a model is finite", found=str(value), where=user_place())
        text = repr(float(value))
    return f"({text})" if text.startswith("-") else text


def operand(value: object) -> Traced | str:
    """A traced tensor, or a number as text."""
    if isinstance(value, Traced):
        return value
    text = number_text(value)
    if text is None:
        raise TraceError(
            "only traced tensors and numbers can be computed with",
            found=f"{type(value).__name__}: {value!r}"[:80],
            where=user_place(),
            remedy="pass data as an input of the model, and what is learned as nc.param(...)",
        )
    return text


def _binary(kind: str, formula: str, a: object, b: object) -> Traced:
    one, two = operand(a), operand(b)
    if kind in NODES and isinstance(one, Traced) and isinstance(two, Traced):
        real = one.tensor.kind is Kind.REAL and two.tensor.kind is Kind.REAL
        if real and one.tensor.shape == two.tensor.shape:
            return apply(kind, [one, two], Request({}, {"": user_place()}))
    return elementwise(kind, formula, [one, two])


def _comparison(sign: str, a: Traced, b: object) -> Condition:
    return Condition(f"({{0}} {sign} {{1}})", (a, operand(b)))


def apply(kind: str, inputs: Sequence[Traced], request: Request) -> Traced:
    """A node of the library applied to tensors."""
    builder = inputs[0]._builder
    return Traced(builder, builder.apply(NODES[kind], [t.name for t in inputs], request))


def elementwise(kind: str, formula: str, operands: Sequence[Traced | str]) -> Traced:
    """An equation whose body has operands as {0}, {1}, ..., broadcast as in NumPy."""
    tensors = [o for o in operands if isinstance(o, Traced)]
    shape = _broadcast([t.tensor for t in tensors])
    letters = _letters(len(shape))
    formal = {f"a{number}": o for number, o in enumerate(operands) if isinstance(o, Traced)}
    texts = [
        _spread(f"a{number}", o.tensor.shape, shape, letters) if isinstance(o, Traced) else o
        for number, o in enumerate(operands)
    ]
    target = f"[{', '.join(letters)}]" if letters else ""
    return _write(kind, f"{target} = {formula.format(*texts)}", formal)


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


def _spread(name: str, own: Sequence[Expr], shape: Sequence[Expr], letters: Sequence[str]) -> str:
    """An access to an operand in the indices of the result; an axis of length 1 is read at 0."""
    skipped = len(shape) - len(own)
    inside = [
        "0" if axis == 1 and full != 1 else letter
        for axis, full, letter in zip(own, shape[skipped:], letters[skipped:], strict=True)
    ]
    return f"{name}[{', '.join(inside)}]" if inside else name


def _write(kind: str, rest: str, formal: dict[str, Traced]) -> Traced:
    """Add an equation of a new node; ``formal`` gives the tensors their names in its text."""
    builder = next(iter(formal.values()))._builder
    name = builder.numbered(kind)
    line = Line(f"{name}{rest}", user_place(), exact=False)
    builder.write([line], {key: tensor.name for key, tensor in formal.items()})
    return Traced(builder, name)


def matmul(a: object, b: object) -> Traced:
    """The matrix product over the last axis of a and the last but one of b (the only one of a vector)."""
    one, two = operand(a), operand(b)
    if not (isinstance(one, Traced) and isinstance(two, Traced) and one.ndim and 1 <= two.ndim <= 2):
        raise ShapeError(
            "a matrix product takes tensors with axes, the second at most two",
            found=" and ".join(shown(o.tensor) if isinstance(o, Traced) else o for o in (one, two)),
            where=user_place(),
            remedy="write an equation: sum[k](A[i,j,k]*B[i,k,l])",
        )
    letters = _letters(one.ndim - 1 + two.ndim)
    outer, inner, last = letters[: one.ndim - 1], letters[one.ndim - 1], letters[one.ndim :]
    target = ", ".join(outer + last)
    left, right = ", ".join([*outer, inner]), ", ".join([inner, *last])
    head = f"[{target}]" if target else ""
    return _write("matmul", f"{head} = sum[{inner}](a[{left}]*b[{right}])", {"a": one, "b": two})


def reduce(kind: str, tensor: Traced, axis: int | Sequence[int] | None) -> Traced:
    """A reduction over some axes, or all."""
    rank = tensor.ndim
    axes = list(range(rank)) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    if not all(isinstance(a, int) and -rank <= a < rank for a in axes) or not axes:
        raise ShapeError(
            f"'{tensor.name}' has no such axis", found=repr(axis), expected=shown(tensor.tensor), where=user_place()
        )
    gone = {a % rank for a in axes}
    letters = _letters(rank)
    kept = [letter for number, letter in enumerate(letters) if number not in gone]
    over = [letter for number, letter in enumerate(letters) if number in gone]
    target = f"[{', '.join(kept)}]" if kept else ""
    return _write(kind, f"{target} = {kind}[{', '.join(over)}](a[{', '.join(letters)}])", {"a": tensor})


def where(condition: object, a: object, b: object) -> Traced:
    """a where the condition holds, else b."""
    if not isinstance(condition, Condition):
        raise TraceError(
            "where() chooses by a comparison",
            found=repr(condition)[:60],
            where=user_place(),
            remedy="nc.where(h > 0, a, b)",
        )
    count = len(condition.operands)
    formula = f"where({condition.text}, {{{count}}}, {{{count + 1}}})"
    return elementwise("where", formula, [*condition.operands, operand(a), operand(b)])


def elementary(name: str, argument: object) -> Traced:
    """One of the language's functions, elementwise."""
    value = operand(argument)
    if name not in ELEMENTARY or not isinstance(value, Traced):
        raise TraceError(f"nc.{name} takes a traced tensor", found=repr(argument)[:60], where=user_place())
    return elementwise(name, f"{name}({{0}})", [value])


def extremum(name: str, a: object, b: object) -> Traced:
    """The larger or smaller of two, elementwise."""
    return elementwise({"max": "maximum", "min": "minimum"}[name], f"{name}({{0}}, {{1}})", [operand(a), operand(b)])
