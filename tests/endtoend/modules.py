"""Whole generated modules made to run: by Numba, or as plain Python, which starts at once."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nablac.emit.module import module_text
from nablac.frontend.model import Model
from nablac.pipeline import compile_model
from tests.emit.native import Strict


def text_of(model: Model) -> str:
    """The module's text."""
    return module_text(compile_model(model), "0.1.0")


def imported(text: str, folder: Path, name: str) -> ModuleType:
    """The text as a module, written first, as Numba's cache asks for."""
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def without_numba() -> Iterator[None]:
    """Imports find no Numba."""
    kept = sys.modules.get("numba")
    sys.modules["numba"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if kept is None:
            del sys.modules["numba"]
        else:
            sys.modules["numba"] = kept


def as_python(text: str, folder: Path, name: str) -> ModuleType:
    """The module with kernels that Python runs, over arrays that refuse an index outside."""
    with without_numba():
        module: Any = imported(text, folder, name)
    module.numba = module  # whatever is not None
    module._view = _view
    module._gemm = _gemm
    return module  # type: ignore[no-any-return]


def on_numpy(module: ModuleType, params: Any, **inputs: Any) -> dict[str, Any]:
    """What predict answers where Numba is not installed."""
    given: Any = module
    kept, given.numba = given.numba, None
    try:
        return given.predict(params, **inputs)  # type: ignore[no-any-return]
    finally:
        given.numba = kept


def _view(arena: Any, start: int, shape: tuple[int, ...]) -> Any:
    size = math.prod(shape)
    assert start >= 0 and start + size <= arena.size, "a view leaves its arena"
    return arena[start : start + size].reshape(shape).view(Strict)


def _gemm(a: Any, b: Any, c: Any, scale: Any = 1) -> None:
    c[...] = scale * (np.asarray(a) @ np.asarray(b))
