"""The graph as SVG, DOT and characters: every node and every edge is there, in a form that others can read."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.cells import cell_len

from nablac.report.drawings.dot import dot
from nablac.report.drawings.graph import Edge, Graph, Node, model_graph
from nablac.report.drawings.svg import svg
from nablac.report.drawings.terminal_graph import draw
from nablac.report.numbers.point import read_point
from nablac.report.numbers.values import annotate, evaluate
from nablac.report.pages.drawing import inlaid
from tests.report.models import EXAMPLES, RESIDUAL, example, model_of
from tests.report.test_layout import random_graph

SVG = "{http://www.w3.org/2000/svg}"


def with_values(name: str) -> Graph:
    model = example(name)
    return annotate(model_graph(model), evaluate(model, read_point(None, model)))


GRAPHS = [with_values(path.stem) for path in sorted(EXAMPLES.glob("*.yaml"))]


# --- the graph of a model -------------------------------------------------------------------------------------------


def test_a_network_is_a_chain_of_its_layers() -> None:
    graph = model_graph(example("mnist_mlp"))
    assert [n.name for n in graph.nodes if n.kind == "layer"] == [
        "linear_1", "relu_1", "linear_2", "relu_2", "linear_3", "relu_3", "linear_4", "relu_4", "logits",
    ]  # fmt: skip
    assert {(n.name, n.kind) for n in graph.nodes if n.kind != "layer"} == {
        ("x", "input"), ("y", "input"), ("loss", "loss"), ("accuracy", "metric"),
    }  # fmt: skip
    assert graph.node("linear_1").rows == ("[n, 256]", "W [256, 784]", "b [256]")
    assert set(graph.node("loss").tensors) == {"loss", "loss.p", "loss.p.sum"}
    assert Edge("x", "linear_1") in graph.edges and Edge("y", "loss") in graph.edges
    assert len(graph.edges) == 13


def test_a_parameter_that_several_layers_read_is_a_node(tmp_path: Path) -> None:
    graph = model_graph(model_of(RESIDUAL.replace("V[j,k]*h", "W[j,k]*h").replace(', V: "real[4, 4] ~ normal(0, 0.5)"',
                                                                              ""), tmp_path))  # fmt: skip
    assert graph.node("W").kind == "param"
    assert {e.target for e in graph.edges if e.source == "W"} == {"h", "g"}


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: g.name)
def test_nodes_follow_what_they_read_and_hold_every_tensor_once(graph: Graph) -> None:
    place = {n.name: i for i, n in enumerate(graph.nodes)}
    assert all(place[e.source] < place[e.target] for e in graph.edges)
    tensors = [t for n in graph.nodes for t in n.tensors]
    assert len(tensors) == len(set(tensors))
    assert {t.name for t in example(graph.name).program.tensors} <= set(tensors)


# --- SVG ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["down", "right"])
@pytest.mark.parametrize("graph", [*GRAPHS, *map(random_graph, range(3))], ids=lambda g: str(getattr(g, "name", g)))
def test_svg_holds_every_node_with_its_name(graph: Graph, direction: str) -> None:
    root = ElementTree.fromstring(svg(graph, direction))
    nodes = {g.get("data-tensor"): g for g in root.iter(f"{SVG}g") if g.get("data-tensor")}
    assert set(nodes) == {n.name for n in graph.nodes}
    for node in graph.nodes:
        group = nodes[node.name]
        assert group.get("tabindex") == "0"
        words = {text.text for text in group.iter(f"{SVG}text")}
        assert {node.title, *node.rows, *(label for _, label in node.labels)} <= words
        assert node.name in (group.findtext(f"{SVG}title") or "")
    arrows = [p for p in root.iter(f"{SVG}path") if p.get("marker-end")]
    assert len(arrows) == len(graph.edges)
    assert root.findtext(f"{SVG}title")
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for box in root.iter(f"{SVG}rect"):
        assert float(box.get("x", "")) + 14 >= 0 and float(box.get("x", "")) + float(box.get("width", "")) <= width
        assert float(box.get("y", "")) + 14 >= 0 and float(box.get("y", "")) + float(box.get("height", "")) <= height


def test_svg_fits_a_phone_and_goes_into_the_page() -> None:
    graph = model_graph(example("mnist_mlp"))
    text = svg(graph)
    assert float(ElementTree.fromstring(text).get("width", "")) <= 400
    figure = inlaid("graph", "the graph", text)
    assert 'data-tensor="linear_1"' in figure.svg and "--ng-value" in figure.style


def test_svg_escapes_what_it_is_given() -> None:
    nasty = '<&"\'>'
    graph = Graph(nasty, (Node(nasty, nasty, "layer", (nasty,)), Node("b", "b", "loss")), (Edge(nasty, "b", nasty),))
    group = next(g for g in ElementTree.fromstring(svg(graph)).iter(f"{SVG}g") if g.get("data-tensor") == nasty)
    assert group.findtext(f"{SVG}text") == nasty


# --- DOT ------------------------------------------------------------------------------------------------------------


def test_dot_names_nodes_and_edges() -> None:
    text = dot(with_values("circuit_product"))
    assert '"x" -> "q";' in text and '"q" -> "f";' in text
    assert text.startswith('digraph "circuit_product" {') and text.endswith("}\n")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize(
    "graph",
    [*GRAPHS, Graph('a"\\<', (Node('"\\<&', "<&\\n", "layer", ('"',)), Node("b", "b", "loss")), (Edge('"\\<&', "b"),))],
    ids=lambda g: g.name,
)
def test_graphviz_draws_it(graph: Graph) -> None:
    done = subprocess.run(["dot", "-Tsvg"], input=dot(graph).encode(), capture_output=True, check=False)
    assert done.returncode == 0 and not done.stderr
    root = ElementTree.fromstring(done.stdout)
    assert sum(g.get("class") == "node" for g in root.iter(f"{SVG}g")) == len(graph.nodes)
    assert sum(g.get("class") == "edge" for g in root.iter(f"{SVG}g")) == len(graph.edges)


# --- characters -----------------------------------------------------------------------------------------------------


def test_the_classic_circuit_in_characters() -> None:
    assert draw(with_values("circuit_product"), 80).plain == (
        "╭───╮ −2\n"
        "│ x ├────╮\n"
        "╰───╯ −4 │  ╭──────╮ 3\n"
        "╭───╮ 5  ╰┬▶│ q: + ├────╮  ╭──────╮ −12\n"
        "│ y ├─────╯ ╰──────╯ −4 ╰┬▶│ f: × ├─────\n"
        "╰───╯ −4    ╭───╮ −4     │ ╰──────╯ 1\n"
        "            │ z ├────────╯\n"
        "            ╰───╯ 3\n"
    )


def test_values_are_green_and_gradients_red() -> None:
    text = draw(with_values("circuit_product"), 80)
    coloured = {(text.plain[s.start : s.end], s.style) for s in text.spans if s.style in ("green", "red")}
    letters = {colour: "".join(letter for letter, style in coloured if style == colour) for colour in ("green", "red")}
    assert "5" in letters["green"] and "5" not in letters["red"]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: g.name)
def test_every_title_and_label_can_be_read(graph: Graph) -> None:
    for width in (200, 100):
        plain = draw(graph, width).plain
        assert max(map(cell_len, plain.splitlines())) <= width
        for node in graph.nodes:
            assert node.title in plain
            assert all(label in plain for _, label in node.labels)


def test_a_narrow_terminal_turns_the_drawing_and_then_lists() -> None:
    graph = with_values("circuit_neuron")
    wide, narrow, list_ = (draw(graph, width).plain for width in (140, 80, 30))
    assert "▶" in wide and "▼" in narrow and "▼" not in wide
    assert max(map(cell_len, narrow.splitlines())) <= 80
    assert "f.1  × ← w0, x0  −2  0.20" in list_.splitlines()


SIDES = {"up": "│├┤┴┼╰╯", "down": "│├┤┬┼╭╮", "left": "─┤┬┴┼╮╯", "right": "─├┬┴┼╭╰"}
STEPS = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}
AGAINST = {"up": "down", "down": "up", "left": "right", "right": "left"}


def followed(rows: list[str], start: tuple[int, int], heading: str) -> set[tuple[int, int]]:
    """The arrows to which a line leads that leaves a cell: straight under others, every way at joints, never back."""
    flow = heading
    found, seen, waiting = set(), set(), [(start, heading)]
    while waiting:
        (x, y), going = waiting.pop()
        x, y = x + STEPS[going][0], y + STEPS[going][1]
        letter = rows[y][x] if y < len(rows) and x < len(rows[y]) else " "
        if ((x, y), going) in seen:
            continue
        seen.add(((x, y), going))
        if letter in "▼▶":
            found.add((x, y))
        elif letter == "│" and going in ("left", "right"):
            waiting.append(((x, y), going))
        else:
            assert letter in SIDES[AGAINST[going]], (x, y, letter, going)
            turns = [s for s in SIDES if letter in SIDES[s] and s not in (AGAINST[going], AGAINST[flow])]
            waiting += [((x, y), turn) for turn in turns]
    return found


@pytest.mark.parametrize("seed", range(60))
def test_lines_lead_from_each_node_to_its_readers_and_no_others(seed: int) -> None:
    graph = random_graph(seed)
    named = Graph("g", tuple(Node(n.name, f"<{n.name}>", "layer") for n in graph.nodes), graph.edges)
    rows = draw(named, 10_000).plain.splitlines()
    titles = {n.name: (n.title, next((y, r) for y, r in enumerate(rows) if n.title in r)) for n in named.nodes}
    boxes = {}
    for name, (title, (y, row)) in titles.items():
        at = row.index(title)
        boxes[name] = range(row.rindex("│", 0, at), row.index("│", at) + 1), y
    for node in named.nodes:
        columns, y = boxes[node.name]
        outlets = [x for x in columns if rows[y + 1][x] == "┬"]
        reached = set().union(*(followed(rows, (x, y + 1), "down") for x in outlets)) if outlets else set()
        arrived = {n for n, (across, top) in boxes.items() for x, at in reached if x in across and at == top - 2}
        assert arrived == {e.target for e in graph.edges if e.source == node.name}, node.name




@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(300, 900, "tall"), (470, 500, "tall"), (500, 400, "wide"), (900, 700, "wide"), (900, 1900, "tall")],
)
def test_a_drawing_too_wide_for_the_margin_lies_above_the_text(width: int, height: int, shape: str) -> None:
    text = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><g/></svg>'
    assert inlaid("graph", "the graph", text).shape == shape
