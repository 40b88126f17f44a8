"""passes/differentiate: reverse and forward mode, each a Program -> Program transform that composes with itself.

``reverse`` appends to a program the equations of the gradient of a scalar; ``forward`` appends the directional
derivative of its results.  Hessian-vector products are the one applied to the other's result.

Requires: single assignment, equations after what they read.
Ensures: the old equations are untouched; the adjoint of A is named ``d_A``, the tangent ``t_A``.

    L[i] = (a[i] - y[i])**2; loss = sum[i](L[i])   ->   d_L[i] = 1; d_a[i] = 2*(a[i] - y[i])*d_L[i]

Leaves to others: removing what is not needed, merging trivial equations, stable spellings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sympy import Expr, S, Symbol

from nablac.algebra.derivative import local_derivative
from nablac.algebra.laws import ALL
from nablac.algebra.pullback import Term, pullback, result_indices, without_product
from nablac.algebra.rewrite import rewrite
from nablac.errors import DerivativeError
from nablac.ir.equation import Equation, Origin, Program, Reduction
from nablac.ir.functions import Access, IntAccess
from nablac.ir.index import fresh_names, index
from nablac.ir.tensor import Kind, Role, Tensor


@dataclass(frozen=True)
class Differentiated:
    """The longer program, and the derivative's name for each tensor asked for."""

    program: Program
    names: dict[str, str]


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
    return Differentiated(longer, names)


def _active(program: Program, wrt: Iterable[str]) -> set[str]:
    """The real tensors whose value depends on those of ``wrt``."""
    active = set(wrt)
    for equation in program.equations:
        if active.intersection(equation.sources) and program.declared[equation.target].kind is Kind.REAL:
            active.add(equation.target)
    return active


class _Reverse:
    """The state of a reverse sweep: terms collected for each tensor, and the equations made so far."""

    def __init__(self, program: Program, of: str, wrt: Sequence[str]) -> None:
        for name in wrt:
            if program.declared[name].kind is Kind.INT:
                raise DerivativeError(f"{name} holds integers: nothing is differentiated with respect to an index")
        self.program, self.of = program, of
        self.active = _active(program, wrt)
        self.terms: dict[str, list[Term]] = {}
        self.equations: list[Equation] = []
        self.tensors: list[Tensor] = []
        self.names: dict[str, str] = {}
        self.taken = set(program.declared)

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
            others, sending = without_product(equation)
            self._define(others, Tensor(others.target, others.shape))
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
        self.names[tensor.name] = name = self._fresh(f"d_{tensor.name}")
        terms = self.terms.get(tensor.name, [])
        result = terms[0].indices if terms else result_indices(tensor, definition, ())
        ranges = tuple(zip(result, tensor.shape, strict=True))
        origin = terms[0].origin if terms else Origin(rule="reverse", of=tensor.name)
        origin = origin.touched(*(law for term in terms for law in term.origin.laws))
        if len(terms) == 1 and terms[0].summed:
            self._define(_summed(name, terms[0], ranges), Tensor(name, tensor.shape))
            return
        body: Expr = S.Zero
        for number, term in enumerate(terms, 1):
            if term.summed:
                part = self._fresh(f"{name}.term{number}")
                self._define(_summed(part, term, ranges), Tensor(part, tensor.shape))
                body += Access(part, *result)
            else:
                body += term.body
        body, laws = rewrite(body, ALL)
        self._define(Equation(name, result, body, ranges, None, origin.touched(*laws)), Tensor(name, tensor.shape))

    def _extremum(self, equation: Equation) -> str:
        """The integer tensor of the place of an extremum, defined when first asked for."""
        assert equation.reduction is not None
        name = f"{equation.target}.at"
        if name not in self.taken:
            reduction = Reduction("arg" + equation.reduction.kind, equation.reduction.indices)
            place = Equation(name, equation.indices, equation.body, equation.extents, reduction, equation.origin)
            bound = equation.ranges[equation.reduction.indices[0]]
            self._define(place, Tensor(name, equation.shape, Kind.INT, bound=bound))
        return name

    def _define(self, equation: Equation, tensor: Tensor) -> None:
        self.taken.add(tensor.name)
        self.equations.append(equation)
        self.tensors.append(tensor)

    def _fresh(self, name: str) -> str:
        number = 1
        fresh = name
        while fresh in self.taken:
            number += 1
            fresh = f"{name}_{number}"
        self.taken.add(fresh)
        return fresh


