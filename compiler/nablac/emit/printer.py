"""emit/printer: a SymPy scalar -> Numba Python text in which every number has the program's dtype.

Three contexts: real (the dtype), wide (float64, where numbers may stay bare) and integer (indices and their
comparisons).  In a float32 module a bare number would make float64 of everything it meets, so numbers and integers
in real context are typed: ``real(0.5)``, ``real(n)``.

>>> from nablac.ir.functions import Access
>>> from nablac.ir.index import index
>>> i = index("i")
>>> Printer("float64").real(Access("a", i) * (1 - Access("a", i)))
'a[i]*(1 - a[i])'
>>> Printer("float32").real(Access("p", i) / 2 - Access("y", i))
'real(0.5)*p[i] - y[i]'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import sympy
from sympy import Add, Expr, Float, Integer, Mul, Pow, Rational, S, Symbol, default_sort_key
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, BooleanFalse, BooleanTrue, Not, Or

from nablac.errors import InternalError
from nablac.ir import functions as f
from nablac.ir.functions import Access, Delta, IntAccess, Random, Where
from nablac.ir.random import stream_number
from nablac.ir.text import fraction_in_order, terms_in_order
from nablac.plan.loops import Number

ATOM, POWER, UNARY, PRODUCT, SUM, COMPARE, NOT, AND, OR, CHOICE = range(9, -1, -1)

FUNCTIONS: dict[type, str] = {
    **{
        getattr(sympy, n): n
        for n in [
            "exp",
            "log",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "asinh",
            "acosh",
            "atanh",
            "erf",
        ]
    },
    f.expm1: "expm1",
    f.log1p: "log1p",
    f.absolute: "abs",
    sympy.Abs: "abs",
    f.floor: "np.floor",
    sympy.floor: "np.floor",
    f.relu: "_relu",
    f.sign: "_sign",
    f.maximum: "_maximum",
    f.minimum: "_minimum",
    f.sigmoid: "_sigmoid",
    f.softplus: "_softplus",
    f.logcosh: "_logcosh",
    f.log1mexp: "_log1mexp",
}


@dataclass(frozen=True)
class Text:
    """A piece of Python and how tightly it binds."""

    text: str
    level: int = ATOM

    def inside(self, level: int) -> str:
        """The text as an operand of something that binds as tightly as ``level``."""
        return self.text if self.level >= level else f"({self.text})"


def plain_name(access: Access) -> tuple[str, Number]:
    """The default reader: a tensor is called by its own name."""
    return access.tensor, Number.INT if isinstance(access, IntAccess) else Number.REAL


@dataclass
class Printer:
    """Prints scalars of one dtype.

    ``reader`` gives a tensor's name in the code and the kind of its numbers; ``symbols`` renames extents and indices.
    ``used`` gathers the functions that the printed text calls.
    """

    dtype: str
    reader: Callable[[Access], tuple[str, Number]] = plain_name
    symbols: Callable[[Symbol], str] = lambda s: str(s.name)
    used: set[str] = field(default_factory=set)
    wide: bool = False

    def real(self, e: Expr) -> str:
        """Text of the program's dtype."""
        return self._real(sympy.sympify(e, strict=True)).text

    def integer(self, e: Expr) -> str:
        """Text of an integer: an index, an extent."""
        return self._integer(sympy.sympify(e, strict=True)).text

    def element(self, access: Access) -> str:
        """An access, as a place to store to."""
        return self._access(access)[0].text

    def number(self, value: object) -> str:
        """A typed number."""
        return self._number(sympy.sympify(value, strict=True)).text

    def as_wide(self) -> Printer:
        """The printer for float64 scalars of a float32 module."""
        return Printer(self.dtype, self.reader, self.symbols, self.used, wide=True)

    @property
    def _typed(self) -> bool:
        return self.dtype == "float32" and not self.wide

    # --- numbers and elements ----------------------------------------------------------------------------------------

    def _number(self, e: Expr) -> Text:
        if e in (S.Infinity, S.NegativeInfinity):
            return self._cast("np.inf" if e is S.Infinity else "-np.inf", UNARY)
        if e is S.NaN:
            return self._cast("np.nan", ATOM)
        if e.is_negative:
            inner = self._number(-e)
            return Text(f"-{inner.inside(UNARY)}", UNARY)
        if isinstance(e, Rational):
            text = decimal(e)
            return self._cast(text, PRODUCT if "/" in text else ATOM)
        return self._cast(repr(float(e.evalf(20))), ATOM)

    def _cast(self, text: str, level: int) -> Text:
        return Text(f"real({text})") if self._typed else Text(text, level)

    def _access(self, a: Access) -> tuple[Text, Number]:
        name, number = self.reader(a)
        inside = ", ".join(self.integer(i) for i in a.indices)
        return Text(f"{name}[{inside}]" if a.indices else name), number

    # --- real context ------------------------------------------------------------------------------------------------

    def _real(self, e: Expr) -> Text:
        if e.is_number and not e.has(Access):
            return self._number(e)
        if isinstance(e, Access):
            text, number = self._access(e)
            cast = self._typed and number is not Number.REAL
            return Text(f"real({text.text})") if cast else text
        if isinstance(e, Symbol):
            return self._cast(self.symbols(e), ATOM)
        if isinstance(e, Random):
            return self._random(e)
        if isinstance(e, Where):
            return self._choice(e.args[0], self._real(e.args[1]), self._real(e.args[2]))
        if isinstance(e, Delta):
            return self._choice(sympy.Eq(*e.args, evaluate=False), self._number(S.One), self._number(S.Zero))
        if isinstance(e, Add):
            return self._sum(e, self._real)
        if isinstance(e, Mul):
            return self._product(e)
        if isinstance(e, Pow):
            return self._power(e)
        return self._function(e)

    def _sum(self, e: Expr, printed: Callable[[Expr], Text]) -> Text:
        text = ""
        for term in terms_in_order(e):
            minus = bool(text) and term.could_extract_minus_sign()
            piece = printed(-term if minus else term).inside(SUM + 1 if minus else SUM)
            text += f" {'-' if minus else '+'} {piece}" if text else piece
        return Text(text, SUM)

    def _product(self, e: Expr) -> Text:
        deltas = [a for a in e.args if isinstance(a, Delta)]
        if deltas:
            equal = [sympy.Eq(*d.args, evaluate=False) for d in deltas]
            condition = equal[0] if len(equal) == 1 else And(*equal, evaluate=False)
            rest = Mul(*(a for a in e.args if a not in deltas))
            return self._choice(condition, self._real(rest), self._number(S.Zero))
        coefficient, rest = _number_and_rest(e)
        _, above, below = fraction_in_order(rest)
        above = above if abs(coefficient) == 1 else [abs(coefficient), *above]
        top = [self._real(a).inside(PRODUCT if at == 0 else PRODUCT + 1) for at, a in enumerate(above)]
        text = "*".join(top) or self.number(S.One)
        if below:
            bottom = [self._real(b).inside(PRODUCT + 1) for b in below]
            text += f"/{bottom[0]}" if len(bottom) == 1 else f"/({'*'.join(bottom)})"
        return Text(f"-{text}" if coefficient.is_negative else text, PRODUCT)

    def _power(self, e: Expr) -> Text:
        base, exponent = e.args
        if base is S.Exp1:
            return self._call("exp", exponent)
        if exponent.is_number and exponent.is_negative:
            return Text(f"{self.number(S.One)}/{self._real(1 / e).inside(PRODUCT + 1)}", PRODUCT)
        if exponent is S.Half:
            return self._call("sqrt", base)
        if exponent.is_Integer:
            return Text(f"{self._real(base).inside(ATOM)}**{exponent}", POWER)
        if exponent.is_Rational and exponent.q == 2:
            return self._real_product(base ** Integer(exponent.p // 2), sympy.sqrt(base))
        return Text(f"{self._real(base).inside(ATOM)}**{self._real(exponent).inside(UNARY)}", POWER)

    def _real_product(self, a: Expr, b: Expr) -> Text:
        return Text(f"{self._real(a).inside(PRODUCT)}*{self._real(b).inside(PRODUCT + 1)}", PRODUCT)

    def _function(self, e: Expr) -> Text:
        if isinstance(e, f.exprel):
            return self._call(f"_exprel{int(e.args[1]) if len(e.args) > 1 else 0}", e.args[0])
        name = FUNCTIONS.get(type(e))
        if name is None:
            raise InternalError(f"no way to print {type(e).__name__} in {e}")
        return self._call(name, *e.args)

    def _call(self, name: str, *arguments: Expr) -> Text:
        self.used.add(name)
        return Text(f"{name}({', '.join(self._real(a).text for a in arguments)})")

    def _random(self, e: Random) -> Text:
        number, seed, step = (self._integer(a).text for a in e.args[1:])
        self.used.add("_uniform")
        drawn = f"_uniform({seed}, {step}, {stream_number(e.stream):#010x}, {number})"
        return Text(f"np.float64({drawn})" if self.wide else drawn)

    # --- choices and conditions --------------------------------------------------------------------------------------

    def _choice(self, condition: Boolean, yes: Text, no: Text) -> Text:
        return Text(f"({yes.inside(OR)} if {self._condition(condition).inside(OR)} else {no.inside(OR)})")

    def condition(self, c: Boolean) -> str:
        """A condition as Python."""
        return self._condition(c).text

    def _condition(self, c: Boolean) -> Text:
        if isinstance(c, (BooleanTrue, BooleanFalse)):
            return Text(str(bool(c)))
        if isinstance(c, Relational):
            whole = bool(c.lhs.is_integer and c.rhs.is_integer) and not _has_real(c)
            side = self._integer if whole else self._real
            return Text(f"{side(c.lhs).inside(SUM)} {c.rel_op} {side(c.rhs).inside(SUM)}", COMPARE)
        if isinstance(c, Not):
            return Text(f"not {self._condition(c.args[0]).inside(NOT)}", NOT)
        if isinstance(c, (And, Or)):
            level, word = (AND, " and ") if isinstance(c, And) else (OR, " or ")
            clauses = sorted(c.args, key=default_sort_key)
            return Text(word.join(self._condition(a).inside(level + 1) for a in clauses), level)
        raise InternalError(f"no way to print the condition {c}")

    # --- integer context ---------------------------------------------------------------------------------------------

    def _integer(self, e: Expr) -> Text:
        if isinstance(e, Integer):
            return Text(str(e), ATOM if e >= 0 else UNARY)
        if isinstance(e, Symbol):
            return Text(self.symbols(e))
        if isinstance(e, IntAccess) or (isinstance(e, Access) and self._access(e)[1] is Number.INT):
            return self._access(e)[0]
        if isinstance(e, Add):
            return self._sum(e, self._integer)
        if isinstance(e, Mul):
            sign, above, below = fraction_in_order(e)
            if not below:
                text = "*".join(
                    self._integer(a).inside(PRODUCT if at == 0 else PRODUCT + 1) for at, a in enumerate(above)
                )
                return Text(sign + text, PRODUCT)
        if isinstance(e, Pow) and e.exp.is_Integer and e.exp.is_positive:
            return Text(f"{self._integer(e.base).inside(ATOM)}**{e.exp}", POWER)
        if isinstance(e, Where):
            return self._choice(e.args[0], self._integer(e.args[1]), self._integer(e.args[2]))
        if isinstance(e, Delta):
            return self._choice(sympy.Eq(*e.args, evaluate=False), Text("1"), Text("0"))
        if isinstance(e, sympy.Mod):
            return Text(
                f"{self._integer(e.args[0]).inside(PRODUCT)} % {self._integer(e.args[1]).inside(UNARY)}", PRODUCT
            )
        if isinstance(e, (sympy.floor, f.floor)):
            above_, below_ = sympy.together(e.args[0]).as_numer_denom()
            return Text(f"{self._integer(above_).inside(PRODUCT)}//{self._integer(below_).inside(UNARY)}", PRODUCT)
        raise InternalError(f"no way to print the integer {e} ({type(e).__name__})")


def _number_and_rest(e: Mul) -> tuple[Expr, Expr]:
    """A product's numbers as one number, and the rest; integer roots below the line may stay there."""
    numbers = [a for a in e.args if a.is_number and not a.has(Access)]
    return Mul(*numbers), Mul(*(a for a in e.args if a not in numbers))


def _has_real(c: Relational) -> bool:
    return any(type(a) is Access for a in c.atoms(Access)) or c.has(Float)


def decimal(value: Rational) -> str:
    """A rational as the shortest Python number: a decimal where that is exact or has few digits, else a fraction.

    >>> decimal(Rational(1, 10)), decimal(Rational(1, 3)), decimal(Rational(3)), decimal(Rational(1, 10**12))
    ('0.1', '1/3', '3', '1e-12')
    """
    if value.q == 1:
        return str(value.p) if abs(value.p) < 10**15 else repr(float(value))
    text = repr(float(value))
    return text if Rational(text) == value else f"{value.p}/{value.q}" if value.q < 10**6 else text
