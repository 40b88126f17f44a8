"""report/inspection: what was asked of a compiled model -> its report, with values at a point where they are wanted."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nablac import __version__
from nablac.errors import NameError_
from nablac.pipeline import Compiled, compile_model
from nablac.plan.loops import Schedule
from nablac.report.build import build_report
from nablac.report.document import Document
from nablac.report.drawings.graph import model_graph
from nablac.report.drawings.plot import can_be_drawn, plot
from nablac.report.numbers.differences import differences, differences_sheet
from nablac.report.numbers.point import read_point
from nablac.report.numbers.taylor import expansion, taylor_sheets
from nablac.report.numbers.values import annotate, evaluate, values_sheet

LARGEST_SPEC = 200_000
"""Bytes of a model's file that a report still shows."""


@dataclass(frozen=True)
class Asked:
    """What a report is to tell.

    ``of``: a scalar, the loss if None; ``wrt``: tensors, the parameters if None; ``at``: a point as text.
    """

    of: str | None = None
    wrt: tuple[str, ...] | None = None
    at: str | None = None
    differences: bool = False
    taylor: bool = False
    seed: int = 0


def inspection(
    compiled: Compiled,
    source: str,
    asked: Asked,
    start: Callable[[int], Mapping[str, NDArray[Any]]],
    schedule: Schedule | None = None,
) -> Document:
    """The report.

    ``source`` is the generated module, ``start`` gives the parameters it would begin to train from, ``schedule`` is
    that of its gradient, if it is known already.
    """
    trained, compiled = compiled, derived(compiled, asked)
    model = compiled.model
    report = build_report(compiled, source, __version__, asked.wrt, _spec(compiled), trained, schedule)
    graph, sheets, figures = model_graph(model), [], []
    if asked.at is not None or asked.differences or asked.taylor:
        point = read_point(asked.at, model, start, asked.seed)
        values = evaluate(model, point)
        graph = annotate(graph, values)
        sheets.append(values_sheet(values))
        if asked.differences:
            sheets.append(differences_sheet(differences(model, point, wrt=asked.wrt)))
        if asked.taylor:
            expanded = expansion(model, point)
            sheets += taylor_sheets(expanded)
            figures += [("One step down the gradient", plot(expanded))] if can_be_drawn(expanded) else []
    return Document(report, graph, tuple(figures), tuple(sheets), asked.at is not None)


def derived(compiled: Compiled, asked: Asked) -> Compiled:
    """What is compiled already, or a derivation of another scalar or with respect to other tensors.

    Equations that the module has keep their numbers.
    """
    model = compiled.model
    for name in (asked.of, *(asked.wrt or ())):
        if name is not None and name not in model.program.declared:
            known = [t.name for t in model.program.tensors]
            near = difflib.get_close_matches(name, known, 1)
            raise NameError_(
                f"the model has no '{name}'",
                expected=", ".join(known[:20]) + (", ..." if len(known) > 20 else ""),
                remedy=f"did you mean '{near[0]}'?" if near else "name one of these",
            )
    if asked.of in (None, model.loss) and set(asked.wrt or ()) <= set(compiled.gradients):
        return compiled
    return compile_model(replace(model, loss=asked.of or model.loss), asked.wrt, compiled.numbers)


def _spec(compiled: Compiled) -> str | None:
    """The text of the file that the model was written in, where it can still be read."""
    files = dict.fromkeys(e.origin.where.file for e in compiled.model.program.equations if e.origin.where)
    for path in map(Path, files):
        if path.is_file() and path.stat().st_size < LARGEST_SPEC:
            return path.read_text("utf-8", "replace")
    return None
