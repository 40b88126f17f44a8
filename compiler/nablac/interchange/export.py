"""interchange/export: what ``export`` does: parameters of a model from a file of one kind into one of another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from nablac.errors import CompileError, DataError
from nablac.frontend.load import declared_inputs, load_model
from nablac.frontend.model import Model
from nablac.interchange.onnx_file import Exported, to_onnx
from nablac.interchange.parameters import (
    BEST,
    CHECKPOINT,
    Array,
    file_of,
    fitted,
    is_checkpoint,
    read_parameters,
    write_file,
    write_parameters,
)
from nablac.network import Network
from nablac.network import compile as compile_network

HISTORY = "history.csv"
"""What a run that is saved has beside its checkpoint."""


def export(
    source: str,
    parameters: Path | None,
    target: Path,
    *,
    dtype: str | None = None,
    sizes: Mapping[str, int] | None = None,
    force: bool = False,
) -> str:
    """Write the target; the answer says what it holds.  A file that is there is kept unless forced.

    ``sizes`` are numbers for extents that the source only names.
    """
    if not target.suffix and any(os.path.exists(target / name) for name in (CHECKPOINT, BEST)):
        raise CompileError(f"{target} holds a run", expected="a new folder", remedy="choose another name")
    if not target.suffix and (target / HISTORY).exists():
        raise CompileError(
            f"{target} holds a run's files", found=HISTORY, expected="a new folder", remedy="another name"
        )
    if target.suffix and os.path.exists(target) and not force:
        raise CompileError(f"{target} is there already", remedy="choose another name, or give --force")
    if target.suffix not in (".npz", ".safetensors", ".onnx", ""):
        raise CompileError(
            f"nothing is written as '{target.name}'",
            expected="a name that ends with .safetensors, .npz or .onnx, or a run's folder, which has no ending",
        )
    model = load_model(source, dtype=dtype, sizes=_known(source, sizes or {}))
    arrays = _parameters(model, parameters)
    if target.suffix == ".onnx":
        return _onnx(model, arrays, target)
    if target.suffix:
        write_parameters(target, arrays)
    else:
        _run(model, arrays, target)
    total = sum(array.size for array in arrays.values())
    return f"{target}: {total:,} numbers in {len(arrays)} parameters, {model.program.dtype}"


def _known(source: str, sizes: Mapping[str, int]) -> Mapping[str, int]:
    """The sizes, each of an extent of the inputs."""
    if not sizes:
        return sizes
    axes = [axis for pattern in declared_inputs(source).values() for axis in pattern.axes]
    named = list(dict.fromkeys(axis for axis in axes if not axis.isdecimal()))
    for name in sizes:
        if name not in named:
            expected = ", ".join(named) or "no size: the inputs' extents are numbers"
            raise CompileError(f"no input has an extent '{name}'", expected=expected)
    return sizes


def _parameters(model: Model, path: Path | None) -> dict[str, Array]:
    if path is not None:
        arrays = fitted(model.program, read_parameters(path), path)
        return _averaged(model, file_of(path)) if model.optimizer.ema and is_checkpoint(file_of(path)) else arrays
    if any(t.role.value == "param" for t in model.program.tensors):
        raise DataError(
            "the parameters are not given",
            expected="a run's folder, or a .npz or .safetensors file",
            remedy=f"--params runs/{model.name}",
        )
    return {}


def _averaged(model: Model, path: Path) -> dict[str, Array]:
    """The running mean of a run's parameters, which its module predicts with."""
    module = compile_network(model).module
    try:
        run = module.Run.load(path.parent, path.name)
        return dict(module.unpack(module.averaged(run.params, run.state)))
    except module.InputError as error:
        remedy = "export it with the spec that it was trained by"
        found = str(error).splitlines()[0]
        raise DataError("the run has no mean of its parameters", found=found, where=str(path), remedy=remedy) from None


def write_onnx(path: str | Path, net: Network, parameters: Mapping[str, Array]) -> Exported:
    """Write the outputs of a compiled model with these parameters as an ONNX file, compared before it is written."""
    exported = to_onnx(net.compiled, fitted(net.compiled.model.program, parameters, "the parameters given"))
    write_file(Path(path), exported.data)
    return exported


def _onnx(model: Model, arrays: dict[str, Array], target: Path) -> str:
    exported = write_onnx(target, compile_network(model), arrays)
    if exported.difference is None:
        return f"{target}: {exported.nodes} nodes; not compared, as onnxruntime is not installed"
    return f"{target}: {exported.nodes} nodes; onnxruntime agrees to {exported.difference:.1e}, relative to the largest"


def _run(model: Model, arrays: dict[str, Array], folder: Path) -> None:
    """A run that has not been trained yet, as the model's own module writes it."""
    module = compile_network(model).module
    module.Run(module.pack(arrays), module.init_state(), {}).save(folder)
