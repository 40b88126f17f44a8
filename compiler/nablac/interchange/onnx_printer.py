"""interchange/onnx_printer: the forward equations of a Program -> an ONNX graph, a few nodes an equation.

Products under a sum become ``Gemm``, ``MatMul`` or ``Einsum``; everything else broadcasting and reductions by axis
(bodies: ``interchange/onnx_bodies``).  A tensor keeps its name, and its last node the text of its equation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import sympy
from sympy import Expr, Mul, Symbol

from nablac.errors import CompileError
from nablac.interchange.onnx_bodies import Axes, Bodies, Inexpressible
from nablac.interchange.onnx_graph import Graph, Value
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.ir.text import print_equation

REDUCERS = {
    "sum": "ReduceSum", "prod": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin", "argmax": "ArgMax",
    "argmin": "ArgMin",
}  # fmt: skip


def print_graph(
    program: Program, outputs: Sequence[str], number: Callable[[Equation], int]
) -> tuple[Graph, list[Tensor]]:
    """The graph that computes the outputs, and the tensors that it is given: inputs and parameters.

    Raises ``CompileError`` with the equation's number and place where it has no operator for one.
    """
    equations = _needed(program, outputs)
    read = {name for e in equations for name in e.sources} | set(outputs)
    read |= _telling(program, {s for e in equations for s in _extents(e)}, read)
    given = [t for t in program.tensors if t.name in read and t.role is not Role.RESULT]
    graph = Graph(np.dtype(program.dtype))
    values = {t.name: Value(graph, t.name, t.kind is Kind.INT) for t in given}
    bodies = Bodies(graph, program, values)
    for equation in equations:
        text = f"({number(equation)}) {print_equation(equation)}"
        graph.enter(equation.target)
        bodies.ranges = equation.ranges
        try:
            value = _value(equation, bodies)
        except Inexpressible as error:
            raise CompileError(
                f"equation ({number(equation)}) cannot be said in ONNX",
                found=f"{str(error)[:80]} in {print_equation(equation)[:200]}",
                where=equation.origin.where,
            ) from None
        values[equation.target] = graph.named(value, equation.target, text)
    return graph, given


def _needed(program: Program, outputs: Sequence[str]) -> list[Equation]:
    wanted, kept = set(outputs), []
    for equation in reversed(program.equations):
        if equation.target in wanted:
            wanted |= set(equation.sources)
            kept.append(equation)
    return kept[::-1]


def _extents(equation: Equation) -> set[Symbol]:
    """The extents known at run time that an equation depends on."""
    free = {s for n in equation.ranges.values() for s in n.free_symbols} | equation.body.free_symbols
    return {s for s in free if s not in equation.ranges}


def _telling(program: Program, extents: set[Symbol], read: set[str]) -> set[str]:
    """Inputs to be given for the extents alone, where none that is read has them."""
    more: set[str] = set()
    for extent in sorted(extents, key=str):
        having = [t.name for t in program.having(Role.INPUT) if extent in t.shape]
        if having and not set(having) & (read | more):
            more.add(having[0])
    return more


# --- equations --------------------------------------------------------------------------------------------------------


def _value(equation: Equation, bodies: Bodies) -> Value:
    """The right-hand side of an equation."""
    if equation.reduction is None:
        value = _body(equation, bodies, equation.body, equation.indices)
        covered = bodies.depends(equation.body, equation.indices) == equation.indices
        return value if covered else bodies.expanded(value, equation.shape)
    if equation.reduction.kind == "sum":
        return _summed(equation, bodies)
    return _reduced(equation, bodies, equation.body, REDUCERS[equation.reduction.kind])


def _body(equation: Equation, bodies: Bodies, body: Expr, layout: Axes) -> Value:
    """A body in the kind of numbers of its target; what argmax compares is real."""
    kind = bodies.program.declared[equation.target].kind
    picks = equation.reduction is not None and equation.reduction.kind.startswith("arg")
    return bodies.integer(body, layout) if kind is Kind.INT and not picks else bodies.real(body, layout)


def _reduced(equation: Equation, bodies: Bodies, body: Expr, operator: str) -> Value:
    """A reduction by axis of a body that is computed whole."""
    layout = _layout(equation, body)
    value = _body(equation, bodies, body, layout)
    if bodies.depends(body, layout) != layout:
        value = bodies.expanded(value, tuple(equation.ranges[i] for i in layout))
    axes = sorted(layout.index(i) for i in equation.bound)
    if operator.startswith("Arg"):
        return bodies.graph.op(operator, value, whole=True, axis=axes[0], keepdims=0)
    return bodies.graph.op(operator, value, bodies.graph.integers(axes), whole=value.whole, keepdims=0)


def _layout(equation: Equation, body: Expr) -> Axes:
    """An axis order for a reduction's body: that of its widest access if there is one that keeps the target's order,
    so that nothing is transposed."""
    every = equation.indices + equation.bound
    for access in sorted(body.atoms(Access), key=sympy.default_sort_key):
        order = tuple(access.indices)
        keeps = tuple(i for i in order if i in equation.indices) == equation.indices
        if keeps and set(order) == set(every) and len(order) == len(every):
            return order
    return every


def _summed(equation: Equation, bodies: Bodies) -> Value:
    """A sum: constant factors apart, a mean, a contraction or a sum by axis."""
    every = equation.indices + equation.bound
    factors = Mul.make_args(equation.body)
    constant = Mul(*(x for x in factors if not bodies.depends(x, every) and not x.atoms(Access)))
    arrays = [x for x in factors if bodies.depends(x, every) or x.atoms(Access)]
    value = _contraction(equation, bodies, arrays)
    if value is not None:
        return _scaled(value, constant, bodies)
    if constant * Mul(*(equation.ranges[i] for i in equation.bound)) == 1 and arrays:
        return _reduced(equation, bodies, Mul(*arrays), "ReduceMean")
    return _scaled(_reduced(equation, bodies, Mul(*arrays), "ReduceSum"), constant, bodies)


def _scaled(value: Value, constant: Expr, bodies: Bodies) -> Value:
    """A value times a constant, in which extents may stand."""
    if constant.is_number:
        return bodies.scaled(value, constant)
    above, below = constant.as_numer_denom()
    value = value if above == 1 else value * bodies.real(above, ())
    return value if below == 1 else value / bodies.real(below, ())


def _contraction(equation: Equation, bodies: Bodies, factors: list[Expr]) -> Value | None:
    """A sum of a product of tensors of different indices; None where it is not one."""
    every = equation.indices + equation.bound
    spans = [bodies.depends(x, every) for x in factors]
    if len(factors) < 2 or {i for span in spans for i in span} != set(every):
        return None
    if any(set(span) == set(every) for span in spans) and (equation.indices or factors[2:]):
        return None
    operands = [_operand(x, span, bodies) for x, span in zip(factors, spans, strict=True)]
    product = _product(operands, equation, bodies.graph)
    return product if product is not None else _einsum(operands, equation, bodies.graph)


def _operand(x: Expr, span: Axes, bodies: Bodies) -> tuple[Value, Axes]:
    """A factor as a tensor, and its axes: those of an access in its own order, so that nothing is transposed."""
    return bodies.elements(x, span) if type(x) is Access else (bodies.real(x, span), span)


def _product(operands: list[tuple[Value, Axes]], equation: Equation, graph: Graph) -> Value | None:
    """A matrix product of two operands that share the one summed index, where the result's axes come out in order."""
    if len(operands) != 2 or len(equation.bound) != 1:
        return None
    (k,) = equation.bound
    for (left, a), (right, b) in (operands, operands[::-1]):
        if set(a) & set(b) != {k} or len(b) > 2 or tuple(i for i in (*a, *b) if i != k) != equation.indices:
            continue
        if len(a) == len(b) == 2:
            return graph.op("Gemm", left, right, transA=int(a[0] == k), transB=int(b[1] == k))
        if a[-1] == k and graph.dtype == np.float32:  # in float64 onnxruntime rounds factors beside a MatMul to float32
            second = graph.op("Transpose", right, perm=[1, 0]) if b[0] != k else right
            return graph.op("MatMul", left, second)
    return None


def _einsum(operands: list[tuple[Value, Axes]], equation: Equation, graph: Graph) -> Value:
    letters = dict(zip(equation.indices + equation.bound, "ijklmnopqrstuvwxyzabcdefgh", strict=False))
    inputs = ",".join("".join(letters[i] for i in axes) for _, axes in operands)
    output = "".join(letters[i] for i in equation.indices)
    return graph.op("Einsum", *(value for value, _ in operands), equation=f"{inputs}->{output}")
