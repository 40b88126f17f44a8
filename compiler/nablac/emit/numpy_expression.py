"""emit/numpy_expression: a scalar body -> one NumPy expression over whole arrays, its indices aligned by broadcasting.

Given a layout, the indices in axis order, every piece of text broadcasts against an array of that layout: axes that a
piece lacks in front are left to NumPy, the others are inserted by ``None``.  Both branches of a ``where`` are computed,
so an index that a condition guards is clipped into its axis.

Cannot be said here: reductions and statements.  Those belong to ``emit/numpy_printer``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy
from sympy import Add, Expr, Integer, Mul, Pow, Rational, Symbol
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, Not, Or

from nablac.errors import InternalError
from nablac.ir import functions as f
from nablac.ir.equation import Program
from nablac.ir.functions import Access, Delta, IntAccess, Where
from nablac.ir.random import stream_number

ATOM, POWER, UNARY, PRODUCT, SUM, BITS, COMPARE = 9, 8, 7, 6, 5, 4, 3

FUNCTIONS: dict[type, str] = {
    sympy.exp: "np.exp",
    sympy.log: "np.log",
    sympy.sin: "np.sin",
    sympy.cos: "np.cos",
    sympy.tan: "np.tan",
    sympy.asin: "np.arcsin",
    sympy.acos: "np.arccos",
    sympy.atan: "np.arctan",
    sympy.sinh: "np.sinh",
    sympy.cosh: "np.cosh",
    sympy.tanh: "np.tanh",
    sympy.asinh: "np.arcsinh",
    sympy.acosh: "np.arccosh",
    sympy.atanh: "np.arctanh",
    sympy.erf: "_np_erf",
    sympy.floor: "np.floor",
    sympy.Abs: "np.abs",
    f.absolute: "np.abs",
    f.sign: "np.sign",
    f.floor: "np.floor",
    f.maximum: "np.maximum",
    f.minimum: "np.minimum",
    f.expm1: "np.expm1",
    f.log1p: "np.log1p",
    f.sigmoid: "_np_sigmoid",
    f.softplus: "_np_softplus",
    f.logcosh: "_np_logcosh",
    f.log1mexp: "_np_log1mexp",
    f.exprel: "_np_exprel",
}

RELATIONS = {"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True)
class Text:
    """A piece of Python: how tightly it binds, and whether it is a Python number, which takes on any array's dtype."""

    text: str
    level: int = ATOM
    weak: bool = False

    def inside(self, level: int) -> str:
        """The text as an operand of something that binds as tightly as ``level``."""
        return self.text if self.level >= level else f"({self.text})"


Axes = tuple[Symbol, ...]


def aligned(text: str, axes: Axes, layout: Axes) -> str:
    """An array whose axes are ``axes``, transposed and widened so that it broadcasts against the layout."""
    ordered = [i for i in layout if i in axes]
    if list(axes) != ordered:
        order = [axes.index(i) for i in ordered]
        text += ".T" if order == list(range(len(order)))[::-1] else f".transpose({', '.join(map(str, order))})"
    if not ordered:
        return text
    places = [":" if i in axes else "None" for i in layout[layout.index(ordered[0]) :]]
    return f"{text}[{', '.join(places)}]" if "None" in places else text


