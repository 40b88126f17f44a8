"""drawings/terminal_graph: a graph -> boxes and lines of characters for a terminal, values green and gradients red.

Between two ranks each node's edges run on a track of their own.  Where lines of one node or to one node meet there is a
joint, where others cross the upright one runs on and the level one passes under it.  What is too wide for the terminal
is drawn downwards, and what still is, as a list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from rich.cells import cell_len
from rich.text import Text

from nablac.report.drawings.graph import Graph, Node
from nablac.report.drawings.layout import Box, Placed, Size, Spacing, layout

STYLES = {"value": "green", "gradient": "red", "title": "bold", "row": "dim", "line": "", "name": "italic"}
UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
LINES = dict(zip(range(1, 16), "│││─╯╮┤─╰╭├─┴┬┼", strict=True))
"""A cell's character by the sides that lines reach it from."""

GAP = 2
"""The cells between two ranks that a single track needs: its own and the arrow's."""

Point = tuple[int, int]


def draw(graph: Graph, width: int = 100) -> Text:
    """The drawing, no wider than ``width`` where that can be."""
    for direction in dict.fromkeys((graph.direction, "down")):
        canvas = _drawn(graph, direction)
        if canvas.width <= width:
            return canvas.text()
    return _listing(graph)


def _drawn(graph: Graph, direction: str) -> _Canvas:
    """The graph on a canvas: laid out anew with wider gaps until all tracks have room in them."""
    ports = _ports(graph)
    wider: dict[int, float] = {}
    while True:
        spacing = Spacing(0 if direction == "right" else 3, GAP, wider, grid=True)
        placed = layout(graph, lambda node: _size(node, ports[node.name], direction), spacing, direction)
        canvas = _Canvas(direction == "right")
        needed = _edges(canvas, placed, direction, spacing)
        if needed == wider:
            break
        wider = needed
    for node in graph.nodes:
        _node(canvas, node, placed.boxes[node.name], ports[node.name], direction)
    return canvas


def _ports(graph: Graph) -> dict[str, int]:
    """How many ends of edges each node has to have room for.

    Lines that lead to one node alone may meet before it, and need one end; a line with several readers may not meet
    others, since from a meeting of lines one cannot tell which of them go on where.
    """
    readers = Counter(e.source for e in graph.edges)
    ports = {}
    for node in graph.nodes:
        sources = [e.source for e in graph.edges if e.target == node.name]
        ports[node.name] = len(sources) if any(readers[s] > 1 for s in sources) else 1
    return ports


def _listing(graph: Graph) -> Text:
    """One line a node."""
    text = Text(no_wrap=True, overflow="ignore")
    for node in graph.nodes:
        reads = [e.source for e in graph.edges if e.target == node.name]
        text.append(node.name, STYLES["title"])
        text.append(f"  {node.title}" if node.title != node.name else "")
        text.append(f" ← {', '.join(reads)}" if reads else "", STYLES["row"])
        for kind, label in node.labels:
            text.append(f"  {label}", STYLES[kind])
        text.append("\n")
    return text


@dataclass
class _Canvas:
    """Cells with lines through them, by whose lines they are, and cells with text."""

    rightwards: bool
    lines: dict[Point, dict[str, int]] = field(default_factory=dict)
    letters: dict[Point, tuple[str, str]] = field(default_factory=dict)

    def line(self, owner: str, start: Point, end: Point) -> None:
        """A straight line between two cells given as (x, y), both included."""
        (x0, y0), (x1, y1) = sorted((start, end))
        for x in range(x0, x1 + 1):
            for y in range(y0, y1 + 1):
                bits = (x > x0) * LEFT | (x < x1) * RIGHT | (y > y0) * UP | (y < y1) * DOWN
                sides = self.lines.setdefault((x, y), {})
                sides[owner] = sides.get(owner, 0) | bits

    def flow(self, owner: str, across: tuple[int, int], along: tuple[int, int]) -> None:
        """A line between two cells given by their places across and along the flow."""
        start, end = zip(across, along, strict=True)
        self.line(owner, *((p[::-1] if self.rightwards else p) for p in (start, end)))

    def write(self, x: int, y: int, text: str, style: str) -> None:
        """Letters from a cell on."""
        for letter in text:
            self.letters[x, y] = (letter, style)
            x += cell_len(letter)

    @property
    def width(self) -> int:
        """The columns in use."""
        return max((x for x, _ in (*self.lines, *self.letters)), default=-1) + 1

    def text(self) -> Text:
        """All rows, without blanks at their ends."""
        text = Text(no_wrap=True, overflow="ignore")
        for y in range(max((y for _, y in (*self.lines, *self.letters)), default=-1) + 1):
            row = {x: (_character(sides), "line") for (x, at), sides in self.lines.items() if at == y}
            row |= {x: cell for (x, at), cell in self.letters.items() if at == y}
            for x in range(max(row, default=-1) + 1):
                letter, style = row.get(x, (" ", "line"))
                text.append(letter, STYLES[style] or None)
            text.append("\n")
        return text


