"""lint/unused: what the loss, the outputs and the metrics do not need."""

from __future__ import annotations

from collections.abc import Iterator

from nablac.ir.tensor import Role
from nablac.lint.finding import Finding
from nablac.lint.study import Study

RULE = "unused"


def unused(study: Study) -> Iterator[Finding]:
    """Parameters that do not reach the loss; inputs and equations that reach nothing that is answered."""
    program, model = study.written, study.model
    learned = study.needed([model.loss])
    answered = study.needed(program.results)
    for tensor in program.having(Role.PARAM):
        if tensor.name not in learned and not tensor.frozen:
            only = ": only outputs or metrics read it" if tensor.name in answered else ""
            yield Finding(
                RULE,
                f"parameter '{tensor.name}' does not reach the loss{only}, so it is never learned",
                study.place(tensor.name),
                "let the loss depend on it, or make it a number",
            )
    for tensor in program.having(Role.INPUT):
        if tensor.name not in answered:
            yield Finding(
                RULE,
                f"input '{tensor.name}' reaches neither the loss nor an output or metric",
                study.place(tensor.name),
                "use it or leave it out",
            )
    for equation in program.equations:
        written = study.name(equation.target) == equation.target  # and not lifted out of what the user wrote
        if written and equation.target not in answered and equation.target not in program.readers:
            yield Finding(
                RULE,
                f"nothing needs '{equation.target}'",
                study.place(equation.target),
                "leave it out, or name it in outputs or metrics",
            )
