"""report/article: the report as a LaTeX document for stock pdflatex (``--format latex``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nablac.report.content import Entry, Gradient, Report, Step, distinct_stages
from nablac.report.formulas.boxes import Box
from nablac.report.formulas.latex import escape, latex, latex_rows, lines, measure

PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath}
\usepackage{amssymb}
\usepackage{graphicx}
\usepackage{longtable}
\usepackage[margin=2cm]{geometry}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\raggedright
\begin{document}"""


def article(report: Report, steps: bool = False) -> str:
    """The whole document; ``steps`` adds the derivations."""
    parts = [
        f"% {report.about}",
        PREAMBLE,
        rf"\section*{{{escape(report.title or report.name)}}}",
        escape(report.about),
    ]
    forward = [e for e in report.entries if e.kind == "forward"]
    parts += [_heading("Forward"), _equations(forward)]
    if steps:
        parts += _derivations(report.gradients)
    for gradient in report.gradients:
        parts += [
            _heading(f"Gradient with respect to {gradient.wrt}"),
            _equations([report.entry(number) for number in gradient.numbers]),
        ]
    costs = [(escape(c.title), f"${latex(c.formula)}$", f"{c.value:,} {escape(c.unit)}") for c in report.costs]
    parts += [_heading("Costs"), _table("p{4cm}p{8cm}r", costs)] if costs else []
    for warning in report.warnings:
        parts += [_heading("A finding"), escape(f"{warning.subject} ({warning.where}). Remedy: {warning.remedy}")]
    shown = {name for e in report.entries for name in (e.equation.target, *e.equation.sources)}
    tensors = [
        (_narrow(t.symbol), _breakable(t.name), _breakable(" x ".join(t.shape) or "scalar"), t.kind)
        for t in report.tensors
        if t.name in shown
    ]
    parts += [_heading("Notation"), _table("p{4.2cm}p{6.3cm}p{3.6cm}l", tensors), r"\end{document}", ""]
    return "\n".join(parts)


def _derivations(gradients: Sequence[Gradient]) -> list[str]:
    """Every stage once, in an order in which each follows what it reads."""
    parts = [_heading("Derivations")]
    for stage in distinct_stages(gradients):
        parts.append(rf"\subsubsection*{{The adjoint of {escape(stage.of)}}}")
        parts += [_step(step) for step in stage.steps]
    return parts


def _step(step: Step) -> str:
    law = rf": \texttt{{{escape(step.identity)}}}" if step.identity else ""
    return rf"{escape(step.title)}{law}" + "\n" + _aligned(step.formula)


def _aligned(box: Box) -> str:
    rows = " \\\\\n".join(f"  {text} \\notag" for text in lines(box))
    return f"\\begin{{align}}\n{rows}\n\\end{{align}}"


def _equations(entries: Sequence[Entry]) -> str:
    """The index forms with their numbers, then the matrix forms under the same numbers."""
    parts = []
    if entries:
        parts.append("\\begin{align}\n" + latex_rows((e.number, e.index_form) for e in entries) + "\n\\end{align}")
    matrices = [(e.number, e.matrix_form) for e in entries if e.matrix_form is not None]
    if matrices:
        parts.append("In matrices:\n\\begin{align}\n" + latex_rows(matrices) + "\n\\end{align}")
    return "\n".join(parts)


def _heading(text: str) -> str:
    return rf"\subsection*{{{escape(text)}}}"


def _narrow(symbol: Box) -> str:
    """A symbol that fits its column."""
    text = f"${latex(symbol)}$"
    fits = measure(symbol) < 16
    return text if fits else rf"\resizebox{{\ifdim\width>4cm 4cm\else\width\fi}}{{!}}{{{text}}}"


def _breakable(name: str) -> str:
    """A name that may go on in the next line."""
    return re.sub(r"\\_|\.", lambda m: rf"{m[0]}\allowbreak{{}}", escape(name))


def _table(columns: str, rows: Iterable[Sequence[str]]) -> str:
    body = " \\\\\n".join(" & ".join(row) for row in rows)
    return f"\\begin{{longtable}}{{{columns}}}\n{body}\n\\end{{longtable}}"
