"""emit/numpy_printer: the forward equations of a Program -> NumPy statements, one an equation.

It is how a module predicts where Numba is not installed: products under a sum become ``@`` or ``np.einsum``, everything
else broadcasting and reductions by axis (bodies: ``emit/numpy_expression``).
"""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sympy
from sympy import Expr, Mul, Symbol

from nablac.emit.numpy_expression import ATOM, POWER, PRODUCT, UNARY, Axes, Expressions, Text
from nablac.emit.numpy_helpers import HELPERS
from nablac.errors import InternalError
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access
from nablac.ir.tensor import Kind, Role, Tensor

WIDTH = 110


@dataclass(frozen=True)
class NumpyText:
    """A function's text in its parts, and ``body``, which puts them together.

    The first argument ``p`` is the dict of parameter views by name; the others are the inputs that the outputs need,
    whose names in the program are ``inputs``, in order of declaration.  Any statement may overflow: the function that
    holds them has ``np.errstate(all="ignore")``.
    """

    helpers: tuple[str, ...]  # functions to stand before it
    arguments: tuple[str, ...]
    inputs: tuple[str, ...]
    extents: tuple[str, ...]  # lines that read extents off shapes
    statements: tuple[str, ...]  # lines, one equation after another
    values: tuple[tuple[str, str], ...]  # each output's name and the expression that gives it

    @property
    def body(self) -> tuple[str, ...]:
        """The function's lines; the last returns the dict of outputs."""
        pairs = ", ".join(f'"{name}": {value}' for name, value in self.values)
        return (*self.extents, *self.statements, f"return {{{pairs}}}")


def numpy_function(program: Program, outputs: Sequence[str], table: str = "") -> NumpyText:
    """The statements that compute the outputs from ``p`` and the inputs: names of their own, or entries of a table."""
    equations = needed(program, outputs)
    read = {access.tensor for e in equations for access in e.reads}
    read |= {t.name for t in program.having(Role.COUNTER)}  # all of them or none
    given = (*program.having(Role.INPUT), *program.having(Role.COUNTER))
    extents = sorted({s for t in program.tensors for n in t.shape for s in n.free_symbols}, key=str)
    targets = [] if table else [e.target for e in equations]
    words = _local_names([t.name for t in given] + targets + [f"extent {s}" for s in extents], table)
    names = {t.name: f'p["{t.name}"]' for t in program.tensors if t.role in (Role.PARAM, Role.STATE)}
    names |= {t.name: words[t.name] for t in given}
    names |= {e.target: f'{table}["{e.target}"]' if table else words[e.target] for e in equations}
    printer = Expressions(program, names, {s: words[f"extent {s}"] for s in extents})
    lines: list[str] = []
    for equation in equations:
        lines += _statement(names[equation.target], _value(equation, printer, equation.target in outputs))
    sizes = []
    for s in sorted(printer.used, key=str):
        tensor = _telling(s, program, read)
        read.add(tensor.name)
        sizes.append(f"{printer.extents[s]} = {names[tensor.name]}.shape[{tensor.shape.index(s)}]")
    inputs = tuple(t.name for t in given if t.name in read)
    return NumpyText(
        helpers=tuple(text for name, text in HELPERS.items() if name in printer.helpers),
        arguments=("p", *(names[t] for t in inputs)),
        inputs=inputs,
        extents=tuple(sizes),
        statements=tuple(lines),
        values=tuple((name, _as_array(program, name, names)) for name in outputs),
    )


def needed(program: Program, outputs: Iterable[str]) -> tuple[Equation, ...]:
    """The equations that the outputs depend on, in the program's order."""
    wanted, kept = set(outputs), []
    for equation in reversed(program.equations):
        if equation.target in wanted:
            wanted |= set(equation.sources)
            kept.append(equation)
    return tuple(reversed(kept))


# --- names, extents, lines --------------------------------------------------------------------------------------------


