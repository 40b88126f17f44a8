"""formulas/latex: boxes as LaTeX that stock pdflatex with amsmath accepts, long formulas broken to fit the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sympy import Expr

from nablac.ir.equation import Equation
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
from nablac.report.formulas.formula import expression_form, index_form
from nablac.report.formulas.notation import LETTERS, Notation

SIGNS = {
    "": r" \, ", "/": "/",
    "*": r" \, ", ",": ",", "d": r"\mathrm{d}", "d ": r"\mathrm{d}\,", "T": r"\top", "not": r"\neg ",
    "minus": "-", "+": " + ", "-": " - ", "=": " = ", "odot": r" \odot ", "oslash": r" \oslash ", "and": r" \land ",
    "or": r" \lor ", "<": " < ", ">": " > ", "<=": r" \le ", ">=": r" \ge ", "==": " = ", "!=": r" \ne ",
}  # fmt: skip
REDUCTIONS = {
    "sum": r"\sum", "prod": r"\prod", "max": r"\max", "min": r"\min", "argmax": r"\operatorname*{arg\,max}",
    "argmin": r"\operatorname*{arg\,min}",
}  # fmt: skip
FENCES = {"(": ("(", ")"), "[": ("[", "]"), "|": ("|", "|"), "||": (r"\|", r"\|"), "floor": (r"\lfloor", r"\rfloor")}
KNOWN_WORDS = frozenset("log exp sin cos tan tanh sinh cosh max min arcsin arccos arctan".split())
COMMANDS = {letter: f"\\{word}" for word, letter in LETTERS.items()} | {
    "∂": r"\partial ",
    "𝟏": r"\mathbf{1}",
}

LINE = 74
"""How many letters a line of the document holds beside the equation's number."""

LEFT = 16
"""The widest left side to whose end the other lines are moved."""

BREAKS = ("=", "+", "-", "odot", "*")


def latex(box: Box) -> str:
    r"""A box, without the surrounding mathematics mode.

    >>> latex(Script(Name("W"), Number("1"), Operator("T")))
    'W_{1}^{\\top}'
    """
    match box:
        case Name(text):
            return _name(text)
        case Number(text):
            return text
        case Operator(text):
            return SIGNS[text]
        case Row(parts):
            return "".join(r" \cdot " if is_seen(parts, k) else latex(p) for k, p in enumerate(parts))
        case Tensor(_, symbol):
            return latex(symbol)
        case Element(tensor, indices):
            return _element(tensor.symbol, indices)
        case Fraction(above, below):
            return rf"\frac{{{latex(above)}}}{{{latex(below)}}}"
        case Script(base, below, above):
            return _script(base, below, above)
        case Big(kind, indices, body):
            return f"{_sign(kind, indices)} {latex(body)}"
        case Root(inside):
            return rf"\sqrt{{{latex(inside)}}}"
        case Fenced(fence, inside):
            return _fenced(fence, latex(inside), is_tall(inside))
        case Call(function, arguments):
            tall = any(map(is_tall, arguments))
            return _function(function) + _fenced("(", ", ".join(map(latex, arguments)), tall)
        case Cases(rows):
            return rf"\begin{{cases}} {_cases(rows)} \end{{cases}}"
        case Overline(inside):
            return rf"\overline{{{latex(inside)}}}"
    raise TypeError(f"no LaTeX for {type(box).__name__}")


def _name(text: str) -> str:
    if text in COMMANDS:
        return COMMANDS[text]
    return text if len(text) == 1 else rf"\mathrm{{{escape(text)}}}"


