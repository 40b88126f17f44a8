"""interchange/torch_layers: the layers of ``torch.nn`` that nablac has, each as an item of a spec's network.

A row of ``LAYERS`` is asked for a layer and the shape of one sample before it, and answers the items that do the same.
PyTorch itself is not imported here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int, ...]


class Unsupported(Exception):
    """A layer, or an option of one, that nablac has not; the text says why."""


@dataclass(frozen=True)
class Item:
    """An item of a network: the layer's name, its options, and its parameters: formal name -> PyTorch's tensor."""

    kind: str
    options: Mapping[str, object] = field(default_factory=dict)
    learned: Mapping[str, Any] = field(default_factory=dict)


Row = Callable[[Any, Shape], tuple[Item, Shape] | None]
"""The item of a layer, and the shape after it; None for a layer that does nothing."""


def _plain(kind: str, **options: str) -> Row:
    """An activation: its options by the name of the layer's attribute."""

    def row(layer: Any, shape: Shape) -> tuple[Item, Shape]:
        return Item(kind, {ours: getattr(layer, theirs) for ours, theirs in options.items()}), shape

    return row


def _over(kind: str) -> Row:
    """An activation over one axis, which must be the last."""

    def row(layer: Any, shape: Shape) -> tuple[Item, Shape]:
        rank = len(shape) + 1
        dim = layer.dim if layer.dim is not None else (0 if rank in (1, 3) else 1)  # what PyTorch takes for None
        if dim % rank != rank - 1:
            raise Unsupported(f"dim={layer.dim} is not the last axis of {rank}")
        return Item(kind), shape

    return row


def _linear(layer: Any, shape: Shape) -> tuple[Item, Shape]:
    learned = {"W": layer.weight} | ({} if layer.bias is None else {"b": layer.bias})
    options = {"units": layer.out_features} | ({} if "b" in learned else {"bias": False})
    return Item("linear", options, learned), (*shape[:-1], layer.out_features)


def _nothing(layer: Any, shape: Shape) -> None:
    return None


def _prelu(layer: Any, shape: Shape) -> tuple[Item, Shape]:
    if layer.num_parameters == 1:
        return Item("prelu", {}, {"alpha": layer.weight[0]}), shape
    if len(shape) != 1:
        raise Unsupported("a slope for each channel, which is not the last axis")
    return Item("prelu", {"each": True}, {"alpha": layer.weight}), shape


def _gelu(layer: Any, shape: Shape) -> tuple[Item, Shape]:
    return Item("gelu", {"approximate": True} if layer.approximate == "tanh" else {}), shape


def _glu(layer: Any, shape: Shape) -> tuple[Item, Shape]:
    if layer.dim % (len(shape) + 1) != len(shape):
        raise Unsupported(f"dim={layer.dim} is not the last axis")
    return Item("glu"), (*shape[:-1], shape[-1] // 2)


def _softplus(layer: Any, shape: Shape) -> tuple[Item, Shape]:
    """PyTorch goes over to x itself above a threshold, where the two differ by rounding."""
    if layer.beta == 1 and layer.threshold >= 20:
        return Item("softplus"), shape
    beta = repr(float(layer.beta))
    formula = f"where({beta}*x > {float(layer.threshold)!r}, x, log(1 + exp({beta}*x))/{beta})"
    return Item("activation", {"formula": formula}), shape


def _layer_norm(layer: Any, shape: Shape) -> tuple[Item, Shape]:
    if len(layer.normalized_shape) != 1:
        raise Unsupported(f"normalized_shape={tuple(layer.normalized_shape)} is more than the last axis")
    if (layer.weight is None) != (layer.bias is None):
        raise Unsupported("bias=False with elementwise_affine=True")
    if layer.weight is None:
        return Item("layer_norm", {"eps": layer.eps, "affine": False}), shape
    return Item("layer_norm", {"eps": layer.eps}, {"gain": layer.weight, "b": layer.bias}), shape


def _batch_norm(layer: Any, shape: Shape) -> tuple[Item, Shape]:
    if len(shape) != 1:
        raise Unsupported("statistics of channels, which are not the last axis")
    if layer.running_mean is None or layer.momentum is None:
        raise Unsupported("momentum=None" if layer.momentum is None else "track_running_stats=False")
    learned = {} if layer.weight is None else {"gain": layer.weight, "b": layer.bias}
    statistics = {"running_mean": layer.running_mean, "running_variance": layer.running_var}
    options = {"eps": layer.eps, "momentum": layer.momentum, "affine": layer.weight is not None}
    return Item("batch_norm", options, learned | statistics), shape


def _flatten(layer: Any, shape: Shape) -> tuple[Item, Shape] | None:
    """All axes of a sample as one; a sample of one axis stays as it is."""
    rank = len(shape) + 1
    if layer.start_dim % rank != 1 % rank or layer.end_dim % rank != rank - 1:
        raise Unsupported(f"start_dim={layer.start_dim}, end_dim={layer.end_dim}: only all axes of a sample become one")
    if len(shape) > 3:
        raise Unsupported(f"a sample of {len(shape)} axes: give it as one, --input {math.prod(shape)}")
    return (Item("flatten"), (math.prod(shape),)) if len(shape) > 1 else None


LAYERS: dict[str, Row] = {
    "Linear": _linear,
    "Flatten": _flatten,
    "Identity": _nothing,
    "Dropout": _plain("dropout", rate="p"),
    "BatchNorm1d": _batch_norm,
    "LayerNorm": _layer_norm,
    "ReLU": _plain("relu"),
    "LeakyReLU": _plain("leaky_relu", alpha="negative_slope"),
    "PReLU": _prelu,
    "ELU": _plain("elu", alpha="alpha"),
    "CELU": _plain("celu", alpha="alpha"),
    "SELU": _plain("selu"),
    "ReLU6": _plain("relu6"),
    "Hardtanh": _plain("hardtanh", low="min_val", high="max_val"),
    "Hardsigmoid": _plain("hardsigmoid"),
    "Hardswish": _plain("hardswish"),
    "Hardshrink": _plain("hardshrink", bound="lambd"),
    "Softshrink": _plain("softshrink", bound="lambd"),
    "Threshold": _plain("threshold", at="threshold", value="value"),
    "Sigmoid": _plain("sigmoid"),
    "LogSigmoid": _plain("logsigmoid"),
    "Tanh": _plain("tanh"),
    "Tanhshrink": _plain("tanhshrink"),
    "Softplus": _softplus,
    "Softsign": _plain("softsign"),
    "SiLU": _plain("silu"),
    "Mish": _plain("mish"),
    "GELU": _gelu,
    "GLU": _glu,
    "Softmax": _over("softmax"),
    "LogSoftmax": _over("log_softmax"),
    "Softmin": _over("softmin"),
}
"""Every layer by the name of its class in ``torch.nn``."""

UNFIT: dict[str, str] = {
    "Bilinear": "it reads two tensors, and a chain gives it one",
    "RReLU": "its slope is random while it trains",
    "AlphaDropout": "nablac has Dropout alone",
    "BatchNorm2d": "nablac has BatchNorm1d alone",
}
"""Layers of which more can be said than that they are not there."""


def first_features(layer: Any) -> int | None:
    """How many features a layer says that it reads; None where it takes any number."""
    for attribute in ("in_features", "num_features"):
        if isinstance(getattr(layer, attribute, None), int):
            return int(getattr(layer, attribute))
    normalised = getattr(layer, "normalized_shape", ())
    return int(normalised[-1]) if normalised else None