class Expressions:
    """Prints the bodies of one program's equations; collects what they use, and whether they may warn."""

    def __init__(self, program: Program, names: Mapping[str, str], extents: Mapping[Symbol, str]) -> None:
        self.program, self.names, self.extents = program, names, extents
        self.dtype = f"np.{program.dtype}"
        self.ranges: Mapping[Symbol, Expr] = {}
        self.helpers: set[str] = set()
        self.used: set[Symbol] = set()
        self._guards = 0

    # --- real expressions -----------------------------------------------------------------------------------------

    def real(self, e: Expr, layout: Axes) -> Text:
        """The value of a real expression."""
        if e.is_number:
            return _number(e)
        if isinstance(e, IntAccess):
            return Text(f"{self._access(e, layout)}.astype({self.dtype})")
        if isinstance(e, Access):
            return Text(self._access(e, layout))
        if isinstance(e, Symbol):
            return self._symbol(e, layout, f", dtype={self.dtype}")
        if isinstance(e, f.Random):
            number, seed, step = (self.integer(a, layout).text for a in e.args[1:])
            self.helpers.add("_np_uniform")
            return Text(f"_np_uniform({seed}, {step}, {stream_number(e.stream):#010x}, {number}, {self.dtype})")
        if isinstance(e, Delta):
            first, second = (self.integer(a, layout) for a in e.args)
            with_guard = f"({first.inside(SUM)} == {second.inside(SUM)})"
            return Text(f"{with_guard}.astype({self.dtype})")
        printer: dict[type, Callable[[Expr, Axes], Text]] = {
            Add: self._sum, Mul: self._product, Pow: self._power, Where: self._where, f.relu: self._relu,
        }  # fmt: skip
        if type(e) in printer:
            return printer[type(e)](e, layout)
        if type(e) in FUNCTIONS:
            return self._call(e, layout)
        raise InternalError(f"no NumPy spelling for {type(e).__name__} in {e}")

    def strong(self, e: Expr, layout: Axes) -> Text:
        """A real expression that is sure to be of the program's dtype."""
        text = self.real(e, layout)
        return Text(f"{self.dtype}({text.text})") if text.weak else text

    def _symbol(self, e: Symbol, layout: Axes, dtype: str = "") -> Text:
        if e in self.ranges:
            return Text(aligned(f"np.arange({self.size(self.ranges[e])}{dtype})", (e,), layout))
        self.used.add(e)
        return Text(self.extents[e], weak=True)

    def _sum(self, e: Expr, layout: Axes) -> Text:
        terms = sorted(e.args, key=lambda term: (term.could_extract_minus_sign(), -len(self._indices(term, layout))))
        text, weak = "", True
        for term in terms:
            negative = bool(text) and term.could_extract_minus_sign()
            piece = self.real(-term if negative else term, layout)
            weak = weak and piece.weak
            joint = " - " if negative else " + "
            text = f"{text}{joint}{piece.inside(PRODUCT)}" if text else piece.inside(SUM)
        return Text(text, SUM, weak)

    def _product(self, e: Expr, layout: Axes) -> Text:
        if e.could_extract_minus_sign():
            piece = self.real(-e, layout)
            return Text(f"-{piece.inside(UNARY)}", UNARY, piece.weak)
        above, below = _fraction(e)
        top = [self.real(factor, layout) for factor in above]
        bottom = [self.real(factor, layout) for factor in below]
        weak = all(piece.weak for piece in top + bottom)
        text = " * ".join(piece.inside(PRODUCT) for piece in top) or "1"
        if bottom:
            joined = Text(" * ".join(piece.inside(PRODUCT) for piece in bottom), PRODUCT)
            text = f"{text} / {(joined if bottom[1:] else bottom[0]).inside(POWER)}"
        return Text(text, PRODUCT if top[1:] or bottom else top[0].level, weak)

    def _power(self, e: Expr, layout: Axes) -> Text:
        base, exponent = e.args
        if exponent.could_extract_minus_sign():
            piece = self.real(1 / e, layout)
            return Text(f"1 / {piece.inside(POWER)}", PRODUCT, piece.weak)
        under = self.real(base, layout)
        if exponent == sympy.S.Half and not under.weak:
            return Text(f"np.sqrt({under.text})")
        over = self.real(exponent, layout)
        return Text(f"{under.inside(ATOM)} ** {over.inside(POWER)}", POWER, under.weak and over.weak)

    def _where(self, e: Expr, layout: Axes) -> Text:
        self._guards += 1
        condition = self.condition(e.args[0], layout)
        first, second = (self.real(branch, layout) for branch in e.args[1:])
        self._guards -= 1
        if first.weak and second.weak:
            first = Text(f"{self.dtype}({first.text})")
        return Text(f"np.where({condition.text}, {first.text}, {second.text})")

    def _relu(self, e: Expr, layout: Axes) -> Text:
        return Text(f"np.maximum({self.strong(e.args[0], layout).text}, 0)")

    def _call(self, e: Expr, layout: Axes) -> Text:
        name = FUNCTIONS[type(e)]
        arguments = list(e.args)
        tail: list[str] = []
        if isinstance(e, f.exprel):
            if arguments[1] == 0:
                name = "_np_exprel"
            tail = [str(int(arguments.pop(1)))]
        if name.startswith("_np_"):
            self.helpers.add(name)
        pieces = [self.real(a, layout) for a in arguments]
        if all(piece.weak for piece in pieces):
            pieces[0] = Text(f"{self.dtype}({pieces[0].text})")
        return Text(f"{name}({', '.join([piece.text for piece in pieces] + tail)})")

    # --- conditions -----------------------------------------------------------------------------------------------

    def condition(self, c: Boolean, layout: Axes) -> Text:
        """A condition as an array of bools."""
        if c in (sympy.true, sympy.false):
            return Text(str(bool(c)), weak=True)
        if isinstance(c, Relational):
            printer = self.integer if all(_integral(a) for a in c.args) else self.real
            left, right = (printer(a, layout).inside(SUM) for a in c.args)
            return Text(f"{left} {RELATIONS[c.rel_op]} {right}", COMPARE)
        if isinstance(c, Not):
            return Text(f"np.logical_not({self.condition(c.args[0], layout).text})")
        if isinstance(c, And | Or):
            parts = [self.condition(a, layout).inside(UNARY) for a in sorted(c.args, key=sympy.default_sort_key)]
            return Text((" & " if isinstance(c, And) else " | ").join(parts), BITS)
        raise InternalError(f"no NumPy spelling for the condition {c}")

    # --- integers and indices -------------------------------------------------------------------------------------

    def integer(self, e: Expr, layout: Axes) -> Text:
        """The value of an integer expression, an index: Python ints and int64 arrays."""
        if isinstance(e, Integer):
            return Text(str(e), UNARY if e < 0 else ATOM, True)
        if isinstance(e, IntAccess):
            return Text(self._access(e, layout))
        if isinstance(e, Symbol):
            return self._symbol(e, layout)
        if isinstance(e, Add):
            terms = sorted(e.args, key=lambda term: (term.could_extract_minus_sign(), term.is_number))
            text = self.integer(terms[0], layout).inside(SUM)
            for term in terms[1:]:
                negative = term.could_extract_minus_sign()
                piece = self.integer(-term if negative else term, layout).inside(PRODUCT)
                text += f" {'-' if negative else '+'} {piece}"
            return Text(text, SUM, not e.atoms(IntAccess) and not e.free_symbols & set(self.ranges))
        if isinstance(e, Mul) and all(a.is_integer for a in e.args):
            return Text(" * ".join(self.integer(a, layout).inside(PRODUCT) for a in e.args), PRODUCT)
        if isinstance(e, sympy.floor):
            above, below = (self.integer(a, layout) for a in e.args[0].as_numer_denom())
            return Text(f"{above.inside(UNARY)} // {below.inside(POWER)}", PRODUCT)
        if isinstance(e, sympy.Mod):
            above, below = (self.integer(a, layout) for a in e.args)
            return Text(f"{above.inside(UNARY)} % {below.inside(POWER)}", PRODUCT)
        if isinstance(e, Pow) and e.args[1].is_Integer and e.args[1] > 0:
            return Text(f"{self.integer(e.args[0], layout).inside(ATOM)} ** {e.args[1]}", POWER)
        if isinstance(e, Delta):
            first, second = (self.integer(a, layout).inside(SUM) for a in e.args)
            return Text(f"({first} == {second}) * 1", PRODUCT)
        raise InternalError(f"no NumPy spelling for the integer {e}")

    def size(self, e: Expr) -> str:
        """An extent."""
        return self.integer(e, ()).text

    def _access(self, a: Access, layout: Axes) -> str:
        """The elements that an access reads, as an array that broadcasts against the layout."""
        name = self.names[a.tensor]
        shape = self.program.declared[a.tensor].shape
        used = [self._indices(e, layout) for e in a.indices]
        every = [i for symbols in used for i in symbols]
        if len(every) != len(set(every)):
            together = tuple(i for i in layout if i in every)
            inside = ", ".join(self._clipped(e, n, together) for e, n in zip(a.indices, shape, strict=True))
            return aligned(f"{name}[{inside}]", together, layout)
        subscripts: list[str] = []
        axes: list[Symbol] = []
        takes: list[tuple[int, str]] = []
        for e, n, symbols in zip(a.indices, shape, used, strict=True):
            subscript = self._slice(e, n, symbols)
            if subscript is None:
                takes.append((len(axes), self._clipped(e, n, tuple(symbols))))
                subscript = ":"
            subscripts.append(subscript)
            axes += symbols
        while subscripts and subscripts[-1] == ":":
            subscripts.pop()
        text = f"{name}[{', '.join(subscripts)}]" if subscripts else name
        for place, indices in takes:
            text += f".take({indices}, axis={place})"
        return aligned(text, tuple(axes), layout)

    def own_order(self, a: Access, layout: Axes) -> Axes | None:
        """The axes that an access has by itself, so that printed in this layout nothing is transposed."""
        axes = tuple(i for e in a.indices for i in self._indices(e, layout))
        return axes if len(axes) == len(set(axes)) else None

    def _indices(self, e: Expr, layout: Axes) -> list[Symbol]:
        """The loop indices an index expression depends on, in the layout's order."""
        free = e.free_symbols
        return [i for i in layout if i in free]

    def _slice(self, e: Expr, n: Expr, symbols: list[Symbol]) -> str | None:
        """An index as basic subscript, a number or a slice; None where it needs an array of indices."""
        if not symbols:
            return self._clipped(e, n, ())
        if len(symbols) > 1 or e.atoms(IntAccess):
            return None
        (i,) = symbols
        length = self.ranges[i]
        if e == i and length == n:
            return ":"
        step = e.diff(i)
        start = sympy.expand(e - step * i)
        if not step.is_Integer or step <= 0 or start.free_symbols & set(self.ranges) or not self._inside(e, n):
            return None
        stop = sympy.expand(start + step * (length - 1) + 1)
        head = "" if start == 0 else self.size(start)
        return f"{head}:{self.size(stop)}" + (f":{step}" if step != 1 else "")

    def _clipped(self, e: Expr, n: Expr, axes: Axes) -> str:
        text = self.integer(e, axes).text
        if self._guards and not self._inside(e, n):
            return f"np.clip({text}, 0, {self.size(n - 1)})"
        return text

    def _inside(self, e: Expr, n: Expr) -> bool:
        """Whether an index provably stays inside an axis of length n."""
        low = high = Integer(0)
        for term in Add.make_args(sympy.expand(e)):
            factor, rest = term.as_coeff_Mul()
            if rest in self.ranges:
                last = self.ranges[rest] - 1
            elif isinstance(rest, IntAccess):
                bound = self.program.declared[rest.tensor].bound
                if bound is None:
                    return False
                last = bound - 1
            elif rest.free_symbols <= set(self.extents) and not rest.atoms(Access):
                low, high = low + term, high + term
                continue
            else:
                return False
            low, high = (low, high + factor * last) if factor > 0 else (low + factor * last, high)
        return bool(low.is_nonnegative) and bool(sympy.expand(n - 1 - high).is_nonnegative)


