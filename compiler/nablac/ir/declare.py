"""ir/declare: a declaration's text -> a tensor: ``real[n, 5]``, ``label[n, 4]``, ``real[13] ~ normal(0, 0.1)``.

The last entry of a label is its number of classes; its shape is the rest.  An initialiser is reduced to one of five,
``constant(c)``, ``uniform(low, high)``, ``normal(mean, deviation)``, ``truncated_normal(mean, deviation)`` and
``orthogonal(gain)``, so that what follows knows no others.
"""

from __future__ import annotations

import difflib
import keyword
import math
import re
import unicodedata
from collections.abc import Callable, Sequence

from sympy import Expr, Integer, Rational, S

from nablac.errors import NameError_, ParseError, Place, ShapeError
from nablac.ir.index import extent
from nablac.ir.scope import BUILT_IN
from nablac.ir.tensor import Initialiser, Kind, Role, Tensor
from nablac.ir.tokens import WORDS, Line

MAX_RANK = 8
MAX_ELEMENTS = 2**31

_FORM = re.compile(r"\s*(?P<kind>\w+)\s*(?:\[(?P<axes>[^\]]*)\])?\s*(?:~(?P<initialiser>.*))?", re.DOTALL)
_CALL = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)\s*(?:\((?P<arguments>[^()]*)\))?\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\s*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)*", re.ASCII)

FORMS = "real[n, 5], label[n, 4], int[n], real, or real[13] ~ normal(0, 0.1)"


def parse_declaration(name: str, line: Line | str, role: Role) -> Tensor:
    """The tensor a declaration describes.

    >>> y = parse_declaration("y", "label[n, 4]", Role.INPUT)
    >>> y.shape, y.kind.value, y.bound
    ((n,), 'int', 4)
    >>> str(parse_declaration("w", "real[13] ~ he_normal", Role.PARAM).initialiser)
    'normal(0.0, 0.3922322702763681)'
    """
    line = Line(line, Place("<text>")) if isinstance(line, str) else line
    check_name(name, line.where)
    match = _FORM.fullmatch(line.text) if len(line.text) <= 400 else None
    if match is None or match["kind"] not in ("real", "int", "label"):
        raise _malformed(name, line, match["kind"] if match else "")
    axes = [_axis(name, line, a) for a in match["axes"].split(",")] if match["axes"] is not None else []
    kind = Kind.REAL if match["kind"] == "real" else Kind.INT
    bound = None
    if match["kind"] == "label":
        if not axes:
            raise _malformed(name, line, "label")
        bound = axes.pop()
    tensor = Tensor(name, tuple(axes), kind, role, bound, where=line.where)
    check_size(tensor)
    if match["initialiser"] is not None:
        if role is not Role.PARAM:
            raise ParseError(
                f"'{name}' is not a parameter: it has no initial value",
                found=line.text.strip(),
                where=line.where,
                remedy="what the model learns is declared under 'params'",
            )
        tensor = with_initialiser(tensor, parse_initialiser(name, match["initialiser"], line.where))
    elif role is Role.PARAM:
        tensor = with_initialiser(tensor, None)
    return tensor


def _malformed(name: str, line: Line, kind: str) -> ParseError:
    close = difflib.get_close_matches(kind, ["real", "int", "label"], n=1)
    found = " ".join(line.text.split())
    return ParseError(
        f"the declaration of '{name}' cannot be read",
        found=found if 0 < len(found) <= 80 else f"{found[:77]}..." if found else "nothing",
        expected=FORMS,
        where=line.where,
        remedy=f"did you mean '{close[0]}'?" if close and close[0] != kind else None,
    )


def check_name(name: object, where: Place | str | None) -> None:
    """Refuse a name that the language, Python or a generated module could not bear."""
    text = name if isinstance(name, str) else ""
    good = _NAME.fullmatch(text) is not None and len(text) <= 60 and "__" not in text and not text.startswith("_")
    if not good or text in WORDS:
        strange = next((c for c in text if not c.isascii()), None)
        raise NameError_(
            f"{name!r:.60} is not a name",
            found=f"{strange!r} ({unicodedata.name(strange, 'unnamed')})" if strange else None,
            expected="letters a-z, A-Z, digits and single _, a letter first, at most 60",
            where=where,
        )
    if text in BUILT_IN or text.startswith("d_"):
        what = "a name of the language" if text in BUILT_IN else "how gradients are named"
        raise NameError_(f"'{text}' is {what}", where=where, remedy=f"name it otherwise, e.g. {text}_1 or my_{text}")
    for part in text.split("."):
        if keyword.iskeyword(part):
            raise NameError_(f"'{part}' is a word of Python's", where=where, remedy=f"name it otherwise, e.g. {part}_")


