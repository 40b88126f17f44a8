"""frontend/load: a reference on the command line -> the model: a spec file, or ``mymodel.py:mlp``."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from nablac.errors import NablacError, NameError_, Place, TraceError
from nablac.frontend import trace
from nablac.frontend.definition import Pattern, did_you_mean, read_pattern, shown
from nablac.frontend.model import Model, Optimizer
from nablac.frontend.optimizers import checked_rate
from nablac.frontend.places import last_place, user_place
from nablac.frontend.rules import Rule
from nablac.frontend.schema import json_schema
from nablac.frontend.spec import inputs_of_spec, load_spec
from nablac.frontend.trace import ModelFunction
from nablac.ir.tensor import Role

__all__ = ["declared_inputs", "json_schema", "load_model", "load_python", "train_arguments", "with_dtype"]


Source = Model | ModelFunction | str | Path | Callable[..., object]


def load_model(
    source: Source,
    optimizer: Rule | Optimizer | None = None,
    dtype: str | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Model:
    """The model of a spec file, of ``FILE.py:NAME`` or of a Python function; an optimizer or dtype replaces its own.

    ``sizes`` are numbers for extents that the source only names, such as the classes in ``label[n, C]``.
    """
    model = _model(source, sizes)
    if dtype is not None:
        model = with_dtype(model, dtype)
    if optimizer is not None:
        kind = model.program.dtype
        made = optimizer.make(kind, model.training.epochs) if isinstance(optimizer, Rule) else optimizer
        if not isinstance(made, Optimizer):
            raise TraceError(
                "this is no optimizer",
                found=f"{optimizer!r:.60}",
                expected="nc.SGD(lr=0.1) or another",
                where=user_place(),
            )
        model = replace(model, optimizer=_in_dtype(made, kind))
    return model


def _model(source: Source, sizes: Mapping[str, int] | None) -> Model:
    found = _resolved(source)
    if isinstance(found, str):
        return load_spec(found, sizes)
    return found.trace(sizes=sizes) if isinstance(found, ModelFunction) else found


def declared_inputs(source: Source) -> dict[str, Pattern]:
    """How a source declares its inputs; their extents may be names that have no size yet."""
    found = _resolved(source)
    if isinstance(found, str):
        return inputs_of_spec(found)
    if isinstance(found, ModelFunction):
        return found.inputs()
    declared = found.program.having(Role.INPUT)
    return {tensor.name: read_pattern(shown(tensor).partition(":")[2]) for tensor in declared}


def _resolved(source: Source) -> Model | ModelFunction | str:
    """A model, a function that is one, or a spec's path."""
    if isinstance(source, (Model, ModelFunction)):
        return source
    if isinstance(source, (str, Path)):
        reference = str(source)
        return load_python(reference) if reference.endswith(".py") or ".py:" in reference else reference
    if inspect.isfunction(source):
        made = trace.model(source)
        assert isinstance(made, ModelFunction)
        return made
    expected = "a spec's path, FILE.py:NAME, or a function with @nc.model"
    raise TraceError("this is no model", found=f"{source!r:.60}", expected=expected, where=user_place())


def with_dtype(model: Model, dtype: str) -> Model:
    """The model with all its real numbers of another width."""
    if dtype not in ("float32", "float64"):
        raise TraceError("a model's dtype is float32 or float64", found=f"{dtype!r:.60}", where=user_place())
    program = replace(model.program, dtype=dtype)
    return replace(model, program=program, optimizer=_in_dtype(model.optimizer, dtype))


def _in_dtype(optimizer: Optimizer, dtype: str) -> Optimizer:
    rate = checked_rate(optimizer.lr, dtype, None)
    return replace(optimizer, program=replace(optimizer.program, dtype=dtype), lr=rate)


def train_arguments(model: Model) -> list[str]:
    """What the generated module's ``train`` command is given so that it reads the data the spec names."""
    data = model.data
    if data is None:
        return []
    needed = set(model.outputs)  # what predict reads comes first, as in the module
    for equation in reversed(model.program.equations):
        needed |= set(equation.sources) if equation.target in needed else set()
    inputs = sorted((t.name for t in model.program.having(Role.INPUT)), key=lambda name: name not in needed)

    def files(source: Mapping[str, str]) -> list[str]:
        paths = [source[name] for name in ("", *inputs) if name in source]
        return [str(Path(data.folder, path)) for path in dict.fromkeys(paths)]

    arguments = ["--data", *files(data.train)]
    if isinstance(data.validation, float):
        arguments += ["--val", repr(data.validation)]
    elif data.validation:
        arguments += ["--val", *files(data.validation)]
    return arguments + (["--target", data.target] if data.target else [])


def load_python(reference: str) -> ModelFunction:
    """The model function that ``mymodel.py:mlp`` names; with one model in the file its name may be left out.

    The file is the user's own program, and is run as one.
    """
    path, _, name = reference.rpartition(":") if not reference.endswith(".py") else (reference, "", "")
    module = import_python(Path(path))
    models = {key: value for key, value in vars(module).items() if isinstance(value, ModelFunction)}
    if not name and len(models) == 1:
        return next(iter(models.values()))
    if name not in models:
        found = getattr(module, name, None) if name else None
        raise NameError_(
            f"'{path}' has no model '{name}'" if name else f"'{path}' has {'several' if models else 'no'} models",
            found=", ".join(models) or "no function with @nc.model",
            expected=f"{path}:NAME",
            where=_defined_at(found) or Place(path),
            remedy=f"put @nc.model over '{name}'" if inspect.isfunction(found) else did_you_mean(name, list(models)),
        )
    return models[name]


def _defined_at(value: object) -> Place | None:
    """Where a function is defined; None for anything else."""
    return Place(value.__code__.co_filename, value.__code__.co_firstlineno) if inspect.isfunction(value) else None


def import_python(path: Path) -> ModuleType:
    """The module of the user's own Python file, which is run; what it raises is told with its place."""
    if not os.path.isfile(path):
        found = "a directory" if os.path.isdir(path) else "no file"
        raise TraceError("the Python file cannot be read", found=found, where=str(path))
    name = f"_nablac_user_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise TraceError("this is no Python file", where=str(path))
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    folder = str(path.parent.resolve())
    sys.path.insert(0, folder)
    try:
        specification.loader.exec_module(module)
    except NablacError as error:
        raise error.at(last_place(error)) from None
    except (SyntaxError, ValueError) as error:
        if last_place(error) is not None:  # it was raised by the file, not on reading it
            raise _raised(error, path) from error
        line, column = getattr(error, "lineno", None), getattr(error, "offset", None)
        where = Place(str(path), line, column)
        found = str(getattr(error, "msg", error))
        raise TraceError("the Python file cannot be read", found=found, where=where) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() too
        raise _raised(error, path) from error
    finally:
        with suppress(ValueError):  # the file may have taken it out itself
            sys.path.remove(folder)
    return module


def _raised(error: BaseException, path: Path) -> TraceError:
    place = last_place(error) or Place(str(path))
    return TraceError(
        f"the Python file raised {type(error).__name__}", found=str(error)[:200] or None, where=place
    )
