"""numbers/point: where a model is to be evaluated, as the user asks for it -> numbers for every input and parameter.

Four ways to ask: by values (``x=-2,y=5``) in models of scalars, ``random``, a ``.npz`` file, or nothing, which is where
training starts.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nablac.errors import DataError, NablacError, NameError_, ShapeError
from nablac.frontend.model import Model
from nablac.frontend.sample import random_point
from nablac.ir.tensor import Kind, Role, Tensor

Start = Callable[[int], Mapping[str, NDArray[Any]]]

BATCH = 8
"""How many samples a random point has."""
ROWS = 32
"""How many samples of a file are taken: enough to see by, and the interpreter is slow."""
LARGEST_GRID = 200_000_000
"""The largest number of terms that an equation may have at the point."""
LARGEST_SEED = 2**63 - 1

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
FORMS = "x=-2,y=5 for scalars, 'random', or a .npz file"


@dataclass(frozen=True)
class Point:
    """Values by name, in double precision, and words for where they come from."""

    title: str
    values: Mapping[str, NDArray[Any]]


def read_point(text: str | None, model: Model, start: Start | None = None, seed: int = 0) -> Point:
    """The point a text asks for; None is where training starts.

    ``start`` gives a module's first parameters from a seed; without it they are drawn as the inputs are.  Raises
    ``DataError``, ``NameError`` or ``ShapeError`` for what does not fit the model.
    """
    if not 0 <= seed <= LARGEST_SEED:
        expected = f"a whole number of 0 to {LARGEST_SEED}"
        raise DataError("the seed is out of range", found=str(seed)[:60], expected=expected)
    asked = text.strip() if text is not None else None
    if asked == "":
        raise DataError("the point says nothing", expected=FORMS)
    scalars = all(not t.shape for t in _given(model))
    if asked is None and scalars:
        values, title = _named({}, model), "where training starts"
    elif asked is None or asked == "random":
        values, title = _random(model, start, seed), f"a random point, seed {seed}"
    elif "=" in asked and not os.path.isfile(asked):
        values, title = _named(_assignments(asked), model), asked
    else:
        values, title = _from_file(Path(asked), model, start, seed)
    point = Point(title, {t.name: _checked(t, values[t.name]) for t in _given(model)})
    _check_extents(model, point)
    return point


def _given(model: Model) -> list[Tensor]:
    return [t for t in model.program.tensors if t.role in (Role.INPUT, Role.PARAM)]


def _random(model: Model, start: Start | None, seed: int) -> dict[str, NDArray[Any]]:
    """Random data at the parameters that training starts from; without data, random parameters."""
    values = random_point(model, seed, BATCH)
    if start is not None and model.program.having(Role.INPUT):
        values |= start(seed)
    return values


# --- values written out ---------------------------------------------------------------------------------------------


def _assignments(text: str) -> dict[str, float]:
    """The numbers of ``x=-2, y=1/2``."""
    found: dict[str, float] = {}
    for part in filter(str.strip, text.split(",")):
        name, equals, written = (word.strip() for word in part.partition("="))
        if not name or not equals:
            raise DataError(f"'{part.strip()}' gives no value", expected="NAME=NUMBER", remedy=f"write {FORMS}")
        if name in found:
            raise DataError(f"'{name}' has two values", found=text[:80], remedy="give one of them")
        found[name] = _number(name, written)
    return found


def _number(name: str, written: str) -> float:
    above, slash, below = (part.strip() for part in written.partition("/"))
    parts = [above, below] if slash else [above]
    if all(_NUMBER.fullmatch(part) for part in parts):
        values = [float(part) for part in parts]
        quotient = values[0] / values[1] if slash and values[1] != 0 else values[0]
        if math.isfinite(quotient) and not (slash and values[1] == 0):
            return quotient
    raise DataError(
        f"the value of '{name}' is no number",
        found=written[:60] or "nothing",
        expected="a number such as -2, 0.5 or 1/3",
    )


def _named(given: Mapping[str, float], model: Model) -> dict[str, NDArray[Any]]:
    """The numbers that are given, and for other parameters the constants that they start from."""
    tensors = _given(model)
    _check_names(given, tensors)
    axes = [t for t in tensors if t.shape]
    if axes:
        raise DataError(
            f"{axes[0]} is no single number, so the point cannot be written out",
            expected="'random' or a .npz file",
            where=axes[0].where,
            remedy="write --at random, or --at FILE.npz with an array for each input",
        )
    values = dict(given)
    for tensor in tensors:
        if tensor.name not in values:
            if tensor.initialiser is None or tensor.initialiser.name != "constant":
                raise DataError(
                    f"'{tensor.name}' has no value",
                    found=f"it starts from {tensor.initialiser}" if tensor.initialiser else "it is an input",
                    where=tensor.where,
                    remedy=f"give it one, {tensor.name}=1, or write --at random",
                )
            values[tensor.name] = float(tensor.initialiser.arguments[0])
    return {name: np.asarray(value) for name, value in values.items()}


def _check_names(names: Iterable[str], tensors: Iterable[Tensor]) -> None:
    known = [t.name for t in tensors]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise NameError_(
                f"the model has no input or parameter '{name[:60]}'",
                expected=", ".join(known[:20]) + (", ..." if len(known) > 20 else ""),
                remedy=f"did you mean '{near[0]}'?" if near else "name one of these",
            )


# --- a file ---------------------------------------------------------------------------------------------------------


def _from_file(path: Path, model: Model, start: Start | None, seed: int) -> tuple[dict[str, NDArray[Any]], str]:
    """A file's arrays, prepared as for training, the first of its samples; parameters it lacks as training has them."""
    arrays = _loaded(path)
    tensors = _given(model)
    _check_names(arrays, tensors)
    for tensor in model.program.having(Role.INPUT):
        if tensor.name not in arrays:
            raise DataError(
                f"{path} has no array '{tensor.name}'",
                found=", ".join(arrays) or "no arrays",
                expected=", ".join(t.name for t in model.program.having(Role.INPUT)),
            )
    values = {t.name: _fitting(t, arrays[t.name], path) for t in tensors if t.name in arrays}
    for name, (factor, offset) in (model.data.prepare if model.data else {}).items():
        if name in arrays:
            values[name] = factor * values[name] + offset
    values, title = _first_rows(values, model), str(path)
    missing = [t for t in model.program.having(Role.PARAM) if t.name not in values]
    if missing:
        values = {**(start(seed) if start is not None else random_point(model, seed, BATCH)), **values}
        title += f", parameters as training starts from seed {seed}"
    return values, title


