"""emit/modes: what a module says of frozen parameters, of chance, and of training that differs from use.

Every field is empty, or as plain as it was, for a model that has no such thing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nablac.algebra.least import least_rows
from nablac.emit import tables
from nablac.emit.initialisers import initialisers
from nablac.emit.numpy_module import numpy_table
from nablac.errors import CompileError
from nablac.frontend.model import Model
from nablac.ir.equation import Program
from nablac.ir.tensor import Role
from nablac.ir.text import print_equation
from nablac.plan.rows import can_be_run_by_rows


@dataclass(frozen=True)
class ModeView:
    """The fields of the templates, as ``emit/view`` has them, what ``READS`` gets more, and more NumPy functions."""

    fields: Mapping[str, str]
    reads: Mapping[str, tuple[str, ...]]
    functions: tuple[str, ...]


def modes(
    model: Model, programs: Mapping[str, Program], batched: Sequence[str], numbers: Mapping[str, int]
) -> ModeView:
    """What a model's module says of these things; ``batched`` are the inputs of which a batch takes rows.

    ``numbers`` are those of the equations' texts.
    """
    for name, target in model.fitted:
        only = replace(programs["fitted"], results=(target,))
        if not batched or not can_be_run_by_rows(only, batched):
            raise CompileError(
                f"'{name}' cannot be found on the training rows",
                found=f"'{target}', which is no mean over the rows",
                expected="a mean over the rows, such as mean[i](x[i, k])",
                where=model.program.declared[target].where,
                remedy="keep the means, and compute what is not linear in them in an equation of its own",
            )
    parameters = model.program.having(Role.PARAM)
    trained = tables.size([t for t in parameters if not t.frozen])
    follow = {name for name, _ in model.statistics}
    followed = trained + tables.size([t for t in parameters if t.name in follow])
    reads: dict[str, tuple[str, ...]] = {}
    functions: list[str] = []
    for name in ("fitted", "training"):
        if name in programs:
            told = _told(programs[name], numbers) if name == "fitted" else ()
            reads[name], text = numpy_table(name, programs[name], _ABOUT[name], told)
            functions.append(text)
    least = least_rows(programs["gradient"]) if batched else 1
    if model.optimizer.search and (model.statistics or "training" in programs):
        raise CompileError(
            f"{model.optimizer.name} needs a loss that is the same at every look",
            found="a model that draws random numbers, or that training changes otherwise",
            where=model.program.declared[model.loss].where,
            remedy="another optimizer, such as adam",
        )
    learned = len(model.trained)
    items = "unpack(loss_and_grad(params, **data)[1]).items()"
    rules, drawn = initialisers(parameters)
    return ModeView(
        {
            "trained": str(trained) if learned < len(parameters) else "",
            "followed": str(followed) if follow else "",
            "learned": items if learned == len(parameters) else f"[*{items}][:{learned}]",
            "started": "_started(seed, parts, resume)" if model.fitted else "init(seed)",
            "fitted": "".join(f"\n        {tables.literal(pair)}," for pair in model.fitted),
            "least": str(least) if least > 1 else "",
            "random": "yes" if programs["gradient"].having(Role.COUNTER) else "",
            "checked": "training" if "training" in programs else "forward",
            "initialisers": rules,
            "drawn": drawn,
        },
        reads,
        tuple(functions),
    )


def _told(program: Program, numbers: Mapping[str, int]) -> list[str]:
    """Its equations as comments, with their numbers: no kernel computes them, above which they would stand."""
    lines: list[str] = []
    for text in map(print_equation, program.equations):
        lines += textwrap.wrap(f"# ({numbers[text]}) {text}", 110, subsequent_indent="#         ")
    return lines


_ABOUT = {
    "fitted": "What is measured on the training rows, of some of them.",
    "training": "Every tensor by name as it is in training, computed in NumPy.",
}
