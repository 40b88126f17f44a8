"""lint/saturation: a loss whose slope stays bounded where the prediction saturates.

The gradient of what goes into a sigmoid holds the factor a*(1 - a).  A cross-entropy's slope in a grows as fast as that
factor falls; that of a squared error, or of a cross-entropy that takes a for a logit, does not, and where the prediction
is far off and saturated, nothing is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import sympy
from sympy import Expr, Function, Symbol

from nablac.algebra.derivative import local_derivative
from nablac.ir.equation import Equation
from nablac.ir.functions import Access
from nablac.ir.tensor import Kind
from nablac.ir.text import print_expression
from nablac.lint.finding import Finding
from nablac.lint.study import Study

RULE = "saturation"
FAR = sympy.Integer(10) ** 6
FLAT = 1e-6
STEEP = 1e4
"""A slope beyond it counts as unbounded: a log that is kept from 0 by 1e-12 has one of 1e12."""
HELD = Access("saturated")
"""Stands for the saturating part of a body while the rest is differentiated."""


def saturation(study: Study) -> Iterator[Finding]:
    """Saturating predictions with a loss that does not make up for it."""
    below: set[str] = set()
    for equation in study.plain.equations:
        if equation.target not in study.active or below.intersection(equation.sources):
            below.update([equation.target] if below.intersection(equation.sources) else [])
            continue
        part = _saturating(equation, study)
        if part is not None and _Tail(study, equation, part).is_saturating:
            below.add(equation.target)
            inside = [study.name(a.tensor) for a in sorted(part.atoms(Access), key=sympy.default_sort_key)]
            source = next((n for n in inside if n != study.name(equation.target)), inside[0])
            yield Finding(
                RULE,
                f"'{study.name(equation.target)}' saturates in {print_expression(part)} and the loss's slope in it stays bounded: "
                "where it is far off, the gradient vanishes",
                equation.origin.where,
                f"let the loss read '{source}', before it saturates: a cross-entropy of logits, or a linear prediction",
            )


def _saturating(equation: Equation, study: Study) -> Expr | None:
    """The first part of a body that is a saturating function of what is learned: of no input, and not bounded itself."""
    for node in sympy.postorder_traversal(equation.body):
        if not isinstance(node, Expr) or isinstance(node, Access) or not node.has(Access):
            continue
        read = {a.tensor for a in node.atoms(Access)}
        if not read <= study.active:
            continue
        if node.is_Mul and equation.reduction is None and study.ranges.share(node, equation) is not None:
            return node
        if isinstance(node, Function) and len(node.args) == 1 and _is_flat_far_out(type(node)):
            inside, value = (study.ranges.of(e, equation) for e in (node.args[0], node))
            if abs(inside.low) == abs(inside.high) == sympy.oo and max(abs(value.low), abs(value.high)) < sympy.oo:
                return node
    return None


@lru_cache
def _is_flat_far_out(function: type) -> bool:
    """Whether a function's slope goes to 0 on both sides, but is not 0 everywhere."""
    x = Symbol("x", real=True)
    slope = function(x).diff(x)
    if slope == 0 or slope.has(sympy.Derivative):
        return False
    return all(abs(float(sympy.N(slope.subs(x, side * FAR)))) < FLAT for side in (1, -1))


@dataclass
class _Tail:
    """What lies between a part of a body and the loss."""

    study: Study
    equation: Equation
    part: Expr

    @property
    def is_saturating(self) -> bool:
        """Whether the part is a prediction (nothing learned beside it can make up for it) and the loss's slope in it
        depends on it and stays bounded."""
        rest = self.equation.body.xreplace({self.part: HELD})
        accesses = tuple(sorted(rest.atoms(Access), key=sympy.default_sort_key))
        mixed: set[str] = set()
        below: set[str] = set()
        bends = False
        ranges = self.study.moderate
        held = ranges.of(self.part, self.equation)
        ranges.tensors[HELD.tensor] = held
        for equation in self._after():
            first = equation is self.equation
            body, reads = (rest, accesses) if first else (equation.body, equation.reads)
            inside = {HELD.tensor} if first else below
            own = [a for a in reads if a.tensor in inside]
            if not own:
                continue
            if self.study.plain.declared[equation.target].kind is Kind.INT:
                continue
            if equation.reduction is not None and equation.reduction.kind == "prod":
                return False
            learned = {a.tensor for a in reads} & self.study.active - inside
            joined = bool(learned) or any(a.tensor in mixed for a in own)
            for access in own:
                slope = local_derivative(body, access)[0]
                if joined and slope.has(Access):
                    return False
                bends = bends or any(a.tensor in inside for a in slope.atoms(Access))
                interval = ranges.of(slope, equation)
                if max(abs(interval.low), abs(interval.high)) > STEEP:
                    return False
            below.add(equation.target)
            mixed.update([equation.target] if joined else [])
        return bends and self.study.model.loss in below

    def _after(self) -> Iterator[Equation]:
        equations = self.study.plain.equations
        yield from equations[equations.index(self.equation) :]
