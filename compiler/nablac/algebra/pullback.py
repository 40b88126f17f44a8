"""algebra/pullback: the terms that one equation sends back to what it reads, by the chain rule.

For  out[I] = sum over K of body  and an element  A[f(I, K)]  of the body, with out_bar the adjoint of out:

    A_bar[M] += sum over I, K of  out_bar[I] * d(body)/d(A[f]) * delta(M, f(I, K))

A max sends its adjoint to the first maximum: it has the factor delta(k, argmax[I]).  A product is its own kind of sum:
d(prod over k of body)/d(body at k) is the product over the other k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import sympy
from sympy import Expr, S, Symbol

from nablac.algebra.delta import Eliminated, Pair, eliminate
from nablac.algebra.derivative import local_derivative, through_output
from nablac.algebra.laws import ALL
from nablac.algebra.rename import apart, rename, taken_names
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Origin, Reduction
from nablac.ir.functions import Access, IntAccess, Where
from nablac.ir.index import fresh_names, index
from nablac.ir.tensor import Tensor


@dataclass(frozen=True)
class Derivation:
    """How a term came about, for those who want to read it; nothing is computed from it.

    ``equation`` and ``access``: what the chain rule went through and what it went to.  ``slope``: the local derivative
    as it was used.  ``adjoint``: what it was multiplied by.  ``product``: slope times adjoint under the equation's
    indices, apart from the result's.  ``pairs``: the deltas.  ``left``: what their elimination left.
    """

    equation: Equation
    access: Access
    slope: Expr
    adjoint: Expr
    product: Equation
    pairs: tuple[Pair, ...]
    left: Eliminated


@dataclass(frozen=True)
class Term:
    """A summand of an adjoint: ``sum over summed of body``, over the result's ``indices``."""

    indices: tuple[Symbol, ...]
    body: Expr
    summed: tuple[tuple[Symbol, Expr], ...]
    origin: Origin
    derivation: Derivation


def result_indices(tensor: Tensor, definition: Equation | None, readers: Sequence[Equation]) -> tuple[Symbol, ...]:
    """Names for the adjoint's indices: those of the tensor's equation, or of the first reader with plain ones."""
    if definition is not None:
        return definition.indices
    for reader in readers:
        for access in reader.reads:
            plain = [i for i in access.indices if isinstance(i, Symbol) and i in reader.ranges]
            if access.tensor == tensor.name and len(set(plain)) == len(tensor.shape):
                return tuple(plain)
    names = fresh_names(str(e) for e in tensor.shape)
    return tuple(index(next(names)) for _ in tensor.shape)


def pullback(
    equation: Equation,
    access: Access,
    tensor: Tensor,
    result: tuple[Symbol, ...],
    adjoint: Expr | None,
    extremum: Callable[[Equation], str],
) -> Term | None:
    """The term that ``equation`` sends to ``tensor`` through one element it reads; None where the derivative is 0.

    ``adjoint`` is the adjoint of the equation's target as an access over its indices (or 1 for the loss itself);
    ``extremum`` names the integer tensor that holds the place of a max or min equation's first extremum.
    """
    slope, laws = local_derivative(equation.body, access)
    if slope == 0 or adjoint == 0:
        return None
    pairs = []
    if equation.reduction is None:
        output = through_output(equation.body, slope, Access(equation.target, *equation.indices))
        if output is not None:
            slope, laws = output, (*laws, "saved output")
    elif equation.reduction.kind in ("max", "min"):
        (k,) = equation.reduction.indices
        place = IntAccess(extremum(equation), *equation.indices)
        pairs.append(Pair(place, k, equation.ranges[k]))
    seed = S.One if adjoint is None else adjoint
    body = slope * seed
    # the equation's own indices make way for the result's: they are renamed apart, and back where they are free again
    stated = replace(equation, body=body)
    away = apart(stated, {i.name for i in result})
    names = dict(zip(stated.ranges, away.ranges, strict=True))
    pairs = [Pair(p.left.xreplace(names), p.right.xreplace(names), p.extent) for p in pairs]
    for place, at, extent in zip(result, access.indices, tensor.shape, strict=True):
        pairs.append(Pair(place, at.xreplace(names), extent))
    left = eliminate(away.body, pairs, away.ranges)
    tidy, more = rewrite(left.body, ALL)
    if tidy == 0:
        return None
    origin = Origin(equation.origin.where, equation.origin.layer, "reverse", equation.target).touched(*laws, *more)
    derivation = Derivation(equation, access, slope, seed, away, tuple(pairs), left)
    return _renamed_back(Term(result, tidy, left.summed, origin, derivation), names, tensor)


def _renamed_back(term: Term, names: dict[Symbol, Symbol], tensor: Tensor) -> Term:
    """Summed indices under the names they had in the forward equation, where those are free."""
    ranges = dict(zip(term.indices, tensor.shape, strict=True)) | dict(term.summed)
    whole = Equation("", term.indices, term.body, tuple(ranges.items()))
    taken = taken_names(whole)
    back = {new: old for old, new in names.items() if old != new and new in ranges and old.name not in taken}
    same = rename(whole, back)
    summed = tuple((back.get(s, s), e) for s, e in term.summed)
    return replace(term, body=same.body, summed=summed)


def without_product(equation: Equation) -> tuple[Equation, Equation]:
    """A product over k as what its derivative needs: the product over the other places, at each place.

        others[I, k] = prod over l of where(l == k, 1, body(l));   out[I] has the derivative others[I, k] at body(k)

    Answers the equation of ``others`` and the sum  out[I] = sum over k of others[I, k]*body(k)  whose derivative, with
    ``others`` held constant, is the product's.
    """
    assert equation.reduction is not None
    bound = equation.reduction.indices
    names = fresh_names(taken_names(equation))
    inner = {k: index(next(names)) for k in bound}
    here = sympy.And(*(sympy.Eq(inner[k], k) for k in bound))
    body = Where(here, S.One, equation.body.xreplace(inner))
    extents = tuple(equation.extents) + tuple((inner[k], equation.ranges[k]) for k in bound)
    others = Equation(
        equation.target + ".others",
        equation.indices + bound,
        body,
        extents,
        Reduction("prod", tuple(inner.values())),
        equation.origin,
    )
    linear = replace(
        equation,
        body=Access(others.target, *others.indices) * equation.body,
        reduction=Reduction("sum", bound),
    )
    return others, linear
