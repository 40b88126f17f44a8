"""frontend/trace: a Python function -> a model, by running it once on traced tensors."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from nablac.errors import NablacError, NameError_, Place, TraceError
from nablac.frontend.build import Builder
from nablac.frontend.model import Data, Model, Optimizer, Training
from nablac.frontend.optimizers import RULES, formula_schedule, make_optimizer, named_schedule, own_rule
from nablac.frontend.traced import Traced, user_place
from nablac.ir.declare import check_name, parse_declaration
from nablac.ir.syntax import Line
from nablac.ir.tensor import Role

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
class Rule:
    """An optimizer to be: its name and options, or equations and state of one's own."""

    name: str
    options: Mapping[str, float]
    schedule: str | Mapping[str, Mapping[str, float]] | None = None
    equations: Sequence[str] = ()
    state: Sequence[str] = ()
    where: Place | None = field(default=None, compare=False)

    def make(self, dtype: str = "float32", epochs: int = 1) -> Optimizer:
        """The optimizer for a model of some dtype, trained for some epochs."""
        places = {"": self.where}
        row = own_rule(self.equations, self.state, self.name) if self.equations else RULES[self.name]
        schedule = None
        if isinstance(self.schedule, str):
            line = Line(self.schedule, self.where or Place("<python>"), exact=False)
            schedule = formula_schedule(line, epochs)
        elif self.schedule is not None:
            if len(self.schedule) != 1:
                raise TraceError("a schedule has one name", found=str(self.schedule), where=self.where)
            ((name, options),) = self.schedule.items()
            schedule = named_schedule(name, options, places)
        return make_optimizer(row, self.options, schedule=schedule, dtype=dtype, where=places)


Schedule = str | Mapping[str, Mapping[str, float]] | None


def SGD(lr: float, weight_decay: float = 0.0, schedule: Schedule = None) -> Rule:  # noqa: N802
    """Steepest descent."""
    return Rule("sgd", {"lr": lr, "weight_decay": weight_decay}, schedule, where=user_place())


def Momentum(  # noqa: N802
    lr: float, momentum: float = 0.9, weight_decay: float = 0.0, schedule: Schedule = None
) -> Rule:
    """Descent with a velocity: v = momentum*v + g, theta = theta - lr*v."""
    options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    return Rule("momentum", options, schedule, where=user_place())


def Nesterov(  # noqa: N802
    lr: float, momentum: float = 0.9, weight_decay: float = 0.0, schedule: Schedule = None
) -> Rule:
    """Momentum that looks one step ahead."""
    options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    return Rule("nesterov", options, schedule, where=user_place())


def Adam(  # noqa: N802
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    schedule: Schedule = None,
) -> Rule:
    """Steps scaled by running means of the gradient and its square."""
    options = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
    return Rule("adam", options, schedule, where=user_place())


def OwnOptimizer(  # noqa: N802
    equations: Sequence[str], state: Sequence[str] = (), *, lr: float, name: str = "own", schedule: Schedule = None
) -> Rule:
    """An update rule by equations of theta[p], g[p], lr, t and state vectors: ``theta_next[p] = theta[p] - lr*g[p]``."""
    return Rule(name, {"lr": lr}, schedule, tuple(equations), tuple(state), where=user_place())


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
        raise TraceError(f"{what} belongs inside a model's function", where=user_place(), remedy="decorate it: @nc.model")
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
        raise error.at(_last_place(error)) from None
    except Exception as error:
        raise TraceError(
            f"the model's function raised {type(error).__name__}",
            found=str(error)[:200] or None,
            where=_last_place(error),
        ) from error


def _last_place(error: BaseException) -> Place | None:
    """The deepest line of the user's own in a traceback."""
    from nablac.frontend.traced import _PACKAGE, frame_place

    found, trace = None, error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            found = frame_place(trace.tb_frame, trace.tb_lasti)
        trace = trace.tb_next
    return found


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
    metrics = []
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


def load_python(reference: str) -> ModelFunction:
    """The model function that ``mymodel.py:mlp`` names; with one model in the file its name may be left out.

    The file is the user's own program, and is run as one.
    """
    path, _, name = reference.rpartition(":") if not reference.endswith(".py") else (reference, "", "")
    module = _import(Path(path))
    models = {key: value for key, value in vars(module).items() if isinstance(value, ModelFunction)}
    if not name and len(models) == 1:
        return next(iter(models.values()))
    if name not in models:
        raise NameError_(
            f"'{path}' has no model '{name}'" if name else f"'{path}' has several models" if models else
            f"'{path}' has no model",
            found=", ".join(models) or "no function with @nc.model",
            expected=f"{path}:NAME",
            where=path,
        )
    return models[name]


def _import(path: Path) -> ModuleType:
    if not path.is_file():
        raise TraceError("the Python file cannot be read", found="no file", where=str(path))
    name = f"_nablac_user_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise TraceError("this is no Python file", where=str(path))
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        found.loader.exec_module(module)
    except NablacError:
        raise
    except SyntaxError as error:
        where = Place(str(path), error.lineno, error.offset)
        raise TraceError("the Python file cannot be read", found=error.msg, where=where) from error
    except Exception as error:
        raise TraceError(
            f"the Python file raised {type(error).__name__}", found=str(error)[:200], where=_last_place(error) or str(path)
        ) from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module
