"""emit/nests: the statements of a nest as indented Python lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from sympy import Add, Expr, Integer

from nablac.emit.printer import Printer
from nablac.errors import InternalError
from nablac.ir.functions import Access
from nablac.plan.loops import Buffer, Loop, Mode, Number, Pick, Statement, Store

MARGIN, PAGE = "    ", 120


def nest_lines(
    body: tuple[Statement, ...], printer: Printer, buffers: Mapping[str, Buffer], sizes: Mapping[Expr, str]
) -> list[str]:
    """The lines of a body; ``sizes`` names the extents that are not printed as numbers."""
    lines: list[str] = []
    for s in body:
        match s:
            case Loop(body=(Store() as store,)) if _fills(s, store, buffers):
                name = printer.element(store.target).partition("[")[0]
                lines.append(f"{name}[:] = {_value(store, printer, buffers[store.target.tensor].number)}")
            case Loop(index=index, extent=extent, body=inner):
                lines.append(f"for {printer.symbols(index)} in range({sizes.get(extent) or printer.integer(extent)}):")
                lines += [MARGIN + line for line in nest_lines(inner, printer, buffers, sizes)]
            case Store():
                lines.append(store_line(s, printer, buffers))
            case Pick():
                lines += _pick_lines(s, printer)
            case _:
                raise InternalError(f"no way to print {type(s).__name__} inside a kernel")
    return lines


def _fills(loop: Loop, store: Store, buffers: Mapping[str, Buffer]) -> bool:
    """Whether a loop sets all elements of an array with one axis to a number."""
    whole = store.target.indices == (loop.index,) and buffers[store.target.tensor].shape == (loop.extent,)
    return whole and store.mode is Mode.SET and store.value.is_number


def store_line(s: Store, printer: Printer, buffers: Mapping[str, Buffer]) -> str:
    """One store as a line."""
    s = _accumulating(s)
    target, number = printer.element(s.target), buffers[s.target.tensor].number
    value = _value(s, printer, number)
    if s.mode in (Mode.MAXIMUM, Mode.MINIMUM):
        helper = "_maximum" if s.mode is Mode.MAXIMUM else "_minimum"
        printer.used.add(helper)
        return f"{target} = {helper}({target}, {value})"
    if s.mode is Mode.ADD and value.startswith("-") and not s.value.is_Add:
        return f"{target} -= {value[1:]}"
    return f"{target} {s.mode.value} {value}"


def indented(lines: Iterable[str]) -> str:
    """The lines behind a margin; a store too long for the page has its value over several lines, in parentheses."""
    found: list[str] = []
    for line in (MARGIN + line for line in lines):
        own = line[: len(line) - len(line.lstrip())]
        store = re.match(r"([^#]+? [-+*]?= )(.*[^(])$", line)  # no call whose arguments follow
        if len(line) <= PAGE or store is None:
            found.append(line)
        else:
            parts = _broken(store[2], PAGE - len(own) - len(MARGIN))
            found += [f"{store[1]}(", *(f"{own}{MARGIN}{part}" for part in parts), f"{own})"]
    return "\n".join(found)


def listed(before: str, parts: Sequence[str], after: str = "") -> list[str]:
    """``before a, b, c after`` in one line or, where the page is too narrow, over several in parentheses."""
    line = f"{before}{', '.join(parts)}{after}"
    if len(line) <= 112:
        return [line]
    return [f"{before}(", *(MARGIN + row for row in textwrap.wrap(f"{', '.join(parts)},", 108)), f"){after}"]


def _broken(text: str, width: int) -> list[str]:
    """An expression in lines, broken in front of an operator that stands in the fewest parentheses.

    >>> _broken("a*(b + c)*(d - e)", 12)
    ['a*(b + c)', '*(d - e)']
    """
    lines = []
    while len(text) > width:
        depth, best = 0, (len(text), True, 0)
        for at, letter in enumerate(text[: width + 1]):
            depth += (letter in "([") - (letter in ")]")
            times = letter in "*/" and "*" not in (text[at - 1], text[at + 1])
            if at and (times or re.match(r" [-+] | if | else ", text[at : at + 6])):
                best = min(best, (depth, times, -at))
        if not best[2]:
            break
        lines.append(text[: -best[2]])
        text = text[-best[2] :].lstrip()
    return [*lines, text]


def _accumulating(s: Store) -> Store:
    """``a = a + b`` as ``a += b``."""
    if s.mode is Mode.SET and s.target.indices and isinstance(s.value, Add) and s.target in s.value.args:
        return Store(s.target, Add(*(a for a in s.value.args if a != s.target)), Mode.ADD)
    return s


def _value(s: Store, printer: Printer, number: Number) -> str:
    if number is Number.INT:
        return printer.integer(s.value)
    if isinstance(s.value, Integer) and (number is Number.WIDE or printer.dtype == "float64"):
        return f"{s.value}.0"
    if number is Number.WIDE and s.mode is Mode.SET:
        return bare(printer.as_wide().real(s.value))
    return bare(printer.real(s.value))


def bare(text: str) -> str:
    """The text without a pair of parentheses around all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and at < len(text) - 1:
            return text
    return text[1:-1]


def _pick_lines(s: Pick, printer: Printer) -> list[str]:
    best, place = printer.element(s.best), printer.element(s.place)
    value, sign = printer.real(s.value), ">" if s.largest else "<"
    lines = []
    if not isinstance(s.value, Access):
        lines, value = [f"value = {bare(value)}"], "value"
    return [
        *lines,
        f"if {value} {sign} {best}:",
        f"{MARGIN}{best} = {value}",
        f"{MARGIN}{place} = {printer.integer(s.index)}",
    ]
