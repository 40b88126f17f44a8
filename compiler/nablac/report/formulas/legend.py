"""formulas/legend: how to read the signs of matrix forms, of those that stand in some formulas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nablac.report.formulas.boxes import (
    Big,
    Box,
    Call,
    Cases,
    Element,
    Fenced,
    Fraction,
    Name,
    Operator,
    Overline,
    Root,
    Row,
    Script,
)
from nablac.report.formulas.plain import plain

OF_ROWS = ("rowmax", "rowmin", "rowargmax", "rowargmin")
NO_FUNCTIONS = (*OF_ROWS, "diag", "onehot", "tr", "max", "min", "argmax", "argmin")
"""Words with brackets that are not meant elementwise."""


def legend(
    matrix_forms: Iterable[Box], index_forms: Iterable[Box], one_hots: Mapping[str, Box]
) -> tuple[tuple[str, str], ...]:
    """Each sign that stands in a form, and its meaning; ``one_hots`` are the matrices of labels, by the labels' symbol.

    >>> legend([Row((Name("Y"), Operator("odot"), Name("z")))], [], {"y": Name("Y"), "w": Name("V")})
    (('⊙', 'elementwise product'), ('Y', 'the matrix of the one-hot rows of y'))
    """
    boxes = [box for form in matrix_forms for box in _within(form)]
    fenced = [*boxes, *(box for form in index_forms for box in _within(form))]
    calls = {b.function.text: b for b in boxes if isinstance(b, Call) and isinstance(b.function, Name)}
    labels = {plain(box): symbol for symbol, box in one_hots.items() if box in boxes}
    labels |= {plain(b): plain(b.arguments[0]) for b in boxes if isinstance(b, Call) and b.function == Name("onehot")}
    found = {
        "⊙": ("elementwise product", Operator("odot") in boxes),
        "⊘": ("elementwise quotient", Operator("oslash") in boxes),
        "A^⊙2": ("of a matrix: elementwise", any(map(_is_power, boxes))),
        "f(A)": ("of a matrix: elementwise", bool(set(calls) - set(NO_FUNCTIONS))),
        "𝟏": ("a column of ones", Name("𝟏") in boxes),
        "[c]": ("1 where c holds, else 0", any(isinstance(b, Fenced) and b.fence == "[" for b in fenced)),
        "diag(s)": ("a diagonal matrix", "diag" in calls),
        **{f"{word}(A)": ("of each row", word in calls) for word in OF_ROWS},
        **{sign: (f"the matrix of the one-hot rows of {symbol}", True) for sign, symbol in labels.items()},
    }
    return tuple((sign, meaning) for sign, (meaning, is_used) in found.items() if is_used)


def _is_power(box: Box) -> bool:
    above = box.above if isinstance(box, Script) else None
    return isinstance(above, Row) and above.parts[0] == Operator("odot")


def _within(box: Box) -> Iterator[Box]:
    """A box and all in it; a tensor is one sign, whatever its symbol is made of, and so is an exponent's ring."""
    yield box
    match box:
        case Row(parts):
            inner: tuple[Box | None, ...] = parts
        case Fraction(above, below):
            inner = (above, below)
        case Script(base, below, above):
            inner = (base, below, None if _is_power(box) else above)
        case Big(_, indices, body):
            inner = (*indices, body)
        case Root(inside) | Fenced(_, inside) | Overline(inside):
            inner = (inside,)
        case Call(_, arguments):
            inner = arguments
        case Cases(rows):
            inner = tuple(part for row in rows for part in row)
        case Element(_, indices):
            inner = indices
        case _:
            inner = ()
    for part in inner:
        if part is not None:
            yield from _within(part)
