"""report/structure: the report as plain data for other programs (``--format json``); formulas as text and LaTeX."""

from __future__ import annotations

from typing import Any

from nablac.report.content import Entry, Gradient, Report, Stage, Step
from nablac.report.formulas.boxes import Box
from nablac.report.formulas.latex import latex
from nablac.report.formulas.plain import plain


def structure(report: Report) -> dict[str, Any]:
    """Dictionaries, lists, strings and numbers; equations are referred to by their numbers."""
    return {
        "about": report.about,
        "model": report.name,
        "title": report.title,
        "digest": report.digest,
        "version": report.version,
        "dtype": report.dtype,
        "of": report.of,
        "sizes": dict(report.sizes),
        "tensors": [
            {"name": t.name, "symbol": plain(t.symbol), "kind": t.kind, "shape": list(t.shape), "dtype": t.dtype,
             "layer": t.layer}
            for t in report.tensors
        ],
        "equations": [_entry(e) for e in report.entries],
        "gradients": [_gradient(g) for g in report.gradients],
        "costs": [
            {"title": c.title, "formula": c.text, "latex": latex(c.formula), "value": c.value, "unit": c.unit}
            for c in report.costs
        ],
        "tables": [
            {"title": t.title, "note": t.note, "columns": list(t.columns), "rows": [list(row) for row in t.rows]}
            for t in report.sheets
        ],
        "findings": [
            {"rule": w.rule, "subject": w.subject, "where": str(w.where) if w.where else None, "remedy": w.remedy}
            for w in report.warnings
        ],
    }  # fmt: skip


def _formula(box: Box) -> dict[str, str]:
    return {"plain": plain(box), "latex": latex(box)}


def _entry(entry: Entry) -> dict[str, Any]:
    origin = entry.equation.origin
    return {
        "number": entry.number,
        "kind": entry.kind,
        "text": entry.text,
        "index": _formula(entry.index_form),
        "matrix": _formula(entry.matrix_form) if entry.matrix_form is not None else None,
        "target": entry.equation.target,
        "reads": list(entry.equation.sources),
        "layer": origin.layer,
        "rule": origin.rule,
        "laws": list(origin.distinct_laws),
        "where": str(origin.where) if origin.where else None,
        "operations": str(entry.operations),
        "lines": [[span.first, span.last, span.function] for span in entry.spans],
        "steps": [_step(s) for s in entry.steps],
    }


def _gradient(gradient: Gradient) -> dict[str, Any]:
    return {
        "wrt": gradient.wrt,
        "adjoint": gradient.adjoint,
        "path": list(gradient.path),
        "equations": list(gradient.numbers),
        "shared": list(gradient.shared),
        "stages": [_stage(s) for s in gradient.stages],
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "adjoint": stage.adjoint,
        "of": stage.of,
        "through": list(stage.through),
        "equations": list(stage.numbers),
        "operations_before": str(stage.operations_before),
        "operations_after": str(stage.operations_after),
        "steps": [_step(s) for s in stage.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "title": step.title,
        "law": step.identity,
        "text": step.text,
        "formula": _formula(step.formula),
        "operations": step.operations,
    }
