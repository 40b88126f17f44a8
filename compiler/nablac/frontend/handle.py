"""frontend/handle: what a traced tensor is, less its operators: its name, its shape, and all that tracing refuses.

What tracing cannot follow (a branch on a value, a loop over one, its conversion to a number) is a TraceError at the
user's own line.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NoReturn, Self

from nablac.errors import TraceError
from nablac.frontend.build import Builder
from nablac.frontend.definition import shown
from nablac.frontend.places import user_place
from nablac.ir.tensor import Tensor


class Handle:
    """A tensor of the model being traced."""

    def __init__(self, builder: Builder, name: str) -> None:
        self._builder, self._name = builder, name

    def like(self, name: str) -> Self:
        """Another tensor of the same model."""
        return type(self)(self._builder, name)

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

    def __array_function__(self, function: Any, *_: object) -> NoReturn:
        self._refuse(f"numpy.{function.__name__} cannot be traced", "use the functions of nablac (nc.exp, nc.sum, ...)")

    def __contains__(self, item: object) -> bool:
        self._refuse("'in' depends on a traced value", "write an equation")

    def __setitem__(self, key: object, value: object) -> None:
        self._refuse("a traced tensor cannot be changed", "make a new one: nc.where(condition, a, b)")

    __hash__ = object.__hash__


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


def operand(value: object) -> Handle | str:
    """A traced tensor, or a number as text."""
    if isinstance(value, Handle):
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


def builder_of(tensors: Sequence[Handle]) -> Builder:
    """The model that tensors belong to; those of two models are refused."""
    builder = tensors[0]._builder
    strange = [tensor for tensor in tensors if tensor._builder is not builder]
    if strange:
        raise TraceError(
            "tensors of two models meet",
            found=f"{shown(strange[0].tensor)} of '{strange[0]._builder.name}'",
            expected=f"tensors of '{builder.name}'",
            where=user_place(),
            remedy="a tensor lives only while its own model's function runs",
        )
    return builder