def _integral(e: Expr) -> bool:
    """Whether an expression is made of indices, extents, integers and integer tensors alone."""
    return bool(e.is_integer) and e.atoms(Access) == e.atoms(IntAccess) and not e.atoms(f.Defined)


def _fraction(e: Expr) -> tuple[list[Expr], list[Expr]]:
    """The factors above and below the line of a product."""
    above: list[Expr] = []
    below: list[Expr] = []
    for factor in e.args:
        if isinstance(factor, Pow) and factor.args[1].could_extract_minus_sign():
            below.append(1 / factor)
        elif isinstance(factor, Rational) and factor.q != 1:
            if _number(factor).level == ATOM:
                above.append(factor)
            else:
                above += [Integer(factor.p)] if factor.p != 1 else []
                below.append(Integer(factor.q))
        else:
            above.append(factor)
    return above, below


def _number(e: Expr) -> Text:
    """A number as a Python literal: exact where it is short, else to double precision."""
    if isinstance(e, Integer) and abs(e) < 2**31:
        return Text(str(e), UNARY if e < 0 else ATOM, True)
    if isinstance(e, Rational):
        literal = repr(float(e))
        if sympy.Rational(literal) == e or abs(e.q) > 1000 or abs(e.p) > 1000:
            return Text(literal, UNARY if e < 0 else ATOM, True)
        return Text(f"{e.p} / {e.q}", PRODUCT, True)
    literal = repr(float(e.evalf(20)))
    return Text(literal, UNARY if literal.startswith("-") else ATOM, True)
