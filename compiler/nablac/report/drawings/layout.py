"""drawings/layout: a graph -> where its boxes stand and its edges run; the one arrangement behind SVG and the terminal.

Sugiyama's method: nodes in ranks by their longest path, long edges led through every rank between, ranks ordered by
barycentres, places along a rank as near to the neighbours' as the order allows.  Plain and deterministic; sizes are
whatever unit ``measure`` speaks, pixels or characters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nablac.report.drawings.graph import Edge, Graph, Node

SWEEPS = 12
STRAIGHT = 8.0
"""How much more a bend in a long edge costs than a node that stands off its neighbours' middle."""
LOOSE = 0.001
"""How little it costs to move what has no neighbours."""


@dataclass(frozen=True)
class Size:
    """A node's extent across and along the flow, and the distance between the ends of the edges that arrive at it."""

    across: float
    along: float
    port: float = 0.0


@dataclass(frozen=True)
class Spacing:
    """Free space between neighbours of a rank, and between ranks.

    ``wider`` adds to the space behind a rank, by its number.  On a ``grid`` all places are whole; an edge takes one.
    """

    across: float
    along: float
    wider: Mapping[int, float] = field(default_factory=dict)
    grid: bool = False

    def behind(self, rank: int) -> float:
        """The space between a rank and the next."""
        return self.along + self.wider.get(rank, 0.0)


@dataclass(frozen=True)
class Box:
    """A node's rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True)
class Placed:
    """A graph with its drawing: a box a node, the points of each edge from the reading's source to its target."""

    graph: Graph
    boxes: Mapping[str, Box]
    routes: Mapping[Edge, tuple[tuple[float, float], ...]]
    ranks: tuple[tuple[str, ...], ...]
    starts: tuple[float, ...]  # where each rank begins, along the flow
    width: float
    height: float


@dataclass
class _Vertex:
    """A node, or the place where a long edge crosses a rank."""

    size: Size
    rank: int
    above: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)
    at: float = 0.0
    waypoint: bool = False


def layout(
    graph: Graph, measure: Callable[[Node], Size], spacing: Spacing, direction: str | None = None
) -> Placed:
    """Place a graph; ``direction`` (``down`` or ``right``) is the graph's own unless given."""
    names = [n.name for n in graph.nodes]
    number = {name: i for i, name in enumerate(names)}
    links = [(number[e.source], number[e.target]) for e in graph.edges]
    ranks = _ranks(len(names), links)
    vertices = [_Vertex(measure(node), ranks[i]) for i, node in enumerate(graph.nodes)]
    thin = 1.0 if spacing.grid else 0.0
    chains = [_chain(vertices, source, target, thin) for source, target in links]
    rows = _ordered(vertices)
    _place(vertices, rows, spacing)
    start = _starts(vertices, rows, spacing)
    rights = (direction or graph.direction) == "right"
    boxes = {}
    for name, vertex in zip(names, vertices, strict=False):  # waypoints come after the nodes
        x, y = vertex.at - vertex.size.across / 2, start[vertex.rank]
        if rights:
            boxes[name] = Box(y, x, vertex.size.along, vertex.size.across)
        else:
            boxes[name] = Box(x, y, vertex.size.across, vertex.size.along)
    routes = {}
    ports = _ports(vertices, chains)
    for edge, chain, port in zip(graph.edges, chains, ports, strict=True):
        points = _points(vertices, chain, port, start, spacing)
        routes[edge] = tuple((y, x) for x, y in points) if rights else tuple(points)
    return Placed(
        graph,
        boxes,
        routes,
        tuple(tuple(names[v] for v in row if v < len(names)) for row in rows),
        tuple(start),
        max((b.x + b.width for b in boxes.values()), default=0.0),
        max((b.y + b.height for b in boxes.values()), default=0.0),
    )


