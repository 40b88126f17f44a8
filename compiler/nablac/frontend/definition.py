"""frontend/definition: the one shape of a library entry, and how it is fitted to the tensors it is applied to.

A layer, activation, loss or metric, the library's own or a user's, is a row: what it reads, its options, what it
learns, and its equations.  Extents that occur in what it reads (``x: real[..., k]``) are bound to those of the actual
tensors, and may size what it learns (``W: real[units, k]``).
"""

from __future__ import annotations

import difflib
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sympy import Expr, Integer, Rational

from nablac.errors import NablacError, Place, ShapeError, SpecError
from nablac.ir.tensor import Kind, Tensor
from nablac.ir.tokens import Line

Value = int | float | str | bool


@dataclass(frozen=True)
class Option:
    """A number a user may choose.  One without a default must be given; ``low`` and ``high`` bound it.

    With ``above`` it is larger than ``low``, and not equal to it, with ``short`` less than ``high``; ``below`` names an
    option that it is less than.
    """

    name: str
    kind: type = float
    default: Value | None = None
    low: float | None = None
    high: float | None = None
    help: str = ""
    above: bool = False
    below: str | None = None
    short: bool = False

    def check(self, value: object, subject: str, where: Place | None) -> Value:
        """The value, a NumPy number as Python's own, if it is one the option can take."""
        number = plain_number(value)
        if self.kind is bool or isinstance(number, (bool, str)) or number is None:
            good = self.kind is bool and isinstance(number, bool)
        else:
            good = (self.kind is not int or isinstance(number, int)) and abs(number) < 1e300
            good = good and (self.low is None or number > self.low or (number == self.low and not self.above))
            good = good and (self.high is None or number < self.high or (number == self.high and not self.short))
        if not good or number is None:
            told = value if number is None else number
            raise SpecError(f"{subject}: '{self.name}' cannot be {told!r:.60}", expected=self.expected(), where=where)
        return number

    def expected(self) -> str:
        """What the option takes, in words."""
        if self.kind is bool:
            return "true or false"
        text = "a whole number" if self.kind is int else "a number"
        if self.low is not None and self.above:
            return f"{text} above {_plain(self.low)}" + (f", at most {_plain(self.high)}" if self.high else "")
        if self.low is not None and self.high is not None:
            last = f"below {_plain(self.high)}" if self.short else f"to {_plain(self.high)}"
            return f"{text} from {_plain(self.low)} {last}"
        return f"{text}, at least {_plain(self.low)}" if self.low is not None else text


def plain_number(value: object) -> Value | None:
    """A number of Python's or NumPy's, or a text, as Python's own; None for anything else."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else None


def _plain(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else repr(number)


@dataclass(frozen=True)
class Size:
    """What an axis that a row reads must have: a product of options and numbers, with ``multiple`` a multiple of it."""

    axis: str
    product: tuple[str, ...]
    multiple: bool = False

    def check(
        self, found: Expr, source: Tensor, options: Mapping[str, Value], subject: str, where: Place | None
    ) -> None:
        """Refuse another extent of the tensor that is read."""
        factors = [int(options.get(factor, factor)) for factor in self.product]
        whole = math.prod(factors)
        if not found.is_Integer or (int(found) % whole if self.multiple else int(found) != whole):
            named = (self.axis, "*".join(self.product), "*".join(map(str, factors)), str(whole))
            raise ShapeError(
                f"{subject} cannot read '{source.name}'",
                found=f"{self.axis} is {found} in {shown(source)}",
                expected=f"{self.axis} a multiple of {whole}" if self.multiple else " = ".join(named),
                where=where,
            )


@dataclass(frozen=True)
class Definition:
    """A row of the library.

    ``reads`` and ``learns`` pair formal names with declarations; ``gives`` is the equation's target that is the result.
    With ``when`` the row applies only if that option has that value: a name may have several rows, the first that fits
    is taken.  No gradient changes the parameters that ``statistics`` pairs with the target that replaces them after a
    step, and ``fitted`` with the target whose mean over the training rows they become.  ``extents`` are those that the
    equations take for granted.
    """

    name: str
    reads: tuple[tuple[str, str], ...]
    equations: tuple[str | Line, ...]
    gives: str
    options: tuple[Option, ...] = ()
    learns: tuple[tuple[str, str], ...] = ()
    when: tuple[str, Value] | None = None
    help: str = ""
    where: Place | None = field(default=None, compare=False)
    statistics: tuple[tuple[str, str], ...] = ()
    fitted: tuple[tuple[str, str], ...] = ()
    extents: tuple[Size, ...] = ()

    @property
    def frozen(self) -> frozenset[str]:
        """The parameters that no gradient changes."""
        return frozenset(formal for formal, _ in (*self.statistics, *self.fitted))


@dataclass(frozen=True)
class Request:
    """What a user asks for when naming a node: its options, its initialisers, its own name, and where all that stands.

    ``where`` holds the place of each option, and under ``""`` that of the whole.  What it learns may be ``frozen``, or
    be ``tied``: the parameter of another layer (``code.W``), or that with its axes reversed (``code.W.T``).
    """

    given: Mapping[str, object]
    where: Mapping[str, Place | None]
    name: str | None = None
    frozen: bool = False
    tied: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Place | None:
        """Where the node stands."""
        return self.where.get("")


def with_defaults(
    definition: Definition, given: Mapping[str, object], subject: str, where: Mapping[str, Place | None]
) -> dict[str, Value]:
    """The value of every option, those given checked; unknown names are refused."""
    known = {option.name: option for option in definition.options}
    for name in given:
        if name not in known:
            names = [*known, *(n for n, _ in definition.learns)]
            raise SpecError(
                f"{subject} has no option '{name}'",
                expected="one of " + ", ".join(names) if names else "no options",
                where=where.get(name) or where.get(""),
                remedy=_quotes(name) or did_you_mean(name, names),
            )
    values: dict[str, Value] = {}
    for name, option in known.items():
        place = where.get(name) or where.get("")
        if name in given:
            values[name] = option.check(given[name], subject, place)
        elif option.default is not None:
            values[name] = option.default
        else:
            raise SpecError(f"{subject} needs '{name}'", expected=option.expected(), where=place)
    for name, option in known.items():
        if option.below is not None and not values[name] < values[option.below]:  # type: ignore[operator]
            raise SpecError(
                f"{subject}: '{name}' is not below '{option.below}'",
                found=f"{values[name]} and {values[option.below]}",
                where=where.get(name) or where.get(option.below) or where.get(""),
            )
    return values


def _quotes(name: str) -> str | None:
    """The remedy for a text that YAML took apart at its comma."""
    return 'a text with commas is put in quotes: W: "normal(0, 0.1)"' if name.endswith((")", "]")) else None


def did_you_mean(name: str, known: Sequence[str]) -> str | None:
    """A remedy that names the nearest known word."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else None