def check_plain_name(name: object, where: Place | str | None) -> None:
    """Refuse what ``check_name`` does, and the dotted names that results inside a layer have."""
    check_name(name, where)
    if "." in str(name):
        raise NameError_(f"'{name}' has a dot: such names belong to layers", where=where)


def _axis(name: str, line: Line, text: str) -> Expr:
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) > 0:
        return extent(int(text))
    if _NAME.fullmatch(text) and "." not in text:
        check_name(text, line.where)
        return extent(text)
    raise ShapeError(
        f"'{name}' has an axis that is no extent",
        found=text or "nothing",
        expected="a number that is at least 1, or a name such as n",
        where=line.where,
    )


def check_size(tensor: Tensor) -> None:
    """Refuse a tensor of too many axes or elements."""
    size = math.prod(int(axis) for axis in tensor.shape if axis.is_Integer)
    if len(tensor.shape) > MAX_RANK or size > MAX_ELEMENTS:
        raise ShapeError(
            f"'{tensor.name}' is too large",
            found=str(tensor),
            expected=f"at most {MAX_RANK} axes and {MAX_ELEMENTS} elements",
            where=tensor.where,
        )
    if tensor.bound is not None and not tensor.bound.is_Integer:
        raise ShapeError(
            f"the number of classes of '{tensor.name}' is not a number",
            found=str(tensor.bound),
            expected="label[n, 10]: the last entry is the number of classes",
            where=tensor.where,
        )


LARGEST = 1e38
TRUNCATED = 0.8796256610342398
"""The deviation of a standard normal distribution that is cut off at -2 and 2."""


def parse_initialiser(name: str, text: str, where: Place | None) -> tuple[str, tuple[Rational, ...]]:
    """The name and numbers of ``normal(0, 0.1)``."""
    match = _CALL.fullmatch(text)
    parts = match["arguments"].split(",") if match and match["arguments"] else []
    if match is None or not all(_NUMBER.fullmatch(p) for p in parts):
        raise ParseError(
            f"the initialiser of '{name}' cannot be read",
            found=text.strip()[:80] or "nothing",
            expected="a name with numbers, such as normal(0, 0.1)",
            where=where,
        )
    kind, numbers = match["name"], tuple(Rational(p.strip()) for p in parts)
    if kind not in INITIALISERS:
        close = difflib.get_close_matches(kind, INITIALISERS, n=1)
        raise NameError_(
            f"there is no initialiser '{kind}'",
            expected="one of " + ", ".join(INITIALISERS),
            where=where,
            remedy=f"did you mean '{close[0]}'?" if close else None,
        )
    counts = INITIALISERS[kind][0]
    if len(numbers) not in counts:
        takes = " or ".join(str(c or "no") for c in counts)
        raise ParseError(
            f"initialiser '{kind}' takes {takes} number{'' if counts[-1] == 1 else 's'}",
            found=text.strip(),
            where=where,
        )
    if any(abs(number) > LARGEST for number in numbers):
        raise ParseError(f"the initialiser of '{name}' is too large", found=text.strip()[:80],
                         expected=f"numbers up to {LARGEST:g}, which float32 holds", where=where)  # fmt: skip
    swapped = {kind: lambda: numbers[1] < 0 for kind in ("normal", "truncated_normal")}
    swapped["uniform"] = lambda: numbers[0] > numbers[1]
    if kind in swapped and swapped[kind]():
        raise ParseError(
            f"initialiser '{kind}' has its numbers the wrong way round",
            found=text.strip(),
            expected="uniform(low, high)" if kind == "uniform" else f"{kind}(mean, deviation), deviation >= 0",
            where=where,
        )
    if kind == "fan_in_uniform" and any(number <= 0 for number in numbers):
        raise ParseError(f"the initialiser of '{name}' has no fan", found=text.strip(),
                         expected="fan_in_uniform(k), k above 0", where=where)  # fmt: skip
    return kind, numbers


