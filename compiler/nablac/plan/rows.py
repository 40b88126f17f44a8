"""plan/rows: whether a program can be run on some rows of the batch at a time, and what it gives be put together.

*Requires*: a program after the passes, and the inputs of which a batch takes rows.
*Ensures*: ``can_be_run_by_rows`` is true only where every result has a row for each row of the batch that depends on
that one alone, or where every result is a mean over the rows (up to what depends on none): the weighted mean of what
the parts give is then what the whole gives.  Working memory need not grow with the data.

It is found in the equations: a sum over rows of what holds ``1/n`` is a mean; a root of a mean is none, nor is a
quotient of two sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from sympy import Add, Expr, Mul, Pow, S, Symbol, expand

from nablac.ir.equation import Equation, Program
from nablac.ir.functions import ROW, Access, Random, Where
from nablac.ir.tensor import Role


class Kind(Enum):
    """What a tensor is to the rows of the batch."""

    FIXED = "the same for all of them"
    ROW = "a row for each, of that one alone"
    TOTAL = "a sum over them"
    MEAN = "a mean over them, and what is fixed"
    WHOLE = "anything else"


def can_be_run_by_rows(program: Program, batched: Sequence[str]) -> bool:
    """Whether parts of the rows give parts of the results, or results of which the weighted mean is the whole's.

    >>> from nablac.ir.declare import parse_declaration
    >>> from nablac.ir.parse import parse_equations
    >>> declared = {"p": parse_declaration("p", "real[n]", Role.INPUT)}
    >>> def asked(*lines):
    ...     found = parse_equations(lines, declared)
    ...     program = Program("page", (*declared.values(), *found.tensors), found.equations, ("r",))
    ...     return can_be_run_by_rows(program, ["p"])
    >>> asked("r[i] = exp(p[i])"), asked("r = mean[i](p[i]**2)"), asked("r = sqrt(mean[i](p[i]**2))")
    (True, True, False)
    """
    inputs = {t.name for t in program.having(Role.INPUT)}
    read = {name for equation in program.equations for name in equation.sources}
    if not read & inputs & set(batched):
        return False
    kinds = _kinds(program, batched)
    found = {kinds[name] for name in program.results}
    return found == {Kind.ROW} or (Kind.MEAN in found and found <= {Kind.MEAN, Kind.FIXED})


def _kinds(program: Program, batched: Sequence[str]) -> Mapping[str, Kind]:
    extent = program.declared[batched[0]].shape[0]
    kinds = {t.name: Kind.FIXED for t in program.tensors if t.role is not Role.RESULT}
    kinds |= dict.fromkeys(batched, Kind.ROW)
    for equation in program.equations:
        kinds[equation.target] = _kind(equation, kinds, extent)
    return kinds


def _kind(equation: Equation, kinds: Mapping[str, Kind], extent: Expr) -> Kind:
    """A tensor's kind, from those of what its equation reads."""
    sources = {kinds[name] for name in equation.sources}
    rows = [index for index, size in equation.extents if extent in size.free_symbols]
    if Kind.WHOLE in sources or any(equation.ranges[index] != extent for index in rows) or len(rows) > 1:
        return Kind.WHOLE
    if not rows:
        return _of_sums(equation, kinds, extent) if Kind.ROW not in sources else Kind.WHOLE
    (row,) = rows
    if sources - {Kind.ROW, Kind.FIXED} or not _reads_one_row(equation, row, kinds):
        return Kind.WHOLE
    degree = _degree(equation.body, extent)
    if row in equation.indices:
        return Kind.ROW if row == equation.indices[0] and degree == 0 else Kind.WHOLE
    summed = equation.reduction is not None and equation.reduction.kind == "sum"
    return {0: Kind.TOTAL, -1: Kind.MEAN}.get(1 if degree is None else degree, Kind.WHOLE) if summed else Kind.WHOLE


def _reads_one_row(equation: Equation, row: Symbol, kinds: Mapping[str, Kind]) -> bool:
    """Whether the row's number stands nowhere but as the first index of what has rows."""
    for access in equation.reads:
        has_rows = kinds[access.tensor] is Kind.ROW
        if has_rows and access.indices[0] != row:
            return False
        if any(row in _bare(index).free_symbols for index in access.indices[1 if has_rows else 0 :]):
            return False
    drawn = {node: S.One for node in equation.body.atoms(Random) if _is_of_row(node, row)}
    return row not in _bare(equation.body.xreplace(drawn)).free_symbols


def _is_of_row(node: Random, row: Symbol) -> bool:
    """Whether a row draws the same wherever the rows at hand begin: by its number in the whole batch."""
    number = expand(node.args[1])
    return bool(number.coeff(row) == number.coeff(ROW) and not (number - number.coeff(row) * row).has(row))


def _bare(expression: Expr) -> Expr:
    """The expression without the elements that it reads."""
    return expression.replace(lambda node: isinstance(node, Access), lambda node: Symbol(f"{node.tensor}'"))


def _of_sums(equation: Equation, kinds: Mapping[str, Kind], extent: Expr) -> Kind:
    """The kind of what reads nothing by rows: linear in means, or in totals over the number of rows, it is a mean."""
    sums = {a: Symbol(f"s{k}") for k, a in enumerate(equation.reads) if kinds[a.tensor] in (Kind.MEAN, Kind.TOTAL)}
    body = equation.body.xreplace(sums)
    rest = body.xreplace(dict.fromkeys(sums.values(), S.Zero))
    if not sums:
        return Kind.FIXED if _degree(body, extent) == 0 else Kind.WHOLE
    if (equation.reduction and equation.reduction.kind != "sum") or _degree(rest, extent) != 0:
        return Kind.WHOLE
    found, factors = set(), {symbol: body.diff(symbol) for symbol in sums.values()}
    if expand(body - rest - sum((factor * symbol for symbol, factor in factors.items()), S.Zero)) != 0:
        return Kind.WHOLE
    for access, symbol in sums.items():
        degree, total = _degree(factors[symbol], extent), kinds[access.tensor] is Kind.TOTAL
        if factors[symbol].free_symbols & factors.keys() or degree not in ((0, -1) if total else (0,)):
            return Kind.WHOLE
        found.add(Kind.TOTAL if total and degree == 0 else Kind.MEAN)
    return found.pop() if len(found) == 1 and (Kind.MEAN in found or rest == 0) else Kind.WHOLE


def _degree(body: Expr, extent: Expr) -> int | None:
    """The power of the extent that is a factor of the expression; None where there is no such power."""
    if extent not in body.free_symbols:
        return 0
    if body == extent:
        return 1
    if isinstance(body, Where):
        condition, *parts = body.args
        return None if extent in condition.free_symbols else _agreed(parts, extent)
    if isinstance(body, Add):
        return _agreed(body.args, extent)
    if isinstance(body, Mul):
        degrees = [_degree(part, extent) for part in body.args]
        return None if None in degrees else sum(d for d in degrees if d is not None)
    if isinstance(body, Pow) and body.exp.is_Integer:
        degree = _degree(body.base, extent)
        return None if degree is None else degree * int(body.exp)
    return None


def _agreed(parts: Sequence[Expr], extent: Expr) -> int | None:
    degrees = {_degree(part, extent) for part in parts if part != 0}
    return degrees.pop() if len(degrees) == 1 else None


