"""The report's page in a browser: choosing by pointer and by keyboard, links both ways, widths, colours, paper."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nablac.network import compile as compile_network
from nablac.report.pages.page import page

from ..report.test_page import EXAMPLES, hostile, report
from .conftest import Opened

pytestmark = pytest.mark.browser

WIDTHS = (320, 400, 800, 1000, 1400, 1920)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each example's page on disk."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name in EXAMPLES:
        found[name] = folder / f"{name}.html"
        found[name].write_text(page(report(name)), encoding="utf-8")
    return found


def address(page: Any) -> str:
    return re.sub(r"^[^#]*", "", page.url)


def lit(page: Any) -> list[int]:
    """The numbers of the module's lines that are lit."""
    return page.eval_on_selector_all(".code .line.chosen", "all => all.map(one => +one.id.slice(5))")


def in_sight(page: Any, selector: str) -> bool:
    """Whether an element stands in the window once the page has settled."""
    page.evaluate(
        "new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 150))"
    )
    return page.evaluate(
        "s => { const b = document.querySelector(s).getBoundingClientRect();"
        " return b.top >= 0 && b.bottom <= innerHeight && b.width > 0 }",
        selector,
    )


def lines_of(number: int) -> list[int]:
    entry = report("digits").entry(number)
    return sorted({line for span in entry.spans for line in range(span.first, span.last + 1)})


def weight_gradient() -> tuple[str, int]:
    """The id of a gradient's article, and the number of the equation it ends in."""
    gradient = next(g for g in report("digits").gradients if g.wrt == "linear_1.W")
    return "#wrt-linear_1.W", gradient.numbers[-1]


def test_a_click_on_an_equation_lights_its_lines(files: dict[str, Path], opened: Opened) -> None:
    page, (_, number) = opened(files["digits"]), weight_gradient()
    page.click(f"#eq-{number} .forms .form >> nth=0")
    assert address(page) == f"#eq-{number}"
    assert lit(page) == lines_of(number)
    assert in_sight(page, f"#line-{lines_of(number)[0]}")
    assert page.get_attribute(f"#eq-{number}", "aria-current") == "true"
    assert f"({number})" in page.inner_text(".lit")


def test_from_a_formula_to_its_lines_and_back(files: dict[str, Path], opened: Opened) -> None:
    page, (_, number) = opened(files["digits"], width=400), weight_gradient()
    page.click(f"#eq-{number} .to-lines")
    first = lines_of(number)[0]
    assert address(page) == f"#line-{first}"
    assert in_sight(page, f"#line-{first}")
    page.click(f".lit a[href='#eq-{number}']")
    assert address(page) == f"#eq-{number}"
    assert in_sight(page, f"#eq-{number} .number")
    page.click(f".code .line .c a[href='#eq-{number}'] >> nth=0")
    assert address(page) == f"#eq-{number}"


def test_a_node_of_the_graph_by_pointer_and_by_keyboard(files: dict[str, Path], opened: Opened) -> None:
    page, (id_, _) = opened(files["digits"]), weight_gradient()
    page.click(".graph [data-tensors~='linear_1.W']")
    assert address(page) == id_
    assert page.is_visible(f"[id='{id_[1:]}']") and not page.is_visible("[id='wrt-linear_2.W']")
    assert page.locator(".graph .ng-selected").count() == 1
    page.focus(".graph [data-tensors~='linear_2.W']")
    page.keyboard.press("Enter")
    assert address(page) == "#wrt-linear_2.W"
    assert page.is_visible("[id='wrt-linear_2.W']") and not page.is_visible(f"[id='{id_[1:]}']")
    page.focus(".graph [data-tensors~='linear_1.W']")
    page.keyboard.press("Space")
    assert address(page) == id_


def test_the_steps_unfold_one_by_one(files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["digits"], "#wrt-linear_2.b")
    gradient = next(g for g in report("digits").gradients if g.wrt == "linear_2.b")
    shown = ".stages > li:not(.off)"
    assert page.locator(shown).count() == len(gradient.stages)
    steps = page.locator(f"{shown} .step > .form >> visible=true")
    assert steps.count() == 0
    for unfolded in range(1, 4):
        page.focus("button[data-act=next]")
        page.keyboard.press("Enter")
        assert steps.count() == unfolded
    page.click("button[data-act=unfold]")
    assert steps.count() == sum(len(stage.steps) for stage in gradient.stages)
    page.click("button[data-act=fold]")
    assert steps.count() == 0
    for _ in range(sum(len(stage.steps) for stage in gradient.stages) + 1):
        page.click("button[data-act=next]")
    assert steps.count() == sum(len(stage.steps) for stage in gradient.stages)


