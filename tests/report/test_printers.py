"""Plain text, LaTeX and MathML of the same boxes: all of the formula is there, well-formed, and fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sympy import Symbol

from nablac.ir.equation import Equation
from nablac.ir.functions import Access
from nablac.ir.index import extent, index
from nablac.report.formulas import boxes as b
from nablac.report.formulas.formula import index_form
from nablac.report.formulas.latex import BREAKS, LINE, latex, latex_document, latex_equation, lines, measure
from nablac.report.formulas.mathml import mathml
from nablac.report.formulas.matrix import composed_matrix_form, matrix_form
from nablac.report.formulas.notation import Notation
from nablac.report.formulas.plain import plain
from tests.programs import KNOWN
from tests.report.sources import EXAMPLES, RANDOM, drawn, example, known, notation_of

Forms = list[tuple[Equation, b.Box, b.Box | None, b.Box | None]]
CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3}
TOKENS = {"mi", "mn", "mo", "mtext", "mspace"}
ELEMENTS = {"math", "mrow", "mtable", "mtr", "mtd", "msqrt", *CHILDREN, *TOKENS}


def forms(source: str | int | Path) -> Forms:
    if isinstance(source, Path):
        compiled = example(source)
        program, notation = compiled.programs["gradient"], notation_of(compiled)
    else:
        _, _, program, gradients = known(source) if isinstance(source, str) else drawn(source)
        notation = Notation.of(program, gradients)
    return [
        (e, index_form(e, notation), matrix_form(e, program, notation), composed_matrix_form(e, program, notation))
        for e in program.equations
    ]


def all_boxes(found: Forms) -> Iterator[tuple[Equation, b.Box]]:
    for equation, *several in found:
        yield from ((equation, box) for box in several if box is not None)


SOURCES = [*EXAMPLES, *KNOWN, *RANDOM]


def ids(source: str | int | Path) -> str:
    return source.stem if isinstance(source, Path) else str(source)


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_mathml_is_well_formed_and_names_its_tensors(source: str | int | Path) -> None:
    for equation, box in all_boxes(forms(source)):
        root = ElementTree.fromstring(mathml(box, display=True))
        assert root.tag == "math" and root.get("display") == "block"
        for element in root.iter():
            assert element.tag in ELEMENTS
            assert len(element) == CHILDREN.get(element.tag, len(element)), ElementTree.tostring(element)
            assert not (element.text and element.tag not in TOKENS), "text belongs into tokens"
            assert not (len(element) and element.tag in TOKENS)
        named = {e.get("data-name") for e in root.iter() if e.get("class", "").startswith("tensor")}
        assert equation.target in named


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_the_index_form_names_all_it_reads(source: str | int | Path) -> None:
    for equation, box, _, _ in forms(source):
        found = set(re.findall(r'data-name="([^"]*)"', mathml(box)))
        assert found == {equation.target, *equation.sources}


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_latex_is_balanced(source: str | int | Path) -> None:
    for _, box in all_boxes(forms(source)):
        text = latex(box)
        depth = 0
        for brace in re.findall(r"(?<!\\)[{}]", text):
            depth += 1 if brace == "{" else -1
            assert depth >= 0, text
        assert depth == 0, text
        assert text.count(r"\left") - text.count(r"\leftarrow") == text.count(r"\right"), text
        assert text.count(r"\begin{cases}") == text.count(r"\end{cases}")
        assert not re.search(r"[^\x00-\x7f]", text), "stock pdflatex knows ASCII"
        assert "_{" not in re.sub(r"\\_", "", text) or not re.search(r"\}_\{[^{}]*\}_\{", text), "double subscript"


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_long_formulas_are_broken_into_lines_that_fit(source: str | int | Path) -> None:
    for _, box in all_boxes(forms(source)):
        found = lines(box)
        assert len(found) == 1 or measure(box) > LINE
        assert all("&" in line for line in found)
        whole = re.sub(r"[\s&]|\\[bB]igg?[lr]|\\left|\\right|\\qquad|\\cdot|\\,", "", "".join(found))
        if "resizebox" not in whole:
            assert whole == re.sub(r"[\s&]|\\left|\\right|\\,", "", latex(box)), "nothing is lost or added"


def test_a_formula_with_many_terms_breaks_at_its_signs() -> None:
    terms = b.joined("+", [b.Fenced("(", b.joined("-", [b.Name("abcdefgh"), b.Number("12345")]))] * 9)
    found = lines(b.row(b.Name("y"), b.Operator("="), terms))
    assert len(found) > 2
    assert all(line.startswith("&\\qquad +") for line in found[1:])
    assert "+" in BREAKS


def test_names_cannot_leave_their_place() -> None:
    """A box's text is escaped in LaTeX and MathML, whatever it is."""
    evil = b.Tensor('"><script>alert(1)</script>', b.Name(r"\input{x}$%&<b>"), "param")
    root = ElementTree.fromstring(mathml(b.row(evil, b.Operator("<"), b.Name("<&>"))))
    assert root.find(".//script") is None
    assert next(e for e in root.iter() if e.get("data-name")).get("data-name") == evil.name
    assert latex(evil) == r"\mathrm{\textbackslash{}input\{x\}\$\%\&<b>}"