def _loaded(path: Path) -> dict[str, NDArray[Any]]:
    if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
        raise DataError(f"there is no file {str(path)[:200]}", expected=FORMS)
    if not zipfile.is_zipfile(path):
        raise _unreadable(path, "another kind of file")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path, " ".join(str(error).split())[:100] or type(error).__name__) from None


def _unreadable(path: Path, found: str) -> DataError:
    return DataError(
        f"{path} cannot be read as named arrays",
        found=found,
        expected="a .npz file, as numpy.savez writes it, without pickled objects",
    )


def _fitting(tensor: Tensor, array: NDArray[Any], path: Path) -> NDArray[Any]:
    shape = ", ".join(map(str, array.shape))
    fits = len(array.shape) == len(tensor.shape) and all(
        not expected.is_Integer or int(expected) == found
        for expected, found in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits or 0 in array.shape:
        raise ShapeError(
            f"'{tensor.name}' does not fit the model",
            found=f"{tensor.name}[{shape}] in {path}",
            expected=str(tensor) if tensor.shape else f"{tensor.name}, one number",
            where=tensor.where,
        )
    if array.dtype.kind not in "fiub":
        raise DataError(f"'{tensor.name}' in {path} holds no numbers", found=f"dtype {array.dtype}")
    return array


def _first_rows(values: Mapping[str, NDArray[Any]], model: Model) -> dict[str, NDArray[Any]]:
    """The first samples, where all axes of the batch's name come first."""
    inputs = model.program.having(Role.INPUT)
    leading = {t.shape[0] for t in inputs if t.shape and not t.shape[0].is_Integer}
    leading -= {e for t in inputs for e in t.shape[1:]} | {e for t in model.program.having(Role.PARAM) for e in t.shape}
    batched = {t.name for t in inputs if t.shape and t.shape[0] in leading}
    return {name: array[:ROWS] if name in batched else array for name, array in values.items()}


# --- what every point must be ---------------------------------------------------------------------------------------


def _checked(tensor: Tensor, array: NDArray[Any]) -> NDArray[Any]:
    """The array in the tensor's kind: finite numbers, whole ones within the bound for labels."""
    wide = np.asarray(array).astype(np.float64)
    problem = None
    if not np.all(np.isfinite(wide)):
        problem = "infinite or no number at all"
    elif tensor.kind is Kind.INT and np.any(wide != np.floor(wide)):
        problem = "not whole"
    elif tensor.bound is not None and tensor.bound.is_Integer and np.any((wide < 0) | (wide >= int(tensor.bound))):
        problem = f"outside 0...{tensor.bound - 1}"
    if problem is not None:
        raise DataError(f"'{tensor.name}' holds a value that is {problem}", where=tensor.where)
    return wide.astype(np.int64) if tensor.kind is Kind.INT else wide


def _check_extents(model: Model, point: Point) -> None:
    """Refuse extents of one name and several lengths, and a point that is too large to interpret."""
    sizes: dict[Any, int] = {}
    for tensor in _given(model):
        for expected, found in zip(tensor.shape, point.values[tensor.name].shape, strict=True):
            if sizes.setdefault(expected, found) != found:
                raise _unlike(tensor, str(expected), sizes[expected], found)
    for equation in model.program.equations:
        terms = math.prod(int(e.subs(sizes)) for _, e in equation.extents)
        if terms > LARGEST_GRID:
            raise DataError(
                f"the equation of '{equation.target}' has {terms:,} terms at this point",
                expected=f"at most {LARGEST_GRID:,}",
                where=equation.origin.where,
                remedy="give a file with fewer samples",
            )


def _unlike(tensor: Tensor, extent: str, before: int, found: int) -> NablacError:
    return ShapeError(
        f"the extent {extent} has two lengths",
        found=f"{found} in {tensor}",
        expected=f"{before}, as in the tensors before it",
        where=tensor.where,
    )
