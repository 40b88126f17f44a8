"""Emitted functions made to run: as a real module with Numba, or as Python over arrays that refuse bad indices."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from nablac.emit.code import Code, Programs, emit_code
from nablac.ir.equation import Program
from nablac.ir.tensor import Role

HEAD = '''"""Functions under test."""

import numba
import numpy as np
{imports}

real = np.{dtype}
flags = {{"contract", "reassoc", "nsz", "arcp", "afn"}}
options = {{"cache": {cache}, "nogil": True, "error_model": "numpy", "fastmath": flags}}


def kernel(function, inlined=True):
    return numba.njit(**options, forceinline=inlined)(function)
'''


def functions_text(code: Code) -> str:
    """Helpers, kernels, entries and sizes."""
    parts = ["\n".join(filter(None, (f.comment, f.text))) for f in (*code.helpers, *code.kernels, *code.entries)]
    return "\n\n\n".join([*parts, code.sizes]) + "\n"


def module_text(code: Code, dtype: str, cache: bool = False) -> str:
    """The module that the functions need around them, and they."""
    imports = f"from math import {', '.join(code.imports)}\n" if code.imports else ""
    head = HEAD.format(imports=imports + code.numba_imports, dtype=dtype, cache=cache)
    return "\n\n\n".join([head, functions_text(code), code.products])


def build(programs: Programs, path: Path, cache: bool = False) -> tuple[ModuleType, Code]:
    """Emit, write, import."""
    code = emit_code(programs)
    path.write_text(module_text(code, programs.predict.dtype, cache))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, code


class Strict(np.ndarray[Any, Any]):
    """An array that refuses an index below 0, as memory would not."""

    def __getitem__(self, key: Any) -> Any:
        self._check(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._check(key)
        super().__setitem__(key, value)

    @staticmethod
    def _check(key: Any) -> None:
        for k in key if isinstance(key, tuple) else (key,):
            if isinstance(k, (int, np.integer)) and k < 0:
                raise IndexError(f"index {key}")


def _view(arena: Any, start: int, shape: tuple[int, ...]) -> Any:
    return arena[start : start + math.prod(shape)].reshape(shape)


def _gemm(a: Any, b: Any, c: Any, scale: Any = 1) -> None:
    c[...] = scale * (np.asarray(a) @ np.asarray(b))


def plain(programs: Programs) -> tuple[SimpleNamespace, Code]:
    """The functions as Python runs them, every read inside its array."""
    code = emit_code(programs)
    space: dict[str, Any] = {name: getattr(math, name) for name in code.imports}
    space |= {
        "np": np,
        "real": getattr(np, programs.predict.dtype),
        "kernel": lambda f, inlined=True: f,
        "_view": _view,
        "_gemm": _gemm,
    }
    exec(functions_text(code), space)
    return SimpleNamespace(**space), code


def call(
    module: Any, code: Code, name: str, program: Program, values: Mapping[str, Any], loss: str = "loss"
) -> dict[str, Any]:
    """What one entry answers: outputs by name, or ``values``, or loss and gradients by parameter (as ``grad``)."""
    entry, real = code.signatures[name], np.dtype(program.dtype)
    params = [np.ravel(values[t.name]) for t in program.having(Role.PARAM)]
    flat = np.concatenate(params).astype(real) if params else np.zeros(0, real)
    given = {
        t.name: np.asarray(values[t.name], np.int64 if t.kind.value == "int" else real)
        for t in program.having(Role.INPUT)
    }
    strict = Strict if isinstance(module, SimpleNamespace) else np.ndarray
    extents = {str(e): s for t in program.having(Role.INPUT) for e, s in zip(t.shape, given[t.name].shape, strict=True)}
    sizes = module._sizes(name, **{e: extents[e] for e in entry.extents})
    work, iwork = np.full(sizes[0], np.nan, real).view(strict), np.full(sizes[1], -99, np.int64).view(strict)
    inputs = [given[i].view(strict) if given[i].ndim else given[i][()] for i in entry.inputs]
    inputs += [np.int64(values.get(t.name, 0)) for t in program.having(Role.COUNTER)]
    start = [flat.view(strict)] if params else []
    if name == "predict":
        outs = {o: np.full(np.shape(values[o]), np.nan, real) for o in entry.outputs}
        outs |= {o: np.zeros(np.shape(values[o]), np.int64) for o in outs if np.asarray(values[o]).dtype.kind == "i"}
        module._predict(*start, *inputs, *outs.values(), work, iwork)
        return outs
    if name == "evaluate":
        found = np.full(50, np.nan)
        module._evaluate(*start, *inputs, found, work, iwork)
        return {"values": found}
    grad = np.full(flat.size, np.nan, real).view(strict)
    value = module._gradient(*start, *inputs, grad, work, iwork)
    return {"loss": value, "grad": np.asarray(grad)}
