"""lint/saturation: a loss whose slope stays bounded where the prediction saturates.

The gradient of what goes into a sigmoid holds the factor a*(1 - a).  A cross-entropy's slope in a grows as fast as
that factor falls; that of a squared error, or of a cross-entropy that takes a for a logit, does not, and where the
prediction is far off and saturated, nothing is learned.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import sympy
from sympy import Expr, Function, Symbol

from nablac.algebra.derivative import local_derivative
from nablac.ir.equation import Equation
from nablac.ir.functions import Access, IntAccess, accesses
from nablac.ir.tensor import Kind
from nablac.lint.finding import Finding
from nablac.lint.interval import INFINITY, Interval
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
    residuals: set[str] = set()
    for equation in study.plain.equations:
        if equation.target in study.active and _is_residual(equation.body, residuals, study):
            residuals.add(equation.target)
        if below.intersection(equation.sources):  # told already
            below.add(equation.target)
            continue
        part = _saturating(equation, study, residuals) if equation.target in study.active else None
        if part is None or not _Tail(study, equation, part).is_saturating:
            continue
        below.add(equation.target)
        name = study.name(equation.target)
        inside = {study.name(a.tensor) for a in real_accesses(part)} - {name}
        source = f"'{inside.pop()}'" if len(inside) == 1 else "the formula inside"
        yield Finding(
            RULE,
            f"'{name}' saturates in {study.text(part, study.plain)}, and the loss's slope in it stays bounded: "
            "where it is far off, the gradient vanishes",
            equation.origin.where,
            f"let the loss read {source}, before it saturates: a cross-entropy of logits, or a linear prediction",
        )


def _saturating(equation: Equation, study: Study, residuals: Set[str]) -> Expr | None:
    """The first part of a body that is a saturating function of what is learned, and not of something bounded."""
    for node in sympy.postorder_traversal(equation.body):
        if not isinstance(node, Expr) or isinstance(node, Access) or not _is_learned(node, study):
            continue
        if node.is_Mul and equation.reduction is None and study.ranges.share(node, equation) is not None:
            return node
        if isinstance(node, Function) and len(node.args) == 1 and _is_flat_far_out(cast(Hashable, type(node))):
            inside, value = (study.ranges.of(e, equation) for e in (node.args[0], node))
            unbounded = inside.low == -INFINITY and inside.high == INFINITY
            # of a residual, y - z, a loss may well be flat far out: that is no prediction
            if unbounded and _size(value) < INFINITY and not _is_residual(node.args[0], residuals, study):
                return node
    return None


def _is_residual(node: Expr, residuals: Set[str], study: Study) -> bool:
    """Whether data stands in a sum beside what is learned, here or in a tensor of the sum."""
    for term in sympy.Add.make_args(node):
        read = real_accesses(term)
        if read and (not _is_learned(term, study) or term.as_coeff_Mul()[1] == read[0] and read[0].tensor in residuals):
            return True
    return False


def _is_learned(node: Expr, study: Study) -> bool:
    return any(a.tensor in study.active for a in real_accesses(node))


def _size(interval: Interval) -> float:
    return max(abs(interval.low), abs(interval.high))


def real_accesses(node: Expr) -> tuple[Access, ...]:
    """The elements of real tensors that an expression reads, in a deterministic order."""
    return tuple(a for a in accesses(node) if not isinstance(a, IntAccess))


@lru_cache
def _is_flat_far_out(function: Hashable) -> bool:
    """Whether a function's slope goes to 0 on both sides, but is not 0 everywhere."""
    x = Symbol("x", real=True)
    assert isinstance(function, type)
    slope = function(x).diff(x)
    if slope == 0 or slope.has(sympy.Derivative):
        return False
    far_out = [sympy.N(slope.subs(x, side * FAR)) for side in (1, -1)]
    return all(value.is_real and abs(value) < FLAT for value in far_out)


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
        study, ranges = self.study, self.study.moderate
        known = {HELD: ranges.of(self.part, self.equation)}
        below, mixed, bends = {HELD.tensor}, set[str](), False
        for equation in self._after():
            own = [a for a in real_accesses(equation.body) if a.tensor in below]
            if not own or study.plain.declared[equation.target].kind is Kind.INT:
                continue
            if equation.reduction is not None and equation.reduction.kind == "prod":
                return False
            learned = {a.tensor for a in real_accesses(equation.body)} & study.active - below
            joined = bool(learned) or any(a.tensor in mixed for a in own)
            for access in own:
                slope = local_derivative(equation.body, access)[0]
                if joined and slope.has(Access) or _size(ranges.of(slope, equation, known)) > STEEP:
                    return False
                bends = bends or any(a.tensor in below for a in real_accesses(slope))
            below.add(equation.target)
            mixed.update([equation.target] if joined else [])
        return bends and study.model.loss in below

    def _after(self) -> Iterator[Equation]:
        """The equation with the part held, and those behind it."""
        equations = self.study.plain.equations
        yield replace(self.equation, body=self.equation.body.xreplace({self.part: HELD}))
        yield from equations[equations.index(self.equation) + 1 :]
