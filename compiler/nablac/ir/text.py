"""ir/text: an equation as text, in the grammar that ``ir/parse`` reads back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sympy import Add, Expr, Integer, Mul, Pow, Rational, S, Symbol, default_sort_key
from sympy.printing.precedence import PRECEDENCE, precedence
from sympy.printing.str import StrPrinter

from nablac.ir.equation import Equation, Program
from nablac.ir.functions import NAMES, Access, Delta, Random, Where
from nablac.ir.tensor import Kind, Role, Tensor

PRECEDENCE_OR, PRECEDENCE_AND, PRECEDENCE_NOT = 20, 30, 40


@lru_cache(maxsize=50_000)
def print_expression(expression: Expr) -> str:
    """A body as text.

    >>> from nablac.ir.functions import Access
    >>> from nablac.ir.index import index
    >>> i = index("i")
    >>> print_expression(Access("p", i) - Access("y", i) ** 2)
    'p[i] - y[i]**2'
    """
    return str(_TextPrinter().doprint(expression))


def print_equation(equation: Equation, ranges: bool = False) -> str:
    """An equation as one line; with ``ranges``, each index that no access determines is given its extent by ``for``."""
    body = print_expression(equation.body)
    if equation.reduction:
        body = f"{equation.reduction.kind}[{_names(equation.reduction.indices)}]({body})"
    subscript = f"[{_names(equation.indices)}]" if equation.indices else ""
    suffix = "".join(f" for {i} in {e}" for i, e in equation.extents) if ranges else ""
    return f"{equation.target}{subscript} = {body}{suffix}"


def print_tensor(tensor: Tensor) -> str:
    """A declaration as the specs write it: ``x: real[n, 5]``, ``y: label[n, 4]``."""
    axes = [str(e) for e in tensor.shape]
    kind = "real" if tensor.kind is Kind.REAL else "int"
    if tensor.bound is not None:
        kind, axes = "label", [*axes, str(tensor.bound)]
    start = f" ~ {tensor.initialiser}" if tensor.initialiser else ""
    frozen = "frozen " if tensor.frozen else ""
    return f"{tensor.name}: {frozen}{kind}" + (f"[{', '.join(axes)}]" if axes else "") + start


def print_equations(program: Program) -> str:
    """The equations alone, one a line."""
    return "\n".join(print_equation(equation) for equation in program.equations)


def print_program(program: Program) -> str:
    """The whole program: declarations by role, then the numbered equations, then the results that are kept."""
    lines = [f"program {program.name} ({program.dtype})"]
    for role in (Role.INPUT, Role.PARAM, Role.STATE):
        lines += [f"  {role.value} {print_tensor(t)}" for t in program.having(role)]
    width = len(str(len(program.equations)))
    for number, equation in enumerate(program.equations, 1):
        note = equation.origin.rule + "".join(f"; {law}" for law in equation.origin.distinct_laws)
        lines.append(f"  ({number:>{width}}) {print_equation(equation)}    # {note}")
    lines.append(f"  results {', '.join(program.results)}")
    return "\n".join(lines)


def _names(symbols: tuple[Symbol, ...]) -> str:
    return ", ".join(s.name for s in symbols)


class _TextPrinter(StrPrinter):
    """SymPy's printer with our accesses, and Python's words for conditions."""

    def __init__(self) -> None:
        super().__init__({"order": "none"})

    def _print_Access(self, node: Access) -> str:
        inside = ", ".join(self._print(i) for i in node.indices)
        return f"{node.tensor}[{inside}]" if node.indices else node.tensor

    _print_IntAccess = _print_Access

    def _print_Where(self, node: Where) -> str:
        return f"where({', '.join(self._print(a) for a in node.args)})"

    def _print_Delta(self, node: Delta) -> str:
        return f"delta({', '.join(self._print(a) for a in node.args)})"

    def _print_Random(self, node: Random) -> str:
        return f"uniform({node.stream}, {self._print(node.args[1])})"

    def _print_Function(self, node: Any) -> str:
        name = NAMES.get(node.func, node.func.__name__)
        return f"{name}({', '.join(self._print(a) for a in node.args)})"

    def _print_Relational(self, node: Any) -> str:
        symbols = {"Eq": "==", "Ne": "!="}
        operator = symbols.get(type(node).__name__.replace("Equality", "Eq").replace("Unequality", "Ne"), node.rel_op)
        return f"{self._print(node.lhs)} {operator} {self._print(node.rhs)}"

    def _print_And(self, node: Any) -> str:
        return " and ".join(self._clause(a, PRECEDENCE_AND) for a in sorted(node.args, key=default_sort_key))

    def _print_Or(self, node: Any) -> str:
        return " or ".join(self._clause(a, PRECEDENCE_OR) for a in sorted(node.args, key=default_sort_key))

    def _print_Not(self, node: Any) -> str:
        return f"not {self._clause(node.args[0], PRECEDENCE_NOT)}"

    def _clause(self, node: Any, outer: int) -> str:
        inner = {"Or": PRECEDENCE_OR, "And": PRECEDENCE_AND, "Not": PRECEDENCE_NOT}.get(type(node).__name__, 100)
        text = self._print(node)
        return text if inner > outer else f"({text})"

    def _print_Add(self, node: Add, order: str | None = None) -> str:
        text = ""
        for term in terms_in_order(node):
            printed = self.parenthesize(
                term, precedence(node) - 1 if term.is_Mul or term.is_Number else precedence(node)
            )
            if not text:
                text = printed
            elif printed.startswith("-"):
                text += f" - {printed[1:]}"
            else:
                text += f" + {printed}"
        return text

    def _print_Mul(self, node: Mul) -> str:
        sign, above, below = fraction_in_order(node)
        top = "*".join(decimal(a) or self.parenthesize(a, PRECEDENCE["Mul"]) for a in above) or "1"
        if not below:
            return sign + top
        bottom = [self.parenthesize(b, PRECEDENCE["Mul"]) for b in below]
        return f"{sign}{top}/{bottom[0]}" if len(bottom) == 1 else f"{sign}{top}/({'*'.join(bottom)})"

    def _print_Pow(self, node: Pow, rational: bool = False) -> str:
        if node.exp == S.Half:
            return f"sqrt({self._print(node.base)})"
        if node.exp.could_extract_minus_sign() and node.exp.is_number:
            return f"1/{self.parenthesize(1 / node, PRECEDENCE['Mul'])}"
        base, exponent = (self.parenthesize(a, PRECEDENCE["Pow"]) for a in node.args)
        if node.base.is_Rational and not node.base.is_Integer:
            base = f"({self._print(node.base)})"
        return f"{base}**{exponent}"

    def _print_Exp1(self, node: Any) -> str:
        return "exp(1)"

    def _print_Integer(self, node: Integer) -> str:
        return decimal(node) or str(node.p)

    def _print_Rational(self, node: Rational) -> str:
        above, below = over_and_under(node)
        return "/".join(decimal(part) or str(part) for part in ((above,) if below == 1 else (above, below)))


def terms_in_order(node: Add) -> list[Expr]:
    """The terms of a sum as a person would write them: without a minus sign first, many indices before few
    (``s[i, j] + b[j]``), numbers in front only where nothing else could be (``1 - a``, but ``x + 1``)."""
    plus = [t for t in node.args if not t.could_extract_minus_sign()]
    minus = [t for t in node.args if t.could_extract_minus_sign()]
    return sorted(plus, key=_reading_order) + sorted(minus, key=_reading_order)


def _reading_order(term: Expr) -> tuple[bool, bool, int, Any]:
    most = max((len(a.indices) for a in term.atoms(Access)), default=0)
    return (bool(term.is_number), not most and not term.has(Access), -most, default_sort_key(term))


def decimal(number: Expr) -> str | None:
    """A number as a decimal, where that is exact and how one would write it: 0.9, 1e-08, 1e+30, but 7, 1/2 and 1/1024.

    >>> [decimal(Rational(text)) for text in ("0.9", "1/1024", "1/3", "0.3535533905932738", "1e30", "7")]
    ['0.9', None, None, '0.3535533905932738', '1e+30', None]
    """
    if not number.is_Rational or (not 10**16 <= abs(number) < 10**300 if number.is_Integer else number.q < 10):
        return None
    text = repr(float(number))
    if Rational(text) != number:
        text = _longer_decimal(number) if not number.is_Integer else str(number)
    return text if len(text) <= max(8, len(f"{number.p}{number.q}")) and Rational(text) == number else None


def _longer_decimal(number: Rational) -> str:
    """The decimal of more digits than a float tells, of as many as twice its denominator has."""
    places = 2 * len(str(number.q))
    whole, rest = divmod(abs(number.p) * 10**places // number.q, 10**places)
    return f"{'-' * (number.p < 0)}{whole}.{rest:0{places}}".rstrip("0")


def over_and_under(number: Rational) -> tuple[Expr, Expr]:
    """What stands above and below the line of a number: 3 and 4, 0.9 and 1, 1 and 2.8284271247461903."""
    if decimal(number) is not None:
        return number, S.One
    tens = 10 ** (len(str(number.p)) - len(str(number.p).rstrip("0")))
    if len(str(number.q)) > 8 and decimal(Rational(number.q, tens)) is not None:
        return Rational(number.p, tens), Rational(number.q, tens)
    return Integer(number.p), Integer(number.q)


def fraction_in_order(node: Mul) -> tuple[str, list[Expr], list[Expr]]:
    """A product as its sign, the factors above the fraction line and those below, the plain before the compound."""
    number, rest = node.as_coeff_Mul()
    sign, number = ("-", -number) if number.is_negative else ("", number)
    above, below = ([part] if part != 1 else [] for part in over_and_under(number))
    for factor in sorted(Mul.make_args(rest), key=lambda a: (_rank(a), default_sort_key(a))):
        if factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative:
            below.append(1 / factor)
        elif factor != 1:
            above.append(factor)
    return sign, above, below


def _rank(factor: Expr) -> int:
    """Numbers, elements, powers and functions, sums."""
    if factor.is_number or isinstance(factor, Symbol):
        return 0
    if isinstance(factor, Access):
        return 1
    return 3 if factor.is_Add else 2