def test_scripts_and_brackets() -> None:
    weight = b.Tensor("layer.W", b.Script(b.Name("W"), b.Number("1")), "param")
    x, two = b.Name("x"), b.Number("2")
    cases: list[tuple[b.Box, str, str]] = [
        (b.Script(weight, None, b.Operator("T")), "W₁ᵀ", r"W_{1}^{\top}"),
        (b.Element(weight, (b.Name("j"), b.Name("k"))), "W₁[j,k]", r"(W_{1})_{j,k}"),
        (b.Fraction(b.joined("+", [x, two]), b.joined("*", [two, x])), "(x + 2)/(2·x)", r"\frac{x + 2}{2 \, x}"),
        (b.joined("*", [b.Fraction(x, two), x]), "x/2·x", r"\frac{x}{2} \, x"),
        (b.Script(b.Fraction(x, two), None, two), "(x/2)²", r"\frac{x}{2}^{2}"),
        (b.Script(x, None, b.joined("-", [x, two])), "x^(x - 2)", "x^{x - 2}"),
        (b.Root(b.Fraction(x, two)), "√(x/2)", r"\sqrt{\frac{x}{2}}"),
        (b.Big("sum", (b.Name("i"), b.Name("j")), x), "Σᵢⱼ x", r"\sum_{i,j} x"),
        (b.Big("argmax", (b.Name("c"),), x), "argmax[c] x", r"\operatorname*{arg\,max}_{c} x"),
        (b.Overline(x), "x̅", r"\overline{x}"),
        (b.Cases(((x, b.row(x, b.Operator(">="), two)), (two, None))), "{x if x ≥ 2; 2 otherwise}",
         r"\begin{cases} x & \text{if } x \ge 2 \\ 2 & \text{otherwise} \end{cases}"),
    ]  # fmt: skip
    for box, text, tex in cases:
        assert plain(box) == text
        assert latex(box) == tex


def test_what_has_a_script_already_is_a_group_of_its_own() -> None:
    """TeX refuses a second script at one symbol."""
    total = b.Tensor("a.sum", b.Script(b.Name("S"), None, b.Name("a")), "result")
    adjoint = b.Script(b.row(b.Operator("d"), total), None, b.Name("plain"))
    assert latex(adjoint) == r"{\mathrm{d}S^{a}}^{\mathrm{plain}}"
    assert latex(b.Script(b.Element(total, (b.Name("i"),)), None, b.Number("2"))) == "{S_{i}^{a}}^{2}"


