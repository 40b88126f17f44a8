"""algebra/rewrite: the engine that applies tables of laws to a body, innermost first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from sympy import Expr

MOST_STEPS = 50
"""A node is rewritten at most so often: a table that does not come to rest is a defect, and is cut short here."""


@dataclass(frozen=True)
class Law:
    """A row of a table: an identity, as text that can be read and tested, and the function that applies it at a node.

    ``apply`` answers the new expression, or None where the law does not fit.  A definition is put in place of a name
    that hides it where that lets a law fire that ``opens``.
    """

    name: str
    identity: str
    heads: tuple[type, ...]
    apply: Callable[[Expr], Expr | None]
    opens: bool = False


Laws = tuple[Law, ...]


@lru_cache(maxsize=20_000)
def rewrite(expression: Expr, laws: Laws) -> tuple[Expr, tuple[str, ...]]:
    """The expression at rest under the laws, and the names of those that fired, in order.

    The table's order is the order of preference at a node.
    """
    fired: dict[str, None] = {}
    node = _inside(expression, laws, fired)
    for _ in range(MOST_STEPS):
        for law in laws:
            if isinstance(node, law.heads):
                new = law.apply(node)
                if new is not None and new != node:
                    fired[law.name] = None
                    node = _inside(new, laws, fired)
                    break
        else:
            break
    return node, tuple(fired)


def rewrite_steps(expression: Expr, laws: Laws) -> Iterator[tuple[Law, Expr]]:
    """Each law that ``rewrite`` fires, in order, with the whole expression after it."""
    if expression.is_Atom or not expression.args:
        return
    arguments = list(expression.args)
    for place, argument in enumerate(expression.args):
        for law, new in rewrite_steps(argument, laws):
            arguments[place] = new
            yield law, expression.func(*arguments)
    node = expression.func(*arguments) if arguments != list(expression.args) else expression
    for law in laws:
        if isinstance(node, law.heads):
            new = law.apply(node)
            if new is not None and new != node:
                yield law, new
                yield from rewrite_steps(new, laws)
                return


def _inside(node: Expr, laws: Laws, fired: dict[str, None]) -> Expr:
    if node.is_Atom or not node.args:
        return node
    new = []
    for argument in node.args:
        if argument.is_Atom:
            new.append(argument)
            continue
        done, names = rewrite(argument, laws)
        fired.update(dict.fromkeys(names))
        new.append(done)
    return node if all(a is b for a, b in zip(new, node.args, strict=True)) else node.func(*new)