def _character(sides: dict[str, int]) -> str:
    """The character of a cell: that of all lines together, but of two that only cross, the upright one's."""
    bits = set(sides.values()) - {0}
    if bits == {UP | DOWN, LEFT | RIGHT}:
        return LINES[UP | DOWN]
    return LINES.get(reduce(or_, bits, 0), " ")


# --- nodes ----------------------------------------------------------------------------------------------------------


def _lines(node: Node) -> list[tuple[str, str]]:
    """What stands in the box, with the names of the styles."""
    if node.kind == "operation":
        return [(f"{node.rows[0]}: {node.title}" if node.rows else node.title, "title")]
    rows = [(node.title, "title"), *((row, "row") for row in node.rows)]
    return rows if node.wired else rows + [(text, kind) for kind, text in node.labels]


def _shape(node: Node, ports: int, direction: str) -> tuple[int, int]:
    """Columns and rows of the box alone."""
    lines = _lines(node)
    wide = max(cell_len(text) for text, _ in lines)
    if direction == "right":
        return wide + 4, max(len(lines), ports) + 2
    return max(wide + 4 + (wide + 1) % 2, 2 * ports + 3), len(lines) + 2


def _label(node: Node) -> int:
    """The columns that the labels of a wired node need; 0 if it has none."""
    return max((cell_len(text) for _, text in node.labels), default=0) if node.wired else 0


def _size(node: Node, ports: int, direction: str) -> Size:
    """The box with the stretch of line behind it that carries the labels."""
    width, height = _shape(node, ports, direction)
    label = _label(node)
    if direction == "right":
        return Size(height, width + (label + 2 if label else 0), 1 if ports > 1 else 0)
    across = max(width, 2 * label + 5) if label else width
    return Size(across, height + (2 if label else 0), 2 if ports > 1 else 0)


