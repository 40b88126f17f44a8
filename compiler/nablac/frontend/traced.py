"""frontend/traced: the tensors of a traced Python function; every operation on one adds to the model being built."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nablac.errors import ShapeError, TraceError
from nablac.frontend.handle import Handle, operand
from nablac.frontend.operations import access, binary, elementwise, letters, matmul, reduce, write
from nablac.frontend.places import user_place


@dataclass(frozen=True, eq=False)
class Condition:
    """A comparison of traced values; what ``where`` chooses by.  ``text`` has its operands as {0}, {1}, ..."""

    text: str
    operands: tuple[Handle | str, ...]

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


class Traced(Handle):
    """A tensor of the model being traced."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """An operator between a NumPy number and a tensor; arrays and NumPy's other functions are refused."""
        names = _OPERATORS.get(ufunc.__name__)
        if method != "__call__" or options or names is None or len(inputs) != 2:
            self._refuse(f"numpy.{ufunc.__name__} cannot be traced", "use the functions of nablac (nc.exp, ...)")
        one, two = inputs
        return getattr(one, names[0])(two) if isinstance(one, Traced) else getattr(two, names[1])(one)

    # --- operators ----------------------------------------------------------------------------------------------------

    def __add__(self, other: object) -> Handle:
        return binary("add", "{0} + {1}", self, other)

    def __radd__(self, other: object) -> Handle:
        return binary("add", "{0} + {1}", other, self)

    def __sub__(self, other: object) -> Handle:
        return binary("sub", "{0} - {1}", self, other)

    def __rsub__(self, other: object) -> Handle:
        return binary("sub", "{0} - {1}", other, self)

    def __mul__(self, other: object) -> Handle:
        return binary("mul", "{0}*{1}", self, other)

    def __rmul__(self, other: object) -> Handle:
        return binary("mul", "{0}*{1}", other, self)

    def __truediv__(self, other: object) -> Handle:
        return binary("div", "{0}/{1}", self, other)

    def __rtruediv__(self, other: object) -> Handle:
        return binary("div", "{0}/{1}", other, self)

    def __pow__(self, other: object) -> Handle:
        return binary("pow", "{0}**{1}", self, other)

    def __rpow__(self, other: object) -> Handle:
        return binary("pow", "{0}**{1}", other, self)

    def __neg__(self) -> Handle:
        return elementwise("neg", "-{0}", [self])

    def __pos__(self) -> Handle:
        return self

    def __abs__(self) -> Handle:
        return elementwise("abs", "abs({0})", [self])

    def __matmul__(self, other: object) -> Handle:
        return matmul(self, other)

    def __rmatmul__(self, other: object) -> Handle:
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

    __hash__ = Handle.__hash__

    # --- axes ---------------------------------------------------------------------------------------------------------

    @property
    def T(self) -> Traced:  # noqa: N802 - as in NumPy
        """The tensor with its axes reversed."""
        names = letters(self, self.ndim)
        return write("transpose", names[::-1], access(self.name, names), [self]) if names else self

    def __getitem__(self, key: object) -> Traced:
        """Whole axes and single places: ``x[:, 0]``."""
        keys = list(key) if isinstance(key, tuple) else [key]
        dots = [at for at, part in enumerate(keys) if part is ...]
        if len(dots) == 1:
            keys[dots[0] : dots[0] + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        if len(keys) > self.ndim:
            raise ShapeError(
                f"'{self.name}' has {self.ndim} axes", found=f"{len(keys)} indices", where=user_place()
            )
        keys += [slice(None)] * (self.ndim - len(keys))
        names, kept, inside = letters(self, self.ndim), [], []
        for number, part in enumerate(keys):
            if isinstance(part, slice) and part == slice(None):
                kept.append(names[number])
                inside.append(names[number])
            else:
                inside.append(self._position(number, part))
        return write("slice", kept, access(self.name, inside), [self])

    def _position(self, number: int, part: object) -> str:
        """One place on an axis, as text."""
        axis = self.tensor.shape[number]
        if not isinstance(part, numbers.Integral) or isinstance(part, bool):
            raise TraceError(
                "an index of a traced tensor is a number or ':'",
                found=f"{part!r:.60}",
                where=user_place(),
                remedy="write an equation: z[i, y[i]]",
            )
        place = int(part)
        if place < 0 and axis.is_Integer:
            place += int(axis)
        if place < 0 or (axis.is_Integer and place >= int(axis)):
            raise ShapeError(
                f"'{self.name}' has no place {int(part)} on axis {number}",
                found=f"{self!r}",
                expected=f"0 ... {axis - 1}",
                where=user_place(),
                remedy=None if axis.is_Integer else f"write an equation: x[{axis} - 1]",
            )
        return str(place)

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


_OPERATORS = {
    "add": ("__add__", "__radd__"),
    "subtract": ("__sub__", "__rsub__"),
    "multiply": ("__mul__", "__rmul__"),
    "divide": ("__truediv__", "__rtruediv__"),
    "power": ("__pow__", "__rpow__"),
    "matmul": ("__matmul__", "__rmatmul__"),
    "less": ("__lt__", "__gt__"),
    "less_equal": ("__le__", "__ge__"),
    "greater": ("__gt__", "__lt__"),
    "greater_equal": ("__ge__", "__le__"),
    "equal": ("__eq__", "__eq__"),
    "not_equal": ("__ne__", "__ne__"),
}
"""NumPy's names of the operators, and the methods they are with the tensor on the left and on the right."""


def _comparison(sign: str, a: Traced, b: object) -> Condition:
    return Condition(f"({{0}} {sign} {{1}})", (a, operand(b)))


TRAINING = Condition("training", ())
"""Holds while the model is trained: ``nc.where(nc.training, a, b)``."""


def where(condition: object, a: object, b: object) -> Handle:
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