def _local_names(names: Iterable[str], table: str) -> dict[str, str]:
    """A distinct Python identifier for each name, its own where that is possible."""
    taken = {"p", "np", table, *keyword.kwlist}
    local: dict[str, str] = {}
    for name in dict.fromkeys(names):
        word = re.sub(r"\W", "_", name.removeprefix("extent ")).lstrip("_") or "t"
        word = f"t{word}" if word[0].isdigit() else word
        while word in taken:
            word += "_"
        taken.add(word)
        local[name] = word
    return local


def _telling(extent: Symbol, program: Program, read: set[str]) -> Tensor:
    """The tensor whose shape tells an extent: the first that is read, or else the first that is given."""
    having = [t for t in program.tensors if extent in t.shape and t.role is not Role.RESULT]
    if not having:
        raise InternalError(f"no input has the extent {extent}")
    return next((t for t in having if t.name in read or t.role is not Role.INPUT), having[0])


def _as_array(program: Program, name: str, names: dict[str, str]) -> str:
    return names[name] if program.declared[name].shape else f"np.asarray({names[name]})"


def _statement(target: str, value: str) -> list[str]:
    line = f"{target} = {value}"
    if len(line) <= WIDTH:
        return [line]
    inner = textwrap.wrap(value, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return [f"{target} = (", *(f"    {part}" for part in inner), ")"]


# --- equations --------------------------------------------------------------------------------------------------------


def _value(equation: Equation, printer: Expressions, result: bool) -> str:
    """The right-hand side of an equation."""
    printer.ranges = equation.ranges
    if equation.reduction is None:
        value = _widened(_body(equation, printer, equation.body, equation.indices), equation, printer)
        return f"{value}.copy()" if result and equation.indices and isinstance(equation.body, Access) else value
    if equation.reduction.kind == "sum":
        return _summed(equation, printer)
    return _reduced(equation, printer, equation.body, equation.reduction.kind).text


def _body(equation: Equation, printer: Expressions, body: Expr, layout: Axes) -> Text:
    """A body in the kind of numbers of its target; what argmax compares is real."""
    kind = printer.program.declared[equation.target].kind
    picks = equation.reduction is not None and equation.reduction.kind.startswith("arg")
    return printer.integer(body, layout) if kind is Kind.INT and not picks else printer.strong(body, layout)


def _widened(text: Text, equation: Equation, printer: Expressions) -> str:
    """The value repeated along the target's axes that its formula does not mention."""
    covered = _depends(equation.body, equation.indices)
    if covered == equation.indices:
        return text.text
    shape = ", ".join(printer.size(n) for n in equation.shape)
    return f"np.broadcast_to({text.text}, ({shape}{',' if len(equation.shape) == 1 else ''})).copy()"


def _depends(e: Expr, indices: Axes) -> Axes:
    free = e.free_symbols
    return tuple(i for i in indices if i in free)


def _reduced(equation: Equation, printer: Expressions, body: Expr, verb: str) -> Text:
    """A reduction by axis of a body that is computed whole."""
    layout, full = _layout(equation, body)
    text = _body(equation, printer, body, layout)
    if not full:
        shape = ", ".join(printer.size(equation.ranges[i]) for i in layout)
        text = Text(f"np.broadcast_to({text.text}, ({shape},))")
    axes = [layout.index(i) for i in equation.bound]
    if len(axes) == len(layout):
        inside = "" if len(axes) == 1 or not verb.startswith("arg") else "axis=-1"
    else:
        inside = f"axis={axes[0]}" if len(axes) == 1 else f"axis=({', '.join(map(str, sorted(axes)))})"
    return Text(f"{text.inside(ATOM)}.{verb}({inside})")


def _layout(equation: Equation, body: Expr) -> tuple[Axes, bool]:
    """An axis order for a reduction's body, and whether the body fills it: that of its widest access if there is one
    that keeps the target's order, so that nothing is transposed."""
    every = equation.indices + equation.bound
    for access in sorted(body.atoms(Access), key=sympy.default_sort_key):
        order = tuple(access.indices)
        keeps = tuple(i for i in order if i in equation.indices) == equation.indices
        if keeps and set(order) == set(every) and len(order) == len(every):
            return order, True
    return every, _depends(body, every) == every


def _summed(equation: Equation, printer: Expressions) -> str:
    """A sum: constant factors in front, then a mean, a contraction or a sum by axis."""
    every = equation.indices + equation.bound
    factors = Mul.make_args(equation.body)
    constant = Mul(*(x for x in factors if not _depends(x, every) and not x.atoms(Access)))
    arrays = [x for x in factors if _depends(x, every) or x.atoms(Access)]
    size = Mul(*(equation.ranges[i] for i in equation.bound))
    product = _contraction(equation, printer, arrays)
    if product is None:
        mean = constant * size == 1 and bool(arrays)
        product = _reduced(equation, printer, Mul(*arrays), "mean" if mean else "sum")
        constant = sympy.Integer(1) if mean else constant
    return _scaled(product, constant, printer)


def _scaled(value: Text, constant: Expr, printer: Expressions) -> str:
    """A value times a constant."""
    if constant == 1:
        return value.text
    if constant == -1:
        return f"-{value.inside(UNARY)}"
    above, below = constant.as_numer_denom()
    if above == 1:
        return f"{value.inside(PRODUCT)} / {printer.real(below, ()).inside(POWER)}"
    return f"{printer.real(constant, ()).inside(PRODUCT)} * {value.inside(UNARY)}"


def _contraction(equation: Equation, printer: Expressions, factors: list[Expr]) -> Text | None:
    """A sum of a product of arrays of different indices, as a matrix product or an einsum; None where it is not one."""
    every = equation.indices + equation.bound
    spans = [_depends(x, every) for x in factors]
    if len(factors) < 2 or {i for span in spans for i in span} != set(every):
        return None
    operands = [_operand(x, span, printer) for x, span in zip(factors, spans, strict=True)]
    product = _matmul(operands, equation)
    if product is None and (not any(span == every for span in spans) or not (equation.indices or factors[2:])):
        product = _einsum(operands, equation)
    return product


def _operand(x: Expr, span: Axes, printer: Expressions) -> tuple[Text, Axes]:
    """A factor as an array, and its axes: those of an access in its own order, so that nothing is transposed."""
    if isinstance(x, Access):
        span = printer.own_order(x, span) or span
    return printer.strong(x, span), span


def _matmul(operands: list[tuple[Text, Axes]], equation: Equation) -> Text | None:
    """``A @ B`` for two operands that share the one summed index, where the result's axes come out in order."""
    if len(operands) != 2 or len(equation.bound) != 1:
        return None
    (k,) = equation.bound
    found: list[tuple[int, str]] = []
    for (left, a), (right, b) in (operands, operands[::-1]):
        if k not in a or k not in b or set(a) & set(b) != {k} or len(b) > 2 or (len(a) > 2 and a[-1] != k):
            continue
        if tuple(i for i in (*a, *b) if i != k) == equation.indices:
            first = left.inside(PRODUCT) if a[-1] == k else f"{left.inside(ATOM)}.T"
            second = right.inside(UNARY) if b[0] == k else f"{right.inside(ATOM)}.T"
            found.append(((a[-1] != k) + (b[0] != k), f"{first} @ {second}"))
    return Text(min(found)[1], PRODUCT) if found else None


def _einsum(operands: list[tuple[Text, Axes]], equation: Equation) -> Text:
    letters = dict(zip(equation.indices + equation.bound, "ijklmnopqrstuvwxyzabcdefgh", strict=False))
    inputs = ",".join("".join(letters[i] for i in axes) for _, axes in operands)
    output = "".join(letters[i] for i in equation.indices)
    arrays = ", ".join(text.text for text, _ in operands)
    return Text(f'np.einsum("{inputs}->{output}", {arrays}, optimize=True)')