def _ranks(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path to each node; what reads nothing stands just before its first reader."""
    ranks = [0] * count
    for node in range(count):  # nodes come after what they read
        ranks[node] = max((ranks[s] + 1 for s, t in links if t == node), default=0)
    for node in range(count):
        readers = [ranks[t] for s, t in links if s == node]
        if readers and not any(t == node for _, t in links):
            ranks[node] = min(readers) - 1
    return ranks


def _chain(vertices: list[_Vertex], source: int, target: int, thin: float) -> list[int]:
    """The vertices that an edge runs through, waypoints made where it crosses ranks."""
    chain = [source]
    for rank in range(vertices[source].rank + 1, vertices[target].rank):
        vertices.append(_Vertex(Size(thin, 0.0), rank, waypoint=True))
        chain.append(len(vertices) - 1)
    chain.append(target)
    for a, b in zip(chain, chain[1:], strict=False):
        vertices[a].below.append(b)
        vertices[b].above.append(a)
    return chain


# --- order along a rank ---------------------------------------------------------------------------------------------


def _ordered(vertices: list[_Vertex]) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(max((v.rank for v in vertices), default=-1) + 1)]
    for i in _depth_first(vertices):
        rows[vertices[i].rank].append(i)
    best, fewest = [list(row) for row in rows], _crossings(vertices, rows)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            place = {v: p for one in rows for p, v in enumerate(one)}
            keys = {v: _mean([place[w] for w in (vertices[v].above if down else vertices[v].below)], place[v])
                    for v in row}  # fmt: skip
            row.sort(key=lambda v, keys=keys: keys[v])  # type: ignore[misc]
        found = _crossings(vertices, rows)
        if found < fewest:
            best, fewest = [list(row) for row in rows], found
    return best


def _depth_first(vertices: list[_Vertex]) -> list[int]:
    """Every vertex, those that belong together near each other, in the order in which the ends were declared."""
    seen: dict[int, None] = {}
    for root in (i for i, v in enumerate(vertices) if not v.below):
        waiting = [root]
        while waiting:
            vertex = waiting.pop()
            if vertex not in seen:
                seen[vertex] = None
                waiting += reversed(vertices[vertex].above)
    return list(seen)


def _mean(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _crossings(vertices: list[_Vertex], rows: list[list[int]]) -> int:
    place = {v: p for row in rows for p, v in enumerate(row)}
    count = 0
    for row in rows:
        segments = sorted((place[v], place[w]) for v in row for w in vertices[v].below)
        for i, (_, end) in enumerate(segments):
            count += sum(1 for start, other in segments[i + 1 :] if other < end and start > segments[i][0])
    return count


# --- places along a rank --------------------------------------------------------------------------------------------


def _place(vertices: list[_Vertex], rows: list[list[int]], spacing: Spacing) -> None:
    for row in rows:
        at = 0.0
        for v in row:
            vertices[v].at = at + vertices[v].size.across / 2
            at += vertices[v].size.across + spacing.across
    for sweep in range(3 * SWEEPS):
        down, both = sweep % 2 == 0, sweep >= 2 * SWEEPS
        for row in rows if down else reversed(rows):
            _settle(vertices, row, spacing, above=down or both, below=not down or both)
    for row in rows:  # at last what hangs on one thing alone stands straight below it
        _settle(vertices, row, spacing, above=True, below=False)
    left = min((v.at - v.size.across / 2 for v in vertices), default=0.0)
    for row in rows:
        for v in row:
            vertex = vertices[v]
            vertex.at -= left
            if spacing.grid:
                vertex.at = math.floor(vertex.at - vertex.size.across / 2 + 0.5) + vertex.size.across / 2


def _settle(vertices: list[_Vertex], row: list[int], spacing: Spacing, above: bool, below: bool) -> None:
    """Move a rank as near as its order allows to where its neighbours stand, in least squares.

    The distances from one to the next are subtracted, so that keeping them is being in order; then wherever two are out
    of order they and all that hang together with them take their common mean (pool adjacent violators).
    """
    offsets, wanted, weights = [], [], []
    offset = 0.0
    for place, v in enumerate(row):
        vertex = vertices[v]
        if place:
            offset += (vertices[row[place - 1]].size.across + vertex.size.across) / 2 + spacing.across
        neighbours = (vertex.above if above else []) + (vertex.below if below else [])
        straight = vertex.waypoint and any(vertices[w].waypoint for w in neighbours)
        offsets.append(offset)
        wanted.append(_mean([vertices[w].at for w in neighbours], vertex.at) - offset)
        weights.append(STRAIGHT if straight else 1.0 if neighbours else LOOSE)
    pools: list[list[float]] = []
    for want, weight in zip(wanted, weights, strict=True):
        pools.append([want * weight, weight, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    means = [total / weight for total, weight, members in pools for _ in range(int(members))]
    for v, mean, off in zip(row, means, offsets, strict=True):
        vertices[v].at = mean + off


# --- the run of the edges -------------------------------------------------------------------------------------------


def _starts(vertices: list[_Vertex], rows: list[list[int]], spacing: Spacing) -> list[float]:
    """Where each rank begins along the flow."""
    starts, at = [], 0.0
    for rank, row in enumerate(rows):
        starts.append(at)
        at += max((vertices[v].size.along for v in row), default=0.0) + spacing.behind(rank)
    return [*starts, at]


def _ports(vertices: list[_Vertex], chains: list[list[int]]) -> list[float]:
    """Where each edge meets its target: side by side, in the order in which the edges arrive."""
    ports = [0.0] * len(chains)
    for target in {c[-1] for c in chains}:
        arriving = [i for i, c in enumerate(chains) if c[-1] == target]
        arriving.sort(key=lambda i: vertices[chains[i][-2]].at)
        step = min(vertices[target].size.port, vertices[target].size.across / len(arriving))
        for place, i in enumerate(arriving):
            ports[i] = vertices[target].at + (place - (len(arriving) - 1) / 2) * step
    return ports


def _points(
    vertices: list[_Vertex], chain: list[int], port: float, start: list[float], spacing: Spacing
) -> list[tuple[float, float]]:
    """From the source's end to the target's beginning: straight through each rank, aslant only between ranks."""
    first, last = vertices[chain[0]], vertices[chain[-1]]

    def end(vertex: _Vertex) -> tuple[float, float]:
        return vertex.at, start[vertex.rank + 1] - spacing.behind(vertex.rank)

    points = [(first.at, start[first.rank] + first.size.along), end(first)]
    for v in chain[1:-1]:
        points += [(vertices[v].at, start[vertices[v].rank]), end(vertices[v])]
    points.append((port, start[last.rank]))
    return points if points[0] != points[1] else points[1:]
