"""pages/page: a ``Report`` as one HTML page that needs no network, no second file and, to be read, no script.

Everything is made into finished strings here; the template ``report.html.j2`` only loops over them.  Whatever comes
from a spec (names, titles, a file's contents) is escaped, and a content security policy allows the page's own style
and script, by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from sympy import Expr

from nablac.emit.render import folder
from nablac.errors import Place
from nablac.ir.text import print_expression
from nablac.report.content import Cost, Entry, Gradient, Report, Sheet, Span, Stage, Step, TensorRow
from nablac.report.formulas.boxes import Box
from nablac.report.formulas.mathml import mathml
from nablac.report.pages.drawing import inlaid
from nablac.report.pages.lean import lean
from nablac.report.pages.listing import listing
from nablac.report.pages.view import (
    Cell,
    Chain,
    Derivations,
    Derived,
    Finding,
    Findings,
    Group,
    Numbered,
    Row,
    Table,
    Text,
    Unfolded,
    View,
)

KINDS = {"forward": "Forward pass", "backward": "Backward pass", "metric": "Metrics", "update": "Update"}
"""The groups of equations, in their order."""

NUMERIC = re.compile(r"[-\u2212+]?(\d|nan|inf)|$")

ENDS = 5
"""How many tensors at either end of a long path are shown; a network of many blocks has hundreds between."""


def page(report: Report) -> str:
    """The page of a report."""
    view = _Page(report).view()
    template = _environment().get_template("report.html.j2")
    return template.render({field.name: getattr(view, field.name) for field in fields(view)})


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
    )


class _Page:
    """The view of one report."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.tensors = {row.name: row for row in report.tensors}
        self.entries = {entry.number: entry for entry in report.entries}
        self.defined = {entry.equation.target: entry for entry in reversed(report.entries)}
        self.stages = {stage.adjoint: stage for gradient in report.gradients for stage in gradient.stages}
        self.symbols: dict[str, Markup] = {}
        self.gradients = {gradient.adjoint: gradient for gradient in report.gradients}

    def view(self) -> View:
        """All of it."""
        report = self.report
        drawings = [inlaid(f"drawing-{k}", title, svg) for k, (title, svg) in enumerate(report.drawings.items(), 1)]
        groups = tuple(self.groups())
        derivations = self.derivations()
        sheets = tuple(_sheet(f"sheet-{k}", sheet) for k, sheet in enumerate(report.sheets, 1))
        tables = tuple(table for table in (self.costs(), self.legend()) if table.rows)
        spec = () if report.spec is None else (_text(report.spec),)
        sections = [
            *([("graph", "Graph")] if drawings else []),
            *((group.id, group.title.removesuffix(" pass")) for group in groups),
            *([("derivations", "Derivations")] if derivations else []),
            *([("sheet-1", "Values")] if sheets else []),
            *((table.id, table.title) for table in tables),
            ("findings", "Lint"),
            *([("spec", "Source")] if spec else []),
            ("module", "Module"),
        ]
        style = Markup("").join([_file("report.css"), *(Markup(drawing.style) for drawing in drawings)])
        script = _file("report.js")
        return View(
            policy=_policy(style, script),
            style=style,
            script=script,
            generator=f"made by nablac {report.version}, model sha256 {report.digest[:16]}",
            name=report.name,
            title=report.title or f"The gradient of {report.of}, step by step",
            sections=tuple(sections),
            graph=tuple(drawings[:1]),
            groups=groups,
            derivations=derivations,
            figures=tuple(drawings[1:]),
            tables=sheets + tables,
            findings=self.findings(),
            spec=spec,
            facts=self.provenance(),
            module=listing(report.source, self.entries),
            summary=f"{report.name}.py, {len(report.source.splitlines()):,} lines",
        )

    def groups(self) -> Iterator[Group]:
        """The equations by pass."""
        for kind, title in KINDS.items():
            equations = tuple(self.numbered(entry) for entry in self.report.entries if entry.kind == kind)
            if equations:
                yield Group(kind, title, equations)

    def numbered(self, entry: Entry) -> Numbered:
        """One equation; forms that look alike stand once."""
        boxes = entry.index_form, entry.matrix_form, entry.composed_form
        return Numbered(
            entry.number,
            entry.equation.target,
            tuple(dict.fromkeys(_math(box) for box in boxes if box is not None)),
            tuple(self.remarks(entry)),
            (tuple(map(_unfolded, entry.steps)),) if len(entry.steps) > 1 else (),
            " ".join(f"{span.first}-{span.last}" for span in entry.spans),
        )

    def remarks(self, entry: Entry) -> Iterator[Markup]:
        """Under an equation: the rule and its laws, the cost, the user's line, the derivation, the module's lines."""
        origin = entry.equation.origin
        if origin.of is not None:
            yield Markup("{} of {}").format(origin.rule, self.called(origin.of))
        elif origin.layer is not None:
            yield Markup("layer <code>{}</code>").format(origin.layer)
        yield from (Markup('<span class="law">{}</span>').format(law) for law in origin.distinct_laws)
        yield escape(_operations(_expression(entry.operations)))
        target = entry.equation.target
        if target in self.gradients:
            yield _link(self.wrt(self.gradients[target]), "derivation")
        elif target in self.stages:
            yield _link(_anchor("stage", target), "derivation")
        if origin.where is not None and origin.of is None and not origin.where.file.startswith("<"):
            yield self.place(origin.where)
        if entry.spans:
            word = "line" if len(entry.spans) == 1 and entry.spans[0].first == entry.spans[0].last else "lines"
            yield Markup("{} {}").format(word, Markup(", ").join(map(_lines, entry.spans)))

    def derivations(self) -> tuple[Derivations, ...]:
        """Each gradient's chain, and each stage once: one that many gradients share is told in one place."""
        if not self.report.gradients:
            return ()
        ids = {adjoint: k for k, adjoint in enumerate(self.stages)}
        chains = tuple(self.chain(gradient, ids) for gradient in self.report.gradients)
        return (Derivations(chains, tuple(self.derived(stage) for stage in self.stages.values())),)

    def chain(self, gradient: Gradient, ids: Mapping[str, int]) -> Chain:
        """One gradient."""
        last = [self.entries[number] for number in gradient.numbers[-1:]]
        is_long = len(gradient.path) > 2 * ENDS + 1
        ends = (gradient.path[:ENDS], gradient.path[-ENDS:]) if is_long else (gradient.path,)
        first, *rest = (tuple(map(self.symbol, names)) for names in ends)
        path = (*first, Markup("\u22ef"), *rest[0]) if rest else first
        facts = [("equations", Markup(" ").join(_runs(gradient.numbers)))]
        if gradient.shared:
            symbols = Markup(", ").join(self.symbol(name) for name in gradient.shared[: 2 * ENDS])
            more = Markup(" and {} more").format(len(gradient.shared) - 2 * ENDS)
            facts.append(("read from the forward pass", symbols + more if len(gradient.shared) > 2 * ENDS else symbols))
        return Chain(
            self.wrt(gradient),
            gradient.wrt,
            self.symbol(gradient.wrt),
            Markup("").join(_math(entry.matrix_form or entry.index_form) for entry in last),
            path,
            tuple(facts),
            " ".join(str(ids[stage.adjoint]) for stage in gradient.stages),
            " ".join(map(str, gradient.numbers)),
        )

    def derived(self, stage: Stage) -> Derived:
        """One stage."""
        through = Markup(", ").join(self.symbol(name) for name in stage.through)
        before, after = _expression(stage.operations_before), _expression(stage.operations_after)
        if not stage.numbers:
            count = "read in place" if before == "0" else f"{_operations(before)}, read in place"
        else:
            count = _operations(after) if before == after else f"{before} \u2192 {_operations(after)}"
        facts = [*([Markup("through {}").format(through)] if stage.through else []), escape(count)]
        return Derived(
            _anchor("stage", stage.adjoint),
            stage.adjoint,
            self.symbol(stage.adjoint),
            tuple(facts),
            tuple(map(_unfolded, stage.steps)),
            " ".join(map(str, stage.numbers)),
            Markup("Ends in {}").format(Markup(" ").join(_runs(stage.numbers))) if stage.numbers else Markup(),
        )

    def costs(self) -> Table:
        """What the program costs, as formulas and as numbers."""
        sizes = ", ".join(f"{name} = {size:,}" for name, size in self.report.sizes.items())
        heads = ("quantity", "Quantity"), ("number", "Number"), ("unit", ""), ("formula", "Formula")
        return Table(
            "costs",
            "Costs",
            f"Numbers at {sizes}." if sizes else "",
            _cells(heads),
            tuple(Row(f"cost-{k}", self.cost(cost)) for k, cost in enumerate(self.report.costs, 1)),
        )

    def cost(self, cost: Cost) -> tuple[Cell, ...]:
        """A row of the costs; a formula may be wider than the page, and so stands last."""
        formula = _math(cost.formula, display=False)
        cells = ("quantity", cost.title), ("number", f"{cost.value:,}"), ("unit", cost.unit), ("formula", formula)
        return _cells(cells)

    def legend(self) -> Table:
        """What each symbol stands for."""
        heads = ("symbol", "Symbol"), ("name", "Name in the program"), ("shape", "Shape"), ("kind", "Kind"), ("at", "")
        rows = tuple(Row(_anchor("tensor", row.name), self.tensor(row)) for row in self.report.tensors)
        return Table("tensors", "Tensors", "", _cells(heads), rows)

    def tensor(self, row: TensorRow) -> tuple[Cell, ...]:
        """A row of the legend."""
        shape = " \u00d7 ".join(row.shape) or "scalar"
        defined = self.defined.get(row.name)
        cells = (
            ("symbol", self.symbol(row.name)),
            ("name", Markup("<code>{}</code>").format(row.name)),
            ("shape", f"{shape} {row.dtype}"),
            ("kind", {"param": "parameter", "adjoint": "gradient"}.get(row.kind, row.kind)),
            ("at", "" if defined is None else _equation(defined.number)),
        )
        return _cells(cells)

    def findings(self) -> Findings:
        """What lint found."""
        found = tuple(
            Finding(w.rule, w.subject, Markup() if w.where is None else self.place(w.where), w.remedy)
            for w in self.report.warnings
        )
        return Findings("" if found else "Nothing to report.", found)

    def provenance(self) -> tuple[tuple[str, str], ...]:
        """What the page was made of, and by what."""
        report = self.report
        return (
            ("Model", report.name),
            ("Differentiated", report.of),
            ("Numbers", report.dtype),
            ("Equations", f"{len(report.entries):,}"),
            ("Model's SHA-256", report.digest),
            ("Compiler", f"nablac {report.version}"),
        )

    def symbol(self, name: str) -> Markup:
        """A tensor's symbol, or its name where the report gives none."""
        if name not in self.symbols:
            row = self.tensors.get(name)
            plain = Markup("<code>{}</code>").format(name)
            self.symbols[name] = plain if row is None else _math(row.symbol, display=False)
        return self.symbols[name]

    def called(self, name: str) -> Markup:
        """A tensor's name, leading to the equation that defines it."""
        text = Markup("<code>{}</code>").format(name)
        return _link(f"eq-{self.defined[name].number}", text) if name in self.defined else text

    def place(self, where: Place) -> Markup:
        """A place in the user's source, which leads there if the page holds it."""
        text = f"{Path(where.file).name}:{where.line}" if where.line is not None else Path(where.file).name
        held = where.line is not None and where.line <= len((self.report.spec or "").splitlines())
        return _link(f"spec-{where.line}", text) if held else escape(text)

    def wrt(self, gradient: Gradient) -> str:
        """The id of a gradient's article."""
        return _anchor("wrt", gradient.wrt)


