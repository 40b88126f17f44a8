"""report/terminal: the report as lines for a terminal: Unicode mathematics, aligned, in colours where there are any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from nablac.emit.comments import runs
from nablac.report.content import Entry, Gradient, Report, Sheet, Stage, Step, distinct_stages
from nablac.report.formulas.boxes import Box
from nablac.report.formulas.legend import legend
from nablac.report.formulas.plain import plain

QUIET, HEAD, NUMBER, MATRIX, LAW = "dim", "bold", "cyan", "green", "magenta"


def terminal(report: Report, width: int, steps: bool = False) -> Text:
    """The forward equations, each gradient and the update, with their numbers; ``steps`` adds the derivations."""
    page = _Page(width)
    page.line((report.name, HEAD), (f"  {report.title}" if report.title else "", ""))
    page.line((report.about, QUIET))
    forward = [e for e in report.entries if e.kind == "forward"]
    page.section("forward")
    page.equations(forward)
    if steps:
        for entry in forward:
            if entry.steps:
                page.line((f"  how ({entry.number}) came about", HEAD))
                page.steps(entry.steps)
    update = [e for e in report.entries if e.kind == "update" and report.whole]
    shown = [*forward, *_gradients(page, report, steps), *update]
    if update:
        page.section("update")
        page.equations(update)
    _legend(page, report, shown)
    for warning in report.warnings:
        page.line()
        page.line(("warning: ", "bold yellow"), (f"{warning.subject} [{warning.rule}]", ""))
        if warning.where:
            page.line((f"  where:   {warning.where}", QUIET))
        page.line((f"  remedy:  {warning.remedy}", QUIET))
    return page.text


def sheet_table(sheet: Sheet) -> Table:
    """A table of numbers: forward values green and gradients red, as the classic figures have them."""
    table = Table(title=f"\n{sheet.title}", caption=sheet.note or None, box=SIMPLE, title_justify="left")
    for place, column in enumerate(sheet.columns):
        style = "red" if "gradient" in column or column.startswith("d_") else "green" if "value" in column else None
        table.add_column(column, justify="right" if place else "left", overflow="fold", style=style)
    for row in sheet.rows:
        table.add_row(*row)
    return table


def _gradients(page: _Page, report: Report, steps: bool) -> list[Entry]:
    """One gradient with its equations; of several the equations once, then which of them each needs."""
    numbers = sorted({number for gradient in report.gradients for number in gradient.numbers})
    entries = [report.entry(number) for number in numbers]
    several = len(report.gradients) > 1
    names = [gradient.wrt for gradient in report.gradients]
    page.section("backward" if several else f"gradient of {names[0]}" if names else "no gradient")
    if steps:
        _derivations(page, report.gradients)
    page.equations(entries)
    if several:
        page.section("gradients")
        for gradient in report.gradients:
            page.line((f"  {gradient.wrt}: ", ""), (runs(gradient.numbers), NUMBER))
    return entries


def _derivations(page: _Page, gradients: Sequence[Gradient]) -> None:
    """Every stage once, in an order in which each follows what it reads."""
    for gradient in gradients:
        page.line((f"  {gradient.wrt}: " + " → ".join(gradient.path), QUIET))
        if gradient.shared:
            page.line((f"    reads from the forward pass: {', '.join(gradient.shared)}", QUIET))
    for stage in distinct_stages(gradients):
        _stage(page, stage)


def _stage(page: _Page, stage: Stage) -> None:
    ended = "".join(f" ({n})" for n in stage.numbers) or ", read in place"
    page.line((f"  {stage.adjoint}{ended}", HEAD))
    page.steps(stage.steps)
    before, after = stage.operations_before, stage.operations_after
    page.line((f"      operations: {before} by the chain rule alone, {after} as compiled", QUIET))


def _legend(page: _Page, report: Report, entries: Sequence[Entry]) -> None:
    """The symbols that are not spelled as the program spells them, as far as a formula above shows them."""
    shown = {name for e in entries for name in (e.equation.target, *e.equation.sources)}
    rows = [(plain(t.symbol), t.name) for t in report.tensors if t.name in shown]
    different = [(symbol, name) for symbol, name in rows if symbol != name]
    if different:
        page.section("notation")
        page.columns([f"{symbol} = {name}" for symbol, name in different])
    matrices = [form for e in entries if (form := e.composed_form or e.matrix_form) is not None]
    signs = legend(matrices, [e.index_form for e in entries], report.one_hots)
    if signs:
        page.columns([f"{sign}: {meaning}" for sign, meaning in signs])


class _Page:
    """Lines so far, no wider than the terminal where that can be."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.text = Text(no_wrap=True, overflow="ignore")

    def line(self, *parts: tuple[str, str]) -> None:
        """A line of styled parts; an empty one for none."""
        for words, style in parts:
            self.text.append(words, style or None)
        self.text.append("\n")

    def section(self, title: str) -> None:
        """A heading after an empty line."""
        self.line()
        self.line((title, HEAD))

    def equations(self, entries: Sequence[Entry]) -> None:
        """Number, index form, matrix form and cost, in columns where the width allows, else one below the other."""
        digits = max((len(str(e.number)) for e in entries), default=1)
        forms = [plain(e.index_form) for e in entries]
        matrices = [_matrix(e.composed_form or e.matrix_form) for e in entries]
        costs = [f"{e.operations} ops" for e in entries]
        first = max(map(cell_len, forms), default=0)
        second = max(map(cell_len, matrices), default=0)
        beside = 2 + digits + 3 + first + 3 + second + 2 + max(map(len, costs), default=0) <= self.width
        for entry, form, matrix, cost in zip(entries, forms, matrices, costs, strict=True):
            self.text.append(f"  ({entry.number:>{digits}}) ", NUMBER)
            if beside:
                self.line((_padded(form, first + 3), ""), (_padded(matrix, second + 2), MATRIX), (cost, QUIET))
            else:
                self.line((form, ""), (f"   {cost}", QUIET))
                if matrix:
                    self.line((" " * (digits + 5) + matrix, MATRIX))

    def steps(self, steps: Iterable[Step]) -> None:
        """What was done, what stands there then, and the law below it."""
        for step in steps:
            self.line((f"      {_padded(step.title + '  ', 26)}", LAW), (plain(step.formula), ""))
            if step.identity:
                self.line((" " * 32 + step.identity, QUIET))

    def columns(self, cells: Sequence[str]) -> None:
        """Short texts in as many columns as fit."""
        wide = max(map(cell_len, cells)) + 3
        count = max(1, (self.width - 2) // wide)
        for start in range(0, len(cells), count):
            self.line(("  " + "".join(_padded(c, wide) for c in cells[start : start + count]).rstrip(), QUIET))


def _matrix(form: Box | None) -> str:
    return plain(form) if form is not None else ""


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))