def _summed(name: str, term: Term, ranges: tuple[tuple[Symbol, Expr], ...]) -> Equation:
    bound = tuple(s for s, _ in term.summed)
    return Equation(name, term.indices, term.body, ranges + term.summed, Reduction("sum", bound), term.origin)


def forward(program: Program, wrt: Sequence[str], of: Sequence[str] | None = None) -> Differentiated:
    """The program with inputs ``t_A``, the directions, for each A of ``wrt``, and the tangents of ``of`` as results.

    out_dot[I] = sum over K, over each element read, of d(body)/d(A[f]) * A_dot[f]
    """
    of = tuple(program.results if of is None else of)
    names: dict[str, str] = {}
    taken = set(program.declared)

    def named(tensor: str) -> str:
        names[tensor] = f"t_{tensor}"
        while names[tensor] in taken:
            names[tensor] = f"t_{names[tensor]}"
        taken.add(names[tensor])
        return names[tensor]

    tensors = [Tensor(named(name), program.declared[name].shape, role=Role.INPUT) for name in wrt]
    equations: list[Equation] = []
    for equation in program.equations:
        equations.append(equation)
        made = _tangent(equation, names, program)
        if made is not None:
            names_before = named(equation.target)
            for extra in made:
                target = names_before if extra is made[-1] else extra.target
                kind = Kind.INT if extra.reduction and extra.reduction.kind.startswith("arg") else Kind.REAL
                equations.append(
                    Equation(target, extra.indices, extra.body, extra.extents, extra.reduction, extra.origin)
                )
                tensors.append(Tensor(target, extra.shape, kind, bound=None))
    missing = [name for name in of if name not in names]
    for name in missing:  # no dependence: the tangent is zero
        shape = program.declared[name].shape
        fresh = fresh_names(str(e) for e in shape)
        indices = tuple(index(next(fresh)) for _ in shape)
        tensors.append(Tensor(named(name), shape))
        equations.append(Equation(names[name], indices, S.Zero, tuple(zip(indices, shape, strict=True))))
    results = tuple(dict.fromkeys((*program.results, *(names[name] for name in of))))
    return Differentiated(
        program.with_equations(equations, (*program.tensors, *tensors), results), {name: names[name] for name in of}
    )


def _tangent(equation: Equation, names: dict[str, str], program: Program) -> list[Equation] | None:
    """The equations of a target's tangent, the last of them its own; None where no direction reaches it."""
    if program.declared[equation.target].kind is Kind.INT:
        return None
    before: list[Equation] = []
    stated, reduction = equation, equation.reduction
    if reduction is not None and reduction.kind == "prod":
        others, stated = without_product(equation)
        before, reduction = [others], stated.reduction
    body: Expr = S.Zero
    laws: tuple[str, ...] = ()
    for access in equation.reads:
        if access.tensor in names and not isinstance(access, IntAccess):
            slope, fired = local_derivative(stated.body, access)
            body += slope * Access(names[access.tensor], *access.indices)
            laws += fired
    if body == 0:
        return None
    extents = equation.extents
    if reduction is not None and reduction.kind in ("max", "min"):
        (k,) = reduction.indices
        place = f"{equation.target}.at"
        if place not in program.declared:
            before = [
                Equation(place, equation.indices, equation.body, extents, Reduction("arg" + reduction.kind, (k,)))
            ]
        body = body.xreplace({k: IntAccess(place, *equation.indices)})
        extents, reduction = tuple((i, e) for i, e in extents if i != k), None
    body, more = rewrite(body, ALL)
    origin = Origin(equation.origin.where, equation.origin.layer, "forward mode", equation.target).touched(*laws, *more)
    return [*before, Equation("", equation.indices, body, extents, reduction, origin)]