def test_a_stage_unfolds_by_keyboard(files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["digits"])
    page.focus(".stage > summary >> nth=0")
    page.keyboard.press("Enter")
    assert page.locator(".step > .form >> visible=true").count() > 2
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.closest('.step').open") is False


def test_arrows_move_between_equations(files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["digits"], "#eq-3")
    page.focus("#eq-3 .number")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("location.hash === '#eq-4'")
    assert page.evaluate("document.activeElement.closest('.equation').id") == "eq-4"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.wait_for_function("location.hash === '#eq-2'")
    page.keyboard.press("Home")
    page.wait_for_function("location.hash === '#eq-1'")
    page.wait_for_function("document.querySelector('#eq-1').classList.contains('chosen')")
    assert page.locator(".equation .number[tabindex='0']").count() == 1, "the list is one stop of the tab key"
    assert lit(page) == lines_of(1)


def focused(page: Any) -> str:
    """The id of the equation whose number has the focus, or the tensors of a node."""
    page.wait_for_timeout(150)
    return page.evaluate(
        "(document.activeElement.closest('.equation') || {}).id || document.activeElement.dataset.tensors || ''"
    )


def test_what_is_chosen_keeps_the_focus(files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["digits"])
    page.click("#eq-3 .number")
    assert focused(page) == "eq-3"
    page.keyboard.press("ArrowDown")
    assert address(page) == "#eq-4" and focused(page) == "eq-4"
    page.click("#eq-6 .forms .form >> nth=0")
    assert focused(page) == "eq-6"
    node = ".graph [data-tensors~='linear_1']"
    page.focus(node)
    page.keyboard.press("Enter")
    assert focused(page) == page.get_attribute(node, "data-tensors")
    chosen = page.get_attribute(".equation.chosen", "data-number")
    page.keyboard.press("ArrowUp")
    assert focused(page) == address(page)[1:] == f"eq-{int(chosen) - 1}"


