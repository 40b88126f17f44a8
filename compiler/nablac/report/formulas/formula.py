"""formulas/formula: an equation or a body in index form, as boxes: order as in ``ir/text``, few brackets.

Requires: canonical equations or any body of the language.  Functions that only spell a formula more stably (log1p,
logcosh) are written as that formula.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy
from sympy import Add, Expr, Mul, Pow, S, Symbol, default_sort_key, exp

from nablac.ir import functions as f
from nablac.ir.equation import Equation
from nablac.ir.functions import NAMES, ROW, Access, Delta, IntAccess, Random, Where
from nablac.ir.text import decimal, fraction_in_order, over_and_under, terms_in_order
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
    Root,
    Row,
    Script,
    is_tall,
    joined,
    over,
    raised,
    row,
    slashed,
)
from nablac.report.formulas.notation import Notation, stem

LOOSE, ADD, MUL, POW, ATOM = range(5)
"""How tightly a box holds together: relations and choices, sums, products, powers, single things."""

RELATIONS = {"<": "<", ">": ">", "<=": "<=", ">=": ">=", "==": "==", "!=": "!="}
WORDS = {"sign": "sgn", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arsinh", "acosh": "arcosh",
         "atanh": "artanh"}  # fmt: skip
AS_DEFINED = (f.expm1, f.log1p, f.logcosh, f.log1mexp)
"""Stable spellings: a reader is told what they compute."""

LONGEST_EXPONENT = 7
Bound = tuple[Box, int]


def index_form(equation: Equation, notation: Notation) -> Box:
    """``target[indices] = reduction of body``."""
    return row(_target(equation, notation), Operator("="), right_side(equation, notation))


def right_side(equation: Equation, notation: Notation) -> Box:
    """What stands behind the sign of equality."""
    builder = _Builder(notation)
    if equation.reduction is None:
        return builder.box(plainly_spelled(equation.body), LOOSE)
    body = builder.box(plainly_spelled(equation.body), MUL)
    return Big(equation.reduction.kind, tuple(symbol_box(i) for i in equation.bound), body)


def expression_form(expression: Expr, notation: Notation) -> Box:
    """A body."""
    return _Builder(notation).box(plainly_spelled(expression), LOOSE)


def plainly_spelled(expression: Expr) -> Expr:
    """The body with its stable spellings as the formulas they compute: log1p(x) is log(1 + x), e^(t*log(a)) is a^t."""
    if not expression.has(*AS_DEFINED):
        return expression
    spelled = expression.replace(lambda x: isinstance(x, AS_DEFINED), lambda x: x.definition(*x.args))
    return spelled.replace(
        lambda x: isinstance(x, exp) and x.args[0].is_Mul and any(_is_constant_log(a) for a in x.args[0].args),
        lambda x: _as_power(x.args[0]),
    )


def _is_constant_log(node: Expr) -> bool:
    return isinstance(node, sympy.log) and node.args[0].is_Rational


def _as_power(exponent: Mul) -> Expr:
    number = next(a for a in exponent.args if _is_constant_log(a))
    return Pow(number.args[0], exponent / number)


def _target(equation: Equation, notation: Notation) -> Box:
    symbol = notation.symbol(equation.target)
    return Element(symbol, tuple(symbol_box(i) for i in equation.indices)) if equation.indices else symbol


def symbol_box(symbol: Symbol) -> Box:
    """An index or an extent."""
    return stem(symbol.name).box()


def number_box(number: Expr) -> Box:
    """An exact number: 3, 1/2 as a fraction, 0.9 and 1e-8 as decimals."""
    text = decimal(number)
    if text is None:
        above, below = over_and_under(number)
        return Number(str(above)) if below == 1 else Fraction(number_box(above), number_box(below))
    digits, e, exponent = text.partition("e")
    if not e:
        return Number(text)
    power = Script(Number("10"), None, Number(str(int(exponent))))
    return power if digits == "1" else row(Number(digits), Operator("*"), power)


def function_name(name: str, notation: Notation) -> Box:
    """A function's letter or word."""
    if name == "sigmoid" and notation.logistic:
        return Name("σ")
    return Name(WORDS.get(name, name))