@dataclass(frozen=True)
class Pattern:
    """A declaration with open extents: ``real[..., k]``.  Kind ``number`` takes reals and integers."""

    kind: str
    leading: bool
    axes: tuple[str, ...]

    def __str__(self) -> str:
        axes = (("...",) if self.leading else ()) + self.axes
        return self.kind + (f"[{', '.join(axes)}]" if axes else "")


_PATTERN = re.compile(r"\s*(real|int|label|number)\s*(?:\[([^\]]*)\])?\s*", re.ASCII)
_AXIS = re.compile(r"[A-Za-z_]\w*|[1-9]\d{0,9}", re.ASCII)


def read_pattern(text: str, where: Place | None = None) -> Pattern:
    """The pattern a text describes.

    >>> str(read_pattern("real[..., k]"))
    'real[..., k]'
    """
    match = _PATTERN.fullmatch(text)
    axes = [a.strip() for a in match[2].split(",")] if match and match[2] is not None else []
    leading = bool(axes) and axes[0] == "..."
    if match is None or not all(_AXIS.fullmatch(a) for a in axes[leading:]) or (match[1] == "label" and not axes):
        raise SpecError(
            "what a layer reads cannot be understood",
            found=text[:80],
            expected="real[..., k], label[..., C], int[...], number[...] or real",
            where=where,
        )
    return Pattern(match[1], leading, tuple(axes[leading:]))


def fits(pattern: Pattern, tensor: Tensor) -> bool:
    """Whether a tensor's kind and number of axes are the pattern's."""
    axes = len(pattern.axes) - (pattern.kind == "label")
    kinds = {"real": (Kind.REAL,), "number": (Kind.REAL, Kind.INT)}.get(pattern.kind, (Kind.INT,))
    enough = len(tensor.shape) >= axes if pattern.leading else len(tensor.shape) == axes
    return tensor.kind in kinds and enough and (pattern.kind != "label" or tensor.bound is not None)


