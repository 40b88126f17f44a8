"""What a matrix form means, in NumPy: every tree is an array of two axes, a vector is a column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy

from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access
from nablac.ir.interpret import interpret
from nablac.ir.tensor import Role, Tensor
from nablac.report.formulas import matrix_tree as m

Array = np.ndarray
COMPARE: dict[str, Callable[..., Array]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
    "and": np.logical_and, "or": np.logical_or,
}  # fmt: skip


def evaluate(tree: Any, arrays: Mapping[str, Array], sizes: Mapping[sympy.Symbol, int]) -> Array:
    """The value of a tree; its shape is the one that the tree claims."""
    with np.errstate(all="ignore"):
        value = _value(tree, arrays, sizes)
    shape = tuple(int(e.subs(sizes)) for e in tree.shape)
    assert value.shape == shape, f"{tree} has shape {value.shape}, not {shape}"
    return value


def _value(tree: Any, arrays: Mapping[str, Array], sizes: Mapping[sympy.Symbol, int]) -> Array:
    def go(node: Any) -> Array:
        return evaluate(node, arrays, sizes)

    def length(axis: int) -> int:
        return int(tree.shape[axis].subs(sizes))

    match tree:
        case m.Leaf(name):
            return column(arrays[name])
        case m.OneHot(name):
            return np.eye(length(1))[arrays[name]]
        case m.Ones():
            return np.ones((length(0), 1))
        case m.Identity():
            return np.eye(length(0))
        case m.Value(value):
            return np.array([[float(value.subs(sizes))]])
        case m.Transposed(of):
            return go(of).T
        case m.Product(factors):
            result = go(factors[0])
            for factor in factors[1:]:
                assert result.shape[1] == go(factor).shape[0]
                result = result @ go(factor)
            return result
        case m.Scaled(above, of, below):
            result = go(of)
            for scalar in above:
                assert go(scalar).size == 1
                result = result * go(scalar)
            for scalar in below:
                assert go(scalar).size == 1
                result = result / go(scalar)
            return result
        case m.Hadamard(above, below):
            result = np.ones((length(0), length(1)))
            for factor in above:
                assert go(factor).shape == result.shape
                result = result * go(factor)
            for factor in below:
                assert go(factor).shape == result.shape
                result = result / go(factor)
            return result
        case m.Sum(terms):
            result = np.zeros((length(0), length(1)))
            for minus, term in terms:
                assert isinstance(term, m.Value) or go(term).shape == result.shape
                result = result + (-go(term) if minus else go(term))
            return result
        case m.Power(of, exponent):
            return go(of) ** (int(exponent) if exponent.is_Integer else float(exponent))
        case m.Apply(function, arguments):
            return apply(function, [go(a) for a in arguments])
        case m.Indicator("not", parts):
            return 1 - go(parts[0])
        case m.Indicator(kind, parts):
            result = go(parts[0])
            for part in parts[1:]:
                result = COMPARE[kind](result, go(part))
            return np.asarray(result, float)
        case m.Diagonal(of, inverse):
            return np.diag(1 / go(of)[:, 0] if inverse else go(of)[:, 0])
        case m.DiagonalOf(of):
            return np.diag(go(of))[:, None]
        case m.Trace(of):
            return np.array([[np.trace(go(of))]])
        case m.SquaredNorm(of):
            return np.array([[np.sum(go(of) ** 2)]])
        case m.Extremum(kind, of, True):
            return getattr(np, kind)(go(of), axis=1)[:, None]
        case m.Extremum(kind, of, False):
            return np.array([[getattr(np, kind)(go(of))]])
    raise TypeError(type(tree).__name__)


def apply(function: Any, arguments: list[Array]) -> Array:
    """A function of each element, as the interpreter computes it."""
    broad = np.broadcast_arrays(*arguments)
    shape = (sympy.Integer(broad[0].shape[0]), sympy.Integer(broad[0].shape[1]))
    i, j = sympy.symbols("i j", integer=True, nonnegative=True)
    body = function(*(Access(f"a{k}", i, j) for k in range(len(broad))))
    equation = Equation("r", (i, j), body, ((i, shape[0]), (j, shape[1])))
    tensors = tuple(Tensor(f"a{k}", shape, role=Role.INPUT) for k in range(len(broad)))
    program = Program("apply", (*tensors, Tensor("r", shape)), (equation,), ("r",), "float64")
    return interpret(program, {f"a{k}": a for k, a in enumerate(broad)})["r"]


def column(array: Array) -> Array:
    """An array of at most two axes as a matrix."""
    array = np.asarray(array)
    return array.reshape(1, 1) if array.ndim == 0 else array[:, None] if array.ndim == 1 else array


def sizes_of(program: Program, arrays: Mapping[str, Array]) -> dict[sympy.Symbol, int]:
    """The numbers that the named extents stand for."""
    return {
        extent: size
        for tensor in program.tensors
        if tensor.name in arrays
        for extent, size in zip(tensor.shape, np.shape(arrays[tensor.name]), strict=True)
        if isinstance(extent, sympy.Symbol)
    }
