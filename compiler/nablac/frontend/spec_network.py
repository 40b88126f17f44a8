"""frontend/spec_network: a spec's inputs, parameters, equations, layers and network -> a model under construction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sympy import Integer

from nablac.errors import NameError_, Place, SpecError
from nablac.frontend.build import Builder
from nablac.frontend.definition import Definition, Option, Request, did_you_mean, read_pattern
from nablac.frontend.frozen import FOLLOWS, source_of
from nablac.frontend.library import MEASURES, NODES
from nablac.frontend.schema import LayerSection, Spec
from nablac.frontend.yaml_reader import Document, Path
from nablac.ir.closed import check_equation, check_functions
from nablac.ir.declare import check_plain_name
from nablac.ir.parse import names_in, parse_functions
from nablac.ir.scope import Names
from nablac.ir.syntax import EquationText, FunctionText, read_statement
from nablac.ir.tensor import Role, Tensor
from nablac.ir.tokens import Line, lines_of, tokens_of

RESERVED = ("share", "from", "name", "frozen", "tie")
"""Keys of a network's item that are no layers."""

FORMULA = "activation"
"""The item of a network that is a formula of x."""


def lines(document: Document, key: Path, value: Sequence[str] | str) -> Iterator[Line]:
    """The equations of a list or of a block of text."""
    if isinstance(value, str):
        line = document.line(key)
        yield from lines_of(line.text, line.where)
    else:
        yield from (document.line((*key, number)) for number in range(len(value)))


def as_lines(row: Definition) -> Iterator[Line]:
    """The equations of a definition."""
    where = row.where or Place(row.name)
    yield from (Line(line, where, exact=False) if isinstance(line, str) else line for line in row.equations)


def check_text(value: object, what: str, where: Place | None) -> None:
    """Refuse a name that is no text."""
    if not isinstance(value, str):
        raise SpecError(f"{what} is a name", found=repr(value)[:60], where=where)


