"""frontend/trace: a Python function -> a model, by running it once on traced tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from nablac.errors import NablacError, Place, TraceError
from nablac.frontend.build import Builder
from nablac.frontend.model import Data, Model, Optimizer, Training
from nablac.frontend.places import last_place, user_place
from nablac.frontend.rules import Rule
from nablac.frontend.traced import Traced
from nablac.ir.declare import check_name, parse_declaration
from nablac.ir.tensor import Role
from nablac.ir.tokens import Line

_CURRENT: ContextVar[Builder | None] = ContextVar("current", default=None)


@dataclass(frozen=True)
class Declared:
    """An annotation such as ``Real["n", 784]``."""

    kind: str
    axes: tuple[object, ...] = ()

    def __getitem__(self, axes: object) -> Declared:
        return Declared(self.kind, axes if isinstance(axes, tuple) else (axes,))

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
        self.loss, self.metrics, self.outputs = loss, dict(metrics or {}), outputs
        self.where = user_place()


@dataclass(frozen=True)
class ModelFunction:
    """A Python function that is a model, with what it is trained by unless something else is given."""

    function: Callable[..., Any]
    optimizer: Rule | None = None
    training: Training | None = None
    data: Data | None = None
    dtype: str = "float32"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.function.__name__

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """The function itself, so that one model may use another's function on its own tensors."""
        return self.function(*arguments, **options)

    def trace(
        self,
        optimizer: Rule | None = None,
        training: Training | None = None,
        data: Data | None = None,
        dtype: str | None = None,
    ) -> Model:
        """The model, made by running the function once."""
        code = self.function.__code__
        where = Place(code.co_filename, code.co_firstlineno)
        dtype = dtype or self.dtype
        if dtype not in ("float32", "float64"):
            raise TraceError("a model's dtype is float32 or float64", found=repr(dtype)[:40], where=where)
        builder = Builder(self.name, dtype, where)
        arguments = _arguments(self.function, builder, where)
        with _tracing(builder):
            returned = _run(self.function, arguments)
        if not isinstance(returned, Outputs):
            raise TraceError(
                f"'{self.name}' does not return nc.Outputs",
                found=type(returned).__name__,
                expected="return nc.Outputs(loss=..., logits=...)",
                where=where,
            )
        training = training or self.training or Training()
        rule = optimizer or self.optimizer or Rule("adam", {})
        title = inspect.getdoc(self.function) or ""
        return _model(builder, returned, rule.make(dtype, training.epochs), training, data or self.data, title)


def model(
    function: Callable[..., Any] | None = None,
    *,
    optimizer: Rule | None = None,
    training: Training | None = None,
    data: Data | None = None,
    dtype: str = "float32",
) -> Any:
    """Make a function a model: ``@nc.model``, or ``@nc.model(optimizer=nc.SGD(lr=0.1))``."""
    if function is None:
        return lambda f: ModelFunction(f, optimizer, training, data, dtype)
    return ModelFunction(function, optimizer, training, data, dtype)


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
    except Exception as error:
        raise TraceError("the annotations of the model cannot be read", found=str(error)[:100], where=where) from error
    arguments: dict[str, Traced] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        note = notes.get(name)
        if not isinstance(note, Declared):
            if parameter.default is not inspect.Parameter.empty:
                continue
            raise TraceError(
                f"input '{name}' has no type",
                found="nothing" if note is None else repr(note)[:60],
                expected=f'{name}: nc.Real["n", 4], nc.Label["n", 10] or nc.Int["n"]',
                where=where,
            )
        check_name(name, where)
        builder.declare(parse_declaration(name, Line(str(note), where, exact=False), Role.INPUT))
        arguments[name] = Traced(builder, name)
    return arguments


def _run(function: Callable[..., Any], arguments: Mapping[str, Traced]) -> Any:
    """Run the user's function; what it raises itself is told with its place."""
    try:
        return function(**arguments)
    except NablacError as error:
        raise error.at(last_place(error)) from None
    except Exception as error:
        raise TraceError(
            f"the model's function raised {type(error).__name__}",
            found=str(error)[:200] or None,
            where=last_place(error),
        ) from error


def _model(
    builder: Builder, returned: Outputs, optimizer: Optimizer, training: Training, data: Data | None, title: str
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
        check_name(shown_name, returned.where)
        name = tensor.name
        taken = {loss, *kept, *(t for _, t in metrics)}
        if name not in taken and builder.tensors[name].role is Role.RESULT and shown_name not in builder.tensors:
            builder.rename(name, shown_name, returned.where)
            name = shown_name
        metrics.append((shown_name, name))
    title = title.strip().split("\n")[0][:200]
    return builder.finish(loss, kept or [loss], metrics, optimizer, training, data, title)
