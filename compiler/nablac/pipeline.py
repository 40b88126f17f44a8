"""pipeline: the table of contents.  A program goes through these passes, and is checked after each."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from nablac.algebra.pullback import Term
from nablac.errors import CompileError
from nablac.frontend.model import Model
from nablac.ir.check import check
from nablac.ir.equation import Equation, Program
from nablac.ir.mode import has_modes, in_evaluation, in_training
from nablac.ir.text import print_equation
from nablac.passes.canonicalise import canonicalise, is_trivial, without_dead
from nablac.passes.contract import contract
from nablac.passes.differentiate import Differentiated, reverse
from nablac.passes.inline import inline
from nablac.passes.logsum import logsum
from nablac.passes.resolve import resolve
from nablac.passes.scale import scale
from nablac.passes.select import select
from nablac.passes.share import share
from nablac.passes.shift import shift
from nablac.passes.shorten import shorten
from nablac.passes.stabilise import stabilise

Pass = Callable[[Program], Program]

BEFORE: tuple[Pass, ...] = (canonicalise, select, stabilise, logsum, canonicalise)
"""Before differentiation: only what keeps the mathematics plain."""

AFTER: tuple[Pass, ...] = (
    canonicalise,
    resolve,
    canonicalise,
    scale,
    contract,
    inline,
    inline,
    shift,
    stabilise,
    canonicalise,
    shorten,
    share,
    contract,
    share,
    canonicalise,
)
"""After differentiation: the shift of sums of exponentials, then sharing, then the order of contractions."""


CHECKED = "training"
"""The program that no kernel computes and no report tells: a module compares its gradient with it."""


@dataclass(frozen=True)
class Record:
    """What one pass did: its name, its time in seconds, the program after it, and whether it changed anything."""

    name: str
    seconds: float
    program: Program
    changed: bool


@dataclass(frozen=True)
class Compiled:
    """A model with its programs after the passes, what each pass did, and the number of each equation.

    ``programs``: ``predict`` (the outputs), ``evaluate`` (loss and metrics), ``forward`` (both), ``gradient`` (loss,
    gradients and statistics), ``update`` (the optimizer); where there is such a thing ``fitted`` (what is measured
    before the first step) and ``training`` (the loss as it is in training).  ``gradients`` names the gradient of each
    parameter that is trained.  Equations are numbered by target and text: those of the gradient program first, in
    order, then what only the others have.  ``terms`` tells how each adjoint came about.
    """

    model: Model
    programs: Mapping[str, Program]
    records: Mapping[str, tuple[Record, ...]]
    gradients: Mapping[str, str]
    numbers: Mapping[str, int]
    terms: Mapping[str, tuple[Term, ...]]

    def number(self, equation: Equation) -> int:
        """The equation's number in the report and above the loops of the generated module."""
        return self.numbers[print_equation(equation)]

    @property
    def every_program(self) -> tuple[Program, ...]:
        """The programs compiled, and those that the gradient's went through: whatever a report may mention."""
        return (*self.programs.values(), *(record.program for record in self.records["gradient"]))

    def program_after(self, name: str) -> Program:
        """The gradient program after the last run of a pass; raises ``CompileError`` for an unknown name."""
        records = self.records["gradient"]
        found = [r.program for r in records if r.name == name]
        if not found:
            raise CompileError(
                f"no pass is called '{name}'", expected=", ".join(dict.fromkeys(r.name for r in records))
            )
        return found[-1]