class NetworkReader:
    """The walk over what a spec computes."""

    def __init__(self, document: Document, spec: Spec, sizes: Mapping[str, int] | None = None) -> None:
        self.document, self.spec = document, spec
        self.builder = Builder(spec.model, spec.dtype, document.place(("model",)), sizes)
        self.nodes: dict[str, tuple[Definition, ...]] = dict(NODES)
        self.measures: dict[str, tuple[Definition, ...]] = dict(MEASURES)
        self.pending: dict[str, EquationText] = {}
        self.current: str | None = None

    def read_network(self) -> None:
        """Everything up to the outputs; ``current`` is then the network's last node."""
        for name in self.spec.inputs:
            self._declare(("inputs", name), Role.INPUT)
        for name in self.spec.params:
            self._declare(("params", name), Role.PARAM)
        self._read_equations()
        for name, section in self.spec.layers.items():
            self._own_layer(name, section)
        for number, item in enumerate(self.spec.network):
            self.current = self._node(item, ("network", number))
        self._write(list(self.pending))
        self._read_frozen()
        for name in self.spec.layers:
            self._check_layer(self.nodes[name][0])

    def _declare(self, path: Path, role: Role) -> None:
        name = str(path[-1])
        key = self.document.key(path)
        check_plain_name(name, key)
        self.builder.declare(self.builder.declaration(name, self.document.line(path), role))

    def _read_equations(self) -> None:
        self.builder.functions.update(parse_functions(lines(self.document, ("functions",), self.spec.functions)))
        own: list[Line] = []
        for line in lines(self.document, ("equations",), self.spec.equations):
            statement = read_statement(line)
            if isinstance(statement, FunctionText):
                own.append(line)
                continue
            if statement.target in self.pending:
                raise NameError_(
                    f"'{statement.target}' is defined twice",
                    found=f"also at {self.pending[statement.target].line.where}",
                    where=line.where,
                    remedy="every name is given one meaning: name the new value otherwise",
                )
            self.pending[statement.target] = statement
        for name, function in parse_functions(own).items():
            if name in self.builder.functions:
                raise NameError_(f"function '{name}' is defined twice", where=function.line.where)
            self.builder.functions[name] = function
        for name, function in self.builder.functions.items():
            if name in self.spec.layers or name in (*RESERVED, FORMULA):
                raise NameError_(
                    f"'{name}' is a function and a layer" if name in self.spec.layers else f"'{name}' has a meaning",
                    where=function.line.where,
                    remedy=f"name the function otherwise, e.g. my_{name}",
                )

    def _write(self, targets: Sequence[str]) -> None:
        """Add the equations of some targets, and those of the waiting ones that they read."""
        wanted: dict[str, EquationText] = {}
        waiting = list(targets)
        while waiting:
            text = self.pending.pop(waiting.pop(0), None)
            if text is not None:
                wanted[text.target] = text
                waiting += names_in(text.body, self.builder.functions)
        if wanted:
            self.builder.write([text.line for text in wanted.values()])

    def _own_layer(self, name: str, section: LayerSection) -> None:
        path: Path = ("layers", name)
        where = self.document.key(path)
        check_plain_name(name, where)
        if name in (*RESERVED, FORMULA) or name in self.builder.functions:
            raise NameError_(f"layer '{name}' is defined already", where=where, remedy="give it another name")
        seen: set[str] = set()
        axes: set[str] = set()
        for formal, text in section.reads.items():
            axes.update(read_pattern(text, self.document.place((*path, "reads", formal))).axes)
        for key in ("reads", "params", "options"):
            for formal in getattr(section, key):
                check_plain_name(formal, self.document.key((*path, key, formal)))
                if formal in seen or formal in axes:
                    raise NameError_(
                        f"layer '{name}' gives '{formal}' two meanings",
                        found="also an extent of what it reads" if formal in axes else None,
                        where=self.document.key((*path, key, formal)),
                        remedy="name one of them otherwise",
                    )
                seen.add(formal)
        texts = tuple(lines(self.document, (*path, "equations"), section.equations))
        targets = [s.target for s in map(read_statement, texts) if isinstance(s, EquationText)]
        if not targets:
            raise SpecError(f"layer '{name}' has no equations", where=where)
        gives = section.gives or targets[-1]
        if gives not in targets:
            raise NameError_(
                f"layer '{name}' has no equation of '{gives}'",
                expected="one of " + ", ".join(targets),
                where=self.document.place((*path, "gives")),
                remedy=did_you_mean(gives, targets),
            )
        options = tuple(self._own_option(key, value) for key, value in section.options.items())
        row = Definition(
            name, tuple(section.reads.items()), texts, gives, options, tuple(section.params.items()), where=where,
            statistics=self._follows(path, "statistics", section.statistics, section.params, targets),
            fitted=self._follows(path, "fitted", section.fitted, section.params, targets),
        )  # fmt: skip
        self.nodes[name] = self.measures[name] = (row,)

    def _follows(
        self, path: Path, key: str, given: Mapping[str, str], params: Mapping[str, str], targets: Sequence[str]
    ) -> tuple[tuple[str, str], ...]:
        """The parameters of a layer that follow its equations."""
        for formal, target in given.items():
            for name, known in ((formal, list(params)), (target, targets)):
                if name not in known:
                    raise NameError_(
                        f"layer '{path[-1]}' has no {'parameter' if name is formal else 'equation of'} '{name[:60]}'",
                        expected="one of " + ", ".join(known) if known else None,
                        where=self.document.key((*path, key, formal)),
                        remedy=did_you_mean(name, known),
                    )
        return tuple(given.items())

    def _read_frozen(self) -> None:
        """What no gradient changes, and what some of that follows."""
        freeze = self.spec.freeze
        for number, name in enumerate([freeze] if isinstance(freeze, str) else freeze):
            path: Path = ("freeze",) if isinstance(freeze, str) else ("freeze", number)
            self.builder.freeze(name, self.document.place(path))
        for kind in FOLLOWS:
            for name, target in getattr(self.spec, kind).items():
                self.builder.follow(kind, name, target, self.document.key((kind, name)))

    def _check_layer(self, row: Definition) -> None:
        """Refuse a layer whose equations could not be read, whether or not it is used."""
        statements = [s for s in map(read_statement, as_lines(row)) if isinstance(s, EquationText)]
        given = [*(n for n, _ in (*row.reads, *row.learns)), *(s.target for s in statements)]
        axes = {axis for _, text in row.reads for axis in read_pattern(text).axes}
        numbers = (*axes, *(option.name for option in row.options), *self.builder.sizes)
        constants = {name: Integer(1) for name in numbers}
        tensors = {**self.builder.known(), **{name: Tensor(name) for name in given}}
        for statement in statements:
            check_equation(statement, Names(tensors, constants, self.builder.functions, sealed=True))

    @staticmethod
    def _own_option(name: str, value: str | int | float) -> Option:
        if isinstance(value, str):
            return Option(name, int if value == "int" else float, low=1 if value == "int" else None)
        return Option(name, type(value), value)

    def _node(self, item: str | dict[str, Any], path: Path) -> str:
        """Apply one item of the chain; the answer is the name of what it gives."""
        if isinstance(item, str):
            return self._apply(item, None, {}, path, path)
        kinds = [key for key in item if key not in RESERVED]
        if "share" in item:
            kinds = ["share", *kinds]
        if len(kinds) != 1:
            raise SpecError(
                "an item of the network is one layer",
                found=", ".join(kinds) or "none",
                expected="its name, or its name with options: linear: 256",
                where=self.document.place(path),
                remedy="options stand in braces: linear: {units: 256, name: head}" if kinds else None,
            )
        (kind,) = kinds
        beside = {key: value for key, value in item.items() if key != kind}
        if kind == "share":
            return self._share(item["share"], beside, path)
        return self._apply(kind, item[kind], beside, path, (*path, kind))

    def _apply(self, kind: str, value: Any, beside: Mapping[str, Any], path: Path, inner: Path) -> str:
        rows = self.nodes.get(kind)
        if kind in self.builder.functions:
            rows = (self._function_row(kind, path),)
        if kind == FORMULA:
            rows = (self._formula_row(value, inner),)
            value = {k: v for k, v in value.items() if k != "formula"} if isinstance(value, Mapping) else None
        if rows is None:
            known = [*self.nodes, *self.builder.functions, FORMULA, "share"]
            raise NameError_(
                f"there is no layer '{kind[:60]}'",
                expected="one of " + ", ".join([*self.nodes, FORMULA]),
                where=self.document.key(inner),
                remedy=did_you_mean(kind, known) or "define it under 'layers'",
            )
        given = dict(value) if isinstance(value, Mapping) else {}
        places: dict[str, Place | None] = {key: self.document.key((*inner, key)) for key in given}
        places[""] = self.document.place(path)
        for key, extra in beside.items():
            if key in given:
                raise SpecError(f"'{key}' is given twice", where=self.document.key((*path, key)))
            given[key], places[key] = extra, self.document.key((*path, key))
        name, sources = given.pop("name", None), given.pop("from", None)
        if name is not None:
            check_text(name, "a node's name", places["name"])
        frozen, tied = given.pop("frozen", False), given.pop("tie", {})
        if not isinstance(frozen, bool):
            raise SpecError("'frozen' is true or false", found=repr(frozen)[:60], where=places["frozen"])
        if not isinstance(tied, Mapping) or not all(isinstance(tie, str) for tie in tied.values()):
            raise SpecError("'tie' names weights", expected="tie: {W: code.W.T}", where=places["tie"])
        arguments: list[str] | None = None
        if value is not None and not isinstance(value, Mapping):
            arguments = self._main_value(rows[0], value, given, places, inner)
        inputs = self._sources(sources, places.get("from"), places[""])
        if arguments is not None:
            inputs = arguments if isinstance(value, list) else [*inputs, *arguments]
        for source in inputs:
            self._need(source)
            self.builder.tensor(source, places.get("from") or self.document.place(inner))
        for tie in tied.values():
            self._need(source_of(tie)[0])
        return self.builder.apply(rows, inputs, Request(given, places, name, frozen, tied))

    def _main_value(
        self, row: Definition, value: Any, given: dict[str, Any], places: dict[str, Place | None], inner: Path
    ) -> list[str] | None:
        """What stands right after a layer's name: its first option, or, if it has none, what else it reads."""
        if row.options and not isinstance(value, list):
            given[row.options[0].name] = value
            places[row.options[0].name] = self.document.place(inner)
            return None
        names = value if isinstance(value, list) else [value]
        for name in names:
            check_text(name, f"what '{row.name}' reads", self.document.place(inner))
        return list(names)

    def _sources(self, sources: Any, where: Place | None, place: Place | None) -> list[str]:
        if sources is not None:
            names = sources if isinstance(sources, list) else [sources]
            for name in names:
                check_text(name, "what 'from' names", where)
            return list(names)
        if self.current is not None:
            return [self.current]
        if not self.spec.inputs:
            raise SpecError(
                "the network has nothing to read", expected="inputs, or 'from' at its first layer", where=place
            )
        return [next(iter(self.spec.inputs))]

    def _need(self, name: str) -> None:
        if name in self.pending:
            self._write([name])

    def _function_row(self, name: str, path: Path) -> Definition:
        """A function of one argument, as an activation."""
        function = self.builder.functions[name]
        if len(function.parameters) != 1:
            raise SpecError(
                f"'{name}' is no activation: it takes {len(function.parameters)} arguments",
                where=self.document.place(path),
                remedy="use it in an equation",
            )
        line = Line(f"y[...] = {name}(x[...])", function.line.where, exact=False)
        return Definition(name, (("x", "real[...]"),), (line,), "y", where=function.line.where)

    def _formula_row(self, value: Any, inner: Path) -> Definition:
        """A formula of x, as an activation."""
        at = (*inner, "formula") if isinstance(value, Mapping) else inner
        place = self.document.place(at)
        if not isinstance(value.get("formula") if isinstance(value, Mapping) else value, str):
            expected = '- activation: "x*tanh(log(1 + exp(x)))"'
            raise SpecError("an activation is a formula of x", expected=expected, where=place)
        head = f"{FORMULA}(x) = "
        written = self.document.line(at)
        column = None if written.where.column is None else written.where.column - len(head)
        line = replace(written, text=head + written.text, where=replace(written.where, column=column))
        functions = parse_functions([line])
        for name in names_in(functions[FORMULA].body, self.builder.functions):
            self._need(name)
        check_functions(
            Names(self.builder.known(), self.builder.sizes, {**self.builder.functions, **functions})
        )
        text = line.flat
        for token in reversed(tokens_of(line)):
            if token.text == "x" and token.offset >= len(head):
                text = f"{text[: token.offset]}x[...]{text[token.offset + 1 :]}"
        equation = Line(f"y[...] = {text[len(head) :]}", place, exact=False)
        return Definition(FORMULA, (("x", "real[...]"),), (equation,), "y", where=place)

    def _share(self, name: Any, beside: dict[str, Any], path: Path) -> str:
        where = self.document.place((*path, "share"))
        check_text(name, "what 'share' names", where)
        layer = self.builder.layers.get(name)
        if layer is None:
            known = list(self.builder.layers)
            raise NameError_(
                f"there is no layer '{name[:60]}' to share",
                expected="one of " + ", ".join(known) if known else None,
                where=where,
                remedy=did_you_mean(name, known),
            )
        places: dict[str, Place | None] = {key: self.document.key((*path, key)) for key in beside}
        for key in ("frozen", "tie"):
            if key in beside:
                raise SpecError(
                    f"'{name}' is shared: it has its weights already",
                    found=key,
                    where=places[key],
                    remedy="say so where the layer stands first",
                )
        inputs = self._sources(beside.get("from"), places.get("from"), where)
        for source in inputs:
            self._need(source)
        return self.builder.share(layer, inputs, Request({}, {**places, "": where}, beside.get("name")))
