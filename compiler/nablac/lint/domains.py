"""lint/domains: logarithms, roots, divisions and powers whose argument is not known to lie where they are defined.

A value must be defined, and where a gradient passes, its derivative too: sqrt(0) is 0, its derivative infinite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy
from sympy import Expr, Pow

from nablac.algebra.rename import index_symbols
from nablac.ir import functions as f
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Where
from nablac.lint.finding import Finding
from nablac.lint.interval import ALL, NONNEGATIVE, POSITIVE, Interval
from nablac.lint.ranges import NOTHING_KNOWN, Known, Ranges
from nablac.lint.study import Study

RULE = "domain"
SHORT = 40
"""Longer arguments are not told twice."""
NONZERO = Interval(nonzero=True)


@dataclass(frozen=True)
class Domain:
    """Where a function's value exists and where its derivative does, each with its words."""

    value: Interval
    slope: Interval
    words: tuple[str, str]
    remedy: str


_ABOVE = ("above 0", "above 0")
_LOG = Domain(POSITIVE, POSITIVE, _ABOVE, "keep it above 0: max({u}, 1e-12), or exp or softplus of what is learned")
_ROOT = Domain(NONNEGATIVE, POSITIVE, ("not below 0", "above 0"), "keep it above 0: sqrt(max({u}, 1e-12))")
_DIVISION = Domain(
    NONZERO, NONZERO, ("other than 0", "other than 0"), "where({u} != 0, ..., 0), or add a positive number to a square"
)
_POWER = Domain(POSITIVE, POSITIVE, _ABOVE, "keep the base above 0: max({u}, 1e-12), or exp of an exponent times a log")
_INSIDE = Interval(-1.0, 1.0, True, True)
_CLAMP = "keep it inside: clamp({u}, -1 + 1e-6, 1 - 1e-6)"
_ARC = Domain(Interval(-1.0, 1.0), _INSIDE, ("between -1 and 1", "inside -1 and 1"), _CLAMP)

FUNCTIONS: dict[type, Domain] = {
    sympy.log: _LOG,
    f.log1p: Domain(
        Interval(low=-1.0, low_open=True), Interval(low=-1.0, low_open=True), ("above -1",) * 2, "max({u}, -1 + 1e-12)"
    ),
    f.log1mexp: _LOG,
    sympy.asin: _ARC,
    sympy.acos: _ARC,
    sympy.atanh: Domain(_INSIDE, _INSIDE, ("inside -1 and 1",) * 2, _CLAMP),
    sympy.acosh: Domain(
        Interval(low=1.0), Interval(low=1.0, low_open=True), ("not below 1", "above 1"), "max({u}, 1 + 1e-6)"
    ),
}


def domains(study: Study) -> Iterator[Finding]:
    """Every use of such a function that the equations do not show to be sound."""
    told: set[tuple[str, str]] = set()
    differentiated = {e.target for e in study.plain.equations if e.target in study.active}
    programs: tuple[tuple[Program, Ranges], ...] = ((study.plain, study.ranges),)
    if study.measured.results != study.plain.results:
        programs += ((study.measured, Ranges(study.measured, kept=study.kept)),)
    for program, ranges in programs:
        learned = program is study.plain
        for equation in program.equations:
            if not learned and study.plain.defined.get(equation.target) == equation:
                continue
            for finding in _uses(equation, ranges, study, learned and equation.target in differentiated):
                if (finding.subject, str(finding.where)) not in told:
                    told.add((finding.subject, str(finding.where)))
                    yield finding


def _uses(equation: Equation, ranges: Ranges, study: Study, learned: bool) -> Iterator[Finding]:
    for node, known in guarded(equation.body, equation, ranges, NOTHING_KNOWN):
        found = _domain(node, equation, ranges, known)
        if found is None:
            continue
        argument, domain = found
        if not (argument.has(Access) or index_symbols(argument) or equation.target in study.measured.defined):
            continue  # of extents alone, and in training alone: the module refuses a batch of too few rows
        slope = learned and any(a.tensor in study.active for a in argument.atoms(Access))
        wanted, words = (domain.slope, domain.words[1]) if slope else (domain.value, domain.words[0])
        interval = ranges.of(argument, equation, known)
        if interval.is_within(wanted):
            continue
        text, whole = (study.text(e, ranges.program) for e in (argument, node))
        it = text if len(text) <= SHORT else "its argument"
        lies = "may be any number" if interval == ALL else f"lies in {interval}"
        infinite = "; at the end the derivative is infinite" if slope and interval.is_within(domain.value) else ""
        yield Finding(
            RULE,
            f"{whole} in '{study.name(equation.target)}' asks for {it} {words}, and it {lies}{infinite}",
            equation.origin.where,
            domain.remedy.replace("{u}", text if len(text) <= SHORT else "..."),
        )


def _domain(node: Expr, equation: Equation, ranges: Ranges, known: Known) -> tuple[Expr, Domain] | None:
    """The argument of such a function and where it must lie."""
    if type(node) in FUNCTIONS:
        return node.args[0], FUNCTIONS[type(node)]
    if not isinstance(node, Pow) or node.base is sympy.E or node.base.is_number:
        return None
    base, exponent = node.args
    if exponent.is_Integer:
        return (base, _DIVISION) if exponent.is_negative else None
    if exponent.is_Rational:
        if exponent.is_negative:
            return base, _POWER
        return base, _ROOT if exponent < 1 else Domain(NONNEGATIVE, NONNEGATIVE, ("not below 0",) * 2, _ROOT.remedy)
    if exponent.is_integer:
        counts = ranges.of(exponent, equation, known).is_nonnegative
        return None if counts else (base, _DIVISION)
    return base, _POWER


def guarded(node: Expr, equation: Equation, ranges: Ranges, known: Known) -> Iterator[tuple[Expr, Known]]:
    """Every part of an expression, with what the choices around it make known; what cannot be reached is left out."""
    if isinstance(node, Access) or node.is_Atom:
        return
    if isinstance(node, Where):
        for side in node.args[0].atoms(sympy.core.relational.Relational):
            for part in side.args:
                yield from guarded(part, equation, ranges, known)
        for branch, holds in ranges.branches(node, equation, known):
            if not any(interval.is_empty for interval in holds.values()):
                yield from guarded(branch, equation, ranges, holds)
        return
    yield node, known
    for argument in node.args:
        if isinstance(argument, Expr):
            yield from guarded(argument, equation, ranges, known)
