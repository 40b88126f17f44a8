"""bench/cases: the workloads, each as a spec for nablac and as the same network in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Case:
    """A training step: its spec, its batch, its learning rate, its data, and PyTorch's network, loss and optimizer."""

    name: str
    spec: Path
    batch: int
    lr: float
    steps: int
    data: Callable[[], tuple[NDArray[np.float32], NDArray[np.generic]]]
    network: Callable[[], nn.Sequential]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    optimizer: Callable[[nn.Module, float], torch.optim.Optimizer]
    limit: float


def layers(widths: tuple[int, ...], activation: type[nn.Module], after_last: bool) -> nn.Sequential:
    """Linear layers with an activation between them, and after the last one if asked."""
    parts: list[nn.Module] = []
    for inner, outer in zip(widths, widths[1:], strict=False):
        parts += [nn.Linear(inner, outer), activation()]
    return nn.Sequential(*(parts if after_last else parts[:-1]))


def take_weights(network: nn.Sequential, weights: Arrays) -> None:
    """Gives PyTorch's linear layers the weights of a module's ``linear_1``, ``linear_2``, ..."""
    linear = [part for part in network if isinstance(part, nn.Linear)]
    with torch.no_grad():
        for number, part in enumerate(linear, 1):
            part.weight.copy_(torch.tensor(weights[f"linear_{number}.W"]))
            part.bias.copy_(torch.tensor(weights[f"linear_{number}.b"]))


def images() -> tuple[NDArray[np.float32], NDArray[np.generic]]:
    """The bundled digits as 784 pixels of -1 ... 1, as the MNIST examples read them."""
    import sys

    sys.path.insert(0, str(ROOT / "examples" / "data"))
    from make_idx import SMALL, enlarge

    with np.load(ROOT / "examples" / "data" / "digits_train.npz") as part:
        pixels = part["x"].astype(np.int64).reshape(-1, SMALL, SMALL)
        labels = part["y"].astype(np.int64)
    x = (enlarge(pixels).reshape(len(labels), -1).astype(np.float32) / 255 - 0.5) / 0.5
    return x.astype(np.float32), labels


def plane() -> tuple[NDArray[np.float32], NDArray[np.generic]]:
    """A smooth function of the plane, sampled at 1,024 points."""
    x = np.random.default_rng(0).uniform(-2, 2, (1024, 2)).astype(np.float32)
    y = (np.sin(2 * x[:, :1]) * np.cos(x[:, 1:])).astype(np.float32)
    return x, y


CASES = (
    Case(
        "mnist_mlp, batch 64",
        ROOT / "examples" / "mnist_mlp.yaml",
        64,
        0.1,
        200,
        images,
        lambda: layers((784, 256, 128, 64, 20, 10), nn.ReLU, after_last=False),
        nn.functional.cross_entropy,
        lambda net, lr: torch.optim.SGD(net.parameters(), lr=lr),
        0.7,
    ),
    Case(
        "dnn_sigmoid, batch 5",
        ROOT / "examples" / "dnn_sigmoid.yaml",
        5,
        0.01,
        400,
        images,
        lambda: layers((784, 500, 10), nn.Sigmoid, after_last=True),
        nn.functional.cross_entropy,
        lambda net, lr: torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9),
        0.5,
    ),
    Case(
        "2-16-16-1 tanh, Adam, batch 32",
        ROOT / "bench" / "specs" / "small_tanh.yaml",
        32,
        0.001,
        2000,
        plane,
        lambda: layers((2, 16, 16, 1), nn.Tanh, after_last=False),
        nn.functional.mse_loss,
        lambda net, lr: torch.optim.Adam(net.parameters(), lr=lr),
        0.1,
    ),
)
