"""passes/differentiate: reverse and forward mode, each a Program -> Program transform that composes with itself.

``reverse`` appends to a program the equations of the gradient of a scalar; ``forward`` appends the directional
derivative of its results.  Hessian-vector products are the one applied to the other's result.

Requires: single assignment, equations after what they read.
Ensures: the old equations are untouched; the adjoint of A is named ``d_A``, the tangent ``t_A``.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> p = parse_program({"a": "real[n]"}, ["L[i] = a[i]**2", "loss = sum[i](L[i])"], ["loss"])
    >>> print(print_equations(reverse(p, "loss", ["a"]).program))
    L[i] = a[i]**2
    loss = sum[i](L[i])
    d_L[i] = 1
    d_a[i] = 2*a[i]*d_L[i]

Leaves to others: removing what is not needed, merging trivial equations, stable spellings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sympy import Expr, S, Symbol

from nablac.algebra.derivative import local_derivative
from nablac.algebra.laws import ALL
from nablac.algebra.pullback import Term, pullback, result_indices, without_product
from nablac.algebra.rewrite import rewrite
from nablac.errors import DerivativeError
from nablac.ir.equation import Equation, Origin, Program, Reduction
from nablac.ir.functions import Access, IntAccess
from nablac.ir.tensor import Kind, Role, Tensor


@dataclass(frozen=True)
class Differentiated:
    """The longer program, the derivative's name for each tensor asked for, and the terms of each adjoint."""

    program: Program
    names: Mapping[str, str]
    terms: Mapping[str, tuple[Term, ...]] = field(default_factory=dict)


def reverse(program: Program, of: str, wrt: Sequence[str]) -> Differentiated:
    """The program with the gradient of the scalar ``of`` with respect to each tensor of ``wrt`` among its results.

    Raises ``DerivativeError`` where ``of`` is no scalar or a tensor of integers is asked for.
    """
    if program.declared[of].shape:
        raise DerivativeError(
            f"only a scalar has a gradient, and {program.declared[of]} is none",
            remedy="reduce it, for example with mean or sum",
        )
    sweep = _Reverse(program, of, wrt)
    for equation in reversed(program.equations):
        sweep.through(equation)
    for name in wrt:
        sweep.adjoint_of(program.declared[name], None)
    names = {name: sweep.names[name] for name in wrt}
    longer = program.with_equations(
        program.equations + tuple(sweep.equations),
        program.tensors + tuple(sweep.tensors),
        tuple(dict.fromkeys((*program.results, *names.values()))),
    )
    terms = {sweep.names[name]: tuple(terms) for name, terms in sweep.terms.items() if name in sweep.names}
    return Differentiated(longer, names, terms)


def _active(program: Program, wrt: Iterable[str]) -> set[str]:
    """The real tensors whose value depends on those of ``wrt``."""
    active = set(wrt)
    for equation in program.equations:
        if active.intersection(equation.sources) and program.declared[equation.target].kind is Kind.REAL:
            active.add(equation.target)
    return active


class _Sweep:
    """The equations and tensors a sweep makes, and the name of each tensor's derivative."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.equations: list[Equation] = []
        self.tensors: list[Tensor] = []
        self.names: dict[str, str] = {}
        self.taken = set(program.declared)

    def define(self, equation: Equation, kind: Kind = Kind.REAL, bound: Expr | None = None) -> None:
        """Append an equation and its target's declaration."""
        self.taken.add(equation.target)
        self.equations.append(equation)
        self.tensors.append(Tensor(equation.target, equation.shape, kind, bound=bound))

    def fresh(self, name: str) -> str:
        """The name, numbered if it is taken."""
        fresh, number = name, 1
        while fresh in self.taken:
            number += 1
            fresh = f"{name}_{number}"
        self.taken.add(fresh)
        return fresh

    def place_of_extremum(self, equation: Equation) -> str:
        """Define the integer tensor of the place of a max's or min's first extremum; its name."""
        assert equation.reduction is not None
        kind, (k,) = equation.reduction.kind, equation.reduction.indices
        name = self.fresh(f"{equation.target}.at")
        reduction = Reduction(f"arg{kind}", (k,))
        self.define(replace(equation, target=name, reduction=reduction), Kind.INT, equation.ranges[k])
        return name

    def linear_product(self, equation: Equation) -> Equation:
        """A product as the sum whose derivative is its own, after defining the products over the other places."""
        others, linear = without_product(equation)
        name = self.fresh(others.target)
        self.define(replace(others, target=name))
        return linear.with_body(
            linear.body.xreplace({Access(others.target, *others.indices): Access(name, *others.indices)})
        )