def bind(
    definition: Definition, actual: Sequence[Tensor], options: Mapping[str, Value], subject: str, where: Place | None
) -> dict[str, Expr]:
    """The extents of a definition's patterns, found from the tensors it is applied to."""
    found: dict[str, tuple[Expr, Tensor]] = {}
    leading: tuple[tuple[Expr, ...], str] | None = None
    for (formal, text), tensor in zip(definition.reads, actual, strict=True):
        pattern = read_pattern(text, definition.where)
        if not fits(pattern, tensor):
            raise _unfit(subject, formal, pattern, tensor, where)
        extents = tensor.shape + ((tensor.bound,) if pattern.kind == "label" and tensor.bound is not None else ())
        split = len(extents) - len(pattern.axes)
        for axis, value in zip(pattern.axes, extents[split:], strict=True):
            expected, source = found.setdefault(axis, (value, tensor))
            expected = Integer(int(axis)) if axis.isdigit() else expected
            if value != expected:
                raise _mismatch(subject, definition, actual, f"{axis} is {value} in {shown(tensor)}",
                                f"{axis} = {expected}, as in {source}", where)
        if pattern.leading:
            if leading is None:
                leading = (extents[:split], shown(tensor))
            elif leading[0] != extents[:split]:
                raise _mismatch(subject, definition, actual, shown(tensor), f"the leading axes of {leading[1]}", where)
    for size in definition.extents:
        size.check(*found[size.axis], options, subject, where)
    return {axis: value for axis, (value, _) in found.items() if not axis.isdigit()}


def shown(tensor: Tensor) -> str:
    """A tensor with its kind, as it would be declared."""
    axes = [str(axis) for axis in tensor.shape]
    if tensor.bound is not None:
        return f"{tensor.name}: label[{', '.join([*axes, str(tensor.bound)])}]"
    return f"{tensor.name}: {tensor.kind.value}" + (f"[{', '.join(axes)}]" if axes else "")


def _unfit(subject: str, formal: str, pattern: Pattern, tensor: Tensor, where: Place | None) -> NablacError:
    remedy = None
    if pattern.kind == "real" and tensor.kind is Kind.INT:
        remedy = "integers are no features: declare it real, or look them up in a table by an equation"
    elif pattern.kind == "label" and tensor.kind is Kind.REAL:
        axes = ", ".join(map(str, tensor.shape)) or "n"
        remedy = f'declare it as a label: {tensor.name}: "label[{axes}, C]", C being the number of classes'
    return ShapeError(
        f"{subject} cannot read '{tensor.name}'",
        found=shown(tensor),
        expected=f"{formal}: {pattern}",
        where=where,
        remedy=remedy,
    )


def _mismatch(
    subject: str, definition: Definition, actual: Sequence[Tensor], found: str, expected: str, where: Place | None
) -> ShapeError:
    return ShapeError(
        f"{subject} reads tensors that do not fit together",
        found=found,
        expected=expected,
        where=where,
        remedy=f"{definition.name} reads " + ", ".join(f"{formal}: {text}" for formal, text in definition.reads),
    )


def choose(rows: Sequence[Definition], actual: Sequence[Tensor], request: Request) -> Definition:
    """The first row whose options and kinds of input are those asked for."""
    name = rows[0].name
    possible = [r for r in rows if len(r.reads) == len(actual)]
    if not possible:
        check_count(rows[0], actual, f"'{name}'", request)
    fitting = [row for row in possible if _suits(row, actual)]
    for row in fitting or possible:
        if row.when is None:
            return row
        option = next(o for o in row.options if o.name == row.when[0])
        value = request.given.get(option.name, option.default)
        option.check(value, f"'{name}'", request.where.get(option.name) or request.place)
        if value == row.when[1]:
            return row
    return possible[0]


def _suits(row: Definition, actual: Sequence[Tensor]) -> bool:
    """Whether tensors have the kinds a row reads, and equally many leading axes."""
    patterns = [read_pattern(text, row.where) for _, text in row.reads]
    if not all(fits(pattern, tensor) for pattern, tensor in zip(patterns, actual, strict=True)):
        return False
    leading = {
        len(tensor.shape) + (pattern.kind == "label") - len(pattern.axes)
        for pattern, tensor in zip(patterns, actual, strict=True)
        if pattern.leading
    }
    return len(leading) <= 1


def check_count(definition: Definition, actual: Sequence[Tensor], subject: str, request: Request) -> None:
    """Refuse a number of tensors that is not the definition's."""
    if len(actual) != len(definition.reads):
        raise SpecError(
            f"{subject} reads {len(definition.reads)} tensor{'' if len(definition.reads) == 1 else 's'}",
            found=", ".join(map(shown, actual)) or "none",
            expected=", ".join(f"{formal}: {pattern}" for formal, pattern in definition.reads),
            where=request.place,
            remedy="in a spec, 'from' names what it reads",
        )


def filled(declaration: str, sizes: Mapping[str, Expr | Value]) -> str:
    """A declaration with the names of extents and options replaced by their numbers.

    >>> filled("real[units, k] ~ normal(0, 0.1)", {"units": 10, "k": 784})
    'real[10, 784] ~ normal(0, 0.1)'
    """
    return re.sub(r"[A-Za-z_]\w*", lambda name: str(sizes.get(name.group(), name.group())), declaration)


def exact(value: Value) -> Rational:
    """A number as it was written: 0.1 is 1/10."""
    return Rational(repr(value)) if isinstance(value, float) else Rational(int(value))