def _math(box: Box, display: bool = True) -> Markup:
    """A formula."""
    return Markup(lean(mathml(box, display=display)))


def _unfolded(step: Step) -> Unfolded:
    """One step."""
    facts = []
    if step.identity is not None:
        facts.append(Markup("<i>{}</i>").format(step.identity))
    if step.operations is not None:
        facts.append(escape(_operations(str(step.operations))))
    return Unfolded(step.title, _math(step.formula), tuple(facts))


def _sheet(id_: str, sheet: Sheet) -> Table:
    """A table of values; columns of numbers are set as such."""
    columns = [[row[k] for row in sheet.rows] for k in range(len(sheet.columns))]
    styles = ["name", *("number" if all(map(NUMERIC.match, column)) else "words" for column in columns[1:])]
    rows = [_cells(zip(styles, row, strict=True)) for row in sheet.rows]
    return Table(
        id_,
        sheet.title,
        sheet.note,
        _cells(zip(styles, sheet.columns, strict=True)),
        tuple(Row(f"{id_}-{k}", row) for k, row in enumerate(rows, 1)),
    )


def _cells(pairs: Iterable[tuple[str, str]]) -> tuple[Cell, ...]:
    return tuple(Cell(style, escape(text)) for style, text in pairs)


def _expression(expression: Expr) -> str:
    """An operation count as text."""
    return print_expression(expression).replace("*", "\u00b7").replace("\u00b7\u00b7", "^")