def compile_model(model: Model, wrt: Sequence[str] | None = None, numbers: Mapping[str, int] | None = None) -> Compiled:
    """Derive, simplify and stabilise a model's programs.

    ``wrt`` are the tensors whose gradients are wanted, the parameters if it is not given; equations that ``numbers``
    knows keep their numbers.
    """
    with collector_at_rest():
        return _compiled(model, wrt, numbers or {})


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Without the collector of cycles: expressions hold none, and looking for them costs a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _compiled(model: Model, wrt: Sequence[str] | None, known: Mapping[str, int]) -> Compiled:
    program, metrics = model.program, tuple(tensor for _, tensor in model.metrics)
    statistics, fitted = (tuple(target for _, target in pairs) for pairs in (model.statistics, model.fitted))
    gradient, derived = gradient_program(program, model.loss, model.trained if wrt is None else wrt, statistics)
    records = {
        "gradient": gradient,
        "predict": forward_program(program, model.outputs),
        "evaluate": forward_program(program, (model.loss, *metrics)),
        "forward": forward_program(program, tuple(dict.fromkeys((*model.outputs, model.loss, *metrics)))),
        "update": forward_program(model.optimizer.program, model.optimizer.program.results),
    }
    if fitted:
        records["fitted"] = forward_program(program, fitted)
    if has_modes(program):  # to compare the gradient with: the loss as it is in training
        records[CHECKED] = loss_program(program, (model.loss,))
    programs = {name: runs[-1].program for name, runs in records.items()}
    numbers = dict(known)
    for equation in (e for name, one in programs.items() if name != CHECKED for e in one.equations):
        numbers.setdefault(print_equation(equation), len(numbers) + 1)
    return Compiled(model, programs, {n: tuple(r) for n, r in records.items()}, derived.names, numbers, derived.terms)


def forward_program(program: Program, results: Sequence[str]) -> list[Record]:
    """Optimise a program for some of its results, as they are when the model is used."""
    return _forward(in_evaluation(program), results)


def loss_program(program: Program, results: Sequence[str]) -> list[Record]:
    """The same, as they are while the model is trained."""
    return _forward(in_training(program), results)


def _forward(program: Program, results: Sequence[str]) -> list[Record]:
    return _run(program.with_equations(program.equations, results=results), BEFORE + AFTER)


def gradient_program(
    program: Program, of: str, wrt: Sequence[str], also: Sequence[str] = ()
) -> tuple[list[Record], Differentiated]:
    """Optimise a program for a scalar and its gradients; the records, and what differentiation made.

    It is the program of training, with ``also`` what shall be computed beside the gradients.  A value that a stable
    spelling of the loss goes past, such as the softmax before a cross-entropy, is offered to the gradient: p - y reads
    p.
    """
    program = in_training(program)
    kept = (of, *(name for name in wrt if name in program.defined), *also)
    start = program.with_equations(program.equations, results=tuple(dict.fromkeys(kept)))
    records = _run(start, BEFORE[:-1])
    offered = _bypassed(records[-1].program)
    named = records[-1].program.with_equations(records[-1].program.equations, results=(*start.results, *offered))
    records += _run(named, BEFORE[-1:])[1:]
    begun = perf_counter()
    derived = reverse(records[-1].program, of, wrt)
    check(derived.program, "differentiate")
    records.append(Record("differentiate", perf_counter() - begun, derived.program, True))
    records += _run(derived.program, AFTER[:-1])
    wanted = tuple(name for name in records[-1].program.results if name not in offered)
    last = records[-1].program.with_equations(records[-1].program.equations, results=wanted)
    return records + _run(last, AFTER[-1:])[1:], derived


def _bypassed(program: Program) -> tuple[str, ...]:
    """The elementwise equations that no result needs, though the user wrote them for one."""
    alive = without_dead(program).defined
    dead = [e for e in program.equations if e.target not in alive]
    return tuple(e.target for e in dead if e.reduction is None and e.indices and not is_trivial(e))


def _run(program: Program, passes: Sequence[Pass]) -> list[Record]:
    records = [Record("trace", 0.0, check(program), True)]
    for one in passes:
        begun = perf_counter()
        after = one(program)
        records.append(Record(one.__name__, perf_counter() - begun, check(after, one.__name__), after is not program))
        program = after
    return records
