"""pipeline: the table of contents.  A program goes through these passes, and is checked after each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from nablac.ir.check import check
from nablac.ir.equation import Program
from nablac.passes.canonicalise import canonicalise
from nablac.passes.contract import contract
from nablac.passes.differentiate import reverse
from nablac.passes.inline import inline
from nablac.passes.share import share
from nablac.passes.shift import shift
from nablac.passes.shorten import shorten
from nablac.passes.stabilise import stabilise

Pass = Callable[[Program], Program]

BEFORE: tuple[Pass, ...] = (canonicalise, stabilise, canonicalise)
"""Before differentiation: only what keeps the mathematics plain."""

AFTER: tuple[Pass, ...] = (canonicalise, contract, inline, shift, stabilise, canonicalise, share, shorten, contract, share,
                           canonicalise)
"""After differentiation: the shift of sums of exponentials, then sharing, then the order of contractions."""


@dataclass(frozen=True)
class Record:
    """What one pass did: its name, its time in seconds, the program after it, and whether it changed anything."""

    name: str
    seconds: float
    program: Program
    changed: bool


def forward_program(program: Program, results: Sequence[str]) -> list[Record]:
    """Optimise a program for some of its results."""
    start = program.with_equations(program.equations, results=results)
    return _run(start, BEFORE + AFTER)


def gradient_program(program: Program, of: str, wrt: Sequence[str]) -> tuple[list[Record], dict[str, str]]:
    """Optimise a program for a scalar and its gradients; the names of these by parameter."""
    start = program.with_equations(program.equations, results=(of,))
    records = _run(start, BEFORE)
    begun = perf_counter()
    derived = reverse(records[-1].program, of, wrt)
    check(derived.program, "differentiate")
    records.append(Record("differentiate", perf_counter() - begun, derived.program, True))
    return records + _run(derived.program, AFTER), derived.names


def _run(program: Program, passes: Sequence[Pass]) -> list[Record]:
    records = [Record("trace", 0.0, check(program), True)]
    for one in passes:
        begun = perf_counter()
        after = one(program)
        records.append(Record(one.__name__, perf_counter() - begun, check(after, one.__name__), after is not program))
        program = after
    return records
