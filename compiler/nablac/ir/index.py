"""ir/index: the two integer symbols of the language, loop indices and extents, each with one assumption set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sympy import Expr, Integer, Symbol

LETTERS = "ijklmpqrstuvw"


def index(name: str) -> Symbol:
    """A loop index: it runs from 0 to its extent, so it is a nonnegative integer."""
    return Symbol(name, integer=True, nonnegative=True)


def extent(value: int | str | Expr) -> Expr:
    """The length of an axis: a positive integer, or the name of one known only at run time (``"n"``)."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, int):
        return Integer(value)
    return Symbol(value, integer=True, positive=True)


def is_index(symbol: object) -> bool:
    """Whether a symbol is a loop index (an extent is positive, an index may be 0)."""
    return isinstance(symbol, Symbol) and bool(symbol.is_integer) and symbol.is_positive is None


def fresh_names(taken: Iterable[str]) -> Iterator[str]:
    """Index names in reading order, i, j, k, ..., i1, j1, ..., without those taken."""
    used = set(taken)
    round_ = 0
    while True:
        for letter in LETTERS:
            name = letter if round_ == 0 else f"{letter}{round_}"
            if name not in used:
                used.add(name)
                yield name
        round_ += 1
