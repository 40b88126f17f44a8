"""ir/functions: the scalar functions of the language beyond SymPy's own, each given by its definition.

A body is a SymPy expression over ``Access`` leaves, indices, extents and exact numbers.  Functions with a kink are
defined by ``where``, and the branch that holds at the kink is what declares the derivative there (``KINKS``).
No derivative is stated anywhere: SymPy differentiates the definitions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy
from mpmath.libmp import prec_to_dps
from sympy import Expr, Function, Integer, S, Symbol, exp, log
from sympy.core.symbol import Str
from sympy.logic.boolalg import Boolean

KEPT = 50_000
"""How many answers about bodies are kept: passes ask again about the bodies that they leave as they are."""


class Access(Expr):
    """An element of a real tensor, ``A[i, 2*p+u, y[n]]``; with no index, a scalar tensor."""

    is_commutative = True
    is_real = True

    def __new__(cls, tensor: str | Str, *indices: Expr | int) -> Access:
        name = tensor if isinstance(tensor, Str) else Str(tensor)
        return Expr.__new__(cls, name, *(sympy.sympify(i, strict=True) for i in indices))

    @property
    def tensor(self) -> str:
        """The name of the tensor that is read."""
        return str(self.args[0].name)

    @property
    def indices(self) -> tuple[Expr, ...]:
        """The index expressions, one an axis."""
        return tuple(self.args[1:])

    def _sympystr(self, printer: Any) -> str:
        inside = ", ".join(printer.doprint(i) for i in self.indices)
        return f"{self.tensor}[{inside}]" if self.indices else self.tensor

    def _eval_derivative(self, symbol: Symbol) -> Expr:
        if symbol in self.free_symbols:
            raise TypeError(f"{self} has no derivative with respect to the index {symbol}")
        return S.Zero


class IntAccess(Access):
    """An element of an integer tensor (a label, an argmax): it may stand as an index."""

    is_integer = True


class Where(Expr):
    """``where(c, a, b)``: a where c holds, else b.  Differentiated and evaluated branch by branch."""

    is_commutative = True
    is_real = True

    def __new__(cls, condition: Boolean, a: Expr, b: Expr) -> Expr:
        condition, a, b = (sympy.sympify(x, strict=True) for x in (condition, a, b))
        if condition is S.true or a == b:
            return a
        if condition is S.false:
            return b
        return Expr.__new__(cls, condition, a, b)

    def _eval_derivative(self, symbol: Symbol) -> Expr:
        condition, a, b = self.args
        return Where(condition, a.diff(symbol), b.diff(symbol))

    def _sympystr(self, printer: Any) -> str:
        return f"where({', '.join(printer.doprint(a) for a in self.args)})"


class Delta(Expr):
    """Kronecker's delta of two integers: 1 where they are equal, else 0."""

    is_commutative = True
    is_integer = True
    is_nonnegative = True

    def __new__(cls, a: Expr | int, b: Expr | int) -> Expr:
        a, b = sympy.sympify(a, strict=True), sympy.sympify(b, strict=True)
        difference = a - b
        if difference == 0:
            return S.One
        if difference.is_nonzero:
            return S.Zero
        first, second = sorted((a, b), key=sympy.default_sort_key)
        return Expr.__new__(cls, first, second)

    def _eval_derivative(self, symbol: Symbol) -> Expr:
        return S.Zero

    def _sympystr(self, printer: Any) -> str:
        return f"delta({printer.doprint(self.args[0])}, {printer.doprint(self.args[1])})"


SEED, STEP, ROW = (IntAccess(f"random.{name}") for name in ("seed", "step", "row"))
"""What a random number is a function of, besides its stream and its number in it.  The row is that of the batch at
which the rows at hand begin, so that parts of a batch draw what the whole would."""
COUNTERS = (SEED, STEP, ROW)

TRAINING = Symbol("training")
"""The condition that holds while the model is trained; each program has it decided before anything is done to it."""


class Random(Expr):
    """A number drawn evenly from [0, 1), a multiple of 2**-24: a function of a stream's name, a number in the stream,
    the seed and the step (``ir/random`` says which).  As it is computed and not remembered, its derivative is 0."""

    is_commutative = True
    is_real = True
    is_nonnegative = True

    def __new__(cls, stream: str | Str, number: Expr | int, seed: Expr = SEED, step: Expr = STEP) -> Random:
        name = stream if isinstance(stream, Str) else Str(stream)
        return Expr.__new__(cls, name, *(sympy.sympify(a, strict=True) for a in (number, seed, step)))

    @property
    def stream(self) -> str:
        """The name of the stream: one for each place in the model that draws."""
        return str(self.args[0].name)

    def _eval_derivative(self, symbol: Symbol) -> Expr:
        return S.Zero

    def _sympystr(self, printer: Any) -> str:
        return f"uniform({self.stream}, {printer.doprint(self.args[1])})"


class Defined(Function):
    """A scalar function given by ``definition``, which states its value in other functions of the language."""

    @classmethod
    def definition(cls, *arguments: Expr) -> Expr:
        """The textbook formula of the function's value."""
        raise NotImplementedError

    def _eval_is_real(self) -> bool:
        return True

    def _eval_evalf(self, prec: int) -> Expr | None:
        """The number that a function of a number is."""
        return self.definition(*self.args).evalf(prec_to_dps(prec)) if self.is_number else None

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative with respect to one argument: SymPy's, of the definition."""
        formal = [Symbol(f"t{n}", real=True) for n in range(len(self.args))]
        derived = self.definition(*formal).diff(formal[argindex - 1])
        return derived.xreplace(dict(zip(formal, self.args, strict=True)))


