"""The report as a document: what a notebook shows, and that its numbers are those of the generated module."""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path

import pytest

import nablac as nc
from nablac.errors import NameError_
from nablac.report.lines import numbers_in, spans_of
from tests.report.models import EXAMPLES

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


@cache
def network(name: str) -> nc.Network:
    return nc.compile(EXAMPLES / f"{name}.yaml")


def test_a_notebook_shows_the_page_and_formulas() -> None:
    net = network("circuit_product")
    shown = net.report()._repr_html_()
    (page,) = re.findall(r'srcdoc="([^"]*)"', shown)
    assert html.unescape(page).startswith("<!DOCTYPE html>") or html.unescape(page).startswith("<!doctype html>")
    assert net.gradient("z")._repr_latex_() == ("\\begin{align}\n  \\mathrm{d}z &= q \\tag{5}\n\\end{align}")


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_report_has_lines_and_every_line_its_number(name: str) -> None:
    net = network(name)
    report = net.report().report
    lines = report.source.splitlines()
    for entry in report.entries:
        comments = [lines[at] for span in entry.spans for at in range(span.first - 1, span.last) if "#" in lines[at]]
        told = {number for line in comments for number in numbers_in(line[line.index("#") :])}
        assert entry.number in told, f"({entry.number}) {entry.text}"
    assert set(spans_of(report.source)) <= {entry.number for entry in report.entries}


def test_derivatives_of_what_is_not_there_are_refused() -> None:
    with pytest.raises(NameError_) as caught:
        network("circuit_product").report(wrt=["Z"])
    assert str(caught.value) == (
        "NameError: the model has no 'Z'\n  expected: x, y, z, q, f\n  remedy:   name one of these"
    )


def test_change_a_formula_and_the_report_changes(tmp_path: Path) -> None:
    spec = tmp_path / "power.yaml"
    texts = []
    for power in (2, 3):
        spec.write_text(f"model: power\nparams: {{w: real}}\nequations: ['f = w**{power}']\nloss: f\n")
        texts.append(nc.compile(spec).report(at="w=3").text())
    assert "dw = 2·w " in texts[0] and "dw = 3·w² " in texts[1]
    assert re.search(r"w +3 +6\n", texts[0]) and re.search(r"w +3 +27\n", texts[1])


def test_a_long_label_stands_apart_from_its_formula(tmp_path: Path) -> None:
    spec = tmp_path / "long.yaml"
    spec.write_text(
        'model: long\ninputs: {x: "real[n, 3]", y: "label[n, 2]"}\n'
        "network: [{linear: {units: 2, name: a_long_name_for_a_layer}}]\nloss: cross_entropy\noptimizer: {sgd: 0.1}\n"
    )
    text = nc.compile(spec).report(wrt=["a_long_name_for_a_layer.W"]).text(steps=True)
    assert "      the equation of a_long_name_for_a_layer.sum  " in text