def test_the_sign_that_is_aligned_is_the_equations_own() -> None:
    x, y = b.Name("x"), b.Name("y")
    same = b.row(x, b.Operator("=="), y)
    choice = b.Fenced("(", b.Cases(((x, same), (y, None))))
    assert lines(b.row(choice, b.Operator("="), y)) == [
        r"\left( \begin{cases} x & \text{if } x = y \\ y & \text{otherwise} \end{cases} \right) &= y"
    ]
    assert lines(b.row(b.Fenced("[", same), b.Operator("="), x)) == ["[x = y] &= x"]


def test_a_long_left_side_stands_alone() -> None:
    terms = [b.Name("x" * 9) for _ in range(4)]
    left = b.joined("+", terms)
    first, *rest = lines(b.row(left, b.Operator("="), b.Fraction(b.joined("+", [*terms, *terms]), b.Name("n"))))
    assert first.startswith("&") and "=" not in first
    assert rest[0].startswith(r"&\qquad = \resizebox")


def test_an_equation_alone_is_latex() -> None:
    i, k = index("i"), index("k")
    sizes: tuple[tuple[Symbol, int], ...] = ((i, extent(2)), (k, extent(3)))
    equation = Equation("layer_2.h", (i,), Access("layer_1.W", i, k), sizes)
    assert latex_equation(equation) == "(h_{2})_{i} = (W_{1})_{i,k}"


def test_a_section_without_equations_is_no_empty_align() -> None:
    text = latex_document("50% & more", [("nothing here_", [])])
    assert r"\section*{50\% \& more}" in text and r"\subsection*{nothing here\_}" in text
    assert "align" not in text


def listing(path: Path) -> str:
    compiled = example(path)
    parts = []
    for (_, box, matrix, composed), number in zip(forms(path), range(1, 100), strict=False):
        parts.append(f"({number}) {plain(box)}")
        parts += [f"      {plain(matrix)}"] if matrix is not None else []
        parts += [f"      {plain(composed)}"] if composed is not None and composed != matrix else []
    legend = [f"{plain(symbol)}: {name}" for symbol, name in notation_of(compiled).table()]
    return "\n".join([*parts, "", *legend])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_forms(path: Path, golden: Callable[..., None]) -> None:
    golden(listing(path))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_latex(path: Path, golden: Callable[..., None]) -> None:
    compiled = example(path)
    numbered = list(enumerate(compiled.programs["gradient"].equations, 1))
    golden(latex_document(path.stem, [("gradient", numbered)], notation_of(compiled)), suffix=".tex")


@pytest.mark.parametrize("name", ["digits", "circuit_neuron"])
def test_mathml(name: str, golden: Callable[..., None]) -> None:
    path = next(p for p in EXAMPLES if p.stem == name)
    golden("\n".join(mathml(box, display=True) for _, box in all_boxes(forms(path))), suffix=".html")


def test_between_numbers_a_product_is_seen() -> None:
    """20 18 is no product, nor is n 10 to the power of -8; a number before a letter needs no sign."""
    times, ten = b.Operator("*"), b.Script(b.Number("10"), None, b.Number("-8"))
    box = b.Row((b.Number("20"), times, b.Number("18"), times, b.Name("n"), times, ten, times, b.Name("m")))
    assert latex(box) == r"20 \cdot 18 \, n \cdot 10^{-8} \, m"
    signs = [e.text for e in ElementTree.fromstring(mathml(box)).iter("mo")]
    assert signs == ["⋅", "\u2062", "⋅", "\u2062"]
    assert [line.count(r"\cdot") for line in lines(box, 4)][-1] <= 1
    assert "".join(lines(box, 9)).count(r"\cdot") >= 2


def test_what_stands_above_a_slanted_letter_stands_apart() -> None:
    apart = '<mrow><mspace width="0.14em"/><mi>block</mi></mrow>'
    label = b.Script(b.Name("V"), None, b.Name("block"))
    assert mathml(label) == f"<math><msup><mi>V</mi>{apart}</msup></math>"
    assert apart in mathml(b.Element(b.Tensor("block.V", label, "param"), (b.Name("i"),)))
    assert "mspace" not in mathml(b.Script(b.Call(b.Name("diag"), (b.Name("s"),)), None, b.Number("-1")))