# --- kinks: the branch that holds at the kink declares the derivative there -----------------------------------------


class relu(Defined):  # noqa: N801 - named as in the language
    """max(x, 0), with relu'(0) = 0."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return Where(x > 0, x, S.Zero)

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        if x.is_nonnegative:
            return x
        return S.Zero if x.is_nonpositive else None


class sign(Defined):  # noqa: N801
    """-1, 0 or 1, with sign' = 0 everywhere."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return Where(x > 0, S.One, Where(x < 0, S.NegativeOne, S.Zero))

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        if x.is_positive:
            return S.One
        if x.is_zero:
            return S.Zero
        return S.NegativeOne if x.is_negative else None


class absolute(Defined):  # noqa: N801
    """|x|, with abs'(0) = 0."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return x * sign(x)

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        if x.is_nonnegative:
            return x
        if x.is_nonpositive:
            return -x
        if x.could_extract_minus_sign():
            return cls(-x)
        return None

    def _eval_is_nonnegative(self) -> bool:
        return True


class maximum(Defined):  # noqa: N801
    """The larger of two, the first at a tie, which then takes the gradient; of u and 0 it is relu(u)."""

    @classmethod
    def definition(cls, a: Expr, b: Expr) -> Expr:
        return Where(a >= b, a, b)

    @classmethod
    def eval(cls, a: Expr, b: Expr) -> Expr | None:
        if a.is_zero or b.is_zero:
            return relu(b if a.is_zero else a)
        if a == b or (a - b).is_nonnegative:
            return a
        return b if (a - b).is_negative else None


class minimum(Defined):  # noqa: N801
    """The smaller of two, the first at a tie, which then takes the gradient."""

    @classmethod
    def definition(cls, a: Expr, b: Expr) -> Expr:
        return Where(a <= b, a, b)

    @classmethod
    def eval(cls, a: Expr, b: Expr) -> Expr | None:
        if a == b or (a - b).is_nonpositive:
            return a
        return b if (a - b).is_positive else None


class floor(Defined):  # noqa: N801
    """The largest integer that is not larger, with floor' = 0 everywhere."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return sympy.floor(x)

    def fdiff(self, argindex: int = 1) -> Expr:
        """Constant between the jumps."""
        return S.Zero


KINKS: dict[str, str] = {
    "relu": "relu'(0) = 0",
    "abs": "abs'(0) = 0",
    "sign": "sign' = 0 everywhere",
    "floor": "floor' = 0 everywhere",
    "uniform": "a random number has the derivative 0",
    "max(a, b)": "the first argument takes the gradient at a tie; max(a, 0) is relu(a)",
    "min(a, b)": "the first argument takes the gradient at a tie",
    "max[k], min[k]": "the first maximum (minimum) takes the gradient",
    "clamp": "the gradient passes inside the closed interval",
    "where(c, a, b)": "the branch that is taken; the condition has no derivative",
}


# --- stable spellings: the same value as the definition, at points where the definition overflows or cancels ---------


class sigmoid(Defined):  # noqa: N801
    """1/(1 + exp(-x))."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return 1 / (1 + exp(-x))

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        return S.Half if x.is_zero else None

    def _eval_is_positive(self) -> bool:
        return True


class softplus(Defined):  # noqa: N801
    """log(1 + exp(x))."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return log(1 + exp(x))

    def _eval_is_positive(self) -> bool:
        return True


class expm1(Defined):  # noqa: N801
    """exp(x) - 1."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return exp(x) - 1

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        return S.Zero if x.is_zero else None


class log1p(Defined):  # noqa: N801
    """log(1 + x)."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return log(1 + x)

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        return S.Zero if x.is_zero else None


class logcosh(Defined):  # noqa: N801
    """log(cosh(x))."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return log(sympy.cosh(x))


class log1mexp(Defined):  # noqa: N801
    """log(1 - exp(-x)) for x > 0."""

    @classmethod
    def definition(cls, x: Expr) -> Expr:
        return log(1 - exp(-x))


class exprel(Defined):  # noqa: N801
    """The k-th derivative of (exp(x) - 1)/x, whose singularity at 0 is removable (the value there is 1/(k+1))."""

    @classmethod
    def definition(cls, x: Expr, order: Expr = S.Zero) -> Expr:
        t = Symbol("t", real=True)
        return sympy.diff((exp(t) - 1) / t, (t, int(order))).subs(t, x)

    @classmethod
    def eval(cls, x: Expr, order: Expr = S.Zero) -> Expr | None:
        return 1 / (order + 1) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> Expr:
        """The next member of the family: the order counts derivatives."""
        return exprel(self.args[0], self.args[1] + 1)


ELEMENTARY: dict[str, Callable[..., Expr]] = {
    "exp": exp,
    "log": log,
    "sqrt": sympy.sqrt,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "asinh": sympy.asinh,
    "acosh": sympy.acosh,
    "atanh": sympy.atanh,
    "erf": sympy.erf,
    "abs": absolute,
    "sign": sign,
    "floor": floor,
    "relu": relu,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "expm1": expm1,
    "log1p": log1p,
    "logcosh": logcosh,
    "log1mexp": log1mexp,
    "exprel": lambda x: exprel(x, Integer(0)),
}
"""The one-argument functions of the language, by the name they are written with."""

NAMES: dict[type, str] = {absolute: "abs", maximum: "max", minimum: "min"}
"""Functions whose written name differs from the class's."""


@lru_cache(maxsize=KEPT)
def accesses(expression: Expr) -> tuple[Access, ...]:
    """The distinct tensor elements an expression reads, in a deterministic order; those inside indices too."""
    return tuple(sorted(expression.atoms(Access), key=sympy.default_sort_key))