def escape(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    return re.sub(r"[\\^~_&%#${}]", lambda m: special.get(m[0], "\\" + m[0]), text)


def _script(base: Box, below: Box | None, above: Box | None) -> str:
    """Scripts at a base; what stands above a symbol that has a subscript stands over it."""
    symbol = base.symbol if isinstance(base, Tensor) else base
    if isinstance(symbol, Script) and symbol.above is None and below is None:
        base, below = symbol.base, symbol.below
    text = f"{{{latex(base)}}}" if _ends_in_script(base) else latex(base)
    text += f"_{{{latex(below)}}}" if below is not None else ""
    return text + (f"^{{{latex(above)}}}" if above is not None else "")


def _ends_in_script(box: Box) -> bool:
    """Whether TeX would take one more script for a second one of the same symbol."""
    match box:
        case Script():
            return True
        case Row(parts):
            return bool(parts) and _ends_in_script(parts[-1])
        case Tensor(_, symbol):
            return _ends_in_script(symbol)
        case Element(tensor, _):
            return isinstance(tensor.symbol, Script) and not tensor.symbol.below
    return False


def _element(symbol: Box, indices: Sequence[Box]) -> str:
    """Indices below a plain symbol, below the layer's name if it stands above, else below the symbol in brackets."""
    below = ",".join(map(latex, indices))
    if isinstance(symbol, Script) and isinstance(symbol.base, Name) and not symbol.below and symbol.above:
        return rf"{latex(symbol.base)}_{{{below}}}^{{{latex(symbol.above)}}}"
    return f"{latex(symbol) if isinstance(symbol, Name) else f'({latex(symbol)})'}_{{{below}}}"


def _sign(kind: str, indices: Sequence[Box]) -> str:
    return rf"{REDUCTIONS[kind]}_{{{','.join(map(latex, indices))}}}"


def _fenced(fence: str, inside: str, tall: bool) -> str:
    left, right = FENCES[fence]
    if tall:
        return rf"\left{left} {inside} \right{right}"
    return f"{left}{' ' if left[-1].isalpha() else ''}{inside}{right}"


def _function(box: Box) -> str:
    if isinstance(box, Name) and box.text in KNOWN_WORDS:
        return rf"\{box.text}"
    return rf"\operatorname{{{escape(box.text)}}}" if isinstance(box, Name) and len(box.text) > 1 else latex(box)


def _cases(rows: Iterable[tuple[Box, Box | None]]) -> str:
    lines = [
        rf"{latex(v)} & \text{{otherwise}}" if c is None else rf"{latex(v)} & \text{{if }} {latex(c)}" for v, c in rows
    ]
    return r" \\ ".join(lines)


# --- lines of a page ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    """What cannot be broken: its text, its width in letters, and how deep in brackets the break before it lies."""

    text: str
    width: float
    depth: int | None = None


def lines(box: Box, width: float = LINE) -> list[str]:
    """A formula as the lines of an ``align``: the first sign of equality is aligned, long lines are broken at signs.

    What still is too wide, a fraction or a choice, is scaled to the page.
    """
    if measure(box) <= width:
        return [_aligned(latex(box), box)]
    found: list[list[_Piece]] = [[]]
    for piece in _pieces(box, 0):
        found[-1].append(piece)
        if sum(p.width for p in found[-1]) > width:
            place = _best_break(found[-1], width)
            if place:
                found[-1], rest = found[-1][:place], found[-1][place:]
                found.append(rest)
    texts = [_fitted(one, width) for one in found]
    return [_aligned(texts[0], box), *(rf"&\qquad {_continued(text)}" for text in texts[1:])]


def _aligned(text: str, box: Box) -> str:
    r"""The text with its first sign of equality aligned that stands in no brackets; a long left side begins there.

    >>> _aligned(r"f(\left[ a = b \right]) = c = d", Name("f"))
    'f(\\left[ a = b \\right]) &= c = d'
    """
    depth = 0
    for token in re.finditer(r"\\(?:begin|end)|\\[a-zA-Z]+|\\.|[(\[{]|[)\]}]| = ", text):
        depth += (token[0] in ("\\begin", *"([{")) - (token[0] in ("\\end", *")]}"))
        if token[0] == " = " and depth == 0 and _left(box) <= LEFT:
            return f"{text[: token.start()]} &= {text[token.end() :]}"
    return f"&{text}"


def _left(box: Box) -> float:
    """How wide the left side of an equation is."""
    parts = box.parts if isinstance(box, Row) else ()
    equals = Operator("=")
    return sum(map(measure, parts[: parts.index(equals)])) if equals in parts else 0.0


def _continued(text: str) -> str:
    """A later line; a product that goes on there says so."""
    text = text.lstrip()
    return rf"\cdot {text[2:].lstrip()}" if text.startswith(r"\,") else text


def _fitted(pieces: Sequence[_Piece], width: float) -> str:
    """Pieces as text; a piece that alone is wider than the line is scaled down, and else the line that is too wide."""
    wide = [p for p in pieces if p.width > 0.8 * width]
    if sum(p.width for p in pieces if p not in wide) <= 0.25 * width:
        return "".join(_scaled(p.text, 0.75) if p in wide else p.text for p in pieces)
    text = "".join(p.text for p in pieces)
    return _scaled(text, 0.85) if sum(p.width for p in pieces) > width else text


def _scaled(text: str, part: float) -> str:
    """At most so wide a part of the line."""
    limit = rf"\ifdim\width>{part:g}\linewidth {part:g}\linewidth\else\width\fi"
    return rf"\resizebox{{{limit}}}{{!}}{{$\displaystyle {text}$}}"


def _best_break(pieces: Sequence[_Piece], width: float) -> int:
    """The place of the break that lies least deep, the last of those, in the later part of the line; 0 for none."""
    best, place, passed = 99, 0, 0.0
    for number, piece in enumerate(pieces):
        if number and piece.depth is not None and passed <= width and passed >= width / 3 and piece.depth <= best:
            best, place = piece.depth, number
        passed += piece.width
    if place:
        return place
    return next((n for n in range(len(pieces) - 1, 0, -1) if pieces[n].depth is not None), 0)


def _pieces(box: Box, depth: int) -> list[_Piece]:
    """A formula cut at its signs; brackets that are opened are of one size, as each half may stand on its own line."""
    match box:
        case Row(parts):
            found: list[_Piece] = []
            for place, part in enumerate(parts):
                if isinstance(part, Operator) and part.text in BREAKS and found:
                    sign = r" \cdot " if is_seen(parts, place) else SIGNS[part.text]
                    found.append(_Piece(sign, 2.0, 2 * depth + (part.text in ("odot", "*"))))
                else:
                    found += _pieces(part, depth)
            return found
        case Fenced(fence, inside) if measure(box) > LINE / 3:
            left, right = FENCES[fence]
            big = "Big" if is_tall(inside) else "big"
            inner = _pieces(inside, depth + 1)
            return [_Piece(rf"\{big}l{left} ", 1), *inner, _Piece(rf"\{big}r{right}", 1)]
        case Call(function, (argument,)) if measure(box) > LINE / 3:
            big = "Big" if is_tall(argument) else "big"
            name = _function(function)
            return [_Piece(rf"{name}\{big}l( ", 4), *_pieces(argument, depth + 1), _Piece(rf"\{big}r)", 1)]
        case Big(kind, indices, body):
            return [_Piece(_sign(kind, indices) + " ", 3), *_pieces(body, depth)]
    return [_Piece(latex(box), measure(box))]


def measure(box: Box) -> float:
    """About how many letters wide a box is."""
    match box:
        case Name(text) | Number(text):
            return float(len(text))
        case Operator(text):
            return {"": 0.4, ",": 0.7, "*": 0.4, "T": 1, "d": 1, "d ": 1.4}.get(text, 2.6)
        case Row(parts):
            return sum(map(measure, parts))
        case Tensor(_, symbol):
            return measure(symbol)
        case Element(tensor, indices):
            brackets = 0 if isinstance(tensor.symbol, Name) else 1.6
            return measure(tensor.symbol) + brackets + 0.75 * sum(measure(i) + 0.7 for i in indices)
        case Fraction(above, below):
            return max(measure(above), measure(below)) + 0.5
        case Script(base, below, above):
            return measure(base) + 0.75 * max(measure(x) for x in (below, above) if x is not None)
        case Big(_, indices, body):
            return max(2.8, 0.75 * sum(measure(i) + 0.6 for i in indices)) + measure(body)
        case Root(inside):
            return measure(inside) + 1.6
        case Fenced(_, inside) | Overline(inside):
            return measure(inside) + 1.8
        case Call(function, arguments):
            return measure(function) + 1.8 + sum(measure(a) + 0.6 for a in arguments)
        case Cases(rows):
            values = max(measure(v) for v, _ in rows)
            return values + max(measure(c) if c is not None else 6 for _, c in rows) + 5
    raise TypeError(f"no width for {type(box).__name__}")


# --- equations ----------------------------------------------------------------------------------------------------


def latex_equation(equation: Equation, notation: Notation | None = None) -> str:
    r"""One equation, without the surrounding mathematics mode.

    >>> from nablac.ir.functions import Access
    >>> from nablac.ir.index import extent, index
    >>> i, k = index("i"), index("k")
    >>> latex_equation(Equation("h", (i,), Access("W", i, k), ((i, extent(2)), (k, extent(3)))))
    'h_{i} = W_{i,k}'
    """
    return latex(index_form(equation, notation or Notation.plainly([equation])))


def latex_expression(expression: Expr, notation: Notation | None = None) -> str:
    """A body as LaTeX."""
    return latex(expression_form(expression, notation or Notation({}, {})))


def latex_rows(numbered: Iterable[tuple[int, Box]]) -> str:
    """Numbered formulas as the rows of an ``align``."""
    rows: list[str] = []
    for number, box in numbered:
        *first, last = lines(box)
        rows += [rf"{text} \notag" for text in first]
        rows.append(rf"{last} \tag{{{number}}}")
    return " \\\\\n".join(f"  {text}" for text in rows)


def latex_document(
    title: str, sections: Sequence[tuple[str, Sequence[tuple[int, Equation]]]], notation: Notation | None = None
) -> str:
    """A document that stock pdflatex accepts: each section's numbered equations."""
    known = notation or Notation.plainly(e for _, equations in sections for _, e in equations)
    parts = [
        r"\documentclass{article}",
        r"\usepackage{amsmath}",
        r"\usepackage{graphicx}",
        r"\usepackage[margin=2cm]{geometry}",
        r"\allowdisplaybreaks",
        r"\begin{document}",
        rf"\section*{{{escape(title)}}}",
    ]
    for heading, equations in sections:
        parts.append(rf"\subsection*{{{escape(heading)}}}")
        if equations:
            rows = latex_rows((number, index_form(e, known)) for number, e in equations)
            parts += [r"\begin{align}", rows, r"\end{align}"]
    return "\n".join([*parts, r"\end{document}", ""])
