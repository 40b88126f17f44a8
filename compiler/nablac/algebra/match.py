"""algebra/match: find an equation's body inside an expression, up to the names of its indices.

Sums and products match when the pattern's terms are among the expression's: what is over is left beside the match.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sympy import Add, Expr, Mul, S, Symbol

from nablac.ir.functions import IntAccess

Bindings = Mapping[Symbol, Expr]
MOST_EQUAL = 4
"""A higher power is not taken apart into its factors."""


def match(pattern: Expr, node: Expr, variables: frozenset[Symbol]) -> Iterator[tuple[Bindings, Expr | None]]:
    """Every way to bind the pattern's index variables so that the node is the pattern, or holds it as a part.

    Yields (bindings, rest): rest is what stays beside the pattern in a sum or product, or None.

    >>> from nablac.ir.functions import Access
    >>> from nablac.ir.index import index
    >>> i, j, k = index("i"), index("j"), index("k")
    >>> pattern = Access("p", i) * Access("q", i, j)
    >>> next(match(pattern, 2 * Access("p", k) * Access("q", k, i), frozenset({i, j})))
    ({i: k, j: i}, 2)
    """
    if isinstance(pattern, Add | Mul) and type(node) is type(pattern):
        parts, whole = _parts(pattern), _parts(node)
        if len(whole) > len(parts):
            for bindings, used in _among(parts, whole, {}, variables, ()):
                yield bindings, node.func(*(a for n, a in enumerate(whole) if n not in used))
            return
    for bindings in _whole(pattern, node, {}, variables):
        yield bindings, None


def _parts(node: Expr) -> tuple[Expr, ...]:
    """A sum's terms; a product's factors, a whole power as so many equal ones."""
    if isinstance(node, Add):
        return node.args
    parts: list[Expr] = []
    for factor in node.args:
        base, power = factor.as_base_exp()
        times = int(power) if power.is_Integer and abs(power) <= MOST_EQUAL and base is not S.Exp1 else 1
        parts += [base if times > 0 else 1 / base] * abs(times) if abs(times) > 1 else [factor]
    return tuple(parts)


def _whole(pattern: Expr, node: Expr, bindings: Bindings, variables: frozenset[Symbol]) -> Iterator[Bindings]:
    if pattern in variables:
        if pattern in bindings:
            if bindings[pattern] == node:
                yield bindings
        elif isinstance(node, Symbol | IntAccess) or (isinstance(node, Add) and node.is_integer):
            yield {**bindings, pattern: node}
        return
    if not pattern.args or not pattern.free_symbols & variables:
        if pattern == node:
            yield bindings
        return
    if type(pattern) is not type(node) or len(pattern.args) != len(node.args):
        return
    if isinstance(pattern, Add | Mul):
        for found, _ in _among(pattern.args, node.args, bindings, variables, ()):
            yield found
        return
    states: list[Bindings] = [bindings]
    for one, other in zip(pattern.args, node.args, strict=True):
        states = [after for before in states for after in _whole(one, other, before, variables)]
    yield from states


def _among(
    patterns: tuple[Expr, ...],
    nodes: tuple[Expr, ...],
    bindings: Bindings,
    variables: frozenset[Symbol],
    used: tuple[int, ...],
) -> Iterator[tuple[Bindings, tuple[int, ...]]]:
    if not patterns:
        yield bindings, used
        return
    for number, node in enumerate(nodes):
        if number not in used:
            for found in _whole(patterns[0], node, bindings, variables):
                yield from _among(patterns[1:], nodes, found, variables, (*used, number))
