"""The HTML page as text: whole, self-contained, its links resolved, and nothing of a spec's taken for markup."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import pytest
from jinja2 import Environment, meta

from nablac import __version__
from nablac.emit.render import folder
from nablac.errors import InternalError, Place
from nablac.lint.finding import Finding
from nablac.network import compile as compile_network
from nablac.report.build import build_report
from nablac.report.content import Report, Sheet, Span, TensorRow
from nablac.report.drawings.graph import model_graph
from nablac.report.drawings.svg import svg
from nablac.report.formulas.boxes import Name
from nablac.report.pages.drawing import inlaid
from nablac.report.pages.page import page
from nablac.report.pages.view import View

from .outline import Element, read

EXAMPLES = ("digits", "chain", "circuit_neuron", "robust_regression")
HOSTILE = """"'><script>pwned=1</script><img src=x onerror=pwned=1></title></style>--><!--{{7*7}}"""


@cache
def report(name: str) -> Report:
    net = compile_network(f"examples/{name}.yaml")
    spec = Path(f"examples/{name}.yaml").read_text(encoding="utf-8")
    made = build_report(net.compiled, net.source, __version__, spec=spec)
    return replace(made, drawings={"Graph": svg(model_graph(net.compiled.model))})


@cache
def tree(name: str) -> Element:
    return read(page(report(name)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_ids_are_unique_and_links_resolve(name: str) -> None:
    ids = [e.attributes["id"] for e in tree(name).all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    links = [e.attributes["href"] for e in tree(name).all("a")]
    assert links
    assert not [link for link in links if not link.startswith("#") or link[1:] not in ids]


def test_several_lines_are_lines() -> None:
    shown = report("digits")
    entry = replace(shown.entries[0], spans=(Span(624, 624, "predict"), Span(720, 720, "evaluate")))
    for spans, word in ((entry.spans, "lines 624, 720"), (entry.spans[:1], "line 624")):
        root = read(page(replace(shown, entries=(replace(entry, spans=spans), *shown.entries[1:]))))
        facts = root.at(f"eq-{entry.number}")
        assert word in " ".join(facts.text.split())


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_fetched(name: str) -> None:
    for element in tree(name).all():
        assert element.tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "image", "use"}
        for key, value in element.attributes.items():
            assert not key.startswith("on") and key not in {"src", "srcset", "style", "action", "xlink:href"}, element
            assert "//" not in value or key.startswith("xmlns"), f"{key}={value}"
            assert "url(" not in value or re.fullmatch(r"url\(#[\w.-]+\)", value)
    style = next(tree(name).all("style")).text
    assert not re.search(r"url\(|@import|expression|//", style)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_policy_allows_this_style_and_this_script_alone(name: str) -> None:
    root = tree(name)
    policy = next(e for e in root.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy")
    parts = dict(part.split(" ", 1) for part in policy.attributes["content"].split("; "))
    assert parts["default-src"] == parts["base-uri"] == parts["form-action"] == "'none'"
    for tag in ("style", "script"):
        (element,) = root.all(tag)
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert parts[f"{tag}-src"] == f"'sha256-{digest}'"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_equation_is_there_with_its_lines(name: str) -> None:
    made, root = report(name), tree(name)
    equations = {e.attributes["id"]: e for e in root.all("li", "equation")}
    assert list(equations) == [f"eq-{e.number}" for e in sorted(made.entries, key=_by_group)]
    lines = made.source.split("\n")
    for entry in made.entries:
        element = equations[f"eq-{entry.number}"]
        assert len(list(element.all("math"))) >= 1
        for span in element.attributes["data-lines"].split():
            first, last = map(int, span.split("-"))
            assert 1 <= first <= last <= len(lines)
            for number in (first, last):
                assert root.at(f"line-{number}").attributes["class"] == "line"


def _by_group(entry: object) -> tuple[int, int]:
    return ("forward", "backward", "metric", "update").index(entry.kind), entry.number  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_listing_is_the_module(name: str) -> None:
    code = next(tree(name).all("aside", "code"))
    assert [next(line.all("code")).text for line in code.all("div", "line")] == report(name).source.splitlines()


@pytest.mark.parametrize("name", EXAMPLES)
def test_from_a_line_one_gets_to_its_formula(name: str) -> None:
    code = next(tree(name).all("aside", "code"))
    reached = {a.attributes["href"] for line in code.all("div", "line") for a in line.all("a") if "(" in a.text}
    assert {f"#eq-{e.number}" for e in report(name).entries if e.kind == "backward"} <= reached


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_gradient_has_its_derivation(name: str) -> None:
    made, root = report(name), tree(name)
    stages = list(root.all("details", "stage"))
    assert len({s.attributes["id"] for s in stages}) == len({s.adjoint for g in made.gradients for s in g.stages})
    for gradient in made.gradients:
        chain = root.at(f"wrt-{gradient.wrt}")
        own = [stages[int(k)].attributes["data-tensor"] for k in chain.attributes["data-stages"].split()]
        assert own == [stage.adjoint for stage in gradient.stages]
        assert sorted(map(int, chain.attributes["data-stages"].split())) == list(
            map(int, chain.attributes["data-stages"].split())
        ), "a stage stands after those it needs"
        assert chain.attributes["data-equations"].split() == [str(number) for number in gradient.numbers]
    for stage, told in zip(stages, {s.adjoint: s for g in made.gradients for s in g.stages}.values(), strict=True):
        assert len(list(stage.all("details", "step"))) == len(told.steps)


def test_the_templates_variables_are_the_views() -> None:
    template = Path(folder(), "report.html.j2").read_text(encoding="utf-8")
    assert meta.find_undeclared_variables(Environment().parse(template)) == {field.name for field in fields(View)}


def test_without_a_script_everything_can_be_read() -> None:
    hidden = [e for e in tree("digits").all() if "hidden" in e.attributes]
    assert [e.attributes["class"] for e in hidden] == ["tools"], "buttons that a script answers, and nothing else"
    assert not [e for e in tree("digits").all() if "off" in e.attributes.get("class", "").split()]


def test_a_place_outside_the_source_is_no_link() -> None:
    warning = Finding("rule", "subject", Place("elsewhere.py", 4000), "remedy")
    root = read(page(replace(report("digits"), warnings=(warning,))))
    assert "elsewhere.py:4000" in next(root.all("ul", "findings")).text
    assert not list(next(root.all("ul", "findings")).all("a"))


def test_the_size() -> None:
    """A model of some three hundred equations stays below five megabytes."""
    made = report("digits")
    assert len(page(made).encode()) - len(page(replace(made, entries=(), gradients=())).encode()) < 5_000 * len(
        made.entries
    )


def test_the_page_is_a_function_of_the_report() -> None:
    assert page(report("digits")) == page(report("digits"))


def hostile() -> Report:
    """A report in which every string that a spec can choose is an attack."""
    made = report("digits")
    drawing = svg(replace(graph := model_graph(_model()), nodes=tuple(replace(n, title=HOSTILE) for n in graph.nodes)))
    first = made.entries[0]
    origin = replace(first.equation.origin, layer=HOSTILE, laws=(HOSTILE,), where=Place(HOSTILE, 1, 1))
    return replace(
        made,
        name=HOSTILE,
        title=HOSTILE,
        of=HOSTILE,
        tensors=(*made.tensors, TensorRow(HOSTILE, Name(HOSTILE), "param", (HOSTILE,), HOSTILE, HOSTILE)),
        entries=(replace(first, equation=replace(first.equation, origin=origin)), *made.entries[1:]),
        gradients=tuple(replace(g, wrt=f"{HOSTILE}{k}") for k, g in enumerate(made.gradients)),
        warnings=(Finding(HOSTILE, HOSTILE, Place(HOSTILE, 3), HOSTILE),),
        sheets=(Sheet(HOSTILE, HOSTILE, (HOSTILE, HOSTILE), ((HOSTILE, HOSTILE),)),),
        sizes={HOSTILE: 3},
        source=f'"""{HOSTILE}"""\n# (1) {HOSTILE}\nx = "{HOSTILE}"\n',
        spec=f"# {HOSTILE}\n",
        drawings={HOSTILE: drawing},
    )


def _model():  # type: ignore[no-untyped-def]
    return compile_network("examples/digits.yaml").compiled.model


def test_a_hostile_spec_adds_no_markup() -> None:
    root, plain = read(page(hostile())), tree("digits")
    assert {e.tag for e in root.all()} <= {e.tag for e in plain.all()} | {"code"}
    assert len(list(root.all("script"))) == 1
    assert next(root.all("script")).text == next(plain.all("script")).text
    assert not [e for e in root.all() if any(key.startswith("on") for key in e.attributes)]
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids)) and not [id_ for id_ in ids if re.search(r"\s", id_)]
    assert HOSTILE in root.text and "49" not in next(root.all("h1")).text


@pytest.mark.parametrize(
    "inside",
    [
        "<script>1</script>",
        '<rect onclick="1"/>',
        '<a href="http://example.org"/>',
        '<image href="x"/>',
        '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject>',
        "<style>@import 'x'</style>",
        "<style>&lt;/style&gt;&lt;script&gt;1&lt;/script&gt;</style>",
        '<rect style="fill: red"/>',
    ],
)
def test_a_drawing_that_holds_more_than_shapes_is_refused(inside: str) -> None:
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10">{inside}</svg>'
    with pytest.raises(InternalError):
        inlaid("d", "d", drawing)


def test_two_drawings_keep_their_ids_apart() -> None:
    drawing = svg(model_graph(_model()))
    root = read(page(replace(report("digits"), drawings={"Graph": drawing, "Again": drawing})))
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))


def test_a_module_that_is_no_python_is_still_listed() -> None:
    source = "x = (\n\x0c\u2028'''\n\tnot python & <b>"
    root = read(page(replace(report("circuit_neuron"), source=source)))
    code = next(root.all("aside", "code"))
    assert [next(line.all("code")).text for line in code.all("div", "line")] == source.split("\n")
