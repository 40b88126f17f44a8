"""frontend/trace: a Python function -> a model, by running it once on traced tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from nablac.errors import NablacError, NameError_, Place, ShapeError, TraceError
from nablac.frontend.build import Builder
from nablac.frontend.definition import Pattern, did_you_mean, plain_number, read_pattern
from nablac.frontend.model import Data, Model, Module, Optimizer, Training
from nablac.frontend.places import last_place, user_place
from nablac.frontend.rules import Rule
from nablac.frontend.sources import argument_places
from nablac.frontend.traced import Traced
from nablac.ir.declare import check_name, check_plain_name
from nablac.ir.tensor import Role
from nablac.ir.tokens import Line

_CURRENT: ContextVar[Builder | None] = ContextVar("current", default=None)


@dataclass(frozen=True)
class Declared:
    """An annotation such as ``Real["n", 784]``."""

    kind: str
    axes: tuple[object, ...] = ()

    def __getitem__(self, axes: object) -> Declared:
        found = axes if isinstance(axes, tuple) else (axes,)
        for axis in found:
            number = plain_number(axis)
            if isinstance(number, str):
                check_plain_name(number, user_place())
            elif not isinstance(number, int) or isinstance(number, bool) or not 1 <= number < 2**31:
                raise ShapeError(
                    "an extent is a whole number from 1 to 2,147,483,647, or a name",
                    found=f"{axis!r:.60}",
                    expected=f'such as nc.{self.kind.title()}["n", 4]',
                    where=user_place(),
                )
        return Declared(self.kind, tuple(map(plain_number, found)))

    def __str__(self) -> str:
        return self.kind + (f"[{', '.join(map(str, self.axes))}]" if self.axes else "")


Real = Declared("real")
"""A real input: ``Real["n", 784]``; without brackets one number."""
Label = Declared("label")
"""A label: ``Label["n", 10]`` holds n labels of 10 classes."""
Int = Declared("int")
"""An integer input: ``Int["n"]``."""


class Outputs:
    """What a model function returns: its loss, its outputs by name, and its metrics."""

    def __init__(self, loss: Traced, metrics: Mapping[str, Traced] | None = None, **outputs: Traced) -> None:
        self.where = user_place()
        if not isinstance(metrics or {}, Mapping):
            raise TraceError(
                "metrics are given by name",
                found=type(metrics).__name__,
                expected='metrics={"accuracy": nc.accuracy(z, y)}',
                where=self.where,
            )
        self.loss, self.metrics, self.outputs = loss, dict(metrics or {}), outputs


@dataclass(frozen=True)
class ModelFunction:
    """A Python function that is a model, with what it is trained by unless something else is given."""

    function: Callable[..., Any]
    optimizer: Rule | None = None
    training: Training | None = None
    data: Data | None = None
    dtype: str = "float32"
    module: Module | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.function.__name__

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """The function itself, so that one model may use another's function on its own tensors."""
        return self.function(*arguments, **options)

    def inputs(self) -> dict[str, Pattern]:
        """How it declares its inputs."""
        notes = inspect.get_annotations(self.function, eval_str=True)
        declared = {name: notes.get(name) for name in inspect.signature(self.function).parameters}
        return {name: read_pattern(str(note)) for name, note in declared.items() if isinstance(note, Declared)}

    def trace(
        self,
        optimizer: Rule | None = None,
        training: Training | None = None,
        data: Data | None = None,
        dtype: str | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> Model:
        """The model, made by running the function once; ``sizes`` are numbers for extents that it only names."""
        code = self.function.__code__
        where = Place(code.co_filename, code.co_firstlineno)
        rule, training = optimizer or self.optimizer or Rule("adam", {}), training or self.training or Training()
        data, dtype = data or self.data, dtype or self.dtype
        _check_settings(rule, training, data, dtype, where)
        builder = Builder(self.name, dtype, where, sizes)
        arguments = _arguments(self.function, builder, where)
        _check_data(data, list(arguments), where)
        with _tracing(builder):
            returned = _run(self.function, arguments)
        if not isinstance(returned, Outputs):
            raise TraceError(
                f"'{self.name}' does not return nc.Outputs",
                found=type(returned).__name__,
                expected="return nc.Outputs(loss=..., logits=...)",
                where=where,
            )
        title = inspect.getdoc(self.function) or ""
        return _model(builder, returned, rule.make(dtype, training.epochs), training, data, title, self.module)


def model(
    function: Callable[..., Any] | None = None,
    *,
    optimizer: Rule | None = None,
    training: Training | None = None,
    data: Data | None = None,
    dtype: str = "float32",
    module: Module | None = None,
) -> Any:
    """Make a function a model: ``@nc.model``, or ``@nc.model(optimizer=nc.SGD(lr=0.1))``."""
    place = user_place()
    _check_settings(optimizer, training, data, dtype, place, module)

    def made(function: object) -> ModelFunction:
        plain = inspect.isfunction(function)
        if not plain or inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise TraceError(
                "only a plain function can be a model",
                found="a coroutine or a generator" if plain else f"{type(function).__name__}: {function!r:.60}",
                expected="@nc.model over a def",
                where=place,
            )
        return ModelFunction(function, optimizer, training, data, dtype, module)  # type: ignore[arg-type]

    return made if function is None else made(function)


def _check_settings(
    optimizer: object, training: object, data: object, dtype: object, where: Place, module: object = None
) -> None:
    """Refuse what a model cannot be trained by."""
    rows = (
        ("optimizer", optimizer, Rule, "nc.SGD(lr=0.1) or another"),
        ("training", training, Training, "nc.Training(epochs=10)"),
        ("data", data, Data, 'nc.Data(train="train.npz")'),
        ("module", module, Module, "nc.Module(mpi=False)"),
    )
    for name, value, kind, expected in rows:
        if value is not None and not isinstance(value, kind):
            raise TraceError(f"this is no {name} of a model", found=f"{value!r:.60}", expected=expected, where=where)
    if dtype not in ("float32", "float64"):
        raise TraceError("a model's dtype is float32 or float64", found=f"{dtype!r:.60}", where=where)


def _check_data(data: Data | None, inputs: Sequence[str], where: Place) -> None:
    """Refuse sources that are no files by the inputs' names."""
    if data is None:
        return
    for what in ("train", "validation", "prepare"):
        source = getattr(data, what)
        if what == "validation" and (source is None or isinstance(source, float) and 0 < source < 1):
            continue
        if not isinstance(source, Mapping):
            raise TraceError(f"the '{what}' of the data cannot be {source!r:.60}", where=where)
        for name, value in source.items():
            numbers = isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value)
            if not (numbers if what == "prepare" else isinstance(value, str) and value):
                expected = "a factor and an offset: (a, b)" if what == "prepare" else "a path"
                raise TraceError(
                    f"the '{what}' of '{name}' cannot be {value!r:.60}", expected=expected, where=where
                )
            if name not in inputs and (name or what == "prepare"):
                raise NameError_(
                    f"there is no input '{name}'",
                    expected="one of " + ", ".join(inputs),
                    where=where,
                    remedy=did_you_mean(str(name), inputs),
                )
    if data.target is not None and not isinstance(data.target, str):
        raise TraceError(f"the target of the data cannot be {data.target!r:.60}", expected="a column", where=where)


