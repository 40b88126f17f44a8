"""formulas/mathml: boxes as MathML Core, which Chromium and Firefox render without a script.

A tensor is an ``mrow`` of class ``tensor`` and its kind, with its name in ``data-name``, so that a page can colour and
link it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nablac.report.formulas.boxes import (
    Big,
    Box,
    Call,
    Cases,
    Element,
    Fenced,
    Fraction,
    Name,
    Number,
    Operator,
    Overline,
    Root,
    Row,
    Script,
    Tensor,
    is_seen,
    is_tall,
)
from nablac.report.formulas.plain import FENCES

THIN = '<mo lspace="0.17em" rspace="0">\u2062</mo>'
DOT = "<mo>⋅</mo>"
SIGNS = {
    "": THIN, "*": THIN, ",": "<mo>,</mo>",
    "/": '<mo lspace="0" rspace="0">/</mo>',
    "d": '<mi mathvariant="normal">d</mi>', "d ": '<mi mathvariant="normal">d</mi><mspace width="0.17em"/>',
    "T": "<mi>⊤</mi>", "not": "<mo>¬</mo>", "minus": '<mo form="prefix">−</mo>',
    "+": "<mo>+</mo>", "-": "<mo>−</mo>", "=": "<mo>=</mo>", "odot": "<mo>⊙</mo>", "oslash": "<mo>⊘</mo>",
    "and": "<mo>∧</mo>", "or": "<mo>∨</mo>", "<": "<mo>&lt;</mo>", ">": "<mo>&gt;</mo>", "<=": "<mo>≤</mo>",
    ">=": "<mo>≥</mo>", "==": "<mo>=</mo>", "!=": "<mo>≠</mo>",
}  # fmt: skip
REDUCTIONS = {"sum": "∑", "prod": "∏"}
WORDS = {"argmax": "arg max", "argmin": "arg min"}


def mathml(box: Box, display: bool = False) -> str:
    """A formula as a ``math`` element; ``display`` sets it on a line of its own.

    >>> mathml(Script(Name("W"), Number("1"), Operator("T")))
    '<math><msubsup><mi>W</mi><mn>1</mn><mrow><mspace width="0.14em"/><mi>⊤</mi></mrow></msubsup></math>'
    """
    return f"<math{' display=' + chr(34) + 'block' + chr(34) if display else ''}>{_one(box)}</math>"


def _one(box: Box) -> str:
    """A box as exactly one element."""
    text = _markup(box)
    return f"<mrow>{text}</mrow>" if isinstance(box, Row | Fenced | Call | Big) or box == Operator("d ") else text


def _markup(box: Box) -> str:
    match box:
        case Name(text):
            return f"<mi>{escape(text)}</mi>"
        case Number(text):
            return f"<mn>{escape(text.replace('-', '−'))}</mn>"
        case Operator(text):
            return SIGNS[text]
        case Row(parts):
            return "".join(DOT if is_seen(parts, k) else _markup(p) for k, p in enumerate(parts))
        case Tensor():
            return f"{_opening(box)}{_markup(box.symbol)}</mrow>"
        case Element(tensor, indices):
            return _element(tensor, indices, None)
        case Fraction(above, below):
            return f"<mfrac>{_one(above)}{_one(below)}</mfrac>"
        case Script(Tensor(_, Script(base, lower, None)) as tensor, None, above):
            return _script(f"{_opening(tensor)}{_one(base)}</mrow>", lower, _apart(base, above))
        case Script(Element(tensor, indices), None, above) if not isinstance(tensor.symbol, Script):
            return _element(tensor, indices, above)
        case Script(base, below, above):
            return _script(_one(base), below, _apart(base, above))
        case Big(kind, indices, body):
            return _big(kind, indices) + _markup(body)
        case Root(inside):
            return f"<msqrt>{_markup(inside)}</msqrt>"
        case Fenced(fence, inside):
            return _fenced(fence, inside)
        case Call(function, arguments):
            grows = any(map(is_tall, arguments))
            text = "<mo>,</mo>".join(map(_markup, arguments))
            return f"{_one(function)}<mo>\u2061</mo>{_bracket('(', True, grows)}{text}{_bracket(')', False, grows)}"
        case Cases(rows):
            return _cases(rows)
        case Overline(inside):
            return f'<mover accent="true">{_one(inside)}<mo>‾</mo></mover>'
    raise TypeError(f"no MathML for {type(box).__name__}")


def _opening(tensor: Tensor) -> str:
    return f'<mrow class="tensor {escape(tensor.kind)}" data-name="{escape(tensor.name)}">'


def _script(base: str, below: Box | None, above: str | None) -> str:
    if below is not None and above is not None:
        return f"<msubsup>{base}{_one(below)}{above}</msubsup>"
    if below is not None:
        return f"<msub>{base}{_one(below)}</msub>"
    return f"<msup>{base}{above}</msup>" if above is not None else base


def _apart(base: Box, above: Box | None) -> str | None:
    """What stands above, moved off a letter that leans towards it."""
    if above is None:
        return None
    return f'<mrow><mspace width="0.14em"/>{_one(above)}</mrow>' if _leans(base) else _one(above)


def _leans(box: Box) -> bool:
    match box:
        case Tensor(_, symbol):
            return _leans(symbol)
        case Element(tensor, _):
            return _leans(tensor.symbol)
        case Row(parts):
            return bool(parts) and _leans(parts[-1])
        case Script(base, _, None):
            return _leans(base)
    return isinstance(box, Name) and len(box.text) == 1 and box.text.isalpha()


def _element(tensor: Tensor, indices: Sequence[Box], above: Box | None) -> str:
    """Indices below a plain symbol, below the layer's name if it stands above, else below the symbol in brackets."""
    below = f"<mrow>{'<mo>,</mo>'.join(map(_markup, indices))}</mrow>"
    head, symbol = _opening(tensor), tensor.symbol
    if isinstance(symbol, Script) and isinstance(symbol.base, Name) and not symbol.below and symbol.above:
        return f"<msubsup>{head}{_one(symbol.base)}</mrow>{below}{_apart(symbol.base, symbol.above)}</msubsup>"
    inner = _one(symbol) if isinstance(symbol, Name) else _fenced("(", symbol)
    base = f"{head}{inner}</mrow>"
    raised = _apart(symbol, above)
    return f"<msub>{base}{below}</msub>" if raised is None else f"<msubsup>{base}{below}{raised}</msubsup>"