@pytest.mark.parametrize("width", [400, 1400])
def test_the_costs_numbers_are_in_sight(width: int, tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "mlp.html"
    path.write_text(compile_network("examples/mnist_mlp.yaml").report().html, encoding="utf-8")
    page = opened(path, width=width)
    right = page.evaluate(
        "(() => { const pane = document.querySelector('#costs ~ .wide').getBoundingClientRect().right;"
        " return [...document.querySelectorAll('#costs ~ .wide td.number')]"
        ".map(cell => pane - cell.getBoundingClientRect().right) })()"
    )
    assert right and min(right) >= 0


def test_the_tab_key_begins_with_the_skip_link(files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["digits"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert address(page) == "#forward"
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.closest('.equation')?.id || ''"))
        outline = "(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle })()"
        assert page.evaluate(outline) != "none"
    assert seen[0] == "eq-1"


@pytest.mark.parametrize("fragment", ["#eq-12", "#line-230", "#wrt-linear_1.W", "#stage-d_logits"])
def test_deep_links_survive_a_reload_and_the_back_button(fragment: str, files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["digits"], fragment)
    chosen = f"[id='{fragment[1:]}']"
    assert in_sight(page, f"{chosen} > :first-child")
    before = lit(page), page.inner_text(".lit")
    page.reload()
    assert (lit(page), page.inner_text(".lit")) == before
    assert in_sight(page, f"{chosen} > :first-child")
    page.evaluate("location.hash = '#eq-5'")
    page.wait_for_function("document.querySelector('#eq-5').classList.contains('chosen')")
    page.go_back()
    page.wait_for_function("before => document.querySelector('.lit').innerText === before", arg=before[1])
    assert address(page) == fragment and lit(page) == before[0]


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_sideways(name: str, width: int, files: dict[str, Path], opened: Opened) -> None:
    page = opened(files[name], width=width)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.querySelectorAll('body, main, .side')].every(e => e.scrollWidth <= innerWidth)")


def test_a_page_without_a_drawing_uses_its_width(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "plain.html"
    path.write_text(page(replace(report("digits"), drawings={})), encoding="utf-8")
    widths = opened(path).evaluate("['main', '.code'].map(s => document.querySelector(s).offsetWidth)")
    assert sum(widths) == 1400 and min(widths) > 600


def luminance(colour: str) -> float:
    channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str, files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["digits"], "#eq-12", color_scheme=scheme)
    found = page.evaluate(
        """() => {
          const ground = (e) => {
            for (let at = e; at; at = at.parentElement) {
              const colour = getComputedStyle(at).backgroundColor;
              if (!/, 0\\)$/.test(colour)) return colour;
            }
            return "rgb(255, 255, 255)";
          };
          const own = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
          const all = [...document.querySelectorAll("body *")].filter((e) => own(e) && !e.closest("svg, script"));
          const rows = all.map((e) => [getComputedStyle(e).color, ground(e), e.tagName + "." + e.className]);
          return [...new Map(rows.map((row) => [row[0] + row[1], row])).values()];
        }"""
    )
    assert len(found) > 8
    page_ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(page_ground) < 0.05) == (scheme == "dark")
    colours = [row for row in found if row[0].startswith("rgb")]
    assert not [row for row in colours if contrast(row[0], row[1]) < 4.5]


def test_values_are_green_and_gradients_red(files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["digits"])
    colours = {}
    for name in ("loss", "d_logits", "linear_1.W", "x"):
        colour = page.evaluate(f"getComputedStyle(document.querySelector('math [data-name=\"{name}\"]')).color")
        colours[name] = [int(c) for c in re.findall(r"\d+", colour)[:3]]
    for name, place in (("loss", 1), ("d_logits", 0)):
        assert max(colours[name]) == colours[name][place] > min(colours[name]) + 50
    assert max(colours["x"]) < 50 and colours["x"] == colours["linear_1.W"]


def test_it_prints(files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["circuit_neuron"], color_scheme="dark")
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") > 5, "the derivations and the module, too"
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    steps = sum(
        len(s.steps) for s in {s.adjoint: s for g in report("circuit_neuron").gradients for s in g.stages}.values()
    )
    assert page.locator(".stage .step > .form >> visible=true").count() == steps
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert page.locator(".stage .step > .form >> visible=true").count() == 0


def test_without_a_script_it_can_be_read(files: dict[str, Path], opened: Opened) -> None:
    page = opened(files["digits"], "#eq-12", java_script_enabled=False)
    assert page.locator(".chain >> visible=true").count() == len(report("digits").gradients)
    page.click(".stage > summary >> nth=0")
    assert page.locator(".stage >> nth=0 >> .step > .form >> visible=true").count() > 2
    assert not page.is_visible(".tools")


def test_a_hostile_spec_runs_nothing(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(page(hostile()), encoding="utf-8")
    page_ = opened(path)
    page_.click(".graph [data-tensors] >> nth=0")
    page_.click(".equation >> nth=0")
    page_.wait_for_timeout(200)
    assert page_.evaluate("typeof pwned") == "undefined"


def test_the_policy_stops_a_script_that_got_in(tmp_path: Path, browser: Any, files: dict[str, Path]) -> None:
    path = tmp_path / "injected.html"
    path.write_text(files["digits"].read_text().replace("<main>", "<main><script>pwned = 1</script>", 1))
    context = browser.new_context()
    with context.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page_ = context.new_page()
        page_.goto(path.as_uri())
    assert page_.evaluate("typeof pwned") == "undefined"
    context.close()


def test_a_wide_graph_shows_where_it_begins(tmp_path: Path, opened: Opened) -> None:
    """What is at the top of a graph that is wider than its panel is in sight, not its left edge."""
    spec = tmp_path / "wide.yaml"
    lines = ["h0[n, i] = sin(x[n, i])"]
    for k in range(12):  # four branches from each sum to the next
        lines += [f"b{k}{m}[n, i] = tanh({m + 1}*h{k}[n, i])" for m in range(4)]
        lines += [f"h{k + 1}[n, i] = w*(" + " + ".join(f"b{k}{m}[n, i]" for m in range(4)) + ")"]
    spec.write_text(
        'model: wide\ninputs: {x: "real[N, 4]"}\nparams: {w: real}\nequations:\n  - '
        + "\n  - ".join([*lines, "loss = mean[n](sum[i](h12[n, i]))"]) + "\nloss: loss\n"
    )
    place = tmp_path / "wide.html"
    compile_network(spec).report().write(place, "html")
    page = opened(place)
    inside = page.evaluate(
        """() => {
          const canvas = document.querySelector(".graph .canvas").getBoundingClientRect();
          const nodes = [...document.querySelectorAll(".graph [data-tensors]")].map((n) => n.getBoundingClientRect());
          const first = nodes.reduce((a, b) => (a.top <= b.top ? a : b));
          const scrolls = document.querySelector(".graph .canvas").scrollWidth > canvas.width;
          return [scrolls, first.left >= canvas.left && first.right <= canvas.right];
        }"""
    )
    assert inside == [True, True]