def with_initialiser(tensor: Tensor, initialiser: tuple[str, Sequence[Rational]] | None) -> Tensor:
    """The parameter with its initial distribution; by default, scalars and vectors start at 0 and the rest as in
    ``uniform(-1/sqrt(fan_in), 1/sqrt(fan_in))``."""
    if tensor.kind is not Kind.REAL:
        raise ParseError(f"parameter '{tensor.name}' is not real", found="an integer tensor", where=tensor.where)
    if not all(axis.is_Integer for axis in tensor.shape):
        raise ShapeError(
            f"parameter '{tensor.name}' has an extent that is not a number",
            found=str(tensor),
            where=tensor.where,
            remedy="a named extent belongs to data; the size of what is learned is fixed",
        )
    if initialiser is None:
        initialiser = ("zeros", ()) if len(tensor.shape) < 2 else ("fan_in_uniform", ())
    kind, numbers = initialiser
    if kind == "orthogonal" and len(tensor.shape) < 2:
        raise ShapeError(
            f"'{tensor.name}' has no rows to be at right angles",
            found=str(tensor),
            expected="two axes or more for orthogonal",
            where=tensor.where,
        )
    fan_in, fan_out = fans(tensor.shape)
    made = INITIALISERS[kind][1](fan_in, fan_out, *numbers)
    return Tensor(tensor.name, tensor.shape, tensor.kind, tensor.role, tensor.bound, made, tensor.where)


def fans(shape: Sequence[Expr]) -> tuple[int, int]:
    """How many numbers an output element reads, and how many output elements there are: ``W[out, in, ...]``."""
    if len(shape) < 2:
        return (int(shape[0]) if shape else 1), 1
    inner = math.prod(int(axis) for axis in shape[2:])
    return int(shape[1]) * inner, int(shape[0]) * inner


def _uniform(bound: float) -> Initialiser:
    exact = Rational(repr(bound))
    return Initialiser("uniform", (-exact, exact))


def _normal(deviation: float) -> Initialiser:
    return Initialiser("normal", (Integer(0), Rational(repr(deviation))))


def _truncated(deviation: float) -> Initialiser:
    """A normal distribution that has this deviation after what is more than two of its own off is drawn again."""
    return Initialiser("truncated_normal", (Integer(0), Rational(repr(deviation / TRUNCATED))))


INITIALISERS: dict[str, tuple[tuple[int, ...], Callable[..., Initialiser]]] = {
    "zeros": ((0,), lambda fan_in, fan_out: Initialiser("constant", (Integer(0),))),
    "ones": ((0,), lambda fan_in, fan_out: Initialiser("constant", (Integer(1),))),
    "constant": ((1,), lambda fan_in, fan_out, value: Initialiser("constant", (value,))),
    "uniform": ((2,), lambda fan_in, fan_out, low, high: Initialiser("uniform", (low, high))),
    "normal": ((2,), lambda fan_in, fan_out, mean, deviation: Initialiser("normal", (mean, deviation))),
    "fan_in_uniform": ((0, 1), lambda fan_in, fan_out, own=None: _uniform(1 / math.sqrt(own or fan_in))),
    "he_normal": ((0,), lambda fan_in, fan_out: _normal(math.sqrt(2 / fan_in))),
    "he_uniform": ((0,), lambda fan_in, fan_out: _uniform(math.sqrt(6 / fan_in))),
    "glorot_normal": ((0,), lambda fan_in, fan_out: _normal(math.sqrt(2 / (fan_in + fan_out)))),
    "glorot_uniform": ((0,), lambda fan_in, fan_out: _uniform(math.sqrt(6 / (fan_in + fan_out)))),
    "lecun_normal": ((0,), lambda fan_in, fan_out: _normal(math.sqrt(1 / fan_in))),
    "lecun_uniform": ((0,), lambda fan_in, fan_out: _uniform(math.sqrt(3 / fan_in))),
    "he_truncated": ((0,), lambda fan_in, fan_out: _truncated(math.sqrt(2 / fan_in))),
    "glorot_truncated": ((0,), lambda fan_in, fan_out: _truncated(math.sqrt(2 / (fan_in + fan_out)))),
    "lecun_truncated": ((0,), lambda fan_in, fan_out: _truncated(math.sqrt(1 / fan_in))),
    "truncated_normal": (
        (2,), lambda fan_in, fan_out, mean, deviation: Initialiser("truncated_normal", (mean, deviation))
    ),
    "orthogonal": ((0, 1), lambda fan_in, fan_out, gain=S.One: Initialiser("orthogonal", (gain,))),
}
"""How a parameter may start: how many numbers it takes, and what it is, given the fans."""
