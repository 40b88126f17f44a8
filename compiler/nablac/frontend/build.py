"""frontend/build: the model under construction, which both the spec and the Python front-end talk to.

Everything arrives here as the application of a definition or as equations, so equal networks give equal programs
whichever way they were written.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from sympy import Expr, Integer

from nablac.errors import NameError_, Place, ShapeError, SpecError
from nablac.frontend.definition import (
    Definition,
    Request,
    Value,
    bind,
    check_count,
    choose,
    did_you_mean,
    exact,
    filled,
    plain_number,
    shown,
    with_defaults,
)
from nablac.frontend.frozen import Followed, check_tie, freeze, source_of, transposed
from nablac.frontend.model import Data, Model, Module, Optimizer, Training
from nablac.ir.closed import check_functions
from nablac.ir.declare import (
    check_name,
    check_plain_name,
    check_size,
    parse_declaration,
    parse_initialiser,
    with_initialiser,
)
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access
from nablac.ir.parse import ParsedEquations, parse_equations, parse_expression
from nablac.ir.random import counters
from nablac.ir.scope import Names
from nablac.ir.syntax import FunctionText
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.ir.tokens import Line

MAX_NODES = 1000
MAX_MADE = 5000
MAX_PARAMETERS = 2**31


@dataclass(frozen=True)
class Layer:
    """A definition with its options and parameters, ready to be applied, and applied again to share its weights."""

    name: str
    definition: Definition
    options: Mapping[str, Value]
    sizes: Mapping[str, Expr]
    learned: Mapping[str, Tensor]


MODULES = frozenset(
    {"numpy", "numba", "llvmlite", "scipy", "tqdm", "matplotlib", "PIL", "cycler", "kiwisolver", "contourpy", "yaml"}
    | {"pyparsing", "packaging", "dateutil", "six", "sklearn", "mpi4py", "nablac", *sys.stdlib_module_names}
)
"""Modules that a file of the same name beside it would hide from the generated module, run as a program."""


class Builder:
    """Tensors and equations so far."""

    def __init__(
        self, name: str, dtype: str = "float32", where: Place | None = None, sizes: Mapping[str, int] | None = None
    ) -> None:
        check_plain_name(name, where)
        if name.lower() in {module.lower() for module in MODULES}:
            raise NameError_(
                f"a model cannot be called '{name}'",
                found="the name of a module that the generated one may import",
                where=where,
                remedy=f"{name}.py would hide it: name the model otherwise, e.g. my_{name}",
            )
        self.name, self.dtype, self.where = name, dtype, where
        self.tensors: dict[str, Tensor] = {}
        self.equations: list[Equation] = []
        self.layers: dict[str, Layer] = {}
        self.functions: dict[str, FunctionText] = {}
        self.written: dict[str, Place] = {}  # where the equation stands in which a tensor is first named
        self.sizes = {name: Integer(size) for name, size in (sizes or {}).items()}  # extents that are numbers by now
        self.extents = set(self.sizes)  # their names
        self.size = 0  # how many numbers are learned
        self.followed = Followed()
        self.aliases: dict[str, str] = {}  # what an output was called before it was named
        self._counts: dict[str, int] = {}
        self._fresh: dict[str, int] = {}  # below which numbers a name is taken

    # --- names --------------------------------------------------------------------------------------------------------

    def declare(self, tensor: Tensor) -> None:
        """Add an input or a parameter."""
        self._free(tensor.name, tensor.where)
        check_size(tensor)
        names = {str(symbol) for axis in tensor.shape for symbol in axis.free_symbols}
        both = sorted(n for n in names if n == tensor.name or n in self.tensors or n in self.layers)
        if both:
            raise NameError_(
                f"'{both[0]}' is a tensor and the extent of an axis",
                found=shown(tensor),
                where=tensor.where,
                remedy="give one of them another name",
            )
        self.tensors[tensor.name] = tensor
        self.extents |= names
        self.size += math.prod(map(int, tensor.shape)) if tensor.role is Role.PARAM else 0
        if self.size > MAX_PARAMETERS:
            raise ShapeError(
                "the model has too many parameters",
                found=f"{self.size:,} with those of '{tensor.name}'",
                expected=f"at most {MAX_PARAMETERS:,}",
                where=tensor.where,
            )

    def declaration(self, name: str, line: Line, role: Role) -> Tensor:
        """The tensor a declaration describes, its extents that have got a size being numbers."""
        return parse_declaration(name, replace(line, text=filled(line.text, self.sizes)), role)

    def sized(self, value: object) -> object:
        """An option's value; the name of an extent that has got a size is that number."""
        return int(self.sizes[value]) if isinstance(value, str) and value in self.sizes else value

    def _free(self, name: str, where: Place | None) -> None:
        check_name(name, where)
        taken = self.tensors.get(name)
        if taken is not None or name in self.layers or name in self.extents:
            at = f"also at {taken.where}" if taken is not None and taken.where is not None else None
            raise NameError_(
                f"'{name}' is defined twice",
                found="also the extent of an axis" if name in self.extents else at,
                where=where,
                remedy="give one of them another name",
            )

    def _own(self, name: str, where: Place | None) -> None:
        """Refuse a name that a user may not give."""
        check_plain_name(name, where)
        self._free(name, where)

    def numbered(self, kind: str) -> str:
        """The next free name of a kind: relu_1, relu_2."""
        while True:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = f"{kind}_{self._counts[kind]}"
            if name not in self.tensors and name not in self.layers:
                return name

    def fresh(self, name: str) -> str:
        """The name itself if it is free, else with a number."""
        number, candidate = self._fresh.get(name, 1), name
        while candidate in self.tensors or candidate in self.layers:
            number += 1
            candidate = f"{name}_{number}"
        self._fresh[name] = max(number - 1, 1)
        return candidate

    def tensor(self, name: str, where: Place | None) -> Tensor:
        """A tensor by its name; an unknown one is refused."""
        name = self.aliases.get(name, name)
        if name not in self.tensors:
            known = [n for n in self.tensors if "." not in n]
            raise NameError_(
                f"there is no node or input '{name}'",
                expected="one of " + ", ".join(known) if known and len(known) <= 12 else None,
                where=where,
                remedy=did_you_mean(name, known),
            )
        return self.tensors[name]

    # --- nodes --------------------------------------------------------------------------------------------------------

    def apply(self, rows: Sequence[Definition], inputs: Sequence[str], request: Request) -> str:
        """Apply a library entry to tensors; the answer is the name of the result."""
        actual = [self.tensor(name, request.place) for name in inputs]
        definition = choose(rows, actual, request)
        if len(self.layers) >= MAX_NODES:
            raise SpecError("too many nodes", expected=f"at most {MAX_NODES}", where=request.place)
        if request.name is None:
            name = self.numbered(definition.name)
        else:
            name = request.name
            self._own(name, request.where.get("name") or request.place)
        layer = self._layer(definition, actual, request, name)
        self.layers[name] = layer
        made = self._applied(layer, actual, name, request.place)
        self.followed.layer(definition, layer.learned, made)
        return made

    def freeze(self, name: str, where: Place | None) -> None:
        """Freeze a parameter or a layer: no gradient changes it."""
        freeze(self.tensors, {n: layer.learned for n, layer in self.layers.items()}, name, where)

    def follow(self, kind: str, name: str, target: str, where: Place | None) -> None:
        """Let a parameter follow an equation's result: a statistic after each step, or fitted to the training rows."""
        self.followed.add(kind, self.tensors, self.aliases.get(name, name), self.aliases.get(target, target), where)
        self.tensors[name] = replace(self.tensors[name], frozen=True)

    def _layer(self, definition: Definition, actual: Sequence[Tensor], request: Request, name: str) -> Layer:
        subject = f"'{name}'"
        learned = dict(definition.learns)
        starts = {key: value for key, value in request.given.items() if key in learned}
        given = {key: self.sized(value) for key, value in request.given.items() if key not in starts}
        options = with_defaults(definition, given, subject, request.where)
        sizes = bind(definition, actual, options, subject, request.place)
        numbers: dict[str, Expr | Value] = {**options, **sizes}
        parameters = {}
        for formal, text in learned.items():
            line = Line(filled(text, numbers), request.place or Place(self.name), exact=False)
            tensor = parse_declaration(f"{name}.{formal}", line, Role.PARAM)
            if formal in starts:
                start = starts[formal]
                where = request.where.get(formal) or request.place
                text = start if isinstance(start, str) else f"constant({plain_number(start)})"
                tensor = with_initialiser(tensor, parse_initialiser(tensor.name, text, where))
            parameters[formal] = tensor
            if request.frozen or formal in definition.frozen:
                parameters[formal] = replace(parameters[formal], frozen=True)
        for formal, tie in request.tied.items():
            parameters[formal] = self._tied(parameters, name, formal, tie, request)
        for tensor in parameters.values():
            if tensor.name not in self.tensors:
                self.declare(tensor)
        return Layer(name, definition, options, sizes, parameters)

    def _tied(self, own: Mapping[str, Tensor], name: str, formal: str, tie: str, request: Request) -> Tensor:
        """The tensor that stands for a layer's parameter: another one, or that with its axes reversed."""
        where = request.where.get("tie") or request.where.get(formal) or request.place
        if request.frozen:
            raise SpecError(
                f"'{name}' is frozen: it stays as it starts, and nothing of it is tied",
                found=f"tie: {{{formal[:60]}: {tie[:60]}}}",
                where=where,
                remedy="name the others of its parameters under 'freeze'",
            )
        if formal not in own or own[formal].frozen:
            learned = [key for key, tensor in own.items() if not tensor.frozen]
            raise SpecError(
                f"'{name}' has no '{formal[:60]}' to tie",
                expected="one of " + ", ".join(learned) if learned else "a layer that learns",
                where=where,
            )
        source, is_reversed = source_of(tie)
        tensor = self.tensor(source, where)
        check_tie(own[formal], tensor, tie, where)
        if is_reversed:
            target = own[formal].name
            line = Line(transposed(target, tensor), where or Place(self.name), exact=False)
            self._add(parse_equations([line], {source: tensor}, taken=self.tensors, layer=name, sealed=True))
            tensor = self.tensors[target]
        return tensor

    def share(self, layer: Layer, inputs: Sequence[str], request: Request) -> str:
        """Apply a layer again, with the same weights."""
        if layer.definition.frozen:
            raise SpecError(
                f"'{layer.name}' cannot be shared",
                found="it keeps statistics of what it reads",
                where=request.place,
                remedy="give the other place a layer of its own",
            )
        for option in request.given:
            raise SpecError(
                f"'{layer.name}' is shared: it has its options already", found=option, where=request.where.get(option)
            )
        actual = [self.tensor(name, request.place) for name in inputs]
        subject = f"'{layer.name}'"
        check_count(layer.definition, actual, subject, request)
        sizes = bind(layer.definition, actual, layer.options, subject, request.place)
        if any(sizes[axis] != layer.sizes[axis] for axis in sizes if self._sized_by(layer, axis)):
            raise ShapeError(
                f"{subject} is shared between tensors of different sizes",
                found=", ".join(map(shown, actual)),
                expected=", ".join(f"{axis} = {size}" for axis, size in layer.sizes.items()),
                where=request.place,
            )
        if request.name is not None:
            self._own(request.name, request.where.get("name") or request.place)
        name = request.name or self.fresh(f"{layer.name}_2")
        return self._applied(layer, actual, name, request.place)

    @staticmethod
    def _sized_by(layer: Layer, axis: str) -> bool:
        return any(axis in filled_names(text) for _, text in layer.definition.learns)

    def _applied(self, layer: Layer, actual: Sequence[Tensor], name: str, where: Place | None) -> str:
        definition = layer.definition
        formal = {**dict(zip((n for n, _ in definition.reads), actual, strict=True)), **layer.learned}
        own = self.sizes if definition.where is not None else {}  # the library's rows know no names of the user's
        constants: dict[str, Expr] = {key: size for key, size in own.items() if key not in formal}
        constants |= {key: exact(value) for key, value in layer.options.items()}
        constants |= {axis: size for axis, size in layer.sizes.items() if axis not in formal}
        return self._define(definition, formal, constants, name, where)

    def _define(
        self,
        definition: Definition,
        formal: Mapping[str, Tensor],
        constants: Mapping[str, Expr],
        name: str,
        where: Place | None,
    ) -> str:
        lines = [
            Line(line, where or Place(self.name), exact=False) if isinstance(line, str) else line
            for line in definition.equations
        ]
        own = definition.where is not None
        parsed = parse_equations(
            lines,
            {**self.known(), **formal} if own else formal,
            self.functions,
            constants=constants,
            rename=lambda target: name if target == definition.gives else f"{name}.{target}",
            taken=self.tensors,
            layer=name,
            sealed=True,
        )
        made = [t.name for t in parsed.tensors]
        if name not in made:
            raise SpecError(
                f"'{definition.name}' does not define what it gives",
                expected=f"an equation of '{definition.gives}'",
                where=definition.where or where,
            )
        self._add(parsed)
        return name

    def _add(self, parsed: ParsedEquations) -> None:
        if len(self.equations) > MAX_MADE:
            where = parsed.equations[-1].origin.where
            raise SpecError("too many equations", expected=f"at most {MAX_MADE}, layers' own counted", where=where)
        for tensor in parsed.tensors:
            check_size(tensor)
            self.tensors[tensor.name] = tensor
        self.equations += parsed.equations
        self.written = {**parsed.written, **self.written}

    # --- equations ----------------------------------------------------------------------------------------------------

    def write(
        self,
        lines: Iterable[Line],
        local: Mapping[str, str] | None = None,
        numbered: bool = False,
        reads: Iterable[str] | None = None,
    ) -> dict[str, str]:
        """Add equations; the answer maps targets, as written, to tensors.

        ``local`` gives tensors other names inside them; with ``numbered`` a target whose name is taken gets a number.
        ``reads`` names all that they read, where that is known: the rest need not be looked through.
        """
        lines = list(lines)
        declared = self.known() if reads is None else {name: self.tensors[name] for name in reads}
        declared |= {name: self.tensors[actual] for name, actual in (local or {}).items()}
        names: dict[str, str] = {}

        def rename(target: str) -> str:
            names.setdefault(target, self.fresh(target) if numbered else target)
            return names[target]

        taken = {*self.tensors, *self.layers}
        parsed = parse_equations(lines, declared, self.functions, constants=self.sizes, rename=rename, taken=taken)
        for name in names.values():
            self._own(name, next(t.where for t in parsed.tensors if t.name == name))
        self.functions.update({} if numbered else parsed.functions)
        self._add(parsed)
        if numbered:
            self._check_functions(parsed.functions)
        return names

    def _check_functions(self, functions: Mapping[str, FunctionText]) -> None:
        """Refuse functions that could not be called, whether or not they are."""
        for function in functions.values():
            if function.name in self.known() or function.name in self.layers or function.name in self.extents:
                raise NameError_(
                    f"'{function.name}' is a function and a tensor, a layer or an extent",
                    where=function.line.where,
                    remedy="give one of them another name",
                )
        check_functions(Names(self.known(), self.sizes, functions))

    def known(self) -> dict[str, Tensor]:
        """Every tensor, by all its names."""
        return {**{old: self.tensors[new] for old, new in self.aliases.items()}, **self.tensors}

    def expression(self, line: Line, target: str) -> str:
        """Add a bare expression as the equation of a scalar."""
        name = self.fresh(target)
        taken = {*self.tensors, *self.layers}
        self._add(parse_expression(line, name, self.known(), self.functions, constants=self.sizes, taken=taken))
        return name

    def rename(self, old: str, new: str, where: Place | None) -> None:
        """Give a result another name, and with it what was made on the way (``old.sum``); parameters keep theirs."""
        self._free(new, where)
        names = {old: new}
        for name, tensor in self.tensors.items():
            if name.startswith(f"{old}.") and tensor.role is Role.RESULT:
                names[name] = f"{new}{name[len(old):]}"
        self.tensors = {names.get(n, n): replace(t, name=names.get(n, n)) for n, t in self.tensors.items()}
        layer = self.layers.get(old)
        if layer is not None and not layer.learned:
            self.layers[new] = replace(self.layers.pop(old), name=new)
        self.equations = [_renamed(e, names) for e in self.equations]
        self.followed.rename(names)
        self.aliases = {alias: names.get(name, name) for alias, name in self.aliases.items()} | {old: new}

    def output(self, shown_name: str, tensor: str, kept: Iterable[str], where: Place | None) -> str:
        """Make a tensor an output of a name: the tensor is renamed, or copied where it has its name for a reason."""
        if shown_name == tensor:
            return tensor
        self._own(shown_name, where)
        if self.tensors[tensor].role is Role.RESULT and tensor not in kept:
            self.rename(tensor, shown_name, where)
            return shown_name
        inside = "[...]" if self.tensors[tensor].shape else ""
        line = Line(f"{shown_name}{inside} = {tensor}{inside}", where or Place(self.name), exact=False)
        self.write([line])
        return shown_name

    # --- the model ----------------------------------------------------------------------------------------------------

    def finish(
        self,
        loss: str,
        outputs: Sequence[str],
        metrics: Sequence[tuple[str, str]],
        optimizer: Optimizer,
        training: Training | None = None,
        data: Data | None = None,
        title: str = "",
        module: Module | None = None,
    ) -> Model:
        """The model, if it is whole: a scalar loss, scalar metrics, computed outputs, everything declared read."""
        self._check_functions(self.functions)
        metrics = [(s, t if self.tensors[t].role is Role.RESULT else self._copied(s, t)) for s, t in metrics]
        for what, name in (("the loss", loss), *((f"metric '{s}'", t) for s, t in metrics)):
            self._check_scalar(what, name)
        self._check_results(loss, outputs, metrics)
        self._check_read({loss, *outputs})
        self._check_trained(loss)
        followed = self.followed
        order = (Role.INPUT, Role.PARAM, Role.RESULT)
        tensors = tuple(t for role in order for t in self._in_order(role)) + counters(self.equations)
        follows = (*followed.statistics.values(), *followed.fitted.values())
        results = tuple(dict.fromkeys((loss, *outputs, *(tensor for _, tensor in metrics), *follows)))
        program = Program(self.name, tensors, tuple(self.equations), results, self.dtype)
        return Model(
            self.name,
            program,
            loss,
            tuple(outputs),
            tuple(metrics),
            optimizer,
            training or Training(),
            data,
            title,
            module or Module(),
            tuple(followed.statistics.items()),
            tuple(followed.fitted.items()),
        )

    def _copied(self, shown_name: str, tensor: str) -> str:
        """A result that is a given number, such as a statistic that is measured as it is; others are refused later."""
        if self.tensors[tensor].shape or self.tensors[tensor].kind is not Kind.REAL:
            return tensor
        return self.expression(Line(tensor, self.where or Place(self.name), exact=False), shown_name)

    def _in_order(self, role: Role) -> list[Tensor]:
        """The tensors of a role as declared; of the parameters first those trained, then those that follow a step."""
        found = [t for t in self.tensors.values() if t.role is role]
        return sorted(found, key=lambda t: t.frozen + (t.frozen and t.name not in self.followed.statistics))

    def _check_read(self, answered: Set[str]) -> None:
        """Refuse inputs and parameters that nothing reads, or that drop out of what reads them."""
        read = {name for equation in self.equations for name in equation.sources} | answered
        for tensor in self.tensors.values():
            if tensor.role in (Role.INPUT, Role.PARAM) and tensor.name not in read:
                kind, written = "input" if tensor.role is Role.INPUT else "parameter", self.written.get(tensor.name)
                raise NameError_(
                    f"nothing {'depends on' if written else 'reads'} {kind} '{tensor.name}'",
                    found=f"it drops out of the equation at {written}" if written else None,
                    where=tensor.where,
                    remedy="use it or leave it out",
                )

    def _check_trained(self, loss: str) -> None:
        """Refuse a model with parameters of which all are frozen, or none reaches the loss."""
        parameters = [t for t in self.tensors.values() if t.role is Role.PARAM]
        free = [t for t in parameters if not t.frozen]
        needed, sources = {loss}, {equation.target: equation.sources for equation in self.equations}
        waiting = [loss]
        while waiting:
            new = set(sources.get(waiting.pop(), ())) - needed
            needed |= new
            waiting += new
        if parameters and not any(t.name in needed for t in free):
            some = ", ".join(t.name for t in (free or parameters)[:6])
            raise SpecError(
                "nothing is trained",
                found=f"a loss that does not depend on {some}" if free else f"frozen: {some}",
                expected="a loss that depends on a parameter" if free else "a parameter that is not frozen",
                where=(free or parameters)[-1].where or self.where,
            )

    def _check_results(self, loss: str, outputs: Sequence[str], metrics: Sequence[tuple[str, str]]) -> None:
        """Refuse results that would hide one another, and outputs that nothing computes."""
        if "loss" in (shown for shown, _ in metrics):
            remedy = "the loss is measured anyway: name the metric otherwise"
            raise NameError_("no metric can be called 'loss'", where=self.where, remedy=remedy)
        made = self.tensors.get("loss")
        if made is not None and made.role is Role.RESULT and loss != "loss":
            raise NameError_(
                "an equation defines 'loss', and the model's loss is another",
                found=f"loss: {loss}",
                where=made.where,
                remedy="leave out one of the two, or name the equation's result otherwise",
            )
        for name in outputs:
            if self.tensors[name].role is not Role.RESULT:
                raise NameError_(
                    f"output '{name}' is given, not computed",
                    found=self.tensors[name].role.value,
                    expected="the name of a node or of an equation's result",
                    where=self.tensors[name].where,
                )

    def _check_scalar(self, what: str, name: str) -> None:
        tensor = self.tensors[name]
        if tensor.shape or tensor.kind is not Kind.REAL:
            letters = "ijklmpqr"[: len(tensor.shape)]
            access = f"{name}[{', '.join(letters)}]"
            raise ShapeError(
                f"{what} is not one real number",
                found=shown(tensor),
                where=tensor.where or self.where,
                remedy=f"take its mean: mean[{', '.join(letters)}]({access})" if tensor.shape else None,
            )


def filled_names(text: str) -> set[str]:
    """The words of a declaration."""
    return set(text.replace("[", " ").replace("]", " ").replace(",", " ").replace("(", " ").replace(")", " ").split())


def _renamed(equation: Equation, names: Mapping[str, str]) -> Equation:
    origin = equation.origin
    if origin.layer is not None and origin.layer in names and equation.target in names:
        origin = replace(origin, layer=names[origin.layer])
    target = names.get(equation.target, equation.target)
    body = equation.body
    if any(name in names for name in equation.sources):
        body = body.replace(
            lambda e: isinstance(e, Access) and e.tensor in names, lambda e: e.func(names[e.tensor], *e.indices)
        )
    return replace(equation, target=target, body=body, origin=origin)
