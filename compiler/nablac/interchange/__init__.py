"""interchange: parameters in other tools' files, models of PyTorch's read, forward passes written as ONNX."""

from __future__ import annotations

from nablac.interchange.export import write_onnx
from nablac.interchange.parameters import read_parameters, write_parameters
from nablac.interchange.torch_import import from_torch

__all__ = ["from_torch", "read_parameters", "write_onnx", "write_parameters"]
