"""interchange/torch_files: ``mymodel.py:mlp`` -> PyTorch's model, with the weights of a file put into it.

The Python file is the user's own program, and is run as one.  A file of weights is data: of pickles only what
``torch.load(weights_only=True)`` reads, which runs nothing.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nablac.errors import DataError, NablacError, NameError_, Place, TraceError
from nablac.extras import extra
from nablac.frontend.load import import_python
from nablac.frontend.places import last_place

PICKLES = (".pt", ".pth", ".bin", ".ckpt")
WEIGHTS = (*PICKLES, ".safetensors")
SAFE = "2.6"
"""The first version of PyTorch whose ``weights_only`` holds what it says."""

INSIDE = ("state_dict", "model_state_dict", "model")
"""Under which key trainers' own checkpoints keep the weights."""


def load_torch(reference: str, weights: str | Path | None = None) -> tuple[str, Any]:
    """The name and the model that ``FILE.py:NAME`` gives; NAME is the model, or a function that makes it."""
    with extra("torch", "a model of PyTorch's"):
        import torch
    path, _, name = reference.rpartition(":") if ".py:" in reference else (reference, "", "")
    if not path.endswith(".py"):
        raise NameError_(
            "the layers of a model stand in Python",
            found=reference[:100],
            expected="FILE.py:NAME, an nn.Sequential or a function that makes one",
            remedy="a file of weights goes with it: --weights FILE" if path.endswith(WEIGHTS) else None,
        )
    module = import_python(Path(path))
    named = {k: v for k, v in vars(module).items() if isinstance(v, torch.nn.Module)}
    if not name and len(named) == 1:
        name = next(iter(named))
    if not name or not hasattr(module, name):
        raise NameError_(
            f"'{path}' has no '{name}'" if name else f"'{path}' may have several models",
            expected=f"{path}:NAME",
            found=", ".join(named) or None,
            where=Place(path),
        )
    model = getattr(module, name)
    if not isinstance(model, torch.nn.Module):
        model = _made(model, name, path)
    if weights is not None:
        _fill(model, Path(weights))
    return name, model


def _made(function: Any, name: str, path: str) -> Any:
    """What the user's function makes; what it raises is told with its place."""
    if not callable(function) or inspect.isclass(function) and not _is_module_class(function):
        raise TraceError(f"'{name}' is no model of PyTorch's", found=f"{function!r:.60}", where=Place(path))
    try:
        return function()
    except NablacError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() too
        raise TraceError(
            f"'{name}' raised {type(error).__name__}",
            found=str(error)[:200] or None,
            where=last_place(error) or Place(path),
            remedy="a function without arguments makes the model" if isinstance(error, TypeError) else None,
        ) from error


def _is_module_class(value: Any) -> bool:
    import torch

    return issubclass(value, torch.nn.Module)


def _fill(model: Any, path: Path) -> None:
    """Put the weights of a file into a model; every name once, in its shape."""
    weights = _read(path)
    try:
        model.load_state_dict(dict(weights), strict=True)
    except (RuntimeError, TypeError) as error:
        found = " ".join(str(error).split())
        expected = ", ".join(model.state_dict()) or "none"
        raise DataError(
            "these are not the weights of the model", found=found[:300], expected=expected[:300], where=str(path)
        ) from None


def _read(path: Path) -> Mapping[str, Any]:
    """The tensors of a state dict by name."""
    import torch

    try:
        if path.suffix == ".safetensors":
            with extra("safetensors", "a .safetensors file"):
                from safetensors import SafetensorError
                from safetensors.torch import load
            try:
                return load(path.read_bytes())
            except SafetensorError as error:
                raise ValueError(str(error)) from None
        if path.suffix not in PICKLES:
            raise DataError(
                f"weights are not kept in a file such as '{path.name}'",
                expected="a state dict: " + ", ".join(WEIGHTS),
            )
        if torch.torch_version.TorchVersion(torch.__version__) < SAFE:
            raise DataError(
                "this PyTorch does not read pickles safely",
                found=str(torch.__version__),
                expected=f"{SAFE} or newer: before, weights_only could be gone past (CVE-2025-32434)",
                remedy="save the weights as .safetensors, or install a newer one",
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of it then refuses
            found = torch.load(path, weights_only=True, map_location="cpu")
    except NablacError:
        raise
    except OSError as error:
        raise DataError("the weights cannot be read", found=error.strerror or str(error), where=str(path)) from None
    except Exception as error:  # an unpickler of PyTorch's raises whatever a broken file leads it to
        raise _unreadable(path, error) from None
    for key in INSIDE:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise DataError(
            "this is no state dict", found=type(found).__name__, expected="tensors by name", where=str(path)
        )
    return found


def _unreadable(path: Path, error: Exception) -> DataError:
    found = " ".join(str(error).split())[:200] or type(error).__name__
    if type(error).__name__ == "UnpicklingError":  # its text tells how to run what is in the file
        found = "no pickle of tensors alone"
    return DataError(
        "the weights cannot be read",
        found=found,
        expected="a state dict",
        where=str(path),
        remedy="save it as torch.save(model.state_dict(), path), or as .safetensors",
    )