def _node(canvas: _Canvas, node: Node, box: Box, ports: int, direction: str) -> None:
    width, height = _shape(node, ports, direction)
    x = int(box.x) if direction == "right" else int(box.x + (box.width - width) / 2)
    y = int(box.y)
    lines = _lines(node)
    top = y + (height - len(lines) + 1) // 2
    for place, (text, style) in enumerate(lines):
        canvas.write(x + (width - cell_len(text)) // 2, top + place, text, style)
    for start, end in (
        ((x, y), (x + width - 1, y)),
        ((x, y + height - 1), (x + width - 1, y + height - 1)),
        ((x, y), (x, y + height - 1)),
        ((x + width - 1, y), (x + width - 1, y + height - 1)),
    ):
        canvas.line(node.name, start, end)
    if not _label(node):
        return
    middle = (x + width // 2, y + height // 2)
    if direction == "right":
        canvas.line(node.name, (x + width - 1, middle[1]), (int(box.x + box.width) - 1, middle[1]))
        for kind, text in node.labels:
            canvas.write(x + width + 1, middle[1] + (-1 if kind == "value" else 1), text, kind)
    else:
        canvas.line(node.name, (middle[0], y + height - 1), (middle[0], int(box.y + box.height) - 1))
        for kind, text in node.labels:
            canvas.write(middle[0] + 2, y + height + (kind == "gradient"), text, kind)


# --- edges ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Net:
    """The edges of one node that cross one gap from one cell, and the cells that they reach."""

    owner: str
    source: int
    targets: tuple[int, ...]

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last place across."""
        return min(self.source, *self.targets), max(self.source, *self.targets)


def _edges(canvas: _Canvas, placed: Placed, direction: str, spacing: Spacing) -> dict[int, float]:
    """Draw the edges; by how much each gap ought to be wider, by the rank before it."""
    gaps: dict[int, dict[tuple[int, str], set[int]]] = {}
    ends: dict[int, set[int]] = {}
    for edge in placed.graph.edges:
        points = [_cell(p, direction) for p in placed.routes[edge]][::-1]
        ends.setdefault(placed.starts.index(points[0][1]) - 1, set()).add(points[0][0])
        for number, (end, start) in enumerate(zip(points, points[1:], strict=False)):
            if number % 2 == 0:  # counted from the end, every other piece crosses a gap
                rank = placed.starts.index(end[1]) - 1
                gaps.setdefault(rank, {}).setdefault((start[0], edge.source), set()).add(end[0])
            else:
                canvas.flow(edge.source, (start[0], end[0]), (start[1] - 1, end[1]))
    needed: dict[int, float] = {}
    for rank, sources in gaps.items():
        nets, arrows = _untangled(sources, ends.get(rank, set()))
        tracks = _tracks(nets)
        if max(tracks.values()) > 0:
            needed[rank] = max(tracks.values())
        begin = int(placed.starts[rank + 1])
        for net in nets:
            _net(canvas, net, begin - int(spacing.behind(rank)), begin, tracks[net])
        for across in arrows:
            x, y = (begin - 1, across) if direction == "right" else (across, begin - 1)
            canvas.write(x, y, "▶" if direction == "right" else "▼", "line")
    return needed


def _untangled(sources: dict[tuple[int, str], set[int]], ends: set[int]) -> tuple[list[_Net], set[int]]:
    """The nets of a gap, and where arrows are.

    Where one net leaves at the cell that another reaches, and the other way round, neither track could come first: one
    of the two ends a cell further on, which is still at its box.
    """
    owners = dict(sources.keys())
    reached = {source: set(targets) for (source, _), targets in sources.items()}
    arrows = set(ends)
    for a in sorted(reached):
        for b in sorted(reached):
            if a < b and a in reached[b] and b in reached[a] and b in ends:
                reached[a] = (reached[a] - {b}) | {b + 1}
                arrows.add(b + 1)
                if not any(b in targets for targets in reached.values()):
                    arrows.discard(b)
    return [_Net(owners[source], source, tuple(sorted(reached[source]))) for source in sorted(reached)], arrows


def _cell(point: tuple[float, float], direction: str) -> Point:
    """Across and along, in whole cells."""
    x, y = int(point[0] // 1), int(point[1] // 1)
    return (y, x) if direction == "right" else (x, y)


def _tracks(nets: Sequence[_Net]) -> dict[_Net, int]:
    """A track for each net: none shares a cell with another's, and a net that leaves where another arrives is first.

    Nets that wait for each other in a circle are taken in their order.
    """
    waiting = list(nets)
    tracks: dict[_Net, int] = {}
    track = 0
    while waiting:
        free = [n for n in waiting if not any(m is not n and m.source in n.targets and n.source not in m.targets
                                              and m.source != n.source for m in waiting)]  # fmt: skip
        end = -1
        taken = []
        for net in sorted(free or waiting[:1], key=lambda n: n.span):
            if net.span[0] > end or net.span[0] == net.span[1]:
                taken.append(net)
                end = max(end, net.span[1])
        tracks |= dict.fromkeys(taken, track)
        waiting = [n for n in waiting if n not in taken]
        track += 1
    return tracks


def _net(canvas: _Canvas, net: _Net, start: int, end: int, track: int) -> None:
    """From the source along to the track, along it, and on to each target."""
    at = start + track
    canvas.flow(net.owner, (net.source, net.source), (start - 1, at))
    canvas.flow(net.owner, net.span, (at, at))
    for target in net.targets:
        canvas.flow(net.owner, (target, target), (at, end - 1))
