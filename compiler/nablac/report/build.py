"""report/build: a compiled model -> the content of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nablac.algebra.cost import equation_operations
from nablac.errors import NameError_
from nablac.ir.equation import Equation
from nablac.ir.tensor import Role
from nablac.lint.rules import lint
from nablac.pipeline import CHECKED, Compiled
from nablac.plan.loops import Schedule
from nablac.report.content import Entry, Gradient, Report, Sheet, Span, TensorRow
from nablac.report.costs import StepCosts
from nablac.report.derivation import Stages
from nablac.report.formulas.formula import index_form
from nablac.report.formulas.matrix import composed_matrix_form, matrix_form
from nablac.report.formulas.notation import Notation
from nablac.report.formulas.plain import plain
from nablac.report.lines import spans_of


def build_report(
    compiled: Compiled,
    source: str,
    version: str,
    wrt: Sequence[str] | None = None,
    spec: str | None = None,
    trained: Compiled | None = None,
    schedule: Schedule | None = None,
) -> Report:
    """The report on a compiled model and its module's text; ``wrt`` names the gradients to tell, all by default.

    ``trained`` is the model as its module trains it, whose costs and findings are told, where ``compiled`` derives
    something else, and ``schedule`` its gradient's, if it is known already.  Raises ``NameError`` (nablac's own) for a
    name that has no gradient here.
    """
    trained = trained or compiled
    model = compiled.model
    notation = Notation.of(compiled.programs["gradient"], compiled.gradients, *compiled.every_program)
    step, stages = StepCosts(trained, schedule=schedule), Stages(compiled, notation)
    gradients = tuple(stages.gradient(name) for name in _chosen(compiled, wrt))
    entries = tuple(_entries(stages, spans_of(source)))
    return Report(
        name=model.name,
        title=model.title,
        digest=model.digest,
        version=version,
        dtype=model.program.dtype,
        of=model.loss,
        tensors=tuple(_tensors(compiled, entries, gradients, notation)),
        entries=entries,
        gradients=gradients,
        costs=tuple(step.rows()),
        sizes=step.sizes,
        warnings=lint(trained),
        sheets=(_layers(step),),
        source=source,
        spec=spec,
        one_hots={plain(notation.symbol(name)): box for name, box in notation.one_hots.items()},
        whole=wrt is None and trained is compiled,
    )


def _chosen(compiled: Compiled, wrt: Sequence[str] | None) -> Sequence[str]:
    for name in wrt or ():
        if name not in compiled.gradients:
            raise NameError_(
                f"no gradient with respect to '{name}' was derived", expected=", ".join(compiled.gradients) or "none"
            )
    return tuple(compiled.gradients) if wrt is None else wrt


def _entries(stages: Stages, spans: Mapping[int, tuple[Span, ...]]) -> list[Entry]:
    """Every numbered equation, once, in the order of the numbers."""
    compiled, notation = stages.compiled, stages.notation
    found: dict[int, Entry] = {}
    for name, program in compiled.programs.items():
        for equation in program.equations if name != CHECKED else ():
            number = compiled.number(equation)
            if number not in found:
                has_axes = equation.indices or any(access.indices for access in equation.reads)
                matrix = matrix_form(equation, program, notation) if has_axes else None
                composed = composed_matrix_form(equation, program, notation) if has_axes else None
                found[number] = Entry(
                    number=number,
                    equation=equation,
                    kind=_kind(name, equation),
                    index_form=index_form(equation, notation),
                    matrix_form=matrix,
                    composed_form=composed if composed != matrix else None,
                    operations=equation_operations(equation),
                    spans=spans.get(number, ()),
                    steps=() if equation.is_derived or name != "gradient" else stages.forward(equation),
                )
    return [found[number] for number in sorted(found)]


def _kind(program: str, equation: Equation) -> str:
    if equation.is_derived:
        return "backward"
    return {"gradient": "forward", "update": "update"}.get(program, "metric")


def _tensors(
    compiled: Compiled, entries: Sequence[Entry], gradients: Sequence[Gradient], notation: Notation
) -> list[TensorRow]:
    """Every tensor that a formula of the report mentions, inputs and parameters first, each once."""
    rows: dict[str, TensorRow] = {}
    layers = {e.equation.target: e.equation.origin.layer for e in entries}
    for program in compiled.every_program:
        for tensor in program.tensors:
            if tensor.name in rows or tensor.role is Role.COUNTER:
                continue
            kinds = {Role.INPUT: "input", Role.PARAM: "param", Role.STATE: "state"}
            kind = kinds.get(tensor.role) or ("adjoint" if tensor.name in compiled.terms else "result")
            dtype = "int64" if tensor.kind.value == "int" else program.dtype
            layer = layers.get(tensor.name) or (tensor.name.rpartition(".")[0] if kind == "param" else None)
            kind = "frozen" if tensor.frozen else kind
            symbol, shape = notation.symbol(tensor.name), tuple(str(e) for e in tensor.shape)
            rows[tensor.name] = TensorRow(tensor.name, symbol, kind, shape, dtype, layer or None)
    order = {"input": 0, "param": 1, "frozen": 2, "state": 3, "result": 4, "adjoint": 5}
    return sorted(rows.values(), key=lambda row: order[row.kind])


def _layers(step: StepCosts) -> Sheet:
    """What each layer costs, as numbers at the report's sizes."""
    rows = [
        (row.layer, *(f"{part.value:,}" for part in (row.parameters, row.forward, row.backward, row.activations)))
        for row in step.layers()
    ]
    sizes = ", ".join(f"{name} = {size}" for name, size in step.sizes.items())
    columns = ("layer", "parameters", "operations forward", "operations backward", "saved bytes")
    return Sheet("Costs by layer", f"at {sizes}" if sizes else "", columns, tuple(rows))