class _Builder:
    """Boxes of bodies, each with how tightly it holds; remembers what it has built."""

    def __init__(self, notation: Notation) -> None:
        self.notation = notation

    def box(self, node: Expr, least: int) -> Box:
        """The node, in brackets if it holds together less than ``least``."""
        box, bound = self.bound(node)
        return box if bound >= least else Fenced("(", box)

    def bound(self, node: Any) -> Bound:
        found = self.notation.formed.get(node)
        if found is None:
            found = self.notation.formed[node] = self._build(node)
        return found  # type: ignore[return-value]

    def _build(self, node: Any) -> Bound:
        if isinstance(node, Access):
            symbol = self.notation.symbol(node.tensor)
            indices = tuple(self.box(i, LOOSE) for i in node.indices)
            return (Element(symbol, indices) if indices else symbol), ATOM
        if isinstance(node, Symbol):
            return symbol_box(node), ATOM
        if isinstance(node, Random):
            name = Script(Name("uniform"), stem(node.stream.removesuffix(".draw")).box())
            return Call(name, (self.box(node.args[1].xreplace({ROW: S.Zero}), LOOSE),)), ATOM
        if isinstance(node, Delta):
            a, b = sorted(node.args, key=lambda x: (not isinstance(x, Symbol), x.has(IntAccess)))
            return Fenced("[", row(self.box(a, ADD), Operator("=="), self.box(b, ADD))), ATOM
        if isinstance(node, Where):
            return self._choice(node), ATOM
        if node.is_Number or node.is_NumberSymbol:
            return self._number(node)
        if node.is_Add:
            return self._sum(node), ADD
        if node.is_Mul:
            return self._product(node)
        if node.is_Pow or isinstance(node, exp):
            return self._power(node)
        if isinstance(node, sympy.logic.boolalg.Boolean):
            return self._condition(node), LOOSE
        return self._function(node)

    def _number(self, node: Expr) -> Bound:
        if node is S.Exp1:
            return Name("e"), ATOM
        if node.is_NumberSymbol:
            return Name({"pi": "π"}.get(str(node), str(node))), ATOM
        if node.is_negative:
            return row(Operator("minus"), number_box(-node)), ADD
        box = number_box(node)
        return box, MUL if isinstance(box, Fraction | Row) else ATOM

    def _sum(self, node: Add) -> Box:
        parts: list[Box] = []
        for term in terms_in_order(node):
            minus = term.could_extract_minus_sign()
            if parts:
                parts.append(Operator("-" if minus else "+"))
            elif minus:
                parts.append(Operator("minus"))
            parts.append(self.box(-term if minus else term, MUL))
        return row(*parts)

    def _product(self, node: Mul) -> Bound:
        sign, above, below = fraction_in_order(node)
        box = self._factors(above, LOOSE if below else MUL)
        if below:
            box = over(box, self._factors(below, LOOSE))
        return (row(Operator("minus"), box), ADD) if sign else (box, MUL)

    def _factors(self, factors: Sequence[Expr], least: int) -> Box:
        if len(factors) == 1:
            return self.box(factors[0], least)
        boxes = [number_box(x) if x.is_Rational else self.box(x, MUL) for x in factors]
        return joined("*", boxes) if boxes else Number("1")

    def _power(self, node: Expr) -> Bound:
        if isinstance(node, exp):
            return self._exponential(node.args[0])
        base, exponent = node.args
        if exponent == S.Half:
            return Root(self.box(base, LOOSE)), ATOM
        if exponent.is_Rational and exponent.is_negative:
            return over(Number("1"), self.box(1 / node, LOOSE)), MUL
        return raised(self.box(base, ATOM), slashed(self.box(exponent, LOOSE))), POW

    def _exponential(self, exponent: Expr) -> Bound:
        """e with a short exponent, else the word."""
        box = self.box(exponent, LOOSE)
        short = slashed(box)
        if self.notation.natural and not is_tall(short) and _length(short) <= LONGEST_EXPONENT:
            return Script(Name("e"), None, short), POW
        return Call(Name("exp"), (box,)), ATOM

    def _choice(self, node: Where) -> Box:
        """Nested choices in the last branch are rows of one."""
        rows: list[tuple[Box, Box | None]] = []
        rest: Expr = node
        while isinstance(rest, Where):
            condition, value, rest = rest.args
            rows.append((self.box(value, LOOSE), self.box(condition, LOOSE)))
        return Cases((*rows, (self.box(rest, LOOSE), None)))

    def _condition(self, node: Any) -> Box:
        if node.is_Relational:
            return row(self.box(node.lhs, ADD), Operator(relation_of(node)), self.box(node.rhs, ADD))
        if isinstance(node, sympy.Not):
            return row(Operator("not"), self.box(node.args[0], ATOM))
        if between := _between(node):
            low, middle, high = between
            ends = (self.box(low.rhs, ADD), Operator("<" if low.rel_op == ">" else "<="))
            return row(*ends, self.box(middle, ADD), Operator(high.rel_op), self.box(high.rhs, ADD))
        sign = "and" if isinstance(node, sympy.And) else "or"
        parts = sorted(node.args, key=default_sort_key)
        return joined(sign, [self.box(p, LOOSE if p.is_Relational else ATOM) for p in parts])

    def _function(self, node: Any) -> Bound:
        name = NAMES.get(node.func, node.func.__name__)
        arguments = tuple(self.box(a, LOOSE) for a in node.args)
        if name in ("abs", "Abs"):
            return Fenced("|", arguments[0]), ATOM
        if name == "floor":
            return Fenced("floor", arguments[0]), ATOM
        if name == "exprel":
            return Call(Script(Name(name), arguments[1]), arguments[:1]), ATOM
        return Call(function_name(name, self.notation), arguments), ATOM


def _between(node: Any) -> tuple[Any, Expr, Any] | None:
    """The two sides of ``low <= x and x < high``, and x."""
    if not isinstance(node, sympy.And) or len(node.args) != 2 or not all(a.is_Relational for a in node.args):
        return None
    low, high = sorted(node.args, key=lambda a: a.rel_op in ("<", "<="))
    if low.lhs == high.lhs and low.rel_op in (">", ">=") and high.rel_op in ("<", "<="):
        return low, low.lhs, high
    return None


def relation_of(node: Any) -> str:
    """The sign of a comparison, in the language's spelling."""
    return {"Equality": "==", "Unequality": "!="}.get(type(node).__name__, node.rel_op)


def _length(box: Box) -> int:
    """How many letters, numbers and signs a reader meets, indices apart."""
    sizes: dict[type, Callable[[Any], int]] = {
        Row: lambda b: sum(map(_length, b.parts)),
        Script: lambda b: _length(b.base) + sum(_length(x) for x in (b.below, b.above) if x is not None and b.above),
        Fenced: lambda b: 2 + _length(b.inside),
        Call: lambda b: 3 + sum(map(_length, b.arguments)),
    }
    return sizes.get(type(box), lambda b: 1)(box)
