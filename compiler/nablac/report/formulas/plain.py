"""formulas/plain: boxes as one line of Unicode mathematics, for terminals: ``dW₁[j,k] = Σᵢ δ₁[i,j]·x[i,k]``."""

from __future__ import annotations

from collections.abc import Sequence

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
    row,
)

SIGNS = {
    "": " ", ",": ",", "d": "d", "d ": "d_", "T": "ᵀ", "*": "·", "/": "/", "not": "¬", "minus": "-",
    "+": " + ", "-": " - ", "=": " = ", "odot": " ⊙ ", "oslash": " ⊘ ", "and": " ∧ ", "or": " ∨ ",
    "<": " < ", ">": " > ", "<=": " ≤ ", ">=": " ≥ ", "==": " = ", "!=": " ≠ ",
}  # fmt: skip
REDUCTIONS = {"sum": "Σ", "prod": "Π"}
FENCES = {"(": ("(", ")"), "[": ("[", "]"), "|": ("|", "|"), "||": ("‖", "‖"), "floor": ("⌊", "⌋")}
LOWERED = str.maketrans("0123456789-aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def plain(box: Box) -> str:
    """A box as one line of text.

    >>> plain(Script(Name("W"), Number("1"), Operator("T")))
    'W₁ᵀ'
    """
    match box:
        case Name(text) | Number(text):
            return text
        case Operator(text):
            return SIGNS[text]
        case Row(parts):
            return "".join(map(plain, parts))
        case Tensor(_, symbol):
            return plain(symbol)
        case Element(tensor, indices):
            return f"{plain(tensor)}[{','.join(map(plain, indices))}]"
        case Fraction(above, below):
            return f"{_operand(above, '+/')}/{_operand(below, '+*')}"
        case Script(base, below, above):
            return _operand(base, "+*") + (_lowered(below) if below else "") + (_raised(above) if above else "")
        case Big(kind, indices, body):
            return _sign(kind, indices) + plain(body)
        case Root(inside):
            text = plain(inside)
            return f"√{text}" if isinstance(inside, Name | Number | Tensor | Element) else f"√({text})"
        case Fenced(fence, inside):
            left, right = FENCES[fence]
            return f"{left}{plain(inside)}{right}"
        case Call(function, arguments):
            return f"{plain(function)}({', '.join(map(plain, arguments))})"
        case Cases(rows):
            texts = [f"{plain(v)} if {plain(c)}" if c is not None else f"{plain(v)} otherwise" for v, c in rows]
            return "{" + "; ".join(texts) + "}"
        case Overline(inside):
            return f"{plain(inside)}\u0305"
    raise TypeError(f"no text for {type(box).__name__}")


def _operand(box: Box, binding: str) -> str:
    """A box beside a fraction's line or below an exponent, in brackets where its own signs bind less."""
    text = plain(box)
    return f"({text})" if _is_loose(box, binding) else text


def _is_loose(box: Box, binding: str) -> bool:
    """``binding`` holds a star where products need brackets, a slash where elementwise quotients do."""
    if isinstance(box, Fraction):
        return "*" in binding
    if isinstance(box, Big | Overline):
        return isinstance(box, Big)
    if not isinstance(box, Row):
        return False
    signs = {p.text for p in box.parts if isinstance(p, Operator)}
    if signs & {"+", "-", "=", "==", "!=", "<", ">", "<=", ">=", "and", "or"}:
        return True
    if any(isinstance(p, Big) for p in box.parts) or (signs & {"oslash"} and "/" in binding):
        return True
    return "*" in binding and bool(signs & {"*", "", "/", "odot", "oslash", "minus"} or _has_fraction(box))


def _has_fraction(box: Row) -> bool:
    return any(isinstance(p, Fraction) for p in box.parts)


def _lowered(box: Box) -> str:
    """A subscript: digits and single letters have small forms, words stand behind a low line."""
    text = plain(box)
    small = text.translate(LOWERED)
    if text.isdigit() or (len(text) == 1 and small != text):
        return small
    return f"_{text}" if text.isalnum() or text.replace(",", "").replace("_", "").isalnum() else f"_({text})"


def _raised(box: Box) -> str:
    if box == Operator("T"):
        return "ᵀ"
    if isinstance(box, Row) and box.parts[0] == Operator("odot"):
        return f"^⊙{_operand(row(*box.parts[1:]), '+*')}"
    text = plain(box)
    if all(c.isdigit() or c == "-" for c in text):
        return text.translate(RAISED)
    single = isinstance(box, Name | Number | Tensor | Element) and "^" not in text
    return f"^{text}" if single else f"^({text})"


def _sign(kind: str, indices: Sequence[Box]) -> str:
    sign = REDUCTIONS.get(kind, kind)
    names = [plain(i) for i in indices]
    small = [n.translate(LOWERED) for n in names]
    if sign != kind and all(len(n) == 1 and n != s for n, s in zip(names, small, strict=True)):
        return f"{sign}{''.join(small)} "
    return f"{sign}[{','.join(names)}] "
