"""frontend/model: what every front-end returns and every later stage starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

from sympy import Expr, Rational

from nablac.frontend.definition import Option
from nablac.frontend.places import user_place
from nablac.ir.equation import Program
from nablac.ir.text import print_expression, print_program


@dataclass(frozen=True)
class Optimizer:
    """An update rule over ONE flat vector of extent P: ``theta``, its gradient ``g``, state vectors that start at 0.

    ``updates`` pairs what is kept between steps with the tensor that replaces it.  ``schedule`` gives the learning rate
    of an epoch (counted from 0) from ``lr0``; the program reads it as ``lr``, and the step, counted from 1, as ``t``.
    """

    name: str
    program: Program
    updates: tuple[tuple[str, str], ...]
    lr: Rational
    schedule: Expr

    @property
    def state(self) -> tuple[str, ...]:
        """The state vectors, in the order in which they lie in memory."""
        return tuple(kept for kept, _ in self.updates if kept != "theta")


TRAINING: dict[str, Option] = {
    option.name: option
    for option in (
        Option("epochs", int, 10, low=1, high=10**9, help="passes over the training samples"),
        Option("batch_size", int, 32, low=1, high=2**31 - 1, help="samples a step"),
        Option("seed", int, 0, low=0, high=2**63 - 1, help="decides the first parameters and the order of the samples"),
    )
}
"""The trainer's numbers, for every front-end."""


@dataclass(frozen=True)
class Training:
    """Defaults of the trainer; each can be given anew where training starts."""

    epochs: int = 10
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        for name, option in TRAINING.items():
            object.__setattr__(self, name, option.check(getattr(self, name), "training", user_place()))


@dataclass(frozen=True)
class Data:
    """Where ``nablac train`` finds its samples; reading them is the trainer's business.

    A source maps inputs to files, or is one file that holds all inputs (``.npz``, ``.csv``), kept under the key ``""``.
    ``validation`` may also be the fraction of the training samples that is held out.  Paths are relative to ``folder``.
    ``target`` is the column of a ``.csv`` file that is the second input; the other columns are the first.
    """

    train: Mapping[str, str] = field(default_factory=dict)
    validation: Mapping[str, str] | float | None = None
    target: str | None = None
    prepare: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # input: (a, b) for a*x + b
    folder: str = "."

    def __post_init__(self) -> None:
        for name in ("train", "validation"):
            source = getattr(self, name)
            if isinstance(source, str):
                object.__setattr__(self, name, {"": source})


@dataclass(frozen=True)
class Model:
    """A program with its roles: the loss, what is predicted, what is measured, and how it is trained.

    ``metrics`` pairs the name that is shown with the tensor.
    """

    name: str
    program: Program
    loss: str
    outputs: tuple[str, ...]
    metrics: tuple[tuple[str, str], ...]
    optimizer: Optimizer
    training: Training = field(default_factory=Training)
    data: Data | None = None
    title: str = ""

    @cached_property
    def source(self) -> str:
        """The canonical text of all that decides the generated module: equal models have equal sources."""
        rule = self.optimizer
        lines = [
            print_program(self.program),
            f"loss {self.loss}; outputs {', '.join(self.outputs)}",
            *(f"metric {shown} = {tensor}" for shown, tensor in self.metrics),
            print_program(rule.program),
            *(f"update {kept} <- {new}" for kept, new in rule.updates),
            f"lr {rule.lr}; schedule {print_expression(rule.schedule)}",
            f"training {asdict(self.training)}",
            f"target {self.data.target}; prepare {dict(self.data.prepare)}" if self.data else "no data",
            f"title {self.title}",
        ]
        return "\n".join(lines) + "\n"

    @property
    def digest(self) -> str:
        """The key of the generated module."""
        return hashlib.sha256(self.source.encode()).hexdigest()
