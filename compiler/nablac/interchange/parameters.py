"""interchange/parameters: parameters by name in files, and whether they are those of a model.

A file is ``.npz`` or ``.safetensors``, each with an array for each name, or a run's checkpoint (or its folder).
"""

from __future__ import annotations

import ast
import io
import json
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nablac.emit.write import replace
from nablac.errors import DataError
from nablac.extras import extra
from nablac.ir.equation import Program
from nablac.ir.tensor import Role

Array = NDArray[Any]
CHECKPOINT, BEST = "checkpoint.npz", "best.npz"
"""A run's files: its last epoch, and, where it looked for it, its best one, which is what the run gave."""


def read_parameters(path: str | Path) -> dict[str, Array]:
    """The arrays of a file by name: ``.npz``, ``.safetensors``, or a run's folder or checkpoint.

    Raises ``DataError`` for a file that cannot be read.
    """
    path = file_of(path)
    if not path.suffix and not os.path.exists(path):
        raise DataError(
            "there is no such run", expected="a run's folder, or a .npz or .safetensors file", where=str(path)
        )
    reader, _ = _format(path)
    try:
        return reader(path.read_bytes())
    except OSError as error:
        raise DataError("the parameters cannot be read", found=error.strerror, where=str(path)) from None
    except _BROKEN as error:
        found = " ".join(str(error).split())[:200] or type(error).__name__
        expected = f"a whole {path.suffix} file of arrays" + (", not pickled" if path.suffix == ".npz" else "")
        raise DataError("the parameters cannot be read", found=found, expected=expected, where=str(path)) from None


def file_of(path: str | Path) -> Path:
    """The file that is read: of a run's folder what the run gave."""
    path = Path(path)
    return path / (BEST if (path / BEST).exists() else CHECKPOINT) if os.path.isdir(path) else path


def is_checkpoint(path: Path) -> bool:
    """Whether a file that could be read is of a run, with the optimizer's state."""
    if path.suffix != ".npz":
        return False
    with np.load(path, allow_pickle=False) as file:
        return {"params", "state", "facts"} <= set(file.files)


def write_parameters(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name as ``.npz`` or ``.safetensors``, whole or not at all."""
    path = Path(path)
    _, writer = _format(path)
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in plain.items():
        if array.dtype.kind not in "fiub":
            raise DataError(f"'{name}' holds no numbers", found=str(array.dtype), expected="an array of numbers")
    write_file(path, writer(plain))


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, its folder too if there is none; a link stays one."""
    path = Path(os.path.realpath(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, data)
    except OSError as error:
        raise DataError(f"{path} cannot be written", found=error.strerror) from None


def fitted(program: Program, arrays: Mapping[str, Array], where: str | Path) -> dict[str, Array]:
    """The arrays as the program's parameters, in order of declaration.

    Raises ``DataError`` unless names and shapes are the same and every number is one of the program's dtype.
    """
    wanted = {t.name: tuple(int(n) for n in t.shape) for t in program.having(Role.PARAM)}
    missing, unknown = [n for n in wanted if n not in arrays], [n for n in arrays if n not in wanted]
    if missing or unknown:
        found = [f"no {', '.join(missing)}"] if missing else []
        found += [f"also {', '.join(unknown)}"] if unknown else []
        raise DataError(
            f"these are not the parameters of '{program.name}'",
            found="; ".join(found)[:300],
            expected=", ".join(wanted)[:300] or "none",
            where=str(where),
        )
    return {name: _fitted(name, arrays[name], shape, program.dtype, where) for name, shape in wanted.items()}


def _fitted(name: str, array: Array, shape: tuple[int, ...], dtype: str, where: str | Path) -> Array:
    if array.shape != shape:
        raise DataError(
            f"parameter '{name}' has another shape", found=_axes(array.shape), expected=_axes(shape), where=str(where)
        )
    with np.errstate(over="ignore"):
        taken = array.astype(dtype) if array.dtype.kind == "f" else None
    if taken is None or not np.array_equal(taken.astype(array.dtype), array, equal_nan=True):
        lossy = taken is not None
        raise DataError(
            f"parameter '{name}' has another kind of numbers",
            found=f"{array.dtype}" + (f", not all of which {dtype} can hold" if lossy else ""),
            expected=dtype,
            where=str(where),
            remedy=f"compile the model with --dtype {array.dtype}" if lossy else None,
        )
    return taken


def _axes(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else "a single number"


# --- formats ----------------------------------------------------------------------------------------------------------


def _format(path: Path) -> tuple[Callable[[bytes], dict[str, Array]], Callable[[Mapping[str, Array]], bytes]]:
    formats = {".npz": (_from_npz, _to_npz), ".safetensors": (_from_safetensors, _to_safetensors)}
    if path.suffix not in formats:
        raise DataError(
            f"parameters are not kept in a file such as '{path.name}'",
            expected="a name that ends with .npz or .safetensors, or a run's folder",
        )
    return formats[path.suffix]


_BROKEN = (ValueError, KeyError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What readers raise for a file that is not whole, or not what its name says."""


def _from_npz(data: bytes) -> dict[str, Array]:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("members that are no arrays")
    return _from_checkpoint(arrays) if {"params", "facts"} <= set(arrays) else arrays


def _from_checkpoint(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """A run's flat parameters by name, as the checkpoint itself says how they lie."""
    try:
        kinds = ast.literal_eval(json.loads(str(arrays["facts"]))["parameters"])
        shapes = {str(name): tuple(map(int, shape)) for name, (shape, _) in kinds.items()}
    except (SyntaxError, TypeError, AttributeError, RecursionError):
        raise ValueError("a checkpoint that does not say how its parameters lie") from None
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
    flat = arrays["params"]
    if flat.ndim != 1 or flat.size != (ends[-1] if ends.size else 0):
        raise ValueError(f"{flat.size} parameters, where {ends[-1] if ends.size else 0} are named")
    parts = np.split(flat, ends[:-1])
    return {name: part.reshape(shape) for part, (name, shape) in zip(parts, shapes.items(), strict=False)}


def _to_npz(arrays: Mapping[str, Array]) -> bytes:
    """Member by member, so that no name, such as ``file``, is taken for an argument; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def _from_safetensors(data: bytes) -> dict[str, Array]:
    with extra("safetensors", "a .safetensors file"):
        from safetensors import SafetensorError
        from safetensors.numpy import load

    try:
        return load(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    except KeyError as error:
        raise ValueError(f"numbers of the kind {error}, which NumPy has not") from None


def _to_safetensors(arrays: Mapping[str, Array]) -> bytes:
    with extra("safetensors", "a .safetensors file"):
        from safetensors.numpy import save

    return save(dict(arrays), metadata={"format": "np"})
