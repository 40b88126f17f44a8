"""drawings/graph: the traced program -> the graph that is drawn; layers for a network, operations for a circuit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nablac.frontend.model import Model
from nablac.ir.equation import Equation
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.report.drawings.circuit import explode, is_circuit


@dataclass(frozen=True)
class Node:
    """What is drawn as one box.

    ``name`` is the tensor whose value leaves it, ``tensors`` all that it stands for (results and parameters).
    ``kind`` is ``input``, ``param``, ``layer``, ``loss``, ``metric`` or ``operation``.  ``value`` and ``gradient`` are
    texts, set where the graph is annotated with values; a ``wired`` node is one number, and has them on the edge that
    leaves it.
    """

    name: str
    title: str
    kind: str
    rows: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()
    value: str | None = None
    gradient: str | None = None
    wired: bool = False

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """The texts that there are, each with its name."""
        return tuple((n, t) for n, t in (("value", self.value), ("gradient", self.gradient)) if t is not None)


@dataclass(frozen=True)
class Edge:
    """One node reads another; ``gradient`` is the text of what the reader alone sends back."""

    source: str
    target: str
    gradient: str | None = None


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which each follows what it reads.  ``direction`` is where values flow: down or right."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    direction: str = "down"

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(n for n in self.nodes if n.name == name)


def model_graph(model: Model) -> Graph:
    """The graph of a model: one node a layer or, where no tensor has an axis, one node an operation.

    >>> from nablac.frontend.load import load_model
    >>> [n.title for n in model_graph(load_model("examples/circuit_product.yaml")).nodes]
    ['x', 'y', '+', 'z', '×']
    """
    return _operations(model) if is_circuit(model.program) else _layers(model)


def _operations(model: Model) -> Graph:
    exploded = explode(model.in_training)
    program = exploded.program
    leaves = {t.name: t for t in program.tensors if t.role in (Role.INPUT, Role.PARAM)}
    nodes: list[Node] = []
    edges = []
    for equation in program.equations:
        for name in equation.sources:
            if name in leaves:
                nodes.append(Node(name, name, leaves.pop(name).role.value, (), (name,), wired=True))
            edges.append(Edge(name, equation.target))
        name = equation.target
        named = (name,) if name in model.program.declared else ()
        nodes.append(Node(name, exploded.operations[name], "operation", named, (name,), wired=True))
    return Graph(model.name, tuple(nodes), tuple(edges), "right")


def _layers(model: Model) -> Graph:
    program = model.program
    groups: dict[str, list[Equation]] = {}
    for equation in program.equations:
        groups.setdefault(_group(equation), []).append(equation)
    home = {e.target: group for group, equations in groups.items() for e in equations}
    readers: dict[str, set[str]] = {}
    for equation in program.equations:
        for name in equation.sources:
            readers.setdefault(name, set()).add(home[equation.target])
    inside = {t.name: readers[t.name] for t in program.having(Role.PARAM) if len(readers.get(t.name, ())) == 1}
    place: dict[str, str] = {}
    nodes = {}
    for tensor in program.tensors:
        if tensor.role in (Role.INPUT, Role.PARAM) and tensor.name not in inside:
            kind = "input" if tensor.role is Role.INPUT else "param"
            nodes[tensor.name] = Node(tensor.name, tensor.name, kind, (_axes(tensor),), (tensor.name,))
            place[tensor.name] = tensor.name
    for group, equations in groups.items():
        own = [program.declared[name] for name, where in inside.items() if where == {group}]
        node = _layer(group, equations, own, model)
        place |= dict.fromkeys(node.tensors, node.name)
        nodes[node.name] = node
    pairs = {(place[name], place[e.target]): None for e in program.equations for name in e.sources}
    edges = [Edge(source, target) for source, target in pairs if source != target]
    return Graph(model.name, _sorted(nodes, edges), tuple(edges))


def _group(equation: Equation) -> str:
    """The layer of an equation; without one, the name as it was written: lifted reductions are called ``name.sum``."""
    return equation.origin.layer or equation.target.partition(".")[0]


def _layer(group: str, equations: list[Equation], own: list[Tensor], model: Model) -> Node:
    program = model.program
    last = program.declared[group if group in program.defined else equations[-1].target]
    metrics = {tensor: shown for shown, tensor in model.metrics}
    kind = "loss" if last.name == model.loss else "metric" if last.name in metrics else "layer"
    rows = [_axes(last)] if last.shape else []
    rows += [f"{t.name.removeprefix(group + '.')} {_axes(t)}" for t in own]
    results = [e.target for e in equations if e.target != last.name]
    return Node(
        last.name, metrics.get(last.name, group), kind, tuple(rows), (last.name, *results, *(t.name for t in own))
    )


def _axes(tensor: Tensor) -> str:
    word = "" if tensor.kind is Kind.REAL else f"in 0…{tensor.bound - 1} " if tensor.bound is not None else "int "
    return word + ("[" + ", ".join(str(e) for e in tensor.shape) + "]" if tensor.shape else "scalar")


def _sorted(nodes: dict[str, Node], edges: Iterable[Edge]) -> tuple[Node, ...]:
    """The nodes, each after what it reads, otherwise in the order in which they were made."""
    waiting = {name: {e.source for e in edges if e.target == name} for name in nodes}
    done: list[str] = []
    while waiting:
        name = next((n for n, reads in waiting.items() if reads <= set(done)), next(iter(waiting)))
        done.append(name)
        del waiting[name]
    return tuple(nodes[name] for name in done)