def _operations(count: str) -> str:
    return "1 operation" if count == "1" else f"{count} operations"


def _link(target: str, text: str) -> Markup:
    return Markup('<a href="#{}">{}</a>').format(target, text)


def _lines(span: Span) -> Markup:
    """``120–135``, leading there; the function's name is shown to a pointer."""
    text = str(span.first) if span.first == span.last else f"{span.first}\u2013{span.last}"
    return Markup('<a class="to-lines" href="#line-{}" title="{}">{}</a>').format(span.first, span.function, text)


def _equation(number: int) -> Markup:
    return _link(f"eq-{number}", f"({number})")


def _runs(numbers: Collection[int]) -> list[Markup]:
    """``(1)``, ``(4)–(6)``: each end of a run leads to its equation."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [
        _equation(run[0]) if len(run) == 1 else Markup("{}\u2013{}").format(_equation(run[0]), _equation(run[-1]))
        for run in runs
    ]


def _anchor(kind: str, name: str) -> str:
    """An id that is also the fragment of a URL, whatever the name holds."""
    return f"{kind}-{quote(name, safe='._')}"


def _text(source: str) -> Text:
    return Text("The model's source", tuple(enumerate(source.splitlines(), 1)))


def _file(name: str) -> Markup:
    """A file of the templates, as the page holds it: it is ours, and ends no element early."""
    text = (Path(folder()) / name).read_text(encoding="utf-8")
    assert "</s" not in text
    return Markup(text)


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded; the page's own style and script are told by their hashes."""
    shares = {"style-src": style, "script-src": script}
    hashes = [
        f"{name} 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for name, text in shares.items()
    ]
    return "; ".join(["default-src 'none'", *hashes, "base-uri 'none'", "form-action 'none'"])
