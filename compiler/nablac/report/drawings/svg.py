"""drawings/svg: a graph -> SVG, for a page, a slide or a file of its own.

Colours are CSS variables with a light and a dark default (``--ng-ink``, ``--ng-value`` ...), which a page may set;
every colour also stands as a plain attribute, for programs that know no variables.  Each node is a ``<g
data-tensor=... tabindex=0>``, so that a page can select it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from nablac.report.drawings.graph import Edge, Graph, Node
from nablac.report.drawings.layout import Box, Placed, Size, Spacing, layout

MARGIN = 14
LETTER, SMALL = 8.1, 6.9
"""The width to reckon with for a letter of a title and of a row."""
LINE = 16
PORT = 22.0
"""The distance between the ends of edges at a node."""
STUB = 30
"""The shortest stretch of an edge that carries a value."""

COLOURS = {
    "ink": ("#1f2328", "#e6edf3"),
    "faint": ("#59636e", "#9aa4af"),
    "line": ("#8a949e", "#6e7883"),
    "value": ("#137333", "#56d364"),
    "gradient": ("#c5221f", "#ff7b72"),
    "input": ("#f3f4f6", "#21262d"),
    "param": ("#fdf3dc", "#3a2d10"),
    "layer": ("#e9f1fe", "#15263f"),
    "operation": ("#ffffff", "#161b22"),
    "loss": ("#f4eafd", "#2e1d45"),
    "metric": ("#ffffff", "#0d1117"),
}
"""Name -> colour on light and on dark ground; the last six fill nodes by their kind."""

LINE_STYLE = 'class="ng-edge" fill="none" stroke="#8a949e" stroke-width="1.5"'

_RULES = """
.ng text{fill:var(--ng-ink);font-family:ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px}
.ng .ng-name{font-size:13.5px;font-weight:600}.ng .ng-faint{fill:var(--ng-faint)}
.ng .ng-value{fill:var(--ng-value)}.ng .ng-gradient{fill:var(--ng-gradient)}
.ng .ng-edge{stroke:var(--ng-line);fill:none;stroke-width:1.5}.ng .ng-head{fill:var(--ng-line)}
.ng .ng-box{stroke:var(--ng-line)}.ng g[tabindex]{cursor:pointer;outline:none}
.ng g:focus .ng-box,.ng g[tabindex]:hover .ng-box,.ng .ng-selected .ng-box{stroke:var(--ng-ink);stroke-width:2.5}
"""


def svg(graph: Graph, direction: str | None = None, prefix: str = "ng") -> str:
    """The drawing as text; ``prefix`` keeps the ids of several drawings on one page apart."""
    flow = direction or graph.direction
    placed = layout(graph, lambda node: _size(node, graph, flow), _spacing(graph, flow), flow)
    width, height = placed.width + 2 * MARGIN, placed.height + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ng" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="group" aria-labelledby="{prefix}-title" '
        f'style="width:100%;height:auto;max-width:{width:.0f}px;min-width:{min(width, max(320, 0.6 * width)):.0f}px">',
        f'<title id="{prefix}-title">{escape(f"The graph of {graph.name}: {len(graph.nodes)} nodes")}</title>',
        _style(),
        f'<defs><marker id="{prefix}-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path class="ng-head" fill="#8a949e" d="M0 0 8 4 0 8z"/></marker>'
        "</defs>",
        f'<g transform="translate({MARGIN} {MARGIN})">',
        *(_edge(edge, placed, flow, prefix) for edge in graph.edges),
        *(line for node in graph.nodes for line in _node(node, placed, flow, prefix)),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _style() -> str:
    light = "".join(f"--ng-{name}:{colour};" for name, (colour, _) in COLOURS.items())
    dark = "".join(f"--ng-{name}:{colour};" for name, (_, colour) in COLOURS.items())
    fills = "".join(f".ng .ng-{name}{{fill:var(--ng-{name})}}" for name in list(COLOURS)[5:])
    return (
        f"<style>:where(.ng){{{light}}}\n@media (prefers-color-scheme:dark){{:where(.ng){{{dark}}}}}"
        f"{_RULES}{fills}</style>"
    )


# --- sizes ----------------------------------------------------------------------------------------------------------


def _spacing(graph: Graph, flow: str) -> Spacing:
    room = max((len(e.gradient) for e in graph.edges if e.gradient is not None), default=0) * SMALL
    return Spacing(18, 34 + room) if flow == "right" else Spacing(28, 34 + (12 if room else 0))


def _size(node: Node, graph: Graph, flow: str) -> Size:
    """The room a node takes with the stub of edge behind it that carries its value."""
    width, height = _shape(node, sum(e.target == node.name for e in graph.edges))
    stub = _stub(node, flow)
    if flow == "right":
        return Size(max(height + 2 * _overhead(node), 2 * LINE + 4 if stub else 0), width + stub, PORT)
    label = 2 * max((len(t) for _, t in node.labels), default=0) * SMALL + 18 if stub else 0
    parts = [len(e.gradient) for e in graph.edges if e.target == node.name and e.gradient is not None]
    return Size(max(width, label), height + stub, max(PORT, max(parts, default=0) * SMALL + 8))


def _shape(node: Node, ports: int) -> tuple[float, float]:
    """The box alone."""
    if node.kind == "operation":
        width = max(38.0, len(node.title) * LETTER + 18)
        return max(width, PORT * ports), max(38.0, PORT * ports)
    lines = _lines(node)
    width = max(len(node.title) * LETTER, *(len(text) * SMALL for _, text in lines), 24.0) + 24
    return width, 30.0 + LINE * len(lines) - (4 if not lines else 0) + (2 if lines else 0)


def _lines(node: Node) -> list[tuple[str, str]]:
    """The rows below the title with their classes."""
    rows = [("ng-faint", row) for row in node.rows]
    return rows if node.wired else rows + [(f"ng-{kind}", text) for kind, text in node.labels]


def _stub(node: Node, flow: str) -> float:
    if not node.wired or not node.labels:
        return 0.0
    return max(STUB, max(len(t) for _, t in node.labels) * SMALL + 12) if flow == "right" else STUB


def _overhead(node: Node) -> float:
    """The line over an operation that names its result (and as much below, for the balance)."""
    return LINE if node.kind == "operation" and node.rows else 0.0


# --- shapes ---------------------------------------------------------------------------------------------------------


def _edge(edge: Edge, placed: Placed, flow: str, prefix: str) -> str:
    points = placed.routes[edge]
    path = f"M{_xy(points[0])}"
    for a, b in zip(points, points[1:], strict=False):
        path += _bend(a, b, flow)
    found = f'<path {LINE_STYLE} d="{path}" marker-end="url(#{prefix}-arrow)"/>'
    if edge.gradient is not None:
        x, y = points[-1]
        x, y, anchor = (x - 10, y + 12, "end") if flow == "right" else (x + 5, y - 9, "start")
        found += _text(x, y, edge.gradient, "ng-gradient", anchor)
    return found


def _bend(a: tuple[float, float], b: tuple[float, float], flow: str) -> str:
    """A straight line, or a curve that leaves and arrives along the flow."""
    if (a[1] == b[1]) if flow == "right" else (a[0] == b[0]):
        return f"L{_xy(b)}"
    middle = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    controls = ((middle[0], a[1]), (middle[0], b[1])) if flow == "right" else ((a[0], middle[1]), (b[0], middle[1]))
    return f"C{_xy(controls[0])} {_xy(controls[1])} {_xy(b)}"


def _node(node: Node, placed: Placed, flow: str, prefix: str) -> Iterator[str]:
    box = placed.boxes[node.name]
    width, height = _shape(node, sum(e.target == node.name for e in placed.graph.edges))
    x = box.x if flow == "right" else box.middle[0] - width / 2
    y = box.middle[1] - height / 2 if flow == "right" else box.y
    yield (
        f'<g id={quoteattr(f"{prefix}-{node.name}")} class="ng-node" data-tensor={quoteattr(node.name)} '
        f'data-tensors={quoteattr(" ".join(node.tensors))} data-kind="{node.kind}" tabindex="0">'
    )
    yield f"<title>{escape(_told(node))}</title>"
    radius = height / 2 if node.kind == "operation" else 7
    dash = ' stroke-dasharray="4 3"' if node.kind == "metric" else ""
    yield (
        f'<rect class="ng-box ng-{node.kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{min(radius, width / 2):.1f}" fill="{COLOURS[node.kind][0]}" stroke="#8a949e" stroke-width="1.5"{dash}/>'
    )
    if node.kind == "operation":
        yield _text(x + width / 2, y + height / 2 + 5, node.title, "ng-name", "middle")
        for row in node.rows:
            yield _text(x + width / 2, y - 5, row, "ng-faint", "middle")
    else:
        yield _text(x + width / 2, y + 19, node.title, "ng-name", "middle")
        for place, (kind, row) in enumerate(_lines(node)):
            yield _text(x + width / 2, y + 37 + LINE * place, row, kind, "middle")
    if node.wired and node.labels:
        yield from _wire(node, Box(x, y, width, height), box, flow)
    yield "</g>"


def _wire(node: Node, shape: Box, box: Box, flow: str) -> Iterator[str]:
    """The stub behind a node: its value above (or left), its gradient below (or right)."""
    x, y = shape.middle
    if flow == "right":
        start, end = shape.x + shape.width, box.x + box.width
        yield f'<path {LINE_STYLE} d="M{_xy((start, y))}H{end:.1f}"/>'
        for kind, text in node.labels:
            yield _text((start + end) / 2, y - 5 if kind == "value" else y + 14, text, f"ng-{kind}", "middle")
    else:
        start, end = shape.y + shape.height, box.y + box.height
        yield f'<path {LINE_STYLE} d="M{_xy((x, start))}V{end:.1f}"/>'
        for kind, text in node.labels:
            at, anchor = (x - 5, "end") if kind == "value" else (x + 5, "start")
            yield _text(at, (start + end) / 2 + 4, text, f"ng-{kind}", anchor)


def _told(node: Node) -> str:
    """What a pointer over the node, or a reader's voice, says."""
    parts = [f"{node.kind} {node.name}", *node.rows]
    return ", ".join([*parts, *(f"{kind} {text}" for kind, text in node.labels)])


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    colour = COLOURS.get(kind.removeprefix("ng-"), COLOURS["ink"])[0]
    size = 'font-size="13.5" font-weight="600"' if kind == "ng-name" else 'font-size="12"'
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {size} '
        f'font-family="sans-serif">{escape(text)}</text>'
    )


def _xy(point: Sequence[float]) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"
