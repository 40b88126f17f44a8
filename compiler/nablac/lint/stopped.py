"""lint/stopped: gradients that are identically zero although the loss depends on the parameter."""

from __future__ import annotations

from collections.abc import Iterator, Set

from nablac.ir.equation import Equation
from nablac.ir.tensor import Kind
from nablac.ir.text import print_equation
from nablac.lint.cancelled import cancelling
from nablac.lint.finding import Finding
from nablac.lint.study import Study, downstream

RULE = "zero-gradient"


def stopped(study: Study) -> Iterator[Finding]:
    """A parameter that the loss reads through a function without slope; the equation that stops the gradient."""
    final, reached = study.compiled.programs["gradient"], study.needed([study.model.loss])
    for name in study.parameters:
        gradient = final.defined.get(study.compiled.gradients[name])
        if gradient is None or gradient.body != 0 or name not in reached or cancelling(study, name) is not None:
            continue
        found = _stopper(study, name)
        if found is None:
            why, remedy = "the terms that reach it cancel", "leave the parameter out, or let them differ"
        else:
            equation, source = found
            target, read = study.name(equation.target), study.name(source)
            read = name if read == target else read  # a sum of the same line
            why = f"'{target}' has no slope in '{read}': {_as_written(equation, study)}"
            remedy = "put a smooth function there (sigmoid for a step, softmax for argmax), or make it a number"
        place = equation.origin.where if found else study.place(name)
        what = f"the gradient of '{name}' is zero everywhere, though the loss reads it"
        yield Finding(RULE, f"{what}; {why}", place, remedy)


def _as_written(equation: Equation, study: Study) -> str:
    """The equation, without the names of the sums that were taken out of it."""
    text = print_equation(equation)
    if equation.reduction is not None:
        return text
    return f"{text.partition(' = ')[0]} = {study.text(equation.body, study.plain)}"


def _stopper(study: Study, name: str) -> tuple[Equation, str] | None:
    """The first equation on a path to the loss that has an adjoint itself and sends none towards the parameter, and
    what it reads there."""
    program = study.plain
    below = downstream(program, [name], integers=True)
    receiving = {study.model.loss} | {tensor for _, tensor in study.sends}
    for equation in program.equations:
        if equation.target not in receiving:
            continue
        for source in equation.sources:
            if source not in below or (equation.target, source) in study.sends:
                continue
            if program.declared[source].kind is Kind.INT:  # read as an index: what made it has no slope
                return _maker(study, source, below) or (equation, source)
            return equation, source
    return None


def _maker(study: Study, name: str, below: Set[str]) -> tuple[Equation, str] | None:
    """The equation that makes a tensor of integers, and what of the path it reads."""
    equation = study.plain.defined.get(name)
    return None if equation is None else (equation, next(s for s in equation.sources if s in below))
