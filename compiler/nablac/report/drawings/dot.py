"""drawings/dot: a graph -> text for Graphviz."""

from __future__ import annotations

from nablac.report.drawings.graph import Graph, Node

FILLS = {
    "input": "#f3f4f6",
    "param": "#fdf3dc",
    "layer": "#e9f1fe",
    "operation": "#ffffff",
    "loss": "#f4eafd",
    "metric": "#ffffff",
}
LABELS = {"value": "#137333", "gradient": "#c5221f"}


def dot(graph: Graph) -> str:
    """The graph in the DOT language; ``dot -Tsvg`` draws it."""
    lines = [
        f"digraph {_quoted(graph.name)} {{",
        f"  rankdir={'LR' if graph.direction == 'right' else 'TB'};",
        '  node [fontname="Helvetica", fontsize=12, style="filled,rounded", shape=box, color="#8a949e"];',
        '  edge [fontname="Helvetica", fontsize=11, color="#8a949e"];',
    ]
    for node in graph.nodes:
        shape = ', shape=ellipse, style="filled"' if node.kind == "operation" else ""
        lines.append(f'  {_quoted(node.name)} [label=<{_label(node)}>, fillcolor="{FILLS[node.kind]}"{shape}];')
    for edge in graph.edges:
        part = f" [headlabel=<{_coloured(edge.gradient, LABELS['gradient'])}>]" if edge.gradient is not None else ""
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)}{part};")
    return "\n".join([*lines, "}", ""])


def _label(node: Node) -> str:
    rows = [f"<b>{_escaped(node.title)}</b>", *map(_escaped, node.rows)]
    rows += [_coloured(text, LABELS[kind]) for kind, text in node.labels]
    return "<br/>".join(rows)


def _coloured(text: str, colour: str) -> str:
    return f'<font color="{colour}">{_escaped(text)}</font>'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
