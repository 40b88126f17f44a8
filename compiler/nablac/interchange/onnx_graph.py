"""interchange/onnx_graph: an ONNX graph under construction, and its values, which can be calculated with.

A node that is there already is not made again.  Every value broadcasts as in NumPy; a number beside a value takes on
its kind.  A value's elements are real (of the graph's dtype), whole (int64) or truth values.

Cannot be said here: indices, equations.  Those belong to ``interchange/onnx_bodies`` and ``interchange/onnx_printer``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Value:
    """A tensor of the graph by its name.  ``whole`` is said of int64."""

    graph: Graph = field(repr=False, compare=False)
    name: str
    whole: bool = False

    def op(self, kind: str, *others: Value | float, **attributes: Any) -> Value:
        """A node that reads this value, then the others, and gives one of the same kind."""
        operands = [self, *(self.like(v) for v in others)]
        return self.graph.op(kind, *operands, whole=self.whole, **attributes)

    def like(self, other: Value | float) -> Value:
        """A value, or a number as a constant of this kind."""
        if isinstance(other, Value):
            return other
        return self.graph.constant(np.asarray(other, np.int64 if self.whole else self.graph.dtype))

    def __add__(self, other: Value | float) -> Value:
        return self.op("Add", other)

    def __sub__(self, other: Value | float) -> Value:
        return self.op("Sub", other)

    def __mul__(self, other: Value | float) -> Value:
        return self.op("Mul", other)

    def __truediv__(self, other: Value | float) -> Value:
        return self.op("Div", other)

    def __neg__(self) -> Value:
        return self.op("Neg")

    def __radd__(self, other: float) -> Value:
        return self.like(other).op("Add", self)

    def __rsub__(self, other: float) -> Value:
        return self.like(other).op("Sub", self)

    def __rmul__(self, other: float) -> Value:
        return self.like(other).op("Mul", self)

    def __rtruediv__(self, other: float) -> Value:
        return self.like(other).op("Div", self)

    def less(self, other: Value | float) -> Value:
        """Where it is less than another."""
        return self.op("Less", other)

    def more(self, other: Value | float) -> Value:
        """Where it is more than another."""
        return self.op("Greater", other)

    def equal(self, other: Value | float) -> Value:
        """Where it equals another."""
        return self.op("Equal", other)

    def choose(self, first: Value, second: Value) -> Value:
        """The first where this truth value holds, the second elsewhere."""
        return self.graph.op("Where", self, first, second, whole=first.whole)


@dataclass
class Node:
    """One node: what it is, what it reads and gives, by name."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]
    remark: str = ""

    @property
    def key(self) -> Key:
        """What nodes that compute the same have in common."""
        return self.kind, self.inputs, *sorted((name, str(value)) for name, value in self.attributes.items())


@dataclass
class Graph:
    """Nodes in order, and constants by name.  Unnamed values are called after ``section``, ``relu_1#2``."""

    dtype: np.dtype[Any]
    section: str = ""
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    _known: dict[Key, Value] = field(default_factory=dict)
    _count: int = 0

    def enter(self, section: str) -> None:
        """The values from here on belong to a tensor."""
        self.section, self._count = section, 0

    def op(self, kind: str, *inputs: Value, whole: bool = False, **attributes: Any) -> Value:
        """The value that a node gives."""
        node = Node(kind, tuple(v.name for v in inputs), f"{self.section}#{self._count + 1}", attributes)
        if node.key not in self._known:
            self._count += 1
            self.nodes.append(node)
            self._known[node.key] = Value(self, node.output, whole)
        return self._known[node.key]

    def constant(self, array: Array) -> Value:
        """A constant; equal ones are one."""
        key: Key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._known:
            name = f"constant#{len(self.constants) + 1}"
            self.constants[name] = array
            self._known[key] = Value(self, name, array.dtype == np.int64)
        return self._known[key]

    def number(self, value: float) -> Value:
        """A real number."""
        return self.constant(np.asarray(value, self.dtype))

    def integers(self, value: int | Iterable[int]) -> Value:
        """A whole number, or a vector of them."""
        return self.constant(np.asarray(value if isinstance(value, int) else list(value), np.int64))

    def real(self, value: Value, dtype: Any = None) -> Value:
        """A value as real numbers, of the graph's dtype unless another is asked for."""
        from onnx.helper import np_dtype_to_tensor_dtype

        return self.op("Cast", value, to=int(np_dtype_to_tensor_dtype(np.dtype(dtype or self.dtype))))

    def named(self, value: Value, name: str, remark: str = "") -> Value:
        """The same value under a tensor's name: its node's output is called so, if nothing can have read it yet."""
        if not self.nodes or self.nodes[-1].output != value.name or "#" not in value.name:
            self.nodes.append(Node("Identity", (value.name,), name, {}))
        node = self.nodes[-1]
        node.output, node.remark = name, remark
        made = Value(self, name, value.whole)
        if node.kind != "Identity":
            self._known[node.key] = made
        return made