@contextmanager
def _tracing(builder: Builder) -> Iterator[None]:
    token = _CURRENT.set(builder)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_builder(what: str) -> Builder:
    """The model being traced."""
    builder = _CURRENT.get()
    if builder is None:
        where = user_place()
        raise TraceError(f"{what} belongs inside a model's function", where=where, remedy="decorate it: @nc.model")
    return builder


def _arguments(function: Callable[..., Any], builder: Builder, where: Place) -> dict[str, Traced]:
    try:
        notes = inspect.get_annotations(function, eval_str=True)
    except NablacError as error:
        raise _moved(error, where) from None
    except Exception as error:
        raise TraceError("the annotations of the model cannot be read", found=str(error)[:100], where=where) from error
    places = argument_places(function.__code__)
    arguments: dict[str, Traced] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        note, place = notes.get(name), places.get(name, where)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TraceError(
                "the inputs of a model are given by their names",
                found=str(parameter),
                where=place,
                remedy="write plain arguments, without * and /",
            )
        if not isinstance(note, Declared):
            if parameter.default is not inspect.Parameter.empty:
                continue
            raise TraceError(
                f"input '{name}' has no type",
                found="nothing" if note is None else repr(note)[:60],
                expected=f'{name}: nc.Real["n", 4], nc.Label["n", 10] or nc.Int["n"]',
                where=place,
            )
        check_name(name, place)
        builder.declare(builder.declaration(name, Line(str(note), place, exact=False), Role.INPUT))
        arguments[name] = Traced(builder, name)
    return arguments


def _moved(error: NablacError, where: Place) -> NablacError:
    """An error of an annotation that was a text told at the function, as a text has no place of its own."""
    if isinstance(error.where, Place) and error.where.file.startswith("<"):
        error.where = where
    return error.at(where)


def _run(function: Callable[..., Any], arguments: Mapping[str, Traced]) -> Any:
    """Run the user's function; what it raises itself is told with its place."""
    try:
        return function(**arguments)
    except NablacError as error:
        raise error.at(last_place(error)) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() too ends the model, not the compiler
        raise TraceError(
            f"the model's function raised {type(error).__name__}",
            found=str(error)[:200] or None,
            where=last_place(error),
        ) from error


def _model(
    builder: Builder, returned: Outputs, optimizer: Optimizer, training: Training, data: Data | None, title: str,
    module: Module | None,
) -> Model:
    for what, value in {"loss": returned.loss, **returned.outputs, **returned.metrics}.items():
        if not isinstance(value, Traced) or value._builder is not builder:
            raise TraceError(
                f"'{what}' is no tensor of this model", found=repr(value)[:60], where=returned.where
            )
    kept: list[str] = []
    for name, tensor in returned.outputs.items():
        kept.append(builder.output(name, tensor.name, kept, returned.where))
    loss = returned.loss.name
    if loss not in kept and builder.tensors[loss].role is Role.RESULT and "loss" not in builder.tensors:
        builder.rename(loss, "loss", returned.where)
        loss = "loss"
    metrics: list[tuple[str, str]] = []
    for shown_name, tensor in returned.metrics.items():
        check_plain_name(shown_name, returned.where)
        if shown_name == "loss":
            remedy = "the loss is measured anyway: name the metric otherwise"
            raise NameError_("no metric can be called 'loss'", where=returned.where, remedy=remedy)
        name = tensor.name
        taken = {loss, *kept, *(t for _, t in metrics)}
        if name not in taken and builder.tensors[name].role is Role.RESULT and shown_name not in builder.tensors:
            builder.rename(name, shown_name, returned.where)
            name = shown_name
        metrics.append((shown_name, name))
    title = title.strip().split("\n")[0][:200]
    return builder.finish(loss, kept or [loss], metrics, optimizer, training, data, title, module)
