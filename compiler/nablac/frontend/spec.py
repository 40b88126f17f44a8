"""frontend/spec: a YAML spec -> a model.  Nothing in a spec is ever run; every mistake is told with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import sympy
from sympy import Expr

from nablac.errors import NameError_, ParseError, Place, SpecError
from nablac.frontend.build import Builder, Layer, Request
from nablac.frontend.definition import Definition, Option, did_you_mean, read_pattern
from nablac.frontend.library import LOSS_NAMES, MEASURES, NODES
from nablac.frontend.model import Data, Model, Optimizer, Training
from nablac.frontend.optimizers import RULES, Rule, formula_schedule, make_optimizer, named_schedule, own_rule
from nablac.frontend.schema import LayerSection, Spec, validate
from nablac.frontend.yaml_reader import MAX_BYTES, Document, Path, read_yaml
from nablac.ir.declare import check_name, parse_declaration
from nablac.ir.functions import Access
from nablac.ir.parse import names_in, parse_expression, parse_functions
from nablac.ir.syntax import EquationText, FunctionText, Line, lines_of, read_statement
from nablac.ir.tensor import Role, Tensor

RESERVED = ("share", "from", "name")
"""Keys of a network's item that are no layers."""


def load_spec(path: str | FilePath) -> Model:
    """The model of a spec file."""
    path = FilePath(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError("the spec is too long", expected=f"at most {MAX_BYTES} bytes", where=str(path))
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SpecError("the spec cannot be read", found=error.strerror or "no file", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise SpecError("the spec is not UTF-8 text", found=f"byte {error.start}", where=str(path)) from None
    return model_of_spec(text, str(path))


def model_of_spec(text: str, file: str = "<spec>") -> Model:
    """The model of a spec's text.

    >>> model = model_of_spec('''
    ... model: line
    ... inputs: {x: "real[n]", y: "real[n]"}
    ... params: {a: real, b: real}
    ... equations: ["p[i] = a*x[i] + b"]
    ... loss: mean[i]((p[i] - y[i])**2)
    ... ''')
    >>> model.outputs, model.loss
    (('p',), 'loss')
    """
    document = read_yaml(text, file)
    return _SpecReader(document, validate(document)).model()


class _SpecReader:
    """The walk over a validated spec."""

    def __init__(self, document: Document, spec: Spec) -> None:
        self.document, self.spec = document, spec
        self.builder = Builder(spec.model, spec.dtype, document.place(("model",)))
        self.nodes: dict[str, tuple[Definition, ...]] = dict(NODES)
        self.measures: dict[str, tuple[Definition, ...]] = dict(MEASURES)
        self.pending: dict[str, EquationText] = {}
        self.current: str | None = None

    def model(self) -> Model:
        spec = self.spec
        for name in spec.inputs:
            self._declare(("inputs", name), Role.INPUT)
        for name in spec.params:
            self._declare(("params", name), Role.PARAM)
        self._read_equations()
        for name, section in spec.layers.items():
            self._own_layer(name, section)
        for number, item in enumerate(spec.network):
            self.current = self._node(item, ("network", number))
        self._write(list(self.pending))
        outputs = self._outputs()
        loss = self._loss(outputs)
        if not outputs:
            outputs = self._default_outputs(loss)
        metrics = self._metrics(outputs)
        return self.builder.finish(
            loss,
            outputs,
            metrics,
            self._optimizer(),
            Training(**spec.train.model_dump()),
            self._data(),
            spec.title,
        )

    # --- declarations and equations -----------------------------------------------------------------------------------

    def _declare(self, path: Path, role: Role) -> None:
        name = str(path[-1])
        key = self.document.key(path)
        check_name(name, key)
        if "." in name:
            raise NameError_(f"'{name}' has a dot: such names belong to layers", where=key)
        tensor = parse_declaration(name, self.document.line(path), role)
        self.builder.declare(tensor)

    def _lines(self, key: Path, value: Sequence[str] | str) -> Iterator[Line]:
        if isinstance(value, str):
            line = self.document.line(key)
            yield from lines_of(line.text, line.where)
        else:
            yield from (self.document.line((*key, number)) for number in range(len(value)))

    def _read_equations(self) -> None:
        self.builder.functions.update(parse_functions(self._lines(("functions",), self.spec.functions)))
        own: list[Line] = []
        for line in self._lines(("equations",), self.spec.equations):
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
        check_name(name, where)
        if name in self.nodes or name in self.measures or name in RESERVED or "." in name:
            raise NameError_(f"layer '{name}' is defined already", where=where, remedy="give it another name")
        for formal in (*section.reads, *section.params):
            check_name(formal, self.document.place((*path, "reads", formal)))
        for formal, text in section.reads.items():
            read_pattern(text, self.document.place((*path, "reads", formal)))
        lines = tuple(self._lines((*path, "equations"), section.equations))
        targets = [s.target for s in map(read_statement, lines) if isinstance(s, EquationText)]
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
            name, tuple(section.reads.items()), lines, gives, options, tuple(section.params.items()), where=where
        )
        self.nodes[name] = self.measures[name] = (row,)

    @staticmethod
    def _own_option(name: str, value: str | int | float) -> Option:
        if isinstance(value, str):
            return Option(name, int if value == "int" else float, low=1 if value == "int" else None)
        return Option(name, type(value), value)

    # --- the network --------------------------------------------------------------------------------------------------

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
        if rows is None and kind in self.builder.functions:
            rows = (self._function_row(kind, path),)
        if rows is None:
            known = [*self.nodes, *self.builder.functions, "share"]
            raise NameError_(
                f"there is no layer '{kind[:60]}'",
                expected="one of " + ", ".join(self.nodes),
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
            self._text(name, "a node's name", places["name"])
        arguments: list[str] | None = None
        if value is not None and not isinstance(value, Mapping):
            arguments = self._main_value(kind, rows[0], value, given, places, inner)
        inputs = self._sources(sources, places.get("from"), places[""])
        if arguments is not None:
            inputs = arguments if isinstance(value, list) else [*inputs, *arguments]
        for source in inputs:
            self._need(source)
        return self.builder.apply(rows, inputs, Request(given, places, name))

    def _main_value(
        self, kind: str, row: Definition, value: Any, given: dict[str, Any], places: dict[str, Place | None], inner: Path
    ) -> list[str] | None:
        """What stands right after a layer's name: its first option, or, if it has none, what else it reads."""
        places[""] = self.document.place(inner) if isinstance(value, (int, float)) else places[""]
        if row.options and not isinstance(value, list):
            given[row.options[0].name] = value
            places[row.options[0].name] = self.document.place(inner)
            return None
        names = value if isinstance(value, list) else [value]
        for name in names:
            self._text(name, f"what '{kind}' reads", self.document.place(inner))
        return list(names)

    @staticmethod
    def _text(value: object, what: str, where: Place | None) -> None:
        if not isinstance(value, str):
            raise SpecError(f"{what} is a name", found=repr(value)[:60], where=where)

    def _sources(self, sources: Any, where: Place | None, place: Place | None) -> list[str]:
        if sources is not None:
            names = sources if isinstance(sources, list) else [sources]
            for name in names:
                self._text(name, "what 'from' names", where)
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

    def _share(self, name: Any, beside: dict[str, Any], path: Path) -> str:
        where = self.document.place((*path, "share"))
        self._text(name, "what 'share' names", where)
        layer: Layer | None = self.builder.layers.get(name)
        if layer is None:
            known = list(self.builder.layers)
            raise NameError_(
                f"there is no layer '{name[:60]}' to share",
                expected="one of " + ", ".join(known) if known else None,
                where=where,
                remedy=did_you_mean(name, known),
            )
        places: dict[str, Place | None] = {key: self.document.key((*path, key)) for key in beside}
        inputs = self._sources(beside.get("from"), places.get("from"), where)
        for source in inputs:
            self._need(source)
        return self.builder.share(layer, inputs, Request({}, {**places, "": where}, beside.get("name")))

    # --- outputs, loss, metrics ---------------------------------------------------------------------------------------

    def _outputs(self) -> list[str]:
        """The outputs that are named, or a network's last node."""
        given = self.spec.outputs
        if given is None:
            return [self.current] if self.current is not None else []
        if isinstance(given, Mapping):
            pairs = [(name, source, ("outputs", name)) for name, source in given.items()]
        elif isinstance(given, str):
            pairs = [(given, given, ("outputs",))]
        else:
            pairs = [(name, name, ("outputs", number)) for number, name in enumerate(given)]
        if not pairs:
            raise SpecError("a model has an output", found="none", where=self.document.place(("outputs",)))
        kept: list[str] = []
        for name, source, path in pairs:
            where = self.document.place(path)
            actual = self.builder.tensor(source, where).name
            kept.append(self.builder.output(name, actual, kept, self.document.key(path)))
        if len(set(kept)) < len(kept):
            raise SpecError("an output is named twice", found=", ".join(kept), where=self.document.place(("outputs",)))
        return kept

    def _default_outputs(self, loss: str) -> list[str]:
        """Without a network: what can be computed from less than the loss needs, furthest down; else the loss."""
        needs = self._needs()
        targets = [e.target for e in self.builder.equations if "." not in e.target and e.target != loss]
        early = [t for t in targets if needs[t] < needs[loss]]
        readers = {name for t in early for name in self._below(t)}
        return [t for t in early if t not in readers] or [loss]

    def _below(self, target: str) -> set[str]:
        """All that a target reads, directly or not."""
        defined = {e.target: e for e in self.builder.equations}
        found: set[str] = set()
        waiting = [target]
        while waiting:
            equation = defined.get(waiting.pop())
            new = [name for name in (equation.sources if equation else ()) if name not in found]
            found.update(new)
            waiting += new
        return found

    def _needs(self) -> dict[str, frozenset[str]]:
        """The inputs that each tensor depends on."""
        roles = self.builder.tensors
        needs = {n: frozenset([n]) if t.role is Role.INPUT else frozenset() for n, t in roles.items()}
        for equation in self.builder.equations:
            needs[equation.target] = frozenset().union(*(needs[name] for name in equation.sources))
        return needs

    def _loss(self, outputs: Sequence[str]) -> str:
        given, path = self.spec.loss, ("loss",)
        if given is None:
            if "loss" in self.builder.tensors:
                return "loss"
            raise SpecError(
                "the spec needs a loss",
                expected="loss: a name such as cross_entropy, an expression, or an equation named loss",
                where=self.document.place(()),
            )
        if isinstance(given, str):
            if given in self.builder.known():
                return self.builder.tensor(given, None).name
            if given not in self.measures:
                self._check_word(given, path, [*LOSS_NAMES, *self.builder.tensors])
                return self.builder.expression(self.document.line(path), "loss")
            return self._measure(given, None, "loss", outputs, path)
        if len(given) != 1:
            raise SpecError(
                "a loss has one name", found=", ".join(given) or "none", where=self.document.place(path)
            )
        ((name, value),) = given.items()
        return self._measure(name, value, "loss", outputs, (*path, name))

    def _check_word(self, text: str, path: Path, known: Sequence[str]) -> None:
        """A text that is one word is a name; an unknown one gets a better error than as an expression."""
        if text.isidentifier():
            raise NameError_(
                f"there is no loss, metric or tensor '{text[:60]}'",
                expected="one of " + ", ".join(dict.fromkeys(n for n in known if "." not in n)),
                where=self.document.place(path),
                remedy=did_you_mean(text, known),
            )

    def _measure(self, kind: str, value: Any, name: str, outputs: Sequence[str], path: Path) -> str:
        """Apply a loss or metric; by its name alone it reads the prediction and the input that is left to compare with."""
        where = self.document.key(path)
        rows = self.measures.get(kind)
        if rows is None:
            raise NameError_(
                f"there is no loss or metric '{kind[:60]}'",
                expected="one of " + ", ".join(self.measures),
                where=where,
                remedy=did_you_mean(kind, list(self.measures)),
            )
        given = dict(value) if isinstance(value, Mapping) else {}
        places: dict[str, Place | None] = {key: self.document.key((*path, key)) for key in given}
        places[""] = where
        sources = given.pop("from", None)
        if isinstance(value, (str, list)):
            sources = value
        elif isinstance(value, (int, float)) and rows[-1].options:
            given[rows[-1].options[0].name] = value
        if sources is None:
            inputs = self._prediction_and_target(kind, len(rows[0].reads), outputs, where)
        else:
            inputs = self._sources(sources, places.get("from") or where, where)
            inputs = [self.builder.tensor(source, where).name for source in inputs]
        own = self.builder.fresh(name)
        return self.builder.apply(rows, inputs, Request(given, places, own))

    def _prediction_and_target(self, kind: str, count: int, outputs: Sequence[str], where: Place) -> list[str]:
        prediction = self.current or (outputs[0] if outputs else None)
        if prediction is not None:
            prediction = self.builder.tensor(prediction, where).name
            if count == 1:
                return [prediction]
            needed = self._needs()[prediction]
            left = [t.name for t in self.builder.tensors.values() if t.role is Role.INPUT and t.name not in needed]
            if count == 2 and len(left) == 1:
                return [prediction, left[0]]
        raise SpecError(
            f"'{kind}' does not know what to compare",
            found="no prediction" if prediction is None else f"{len(left)} inputs besides what '{prediction}' needs",
            where=where,
            remedy=f"name both: {kind}: [prediction, target]",
        )

    def _metrics(self, outputs: Sequence[str]) -> list[tuple[str, str]]:
        given = self.spec.metrics
        found: list[tuple[str, str]] = []
        if isinstance(given, Mapping):
            items: list[tuple[str, Any, Path]] = [(k, v, ("metrics", k)) for k, v in given.items()]
        else:
            items = []
            for number, item in enumerate(given):
                if isinstance(item, str):
                    items.append((item, None, ("metrics", number)))
                else:
                    items += [(k, v, ("metrics", number, k)) for k, v in item.items()]
        for name, value, path in items:
            if name in (shown for shown, _ in found):
                raise SpecError(f"metric '{name}' is given twice", where=self.document.key(path))
            found.append((name, self._metric(name, value, outputs, path)))
        return found

    def _metric(self, name: str, value: Any, outputs: Sequence[str], path: Path) -> str:
        """A metric by its name, by a measure's name with what it reads, or by an expression."""
        if value is None or (name in self.measures and not isinstance(value, str)):
            if value is None and name in self.builder.known() and name not in self.measures:
                return self.builder.tensor(name, None).name
            if value is None and name not in self.measures:
                self._check_word(name, path, [*self.measures, *self.builder.tensors])
                raise SpecError(
                    "a metric needs a name",
                    found=name[:60],
                    where=self.document.place(path),
                    remedy=f'- {{worst: "{name[:60]}"}}',
                )
            return self._measure(name, value, name, outputs, path)
        check_name(name, self.document.key(path))
        if isinstance(value, Mapping) and len(value) == 1:
            ((kind, inner),) = value.items()
            return self._measure(kind, inner, name, outputs, (*path, kind))
        if not isinstance(value, str):
            raise SpecError(
                f"metric '{name}' cannot be {value!r}"[:120],
                expected="an expression, a tensor's name, or a metric with what it reads",
                where=self.document.place(path),
            )
        if value in self.builder.known():
            return self.builder.tensor(value, None).name
        if value in self.measures:
            return self._measure(value, None, name, outputs, path)
        self._check_word(value, path, [*self.measures, *self.builder.tensors])
        return self.builder.expression(self.document.line(path), name)

    # --- training -----------------------------------------------------------------------------------------------------

    def _optimizer(self) -> Optimizer:
        given, path = self.spec.optimizer, ("optimizer",)
        places: dict[str, Place | None] = {"": self.document.place(path)}
        if isinstance(given, str):
            return self._rule(given, {}, None, places)
        if "equations" in given:
            return self._own_optimizer(given)
        names = [key for key in given if key != "schedule"]
        if len(names) != 1:
            raise SpecError(
                "an optimizer has one name",
                found=", ".join(names) or "none",
                expected="adam: {lr: 0.001}, or equations of your own",
                where=places[""],
            )
        (name,) = names
        value = given[name]
        options = dict(value) if isinstance(value, Mapping) else {} if value is None else {"lr": value}
        inner: Path = ("optimizer", name)
        places |= {key: self.document.key((*inner, key)) for key in options}
        places[""] = self.document.key(inner)
        schedule, at = given.get("schedule"), ("optimizer", "schedule")
        if "schedule" in options:
            schedule, at = options.pop("schedule"), (*inner, "schedule")
        return self._rule(name, options, self._schedule(schedule, at), places)

    def _rule(
        self, name: str, options: dict[str, Any], schedule: Expr | None, places: dict[str, Place | None]
    ) -> Optimizer:
        if name not in RULES:
            raise NameError_(
                f"there is no optimizer '{name[:60]}'",
                expected="one of " + ", ".join(RULES) + ", or equations of your own",
                where=places[""],
                remedy=did_you_mean(name, list(RULES)),
            )
        return make_optimizer(RULES[name], options, schedule=schedule, dtype=self.spec.dtype, where=places)

    def _own_optimizer(self, given: Mapping[str, Any]) -> Optimizer:
        path: Path = ("optimizer",)
        known = ("equations", "state", "lr", "schedule", "name")
        for key in given:
            if key not in known:
                raise SpecError(
                    f"an optimizer of your own has no '{key[:60]}'",
                    expected="one of " + ", ".join(known),
                    where=self.document.key((*path, key)),
                    remedy=did_you_mean(key, known),
                )
        equations, state = given["equations"], given.get("state", [])
        state = [state] if isinstance(state, str) else state
        for key, value in (("equations", equations), ("state", state)):
            texts = value if isinstance(value, list) else [value]
            if not all(isinstance(text, str) for text in texts):
                raise SpecError(
                    f"'optimizer.{key}' cannot be {value!r}"[:120],
                    expected="a list of texts",
                    where=self.document.place((*path, key)),
                )
        name = given.get("name", "own")
        self._text(name, "an optimizer's name", self.document.place((*path, "name")))
        check_name(name, self.document.place((*path, "name")))
        rule: Rule = own_rule(list(self._lines((*path, "equations"), equations)), state, name)
        options = {"lr": given["lr"]} if "lr" in given else {}
        places = {"": self.document.place(path), "lr": self.document.place((*path, "lr"))}
        schedule = self._schedule(given.get("schedule"), (*path, "schedule"))
        return make_optimizer(
            rule, options, schedule=schedule, dtype=self.spec.dtype, functions=self.builder.functions, where=places
        )

    def _schedule(self, given: Any, path: Path) -> Expr | None:
        where: dict[str, Place | None] = {"": self.document.place(path)}
        if given is None:
            return None
        if isinstance(given, str) and given != "constant":
            return formula_schedule(self.document.line(path), self.spec.train.epochs)
        if isinstance(given, str):
            return named_schedule(given, {}, where)
        if not isinstance(given, Mapping) or len(given) != 1:
            raise SpecError(
                "a schedule has one name",
                expected="step: {every: 10, gamma: 0.5}, or a formula of lr0, epoch and epochs",
                where=where[""],
            )
        ((name, value),) = given.items()
        options = dict(value) if isinstance(value, Mapping) else {} if value is None else {"every": value}
        where |= {key: self.document.key((*path, name, key)) for key in options}
        return named_schedule(name, options, where)

    def _data(self) -> Data | None:
        section = self.spec.data
        if section is None:
            return None
        inputs = self.spec.inputs
        for path, names in self._named_inputs(section.model_dump()):
            for name in names:
                if name not in inputs:
                    raise NameError_(
                        f"there is no input '{name[:60]}'",
                        expected="one of " + ", ".join(inputs),
                        where=self.document.key((*path, name)),
                        remedy=did_you_mean(name, list(inputs)),
                    )
        validation = section.validation
        return Data(
            train=_source(section.train) or {},
            validation=validation if isinstance(validation, float) else _source(validation),
            test=_source(section.test),
            target=section.target,
            prepare={name: self._affine(name) for name in section.prepare},
            standardise=tuple(section.standardise),
            folder=str(FilePath(self.document.file).parent),
        )

    @staticmethod
    def _named_inputs(section: Mapping[str, Any]) -> Iterator[tuple[Path, list[str]]]:
        for key in ("train", "validation", "test", "prepare", "standardise"):
            value = section[key]
            if isinstance(value, (Mapping, list)):
                yield ("data", key), list(value)

    def _affine(self, name: str) -> tuple[float, float]:
        """A formula such as ``(x/255 - 0.5)/0.5`` as its factor and offset."""
        line = self.document.line(("data", "prepare", name))
        body = parse_expression(line, "prepare", {name: Tensor(name)}).equations[-1].body
        x = sympy.Symbol("x")
        body = sympy.expand(body.xreplace({Access(name): x}))
        factor, offset = body.coeff(x, 1), body.coeff(x, 0)
        if sympy.expand(body - factor * x - offset) != 0 or not (factor.is_number and offset.is_number):
            raise ParseError(
                f"'prepare' of '{name}' is no factor and offset",
                found=line.text[:80],
                expected=f"a formula such as ({name}/255 - 0.5)/0.5",
                where=line.where,
            )
        return float(factor), float(offset)


def _source(given: Any) -> dict[str, str] | None:
    if given is None:
        return None
    return dict(given) if isinstance(given, Mapping) else {"": str(given)}