class _Reverse(_Sweep):
    """A reverse sweep: terms are collected for each tensor until its own equation is passed."""

    def __init__(self, program: Program, of: str, wrt: Sequence[str]) -> None:
        for name in wrt:
            if program.declared[name].kind is Kind.INT:
                raise DerivativeError(f"{name} holds integers: nothing is differentiated with respect to an index")
        super().__init__(program)
        self.of = of
        self.active = _active(program, wrt)
        self.terms: dict[str, list[Term]] = {}
        self.places: dict[str, str] = {}

    def through(self, equation: Equation) -> None:
        """Finish the adjoint of the equation's target and send its terms to what the equation reads."""
        if equation.target not in self.active:
            return
        target = self.program.declared[equation.target]
        seed: Expr | None = S.One
        if equation.target != self.of:
            if equation.target not in self.terms:
                return
            self.adjoint_of(target, equation)
            seed = Access(self.names[equation.target], *equation.indices)
        sending = equation
        if equation.reduction is not None and equation.reduction.kind == "prod":
            sending = self.linear_product(equation)
        for access in equation.reads:
            if isinstance(access, IntAccess) or access.tensor not in self.active:
                continue
            tensor = self.program.declared[access.tensor]
            result = result_indices(
                tensor, self.program.defined.get(access.tensor), self.program.readers.get(access.tensor, ())
            )
            term = pullback(sending, access, tensor, result, seed, self._extremum)
            if term is not None:
                self.terms.setdefault(access.tensor, []).append(term)

    def adjoint_of(self, tensor: Tensor, definition: Equation | None) -> None:
        """Define ``d_A`` as the sum of the terms sent to A.

        Terms with a sum of their own are equations of their own, the others stand together in one body.
        """
        if tensor.name in self.names:
            return
        self.names[tensor.name] = name = self.fresh(f"d_{tensor.name}")
        terms = self.terms.get(tensor.name, [])
        result = terms[0].indices if terms else result_indices(tensor, definition, ())
        ranges = tuple(zip(result, tensor.shape, strict=True))
        origin = terms[0].origin if terms else Origin(rule="reverse", of=tensor.name)
        origin = origin.touched(*(law for term in terms for law in term.origin.laws))
        if len(terms) == 1 and terms[0].summed:
            self.define(_summed(name, terms[0], ranges))
            return
        body: Expr = S.One if tensor.name == self.of else S.Zero
        for number, term in enumerate(terms, 1):
            if term.summed:
                part = self.fresh(f"{name}.term{number}")
                self.define(_summed(part, term, ranges))
                body += Access(part, *result)
            else:
                body += term.body
        body, laws = rewrite(body, ALL)
        self.define(Equation(name, result, body, ranges, None, origin.touched(*laws)))

    def _extremum(self, equation: Equation) -> str:
        """The tensor of the place of an extremum, defined when first asked for."""
        if equation.target not in self.places:
            self.places[equation.target] = self.place_of_extremum(equation)
        return self.places[equation.target]


def _summed(name: str, term: Term, ranges: tuple[tuple[Symbol, Expr], ...]) -> Equation:
    bound = tuple(s for s, _ in term.summed)
    return Equation(name, term.indices, term.body, ranges + term.summed, Reduction("sum", bound), term.origin)


def forward(program: Program, wrt: Sequence[str], of: Sequence[str] | None = None) -> Differentiated:
    """The program with inputs ``t_A``, the directions, for each A of ``wrt``, and the tangents of ``of`` as results.

    out_dot[I] = sum over K, over each element read, of d(body)/d(A[f]) * A_dot[f]
    """
    of = tuple(program.results if of is None else of)
    sweep = _Forward(program, wrt)
    for equation in program.equations:
        sweep.through(equation)
    for name in of:
        sweep.tangent_of(program.declared[name])
    names = {name: sweep.names[name] for name in of}
    results = tuple(dict.fromkeys((*program.results, *names.values())))
    return Differentiated(program.with_equations(sweep.equations, (*program.tensors, *sweep.tensors), results), names)


class _Forward(_Sweep):
    """A forward sweep: each equation is followed by that of its tangent."""

    def __init__(self, program: Program, wrt: Sequence[str]) -> None:
        super().__init__(program)
        for name in wrt:
            self.names[name] = self.fresh(f"t_{name}")
            self.tensors.append(Tensor(self.names[name], program.declared[name].shape, role=Role.INPUT))

    def through(self, equation: Equation) -> None:
        """Keep the equation, and define its target's tangent if a direction reaches it."""
        self.equations.append(equation)
        reached = [a for a in equation.reads if a.tensor in self.names and not isinstance(a, IntAccess)]
        if not reached or self.program.declared[equation.target].kind is Kind.INT:
            return
        kind = equation.reduction.kind if equation.reduction else None
        stated = self.linear_product(equation) if kind == "prod" else equation
        body: Expr = S.Zero
        laws: tuple[str, ...] = ()
        for access in reached:
            slope, fired = local_derivative(stated.body, access)
            body += slope * Access(self.names[access.tensor], *access.indices)
            laws += fired
        extents, reduction = stated.extents, stated.reduction
        if kind in ("max", "min"):
            (k,) = equation.bound
            body = body.xreplace({k: IntAccess(self.place_of_extremum(equation), *equation.indices)})
            extents, reduction = tuple((i, e) for i, e in extents if i != k), None
        body, more = rewrite(body, ALL)
        if body == 0:
            return
        name = self.names[equation.target] = self.fresh(f"t_{equation.target}")
        origin = Origin(equation.origin.where, equation.origin.layer, "forward mode", equation.target)
        self.define(Equation(name, equation.indices, body, extents, reduction, origin.touched(*laws, *more)))

    def tangent_of(self, tensor: Tensor) -> None:
        """Define the tangent as zero where no direction reaches the tensor."""
        if tensor.name not in self.names:
            indices = result_indices(tensor, self.program.defined.get(tensor.name), ())
            self.names[tensor.name] = name = self.fresh(f"t_{tensor.name}")
            self.define(Equation(name, indices, S.Zero, tuple(zip(indices, tensor.shape, strict=True))))
