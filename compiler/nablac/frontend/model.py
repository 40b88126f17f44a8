"""frontend/model: what every front-end returns and every later stage starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

from sympy import Expr, Rational

from nablac.errors import TraceError
from nablac.frontend.definition import Option
from nablac.frontend.places import user_place
from nablac.ir.equation import Program
from nablac.ir.mode import in_training
from nablac.ir.tensor import Role
from nablac.ir.text import print_expression, print_program


@dataclass(frozen=True)
class Optimizer:
    """An update rule over ONE flat vector of extent P: ``theta``, its gradient ``g``, state vectors that start at 0.

    ``updates`` pairs what is kept between steps with the tensor that replaces it.  ``schedule`` gives the learning rate
    of an epoch (counted from 0) from ``lr0``; the program reads it as ``lr``, and the step, counted from 1, as ``t``.
    With ``ema`` the last state vector is a running mean of theta that forgets so slowly.  With ``search`` what the
    program reads as ``lr`` is found by a line search in the trainer, which starts with ``lr``.  With ``maximize`` the
    loss is made large.
    """

    name: str
    program: Program
    updates: tuple[tuple[str, str], ...]
    lr: Rational
    schedule: Expr
    ema: Rational | None = None
    search: bool = False
    maximize: bool = False

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
        Option("patience", int, 0, low=0, high=10**9, help="epochs without a smaller loss that end training; 0: none"),
        Option("checkpoint_every", int, 0, low=0, high=10**9, help="epochs between checkpoints that are kept; 0: none"),
        Option("accumulate", int, 1, low=1, high=2**31 - 1, help="pieces in which a batch's gradient is computed"),
    )
}
"""The trainer's numbers, for every front-end."""


@dataclass(frozen=True)
class Training:
    """Defaults of the trainer; each can be given anew where training starts."""

    epochs: int = 10
    batch_size: int = 32
    seed: int = 0
    patience: int = 0
    checkpoint_every: int = 0
    accumulate: int = 1

    def __post_init__(self) -> None:
        for name, option in TRAINING.items():
            object.__setattr__(self, name, option.check(getattr(self, name), "training", user_place()))


@dataclass(frozen=True)
class Module:
    """The parts of the generated module that can be left out; one that does not fit the model is left out anyway."""

    estimator: bool = True  # a Classifier or Regressor for scikit-learn
    mpi: bool = True  # training by many processes
    maps: bool = True  # arrays in files that are larger than memory
    tables: bool = True  # .csv files
    runs: bool = True  # early stopping, kept checkpoints, record.json, and folders that are numbered


@dataclass(frozen=True)
class Images:
    """How images in folders are read: their height and width, and ``gray`` or ``rgb``; of the input's shape if None."""

    size: Sequence[int] | None = None
    mode: str | None = None


@dataclass(frozen=True)
class Data:
    """Where ``nablac train`` finds its samples; reading them is the trainer's business.

    A source maps inputs to files, or is one file that holds all inputs (``.npz``, ``.csv``), kept under the key ``""``.
    ``validation`` may also be the fraction of the training samples that is held out.  Paths are relative to ``folder``.
    ``target`` is the column of a table that is the last input; the other columns are the first, unless ``columns``
    says which an input takes.  ``one_hot`` and ``index`` list the categories of columns of texts, ``missing`` what
    stands for a missing value.  ``found`` are the files in which some of this was found.
    """

    train: Mapping[str, str] = field(default_factory=dict)
    validation: Mapping[str, str] | float | None = None
    target: str | None = None
    prepare: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # input: (a, b) for a*x + b
    folder: str = "."
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    one_hot: Mapping[str, Sequence[str]] = field(default_factory=dict)
    index: Mapping[str, Sequence[str]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    images: Images | None = None
    found: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("train", "validation"):
            source = getattr(self, name)
            if isinstance(source, str):
                object.__setattr__(self, name, {"": source})
        for name in ("columns", "one_hot", "index", "missing"):
            table = getattr(self, name)
            if not isinstance(table, Mapping):
                raise TraceError(
                    f"Data's {name} cannot be {table!r:.60}",
                    expected='a dict, such as {"port": ["C", "Q", "S"]}' if name in ("one_hot", "index") else "a dict",
                    where=user_place(),
                )
            if name != "missing":
                listed = {key: (value,) if isinstance(value, str) else (*value,) for key, value in table.items()}
                object.__setattr__(self, name, listed)

    @property
    def source(self) -> str:
        """What of it decides the generated module."""
        tables = (self.columns, self.one_hot, self.index, self.missing)
        said = [repr(dict(table)) for table in tables]
        more = (f"; tables {said}" if any(tables) else "") + (f"; {self.images}" if self.images else "")
        return f"target {self.target}; prepare {dict(self.prepare)}{more}"


@dataclass(frozen=True)
class Model:
    """A program with its roles: the loss, what is predicted, what is measured, and how it is trained.

    ``metrics`` pairs the name that is shown with the tensor.  ``statistics`` pairs frozen parameters with the tensors
    that replace them after each step, ``fitted`` with those whose means over the training rows they become before it.
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
    module: Module = field(default_factory=Module)
    statistics: tuple[tuple[str, str], ...] = ()
    fitted: tuple[tuple[str, str], ...] = ()

    @property
    def trained(self) -> tuple[str, ...]:
        """The parameters that gradients change; they come first in the flat array."""
        return tuple(t.name for t in self.program.having(Role.PARAM) if not t.frozen)

    @cached_property
    def in_training(self) -> Program:
        """What the model computes while it is trained."""
        return in_training(self.program)

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
            f"lr {rule.lr}; schedule {print_expression(rule.schedule)}; ema {rule.ema}; search {rule.search}",
            f"training {asdict(self.training)}",
            self.data.source if self.data else "no data",
            f"title {self.title}",
            f"module {asdict(self.module)}",
            *(f"after a step {name} <- {target}" for name, target in self.statistics),
            *(f"before the first step {name} <- {target}" for name, target in self.fitted),
        ]
        return "\n".join(lines) + "\n"

    @property
    def digest(self) -> str:
        """The key of the generated module."""
        return hashlib.sha256(self.source.encode()).hexdigest()
