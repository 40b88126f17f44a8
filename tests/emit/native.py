"""Emitted functions as a real module: the text is written to a file and imported, as Numba's cache wants it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from nablac.emit.code import Code, Programs, emit_code

HEAD = '''"""Functions under test."""

{imports}import numpy as np
from numba import njit


real = np.{dtype}
kernel = njit(cache={cache}, nogil=True, error_model="numpy", fastmath={{"contract", "reassoc", "nsz", "arcp", "afn"}})
'''


def module_text(code: Code, dtype: str, cache: bool = False) -> str:
    """The module that the functions need around them, and they."""
    imports = f"from math import {', '.join(code.imports)}\n" if code.imports else ""
    parts = [HEAD.format(imports=imports, dtype=dtype, cache=cache)]
    parts += [f.text for f in code.helpers]
    parts += [code.support]
    parts += ["\n".join(filter(None, (f.comment, f.text))) for f in (*code.kernels, *code.entries)]
    return "\n\n\n".join([*parts, *code.sizes]) + "\n"


def load(text: str, path: Path) -> ModuleType:
    """Write and import."""
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(programs: Programs, path: Path, cache: bool = False) -> tuple[ModuleType, Code]:
    """Emit, write, import."""
    code = emit_code(programs)
    return load(module_text(code, programs.predict.dtype, cache), path), code