def _big(kind: str, indices: Sequence[Box]) -> str:
    below = f"<mrow>{'<mo>,</mo>'.join(map(_markup, indices))}</mrow>"
    if kind in REDUCTIONS:
        return f"<munder><mo>{REDUCTIONS[kind]}</mo>{below}</munder>"
    word = WORDS.get(kind, kind)
    return f'<munder><mo movablelimits="true" lspace="0" rspace="0.17em">{word}</mo>{below}</munder>'


def _bracket(sign: str, left: bool, grows: bool) -> str:
    form, stretchy = ("prefix" if left else "postfix"), ("true" if grows else "false")
    return f'<mo form="{form}" fence="true" stretchy="{stretchy}">{sign}</mo>'


def _fenced(fence: str, inside: Box) -> str:
    left, right = FENCES[fence]
    grows = is_tall(inside)
    return _bracket(left, True, grows) + _markup(inside) + _bracket(right, False, grows)


def _cases(rows: Sequence[tuple[Box, Box | None]]) -> str:
    """A brace before a table; the cells' alignment is said in both browsers' ways."""
    left = 'style="text-align:left" columnalign="left"'
    lines = ""
    for value, condition in rows:
        says = "<mtext>otherwise</mtext>" if condition is None else f"<mtext>if\u00a0</mtext>{_markup(condition)}"
        lines += f"<mtr><mtd {left}>{_markup(value)}</mtd><mtd {left}>{says}</mtd></mtr>"
    return f'<mrow><mo form="prefix" fence="true" stretchy="true">{{</mo><mtable>{lines}</mtable></mrow>'
