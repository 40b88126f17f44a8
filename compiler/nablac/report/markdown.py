"""report/markdown: the report as Markdown with LaTeX between dollars, for a wiki, a notebook or a review."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nablac.report.content import Entry, Gradient, Report, Step, distinct_stages
from nablac.report.formulas.latex import latex


def markdown(report: Report, steps: bool = False) -> str:
    """The whole report; ``steps`` adds the derivations."""
    parts = [f"# {_plain(report.name)}", _plain(report.title) if report.title else "", _plain(report.about)]
    parts += ["## Forward", *_entries(e for e in report.entries if e.kind == "forward")]
    if steps:
        parts.append("## Derivations")
        for stage in distinct_stages(report.gradients):
            parts += [
                f"### The adjoint of `{stage.of}`",
                *(_step(number, s) for number, s in enumerate(stage.steps, 1)),
            ]
    for gradient in report.gradients:
        parts += _gradient(report, gradient)
    parts += ["## Costs", _table(("", "formula", "at the sizes"), _costs(report))]
    for sheet in report.sheets:
        rows = [tuple(map(_plain, row)) for row in sheet.rows]
        parts += [f"## {_plain(sheet.title)}", _plain(sheet.note), _table(sheet.columns, rows)]
    if report.warnings:
        found = [tuple(map(_plain, (w.subject, str(w.where or ""), w.remedy))) for w in report.warnings]
        parts += ["## Findings", _table(("finding", "where", "remedy"), found)]
    tensors = [(f"${latex(t.symbol)}$", f"`{t.name}`", t.kind, " x ".join(t.shape) or "scalar") for t in report.tensors]
    parts += ["## Notation", _table(("symbol", "name in the module", "kind", "shape"), tensors)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _gradient(report: Report, gradient: Gradient) -> list[str]:
    chain = " → ".join(f"`{name}`" for name in gradient.path)
    entries = _entries(report.entry(number) for number in gradient.numbers)
    return [f"## Gradient with respect to `{gradient.wrt}`", f"The chain: {chain}", *entries]


def _entries(entries: Iterable[Entry]) -> Iterable[str]:
    for entry in entries:
        matrix = rf" \qquad {latex(entry.matrix_form)}" if entry.matrix_form is not None else ""
        yield f"$${latex(entry.index_form)}{matrix} \\tag{{{entry.number}}}$$"


def _step(number: int, step: Step) -> str:
    law = f": `{step.identity}`" if step.identity else ""
    return f"{number}. {_plain(step.title)}{law}\n\n   $${latex(step.formula)}$$"


def _costs(report: Report) -> list[tuple[str, str, str]]:
    return [(cost.title, f"${latex(cost.formula)}$", f"{cost.value:,} {cost.unit}".rstrip()) for cost in report.costs]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)])


def _plain(text: str) -> str:
    """Text of the user's, without meaning to Markdown or HTML."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|$" else c for c in text)
