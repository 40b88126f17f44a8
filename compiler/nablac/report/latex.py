"""report/latex: equations as LaTeX, from the same program that is compiled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sympy import Add, Expr, Mul, Symbol
from sympy.printing.latex import LatexPrinter

from nablac.ir.equation import Equation
from nablac.ir.functions import NAMES, Access, Delta, Where
from nablac.ir.text import fraction_in_order, terms_in_order

OPERATORS = {
    "sum": r"\sum",
    "prod": r"\prod",
    "max": r"\max",
    "min": r"\min",
    "argmax": r"\operatorname*{arg\,max}",
    "argmin": r"\operatorname*{arg\,min}",
}
GREEK = frozenset(
    re.findall(
        r"\w+",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega",
    )
)


def latex_equation(equation: Equation) -> str:
    r"""One equation, without the surrounding mathematics mode.

    >>> from nablac.ir.index import extent, index
    >>> i, k = index("i"), index("k")
    >>> latex_equation(Equation("h", (i,), Access("W", i, k), ((i, extent(2)), (k, extent(3)))))
    'h_{i} = W_{i,k}'
    """
    right = latex_expression(equation.body)
    if equation.reduction:
        operator = OPERATORS[equation.reduction.kind]
        if isinstance(equation.body, Add) and equation.reduction.kind in ("sum", "prod"):
            right = rf"\left({right}\right)"
        right = rf"{operator}_{{{','.join(_symbol(i) for i in equation.reduction.indices)}}} {right}"
    return f"{_element(equation.target, [_symbol(i) for i in equation.indices])} = {right}"


def latex_expression(expression: Expr) -> str:
    """A body as LaTeX."""
    return str(_Printer().doprint(expression))


def latex_document(title: str, sections: Sequence[tuple[str, Sequence[tuple[int, Equation]]]]) -> str:
    """A document that stock pdflatex accepts: each section's numbered equations."""
    lines = [
        r"\documentclass{article}",
        r"\usepackage{amsmath}",
        r"\usepackage[margin=2cm]{geometry}",
        r"\allowdisplaybreaks",
        r"\begin{document}",
        rf"\section*{{{_escape(title)}}}",
    ]
    for heading, equations in sections:
        lines.append(rf"\subsection*{{{_escape(heading)}}}")
        lines.append(r"\begin{align}")
        rows = [f"  {latex_equation(e).replace(' = ', ' &= ', 1)} \\tag{{{number}}}" for number, e in equations]
        lines.append(" \\\\\n".join(rows))
        lines.append(r"\end{align}")
    return "\n".join([*lines, r"\end{document}", ""])


def _escape(text: str) -> str:
    return re.sub(r"([_&%#$])", r"\\\1", text)


def _symbol(symbol: Symbol) -> str:
    match = re.fullmatch(r"([A-Za-z]+)(\d*)", symbol.name)
    if match is None:
        return rf"\mathrm{{{_escape(symbol.name)}}}"
    letters, digits = match.groups()
    return (letters if len(letters) == 1 else rf"\mathrm{{{letters}}}") + (f"_{{{digits}}}" if digits else "")


def _element(name: str, indices: Sequence[str]) -> str:
    r"""``d_linear_1.W`` at j, k is \overline{W^{\mathrm{linear\_1}}}_{j,k}: a bar for the adjoint, the layer above."""
    bars = 0
    while name.startswith("d_") and len(name) > 2:
        name, bars = name[2:], bars + 1
    layer, _, own = name.rpartition(".")
    text = rf"\{own}" if own in GREEK else own if len(own) == 1 else rf"\mathrm{{{_escape(own)}}}"
    if layer:
        text = rf"{text}^{{\mathrm{{{_escape(layer)}}}}}"
    for _ in range(bars):
        text = rf"\overline{{{text}}}"
    return text + (f"_{{{','.join(indices)}}}" if indices else "")


class _Printer(LatexPrinter):
    """SymPy's LaTeX with our elements, functions and order of terms."""

    def _print_Access(self, node: Access) -> str:
        return _element(node.tensor, [self._print(i) for i in node.indices])

    _print_IntAccess = _print_Access

    def _print_Symbol(self, node: Symbol, style: str = "plain") -> str:
        return _symbol(node)

    def _print_Delta(self, node: Delta) -> str:
        return rf"\delta_{{{self._print(node.args[0])},\,{self._print(node.args[1])}}}"

    def _print_Where(self, node: Where) -> str:
        condition, a, b = (self._print(x) for x in node.args)
        return rf"\begin{{cases}} {a} & \text{{if }} {condition} \\ {b} & \text{{otherwise}} \end{{cases}}"

    def _print_Add(self, node: Add, order: str | None = None) -> str:
        text = ""
        for term in terms_in_order(node):
            printed = self._print(term)
            text += (
                printed if not text else f" - {printed[1:].lstrip()}" if printed.startswith("-") else f" + {printed}"
            )
        return text

    def _print_Mul(self, node: Mul) -> str:
        sign, above, below = fraction_in_order(node)
        top = r" \, ".join(self._factor(a, len(above) > 1) for a in above) or "1"
        if below:
            bottom = r" \, ".join(self._factor(b, len(below) > 1) for b in below)
            top = rf"\frac{{{top}}}{{{bottom}}}"
        return sign + top

    def _factor(self, node: Expr, beside_others: bool) -> str:
        text = str(self._print(node))
        return rf"\left({text}\right)" if isinstance(node, Add) and beside_others else text

    def _print_Function(self, node: Any, exp: Any = None) -> str:
        name = NAMES.get(node.func, node.func.__name__)
        arguments = [self._print(a) for a in node.args]
        power = f"^{{{exp}}}" if exp is not None else ""
        if name == "abs":
            return rf"\left|{arguments[0]}\right|{power}"
        if name == "sigmoid":
            return rf"\sigma{power}\left({arguments[0]}\right)"
        known = name in ("log", "exp", "sin", "cos", "tan", "tanh", "sinh", "cosh", "max", "min")
        operator = rf"\{name}" if known else rf"\operatorname{{{_escape(name)}}}"
        return rf"{operator}{power}\left({','.join(arguments)}\right)"

    _print_log = _print_Function
    _print_tanh = _print_Function

    def _print_ExpBase(self, node: Any, exp: Any = None) -> str:
        text = rf"e^{{{self._print(node.args[0])}}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"
