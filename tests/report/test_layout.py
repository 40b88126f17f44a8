"""The layout of random graphs: nothing overlaps, everything flows one way, and it is the same each time."""

from __future__ import annotations

import itertools
import random

import pytest

from nablac.report.drawings.graph import Edge, Graph, Node
from nablac.report.drawings.layout import Box, Placed, Size, Spacing, layout

SPACING = Spacing(20, 30)


def random_graph(seed: int, direction: str = "down") -> Graph:
    rng = random.Random(seed)
    count = rng.randint(1, 30)
    nodes = [Node(f"n{i}", "node" * rng.randint(1, 3), "layer") for i in range(count)]
    pairs = {(rng.randrange(target), target) for target in range(1, count) for _ in range(rng.randint(0, 3))}
    edges = [Edge(f"n{s}", f"n{t}") for s, t in sorted(pairs)]
    return Graph("random", tuple(nodes), tuple(edges), direction)


def measure(node: Node) -> Size:
    return Size(8.0 * len(node.title) + len(node.name), 20.0 + len(node.title), 10.0)


def overlap(a: Box, b: Box) -> bool:
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


def placed(seed: int) -> Placed:
    return layout(random_graph(seed), measure, SPACING)


@pytest.mark.parametrize("seed", range(40))
def test_nodes_do_not_overlap_and_lie_on_the_sheet(seed: int) -> None:
    drawn = placed(seed)
    assert not any(overlap(a, b) for a, b in itertools.combinations(drawn.boxes.values(), 2))
    for box in drawn.boxes.values():
        assert box.x >= -1e-9 and box.y >= 0
        assert box.x + box.width <= drawn.width + 1e-9 and box.y + box.height <= drawn.height + 1e-9


@pytest.mark.parametrize("seed", range(40))
def test_edges_go_down_from_box_to_box(seed: int) -> None:
    drawn = placed(seed)
    for edge, points in drawn.routes.items():
        source, target = drawn.boxes[edge.source], drawn.boxes[edge.target]
        assert points[0] == pytest.approx((source.middle[0], source.y + source.height))
        assert points[-1][1] == target.y
        assert target.x <= points[-1][0] <= target.x + target.width
        assert all(a[1] < b[1] for a, b in itertools.pairwise(points))


@pytest.mark.parametrize("seed", range(40))
def test_edges_run_through_no_other_node(seed: int) -> None:
    drawn = placed(seed)
    for edge, points in drawn.routes.items():
        others = [box for name, box in drawn.boxes.items() if name not in (edge.source, edge.target)]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            for step in range(21):
                x, y = x0 + (x1 - x0) * step / 20, y0 + (y1 - y0) * step / 20
                assert not any(b.x < x < b.x + b.width and b.y < y < b.y + b.height for b in others)


def test_direction_turns_the_drawing() -> None:
    for seed in range(10):
        down = layout(random_graph(seed), measure, SPACING, "down")
        right = layout(random_graph(seed), measure, SPACING, "right")
        assert {n: (b.y, b.x, b.height, b.width) for n, b in down.boxes.items()} == {
            n: (b.x, b.y, b.width, b.height) for n, b in right.boxes.items()
        }


def test_it_is_the_same_each_time() -> None:
    assert placed(7) == placed(7)


def test_a_chain_is_straight_and_a_tree_has_no_crossing() -> None:
    chain = [Node(f"n{i}", "x" * (1 + i % 3), "layer") for i in range(9)]
    drawn = layout(Graph("c", tuple(chain), tuple(Edge(f"n{i}", f"n{i + 1}") for i in range(8))), measure, SPACING)
    assert len({round(b.middle[0], 6) for b in drawn.boxes.values()}) == 1
    leaves, knots = [f"l{i}" for i in range(8)], ["k0", "k1", "k2", "k3", "m0", "m1", "r"]
    order = ["l5", "l0", "l3", "l6", "l1", "l7", "l4", "l2"]
    edges = [Edge(leaves[i], knots[i // 2]) for i in range(8)]
    edges += [Edge(knots[i], knots[4 + i // 2]) for i in range(4)] + [Edge("m0", "r"), Edge("m1", "r")]
    tree = Graph("t", tuple(Node(n, n, "layer") for n in (*order, *knots)), tuple(edges))
    drawn = layout(tree, measure, SPACING)
    for a, b in itertools.combinations(edges, 2):
        if a.target != b.target and drawn.boxes[a.target].y == drawn.boxes[b.target].y:
            before = drawn.boxes[a.source].x < drawn.boxes[b.source].x
            assert before == (drawn.boxes[a.target].x < drawn.boxes[b.target].x)


def test_a_deep_residual_network_is_one_narrow_column() -> None:
    """Forty blocks of three layers, each block skipped by one edge."""
    count = 121
    edges = [Edge(f"n{i}", f"n{i + 1}") for i in range(count - 1)]
    edges += [Edge(f"n{i}", f"n{i + 3}") for i in range(0, count - 3, 3)]
    graph = Graph("deep", tuple(Node(f"n{i}", "layer", "layer") for i in range(count)), tuple(edges))
    drawn = layout(graph, measure, SPACING)
    assert drawn.width < 120
