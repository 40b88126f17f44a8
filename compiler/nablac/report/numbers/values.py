"""numbers/values: a model at a point -> the value and the gradient of every tensor, for tables and for the graph.

Computed by the compiler's own machinery from the model as it was written: ``reverse`` with respect to every tensor,
evaluated by the interpreter in double precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nablac.frontend.model import Model
from nablac.ir.equation import Equation, Program
from nablac.ir.interpret import interpret
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.passes.differentiate import reverse
from nablac.pipeline import gradient_program
from nablac.report.content import Sheet
from nablac.report.drawings.circuit import MINUS, explode, is_circuit
from nablac.report.drawings.graph import Graph, Node
from nablac.report.numbers.point import Point

Array = NDArray[Any]


@dataclass(frozen=True)
class Quantity:
    """A tensor at the point; ``gradient`` is None where the loss does not depend on it."""

    tensor: Tensor
    value: Array
    gradient: Array | None


@dataclass(frozen=True)
class Values:
    """Every tensor by name, and in circuits what each reader sends back: (read, reader) -> its part of the gradient."""

    of: str
    point: Point
    quantities: Mapping[str, Quantity]
    parts: Mapping[tuple[str, str], Array]
    circuit: bool


def evaluate(model: Model, point: Point) -> Values:
    """The model's tensors and the gradients of its loss; in circuits those of every single operation too."""
    circuit = is_circuit(model.program)
    program = explode(model.in_training).program if circuit else model.in_training
    wrt = influences(program, model.loss)
    derived = reverse(program, model.loss, wrt)
    longer = derived.program
    parts: dict[tuple[str, str], str] = {}
    if circuit:
        longer, parts = _with_parts(derived.program, {derived.names[n]: n for n in wrt}, derived.terms)
    arrays = interpret(longer, point.values)
    gradients = {name: arrays[derived.names[name]] for name in wrt} | {model.loss: np.ones(())}
    if not all(np.all(np.isfinite(a)) for a in (*arrays.values(), *gradients.values())):
        _mend(program, model.loss, wrt, point, arrays, gradients)
    shown = [t for t in program.tensors if t.role is not Role.COUNTER]
    quantities = {t.name: Quantity(t, arrays[t.name], gradients.get(t.name)) for t in shown}
    return Values(model.loss, point, quantities, {pair: arrays[name] for pair, name in parts.items()}, circuit)


def influences(program: Program, of: str) -> list[str]:
    """The real tensors that a result depends on, itself not among them."""
    needed = {of}
    for equation in reversed(program.equations):
        if equation.target in needed:
            needed.update(equation.sources)
    return [t.name for t in program.tensors if t.name in needed and t.name != of and t.kind is Kind.REAL]


def _with_parts(
    program: Program, adjoints: Mapping[str, str], terms: Mapping[str, Sequence[Any]]
) -> tuple[Program, dict[tuple[str, str], str]]:
    """The program with an equation for each of several terms of an adjoint; which tensor holds which part."""
    parts: dict[tuple[str, str], str] = {}
    equations: list[Equation] = []
    for adjoint, name in adjoints.items():
        for term in terms.get(adjoint, ()):
            if len(terms[adjoint]) > 1:
                part = f"{adjoint} by {term.origin.of}"
                parts[name, term.origin.of] = part
                equations.append(Equation(part, (), term.body, ()))
    tensors = [*program.tensors, *(Tensor(e.target) for e in equations)]
    return program.with_equations([*program.equations, *equations], tensors), parts


def _mend(
    program: Program, of: str, wrt: Sequence[str], point: Point, arrays: dict[str, Array], gradients: dict[str, Array]
) -> None:
    """Where the formulas as written overflow, take what the stable spelling gives.

    A tensor that the stable spelling passes by has no gradient there, and keeps the one it has.
    """
    records, derived = gradient_program(program, of, wrt)
    stable = interpret(records[-1].program, point.values)
    for name in (*wrt, of):
        if name in stable and not np.all(np.isfinite(arrays[name])):
            arrays[name] = stable[name]
    for name in wrt:
        if derived.terms.get(derived.names[name]) and not np.all(np.isfinite(gradients[name])):
            gradients[name] = stable[derived.names[name]]


# --- as text --------------------------------------------------------------------------------------------------------


def values_sheet(values: Values) -> Sheet:
    """The table: numbers for scalars, and of arrays their mean, range and norm."""
    title, note = f"Values and gradients of {values.of}", f"at {values.point.title}"
    if values.circuit:
        rows = [(q.tensor.name, exactly(q.value), exactly(q.gradient)) for q in values.quantities.values()]
        return Sheet(title, note, ("tensor", "value", "gradient"), tuple(rows))
    measures = [f"{of} {what}" for of in ("value", "gradient") for what in ("mean", "range", "norm")]
    columns = ("tensor", "shape", *measures)
    lines = tuple(
        (q.tensor.name, "×".join(map(str, q.value.shape)) or "scalar", *_measures(q.value), *_measures(q.gradient))
        for q in values.quantities.values()
    )
    return Sheet(title, note, columns, lines)


def _measures(array: Array | None, digits: int = 3) -> tuple[str, str, str]:
    """Mean, range and norm."""
    if array is None:
        return "", "", ""
    mean, low, high, norm = (_rounded(x, digits) for x in (array.mean(), array.min(), array.max(), _norm(array)))
    return mean, low if low == high else f"{low} … {high}", norm


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array))


def annotate(graph: Graph, values: Values) -> Graph:
    """The graph with values and gradients on its nodes and, where several edges leave a node, on these."""
    nodes = tuple(_annotated(node, values) for node in graph.nodes)
    edges = tuple(
        replace(e, gradient=readably(values.parts[e.source, e.target])) if (e.source, e.target) in values.parts else e
        for e in graph.edges
    )
    return replace(graph, nodes=nodes, edges=edges)


def _annotated(node: Node, values: Values) -> Node:
    quantity = values.quantities[node.name]
    gradient = quantity.gradient
    if values.circuit or not quantity.value.shape:
        return replace(node, value=readably(quantity.value), gradient=None if gradient is None else readably(gradient))
    if quantity.tensor.kind is Kind.INT:
        return node
    about = None if gradient is None else f"gradient {_about(gradient)}"
    return replace(node, value=_about(quantity.value), gradient=about)


def _about(array: Array) -> str:
    mean, reach, norm = _measures(array, 2)
    return f"{mean} in {reach}, norm {norm}"


def readably(array: Array) -> str:
    """A number as the classic figures write it: two decimals, or two digits where these would hide it.

    >>> [readably(np.asarray(x)) for x in (-12.0, 0.7310586, -0.004, 1e9, -np.inf, np.nan)]
    ['−12', '0.73', '−0.004', '1e+09', '−inf', 'nan']
    """
    number = float(array)
    if number.is_integer() and abs(number) < 1e6:
        text = f"{number:.0f}"
    else:
        text = f"{number:.2f}" if 0.1 <= abs(number) < 1e4 else f"{number:.2g}"
    return _spelled(text)


def exactly(number: Array | float | None) -> str:
    """Nine digits."""
    return "" if number is None else _rounded(number, 9)


def _rounded(number: Any, digits: int) -> str:
    return _spelled(f"{float(number):.{digits}g}")


def _spelled(text: str) -> str:
    """With a true minus, and none before zero."""
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)
